"""Scores training data with an ensemble of teachers and writes their averaged soft targets."""

from __future__ import annotations

from pathlib import Path

from absl import flags, logging

from flags import data, runtime, subset, values
from mtdnn_tf.distillation.ensemble import AVERAGES, PROBABILITIES
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.scoring import score
from mtdnn_tf.tasks.task import TRAIN
from tools import cli

_TEACHERS = flags.DEFINE_list("teachers", None, "Runs of the teachers, by commas.")
_WEIGHTS = flags.DEFINE_list("weights", [], "One weight a teacher, by commas; equal if empty.")
_FIT_WEIGHTS_ON = flags.DEFINE_list(
    "fit_weights_on",
    [],
    "A labelled split, or several of which each task takes the first that it has: on one half of it the weights are "
    "fitted, for each task.",
)
_AVERAGE = flags.DEFINE_enum(
    "average", PROBABILITIES, AVERAGES, "What of the teachers is averaged; of regressions it is scores."
)
_SPLIT = flags.DEFINE_string("split", "train", "The split to score.")
_OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder of the soft targets, one folder a task.")


def main() -> None:
    """Writes the soft targets of the tasks that the flags name."""
    part = subset.train_part()
    if _SPLIT.value != TRAIN and (part.max_examples, part.fraction) != (None, None):
        raise UserError(
            f"--max_train_examples and --train_fraction take a part of the split {TRAIN}; --split={_SPLIT.value} given"
        )
    names = score(
        runs=[Path(run) for run in _TEACHERS.value],
        tasks=data.selected_tasks() if data.TASKS.value or data.TASK_FILE.value else [],
        split=_SPLIT.value,
        source=data.source(),
        cache_dir=Path(data.CACHE_DIR.value),
        output_dir=Path(_OUTPUT_DIR.value),
        weights=values.numbers("weights", _WEIGHTS.value),
        batch_size=runtime.EVALUATION_BATCH_SIZE.value,
        average=_AVERAGE.value,
        fit_weights_on=_FIT_WEIGHTS_ON.value,
        train_part=part,
    )
    logging.info("%s: soft targets of %d teachers for %s", _OUTPUT_DIR.value, len(_TEACHERS.value), ", ".join(names))


if __name__ == "__main__":
    cli.run(main, required=["teachers", "output_dir"])
