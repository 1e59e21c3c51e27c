"""Training without one fold of the data, so that the run can score it (out-of-fold soft targets)."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

from mtdnn_tf.data.folds import Fold
from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.model_folder import MODEL_FOLDER, read_fold, read_tasks
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.inputs.training_inputs import TaskInputs

_log = logging.getLogger("absl")
_PER_ROW = ("rows", "gold", "has_gold", "teacher_logits", "has_teacher", "teacher_weight")


def hold_out(inputs: TaskInputs, fold: Fold | None) -> TaskInputs:
    """Returns what a task trains on without the rows of a fold, which are counted.

    Args:
        inputs: Of the training split alone.
        fold: The fold; None for all rows.

    Raises:
        UserError: No row is left.
    """
    if fold is None:
        return inputs
    encoded = inputs.encoded
    kept = ~fold.contains(encoded.example_ids, encoded.queries)[inputs.rows]
    if not kept.any():
        raise UserError(
            f"task {encoded.task.name}: `folds={fold.folds}` `held_out_fold={fold.held_out}` leaves none of its "
            f"{len(kept)} training rows"
        )
    held_out = int((~kept).sum())
    _log.info(
        "%s %s: fold %d of %d is held out, %d row(s)",
        encoded.task.name,
        encoded.split,
        fold.held_out,
        fold.folds,
        held_out,
    )
    return dataclasses.replace(inputs, held_out=held_out, **{name: getattr(inputs, name)[kept] for name in _PER_ROW})


def check_initial_run(config: TrainingConfig, tasks: Sequence[Task]) -> None:
    """Refuses an encoder that has learned, from the same tasks, the rows that are to be held out.

    Raises:
        UserError: The encoder is that of a run with one of the tasks which held out something else, or nothing.
    """
    start, fold = Path(config.encoder.initial), config.folds.fold
    run = start.parent if start.name == MODEL_FOLDER else start
    if fold is None or not (run / MODEL_FOLDER).is_dir() or read_fold(run) == fold:
        return
    shared = sorted({task.name for task in tasks} & {task.name for task in read_tasks(run)})
    if shared:
        learned = read_fold(run)
        raise UserError(
            f"`{'init_from' if config.encoder.init_from else 'backbone'}` {start}: trained on {', '.join(shared)} "
            f"{f'without fold {learned.held_out} of {learned.folds}' if learned else 'without holding out a fold'}; "
            f"`folds={fold.folds}` `held_out_fold={fold.held_out}` needs an encoder that has not seen that fold: of a "
            "run with the same two options, or of other tasks"
        )
