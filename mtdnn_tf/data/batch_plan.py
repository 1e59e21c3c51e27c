"""Which rows make up the batch of a training step: a pure function of the seed and the step's number.

An epoch is the paper's (Algorithm 1): every task's rows are cut into batches of that task alone, and the
union of all tasks' batches is shuffled, so that tasks are visited in proportion to their sizes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mtdnn_tf.data.permutation import seeded_permutation
from mtdnn_tf.errors import UserError

# Batches are cut from rows sorted by length within chunks of this many batches: enough for little padding,
# and few enough that a row meets other rows in every epoch.
BATCHES_PER_CHUNK = 50


class TaskRows(NamedTuple):
    """The rows of one task that are trained on.

    Attributes:
        name: The task's name; its shuffles depend on it, not on its place among the tasks.
        lengths: Tokens of each row, int [rows].
    """

    name: str
    lengths: np.ndarray


class PlannedBatch(NamedTuple):
    """The rows of one training step.

    Attributes:
        task_index: Place of the batch's task among the plan's tasks.
        rows: Places of the rows in the task's `lengths`, int64 [batch size, or fewer].
    """

    task_index: int
    rows: np.ndarray


class BatchPlan:
    """Plans the batch of every training step, without end; any step is reached as fast as any other.

    Each epoch holds every row once, in batches of one task, of rows of similar length, with at most one
    partial batch a task. Epochs differ in which rows meet in a batch and in the order of the batches. Adding
    a task changes no other task's batches or their order.

    Attributes:
        steps_per_epoch: Number of batches that hold every row once.
    """

    def __init__(self, task_rows: Sequence[TaskRows], batch_size: int, seed: int) -> None:
        """Prepares the plan.

        Args:
            task_rows: The tasks, of different names, each of one or more rows.
            batch_size: Rows of a batch.
            seed: Chooses the shuffles, 0 or more.

        Raises:
            UserError: There is no task, a task without rows, one task twice, or a number out of range.
        """
        names = [task.name for task in task_rows]
        if not names:
            raise UserError("a batch plan takes one or more tasks, none given")
        if len(set(names)) < len(names):
            raise UserError(f"a batch plan takes tasks of different names, {', '.join(names)} given")
        for task in task_rows:
            if not len(task.lengths):
                raise UserError(f"task {task.name} has no rows to train on")
        if batch_size < 1:
            raise UserError(f"the batch size is 1 or more, {batch_size} given")
        if seed < 0:
            raise UserError(f"the seed is 0 or more, {seed} given")
        self._tasks = tuple(task_rows)
        self._batch_size = batch_size
        self._seed = seed
        self._batch_counts = [-(-len(task.lengths) // batch_size) for task in task_rows]
        self.steps_per_epoch = sum(self._batch_counts)
        # Two epochs, as a reader that runs ahead of the training crosses their border again and again.
        self._epoch = functools.lru_cache(maxsize=2)(self._plan_epoch)

    def step(self, n: int) -> PlannedBatch:
        """Returns the batch of step `n`, counted from 0."""
        if n < 0:
            raise ValueError(f"steps are counted from 0, {n} given")
        epoch, place = divmod(n, self.steps_per_epoch)
        return self._epoch(epoch)[place]

    def batches(self, start: int, stop: int) -> Iterator[PlannedBatch]:
        """Yields the batches of the steps from `start` to before `stop`."""
        for n in range(start, stop):
            yield self.step(n)

    def padding_ratio(self, epochs: int = 1) -> float:
        """Returns tokens with padding per token without, over the first epochs.

        Args:
            epochs: Number of epochs, 1 or more.

        Returns:
            1 or more; each batch is padded to its longest row.
        """
        padded = real = 0
        for batch in self.batches(0, epochs * self.steps_per_epoch):
            lengths = self._tasks[batch.task_index].lengths[batch.rows]
            padded += int(lengths.max()) * len(lengths)
            real += int(lengths.sum(dtype=np.int64))
        return padded / real

    def _plan_epoch(self, epoch: int) -> list[PlannedBatch]:
        """Returns the batches of an epoch: tasks in shuffled order, each task's batches in its own order."""
        task_of_batch = np.repeat(np.arange(len(self._tasks)), self._batch_counts)
        order = task_of_batch[seeded_permutation(len(task_of_batch), "order", self._seed, epoch)]
        waiting = [iter(self._cut_batches(task, epoch)) for task in self._tasks]
        return [PlannedBatch(int(index), next(waiting[index])) for index in order]

    def _cut_batches(self, task: TaskRows, epoch: int) -> list[np.ndarray]:
        """Returns the batches of a task in an epoch, in the order they are trained on."""
        key = (task.name, self._seed, epoch)
        shuffled = seeded_permutation(len(task.lengths), "rows", *key)
        starts = np.arange(0, len(shuffled), self._batch_size)
        # Chunks of nearly equal size: a short last one would be badly padded.
        chunks = np.array_split(starts, -(-len(starts) // BATCHES_PER_CHUNK))
        batches: list[np.ndarray] = []
        for rows in np.split(shuffled, [chunk[0] for chunk in chunks[1:]]):
            by_length = rows[np.argsort(task.lengths[rows], kind="stable")]
            batches += np.split(by_length, range(self._batch_size, len(by_length), self._batch_size))
        return [batches[place] for place in seeded_permutation(len(batches), "batches", *key)]
