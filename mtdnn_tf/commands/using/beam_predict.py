"""Writes the predictions of an exported model for data files of any size on Apache Beam."""

from __future__ import annotations

from absl import flags, logging

from mtdnn_tf.beam.options import BeamOptions, BeamPredictionOptions
from mtdnn_tf.commands.program import Command
from mtdnn_tf.errors import UserError
from mtdnn_tf.flags import beam, data
from mtdnn_tf.flags.options import define, given
from mtdnn_tf.flags.paths import define_data_path, define_path
from mtdnn_tf.tasks.task import INPUT, TRAIN

define(BeamOptions)
define(BeamPredictionOptions)
_MODEL = define_path("model", "Folder of an exported model (`mtdnn export --export_dir`), or of a release.")
_SPLIT = flags.DEFINE_string("split", None, "The split to predict.")
_INPUT = define_data_path("input", "File of texts, or folder or pattern of such files, with the columns of one task.")
_OUTPUT_DIR = define_path("output_dir", "Folder of the predictions, with one subfolder per task and split.")


def main() -> None:
    with beam.needed():
        from mtdnn_tf.beam.predicting import BeamPrediction
    settings = beam.file_settings()
    tasks, split = settings.selected_tasks(), _SPLIT.value
    if bool(_INPUT.value) == bool(split):
        raise UserError(f"--split or --input must be given, got {'both' if split else 'none'}")
    if _INPUT.value:
        tasks, split = [data.task_of_input(tasks, _INPUT.value)], INPUT
    folders = BeamPrediction(
        model=_MODEL.value,
        # As mtdnn predict: other splits may hide their gold labels.
        tasks=[task.without_labels({split} - {TRAIN, *task.evaluation_splits}) for task in tasks],
        split=split,
        data_dir=settings.data_dir,
        output_dir=_OUTPUT_DIR.value,
        options=BeamOptions.build(**given(BeamOptions)),
        files=BeamPredictionOptions.build(**given(BeamPredictionOptions)),
    ).predict()
    logging.info("predictions of %s: %s", _MODEL.value, ", ".join(map(str, folders)))


COMMAND = Command(main, required=("model", "output_dir"))
