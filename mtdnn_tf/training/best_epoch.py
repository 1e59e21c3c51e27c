"""The best epoch of a run by development scores: whose weights are kept, and when to stop for lack of a better one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.evaluation.measures.average import average, counts_in_average, task_of_result
from mtdnn_tf.json_files import read_checked_json, write_checked_json

ALL = "all"
CHOICE = "metrics/kept_epoch.json"
_REMEDY = "delete it and run the same command again"


class KeptEpoch(NamedTuple):
    """The epoch that a run kept.

    Attributes:
        epoch: Its number, from 1.
        epochs: Number of epochs that were trained.
        tasks: The tasks whose mean development score chose it.
        score: That mean.
    """

    epoch: int
    epochs: int
    tasks: tuple[str, ...]
    score: float

    def __str__(self) -> str:
        what = f"epoch {self.epoch} of {self.epochs}, the best by the development scores of {', '.join(self.tasks)}"
        return f"{what}: these are higher than on new texts"


class BestEpoch:
    """Finds the best epoch in the files of a run's evaluations.

    Args:
        folder: Folder of the run.
        tasks: Names of tasks, whose mean score decides, or `all`.
        results: Names of the results that the run evaluates.
        patience: Number of epochs without a better score after which the run ends; None for never.

    Raises:
        UserError: A task has no development rows.
    """

    def __init__(self, folder: Path, tasks: Sequence[str], results: Sequence[str], patience: int | None = None) -> None:
        known = list(dict.fromkeys(task_of_result(name) for name in results if counts_in_average(name)))
        if not known:
            raise UserError("`keep_best_by` needs tasks with development rows, got none")
        self.tasks = tuple(known) if tuple(tasks) == (ALL,) else tuple(tasks)
        for name in self.tasks:
            if name not in known:
                raise unknown_name("`keep_best_by`", name, [ALL, *known])
        self._folder = folder
        self._patience = patience

    def until(self, epoch: int) -> KeptEpoch:
        """Returns the best of the epochs 1 to `epoch`, the first of equals."""
        scores = {number: self._score(number) for number in range(1, epoch + 1)}
        best = max(scores, key=lambda number: scores[number])
        return KeptEpoch(best, epoch, self.tasks, scores[best])

    def ends_at(self, kept: KeptEpoch) -> bool:
        """Returns whether the run ends for lack of a better epoch."""
        return self._patience is not None and kept.epochs - kept.epoch >= self._patience

    def _score(self, epoch: int) -> float:
        results = read_checked_json(epoch_metrics(self._folder, epoch), _REMEDY)
        found = average({name: metrics for name, metrics in results.items() if task_of_result(name) in self.tasks})
        assert found is not None, "the tasks have results"
        return found.score


def epoch_metrics(folder: Path, epoch: int) -> Path:
    """Returns the file of a run's development metrics after an epoch."""
    return folder / "metrics" / f"epoch_{epoch:03}.json"


def write_kept_epoch(folder: Path, kept: KeptEpoch) -> None:
    """Writes which epoch a run kept."""
    write_checked_json(folder / CHOICE, {**kept._asdict(), "tasks": list(kept.tasks)})


def read_kept_epoch(folder: Path) -> KeptEpoch | None:
    """Returns which epoch a run kept by its development scores; None if it is that of the last step."""
    if not (folder / CHOICE).is_file():
        return None
    values = read_checked_json(folder / CHOICE, _REMEDY)
    return KeptEpoch(values["epoch"], values["epochs"], tuple(values["tasks"]), values["score"])
