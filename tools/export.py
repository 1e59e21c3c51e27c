"""Writes a trained run as a SavedModel that TF Serving answers from."""

from __future__ import annotations

from pathlib import Path

from absl import flags, logging

from flags.values import whole_numbers
from mtdnn_tf.modeling.model_folder import load_model
from mtdnn_tf.serving.export import WARMUP_BATCH_SIZES, export_saved_model, export_version
from mtdnn_tf.serving.server_config import MODEL_NAME
from tools import cli

_RUN = flags.DEFINE_string("run", None, "Folder of a trained run.")
_EXPORT_DIR = flags.DEFINE_string("export_dir", None, "The served model's folder, which holds one folder a version.")
_VERSION = flags.DEFINE_integer("version", None, "Number of the version; one above the highest there if not given.")
_TASKS = flags.DEFINE_list("tasks", [], "Tasks that are answered, by commas; all of the run if empty.")
_BATCH_SIZES = flags.DEFINE_list(
    "warmup_batch_sizes",
    [str(size) for size in WARMUP_BATCH_SIZES],
    "Rows of the warm-up requests, by commas, and the sizes that batching fills batches up to; none if empty.",
)
_MODEL_NAME = flags.DEFINE_string("model_name", MODEL_NAME, "Name under which TF Serving knows the model.")


def main() -> None:
    """Writes the version that the flags describe."""
    sizes = whole_numbers("warmup_batch_sizes", _BATCH_SIZES.value)
    folder = export_version(Path(_EXPORT_DIR.value), _VERSION.value)
    export_saved_model(load_model(Path(_RUN.value)), folder, _TASKS.value, sizes, _MODEL_NAME.value)
    logging.info("%s: SavedModel written", folder)


if __name__ == "__main__":
    cli.run(main, required=["run", "export_dir"])
