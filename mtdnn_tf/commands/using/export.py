"""Exports a run as a SavedModel for TF Serving, as ONNX, for LiteRT, or as a release."""

from __future__ import annotations

from absl import flags, logging

from mtdnn_tf.commands.program import Command
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.development import development_splits
from mtdnn_tf.flags.numbers import define_float
from mtdnn_tf.flags.paths import define_path
from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.options import parse_list
from mtdnn_tf.release.front_matter import UNKNOWN_LICENSE
from mtdnn_tf.release.write import check_release_folder, write_release
from mtdnn_tf.serving.export import (
    FORMATS,
    LITERT,
    NO_BUDGET,
    ONNX,
    SAVED_MODEL,
    WARMUP_BATCH_SIZES,
    Int8Budget,
    check_formats,
    computes_in_int8,
    export_model,
    export_version,
)
from mtdnn_tf.serving.reduced_weights import FLOAT32, INT8, WEIGHTS
from mtdnn_tf.serving.server_files import MODEL_NAME

_RUN = define_path("run", "Folder of a trained run.")
_EXPORT_DIR = define_path("export_dir", "Folder of the served model, with one subfolder per version.")
_VERSION = flags.DEFINE_integer("version", None, "Version number; default: the highest existing version plus 1.")
_TASKS = flags.DEFINE_list("tasks", [], "Comma-separated tasks to export; default: all tasks of the run.")
_BATCH_SIZES = flags.DEFINE_list(
    "warmup_batch_sizes",
    [str(size) for size in WARMUP_BATCH_SIZES],
    "Comma-separated batch sizes of warm-up requests; the last is the largest batch in batching.config. None if empty.",
)
_MODEL_NAME = flags.DEFINE_string("model_name", MODEL_NAME, "Name of the model in TF Serving.")
_WEIGHTS = flags.DEFINE_enum(
    "weights", FLOAT32, list(WEIGHTS), "Storage format of the encoder's large matrices; computation is in float32."
)
_FORMATS = flags.DEFINE_list(
    "format", [SAVED_MODEL], f"Comma-separated formats of the version in --export_dir: {', '.join(FORMATS)}."
)
_MAX_LOSS = define_float(
    "max_accuracy_loss",
    0.5,
    "Loss of the average of development rows, in points, that --weights=int8 may cost where onnx and litert compute in "
    "it.",
    0.0,
    100.0,
)

_RELEASE = define_path("release", "Folder to write a release to; must not exist.")
_RELEASE_METRICS = define_path(
    "release_metrics", "report.json or results.json of the recipe that trained the run, for metrics over its seeds."
)

_LICENSE = flags.DEFINE_string(
    "release_license", UNKNOWN_LICENSE, "Licence of the released model as model hubs name it, such as apache-2.0."
)
_DATASETS = flags.DEFINE_list(
    "release_datasets",
    [],
    "Comma-separated training data as model hubs name them, such as nyu-mll/glue.",
)


def main() -> None:
    if not _EXPORT_DIR.value and not _RELEASE.value:
        raise UserError("--export_dir or --release must be given")
    for flag in (_RELEASE_METRICS, _LICENSE, _DATASETS):
        if flag.present and not _RELEASE.value:
            raise UserError(f"--{flag.name} needs --release")
    if _MAX_LOSS.present and not computes_in_int8(_FORMATS.value, _WEIGHTS.value):
        raise UserError(f"--max_accuracy_loss needs --weights={INT8} and --format={ONNX} or {LITERT}")
    options = {
        "batch_sizes": parse_list("warmup_batch_sizes", _BATCH_SIZES.value, "int"),
        "model_name": _MODEL_NAME.value,
        "weights": _WEIGHTS.value,
    }
    if _RELEASE.value:
        # Checked before the version is written.
        check_release_folder(_RELEASE.value)
    if _EXPORT_DIR.value:
        check_formats(_FORMATS.value, _WEIGHTS.value)
        folder = export_version(_EXPORT_DIR.value, _VERSION.value)
        loaded, budget = load_model(_RUN.value), NO_BUDGET
        if computes_in_int8(_FORMATS.value, _WEIGHTS.value):
            budget = Int8Budget(development_splits(_RUN.value, loaded, _TASKS.value), _MAX_LOSS.value)
        export_model(loaded, folder, _TASKS.value, **options, formats=_FORMATS.value, int8_budget=budget)
        logging.info("%s: %s of %s weights written", folder, ", ".join(_FORMATS.value), _WEIGHTS.value)
    if _RELEASE.value:
        about = {"license": _LICENSE.value, "datasets": _DATASETS.value}
        verified = write_release(_RUN.value, _RELEASE.value, _RELEASE_METRICS.value, _TASKS.value, **about, **options)
        logging.info("%s: release of %d files written and verified", _RELEASE.value, verified.files)


COMMAND = Command(main, required=("run",))
