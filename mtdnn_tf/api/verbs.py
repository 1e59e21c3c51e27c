"""What Python users do: train, score, distil and load."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Union

from absl import logging

from mtdnn_tf.api.inputs import Data, Tasks, task_options
from mtdnn_tf.api.model import Model
from mtdnn_tf.data.settings import common_run_data
from mtdnn_tf.data.sources.source import has_split
from mtdnn_tf.distillation.soft_targets import soft_target_folder
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.evaluation.ensembles.scoring import Scoring, is_scored_by
from mtdnn_tf.evaluation.ensembles.scoring import score as run_scoring
from mtdnn_tf.evaluation.run_tasks import tasks_of_run
from mtdnn_tf.tasks.task import TRAIN
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train as run_training

UNLABELLED = "unlabelled"
Teacher = Union[str, Path, Model]


@dataclasses.dataclass(frozen=True)
class SoftTargets:
    """Soft targets that were written.

    Attributes:
        folder: Their folder, which trainings take as `soft_targets`.
        tasks: Names of the scored tasks.
        split: The split that was scored.
    """

    folder: Path
    tasks: tuple[str, ...]
    split: str


def train(tasks: Tasks, data: Data | None = None, *, output_dir: str | Path, **options: Any) -> Model:
    """Trains one model of one or several tasks, or continues its training.

    Args:
        tasks: Declarations such as `Classification`, task files (.yaml), or names of built-in tasks.
        data: The tables of declared tasks, by name, or by name and split (`train`, `validation`, others). A table is a
            mapping of columns, a pandas or polars DataFrame, a Hugging Face Dataset, or a data file.
        output_dir: Folder of the run; the same call continues an interrupted run.
        **options: Options of `tools.train` by name, such as `backbone`, `epochs`, `learning_rate`.

    Returns:
        The trained model.

    Raises:
        UserError: A task, table or option is not accepted.

    Example:
        >>> mtdnn.train(intent, {"intent": frame}, output_dir="runs/intent", backbone="demo")  # doctest: +SKIP
    """
    folder = Path(output_dir).expanduser()
    config = _config(output_dir=folder, **task_options(tasks, data, folder), **options)
    _prepare_cores(config)
    run_training(config)
    return Model(folder)


def score(
    teachers: Sequence[Teacher],
    *,
    output_dir: str | Path,
    split: str = TRAIN,
    tasks: Sequence[str] = (),
    **options: Any,
) -> SoftTargets:
    """Scores a split with an ensemble of teachers and writes their averaged soft targets.

    Args:
        teachers: Trained models or their folders.
        output_dir: Folder of the soft targets.
        split: The split to score.
        tasks: Names of the tasks; all that have the split by default.
        **options: Other fields of `Scoring`: `weights`, `average`, `fit_weights_on`.

    Raises:
        UserError: A teacher does not answer a task, or a table is missing.
    """
    runs = [teacher.folder if isinstance(teacher, Model) else Path(teacher).expanduser() for teacher in teachers]
    if not runs:
        raise UserError("`teachers` must be one or more trained models, got none")
    settings = TrainingConfig.build(output_dir=Path(output_dir).expanduser(), **common_run_data(runs)).data
    known = tasks_of_run(runs[0], tasks, settings.task_file)
    scored = [task for task in known if tasks or has_split(task, split, settings.source)]
    folder = Path(output_dir).expanduser()
    # What an earlier call has written is kept, unless it averages differently.
    left = [task for task in scored if options or not is_scored_by(soft_target_folder(folder, task, split), runs)]
    if left:
        run_scoring(Scoring(runs, left, split, settings.task_data(), folder, **options))
    return SoftTargets(folder, tuple(task.name for task in scored), split)


def distill(
    tasks: Tasks,
    data: Data | None = None,
    *,
    output_dir: str | Path,
    teachers: int | Sequence[Teacher] = 3,
    student: dict[str, Any] | None = None,
    **options: Any,
) -> Model:
    """Distils an ensemble of teachers into one student.

    Teachers learn from the labelled rows. The student learns from the same rows, with gold labels and soft targets, and
    from the split `unlabelled`, if a task has one, with soft targets only. The same call continues where it stopped.

    Args:
        tasks: See `train`.
        data: See `train`.
        output_dir: Folder for `teachers/<i>`, `soft_targets` and `student`.
        teachers: Number of teachers to train, whose seeds are 1, 2, ... above the student's; or trained models.
        student: Options of the student that differ from the teachers', such as `epochs` or `student_layers`.
        **options: Options of `tools.train` for teachers and student.

    Returns:
        The student.

    Raises:
        UserError: A task, table or option is not accepted.

    Example:
        >>> mtdnn.distill(intent, {"intent": frame}, output_dir="runs/intent", backbone="demo")  # doctest: +SKIP
    """
    folder = Path(output_dir).expanduser()
    inputs = task_options(tasks, data, folder)
    base = _config(output_dir=folder / "student", **{**inputs, **options, **(student or {})})
    _prepare_cores(base)
    if isinstance(teachers, int):
        if teachers < 1:
            raise UserError(f"`teachers` must be an integer >= 1 or trained models, got {teachers}")
        configs = [
            _config(
                output_dir=folder / "teachers" / str(number),
                **{**inputs, **options, "seed": base.optimization.seed + number},
            )
            for number in range(1, teachers + 1)
        ]
        for config in configs:
            run_training(config)
        runs: Sequence[Teacher] = [config.output_dir for config in configs]
    else:
        runs = teachers
    selected, source = base.data.selected_tasks(), base.data.source
    transfer = tuple({UNLABELLED for task in selected if has_split(task, UNLABELLED, source)})
    for split in (TRAIN, *transfer):
        score(runs, output_dir=folder / "soft_targets", split=split)
    run_training(base.replace(soft_targets=(folder / "soft_targets",), transfer_splits=transfer))
    return Model(base.output_dir)


def load(run: str | Path) -> Model:
    """Returns a trained model; see `Model`."""
    return Model(run)


def _config(**options: Any) -> TrainingConfig:
    """Returns the configuration of a training; refuses unknown options by name."""
    known = TrainingConfig.declared()
    for name in options:
        if name not in known:
            raise unknown_name("option", name, known)
    paths = {name: _as_declared(value, known[name].value_type, known[name].is_tuple) for name, value in options.items()}
    return TrainingConfig.build(**paths)


def _prepare_cores(config: TrainingConfig) -> None:
    try:
        config.prepare_cores()
    except RuntimeError:
        logging.warning("TensorFlow was used before: training is slower; call mtdnn_tf.train first in a new process")


def _as_declared(value: Any, value_type: str, is_tuple: bool) -> Any:
    """Returns a value with paths as `Path` and lists as tuples, as configurations hold them."""
    if is_tuple and value is not None:
        items = [value] if isinstance(value, (str, Path, int, float)) else value
        return tuple(_as_declared(item, value_type, False) for item in items)
    return Path(value).expanduser() if value_type == "Path" and value is not None else value
