"""Scores data files of any size with exported teachers on Apache Beam and writes their averaged soft targets."""

from __future__ import annotations

from absl import flags, logging

from mtdnn_tf.beam.options import BeamOptions
from mtdnn_tf.commands.program import Command
from mtdnn_tf.flags import beam
from mtdnn_tf.flags.ensemble import define_average, define_weights
from mtdnn_tf.flags.options import define, given
from mtdnn_tf.flags.paths import define_path, define_paths
from mtdnn_tf.options import parse_list

define(BeamOptions)
_TEACHERS = define_paths("teachers", "Comma-separated folders of exported teachers (`mtdnn export --export_dir`).")
_WEIGHTS = define_weights("teacher")
_AVERAGE = define_average()
_SPLIT = flags.DEFINE_string("split", "train", "The split to score.")
_OUTPUT_DIR = define_path("output_dir", "Folder of the soft targets, with one subfolder per task.")


def main() -> None:
    with beam.needed():
        from mtdnn_tf.beam.scoring import BeamScoring
    settings = beam.file_settings()
    names = BeamScoring(
        teachers=_TEACHERS.value,
        tasks=settings.selected_tasks(),
        split=_SPLIT.value,
        data_dir=settings.data_dir,
        output_dir=_OUTPUT_DIR.value,
        options=BeamOptions.build(**given(BeamOptions)),
        weights=parse_list("weights", _WEIGHTS.value) or None,
        average=_AVERAGE.value,
    ).score()
    logging.info("%s: soft targets of %d teachers for %s", _OUTPUT_DIR.value, len(_TEACHERS.value), ", ".join(names))


COMMAND = Command(main, required=("teachers", "output_dir"))
