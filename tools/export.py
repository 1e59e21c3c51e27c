"""Writes a trained run as a SavedModel that TF Serving answers from."""

from __future__ import annotations

from pathlib import Path

from absl import flags, logging

from mtdnn_tf.modeling.model_folder import load_model
from mtdnn_tf.serving.export import export_saved_model, export_version
from tools import cli

_RUN = flags.DEFINE_string("run", None, "Folder of a trained run.")
_EXPORT_DIR = flags.DEFINE_string("export_dir", None, "The served model's folder, which holds one folder a version.")
_VERSION = flags.DEFINE_integer("version", None, "Number of the version; one above the highest there if not given.")


def main() -> None:
    """Writes the version that the flags describe."""
    folder = export_version(Path(_EXPORT_DIR.value), _VERSION.value)
    export_saved_model(load_model(Path(_RUN.value)), folder)
    logging.info("%s: SavedModel written", folder)


if __name__ == "__main__":
    cli.run(main, required=["run", "export_dir"])
