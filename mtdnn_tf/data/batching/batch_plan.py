"""Which rows make up the batch of a training step: a pure function of the seed and the step's number.

An epoch is the paper's (Algorithm 1): every task's rows are cut into batches of that task, and the union of all tasks'
batches is shuffled, so that tasks are visited in proportion to their sizes. With another sampler an epoch has as many
steps, of which each task gets its drawn share; a task's batches are then cut from one pass over its rows after another,
and its next epoch goes on where the last one stopped. `packed_batches` cuts them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mtdnn_tf.data.batching.packed_batches import QueryBatches, RowBatches, TokenBatches
from mtdnn_tf.data.batching.permutation import seeded_permutation
from mtdnn_tf.data.batching.sampling import Sampler, draw_visits
from mtdnn_tf.errors import UserError


class TaskRows(NamedTuple):
    """The rows of one task that are trained on."""

    name: str  # Of the task; its shuffles depend on it, not on its place among the tasks.
    lengths: np.ndarray  # Tokens of each row, int [rows].
    queries: np.ndarray | None = None  # Of a ranking, whose query each row belongs to, int [rows].


class PlannedBatch(NamedTuple):
    """The rows of one training step."""

    task_index: int  # Place of the batch's task among the plan's tasks.
    rows: np.ndarray  # Places of the rows in the task's `lengths`, int64 [batch size, fewer, or more for a query].


class _Epoch(NamedTuple):
    """The steps of one epoch."""

    tasks: np.ndarray  # Which task each step's batch is of, int64 [steps].
    numbers: np.ndarray  # Which of the task's batches it is, counted through all its passes, int64 [steps].


class BatchPlan:
    """Plans the batch of every training step, without end; any step is reached as fast as any other.

    With the proportional sampler each epoch holds every row once, with at most one partial batch per task. Epochs
    differ in which rows meet in a batch and in the order of the batches. Adding a task changes no other task's batches.
    `steps_per_epoch` batches hold every row once.

    Args:
        task_rows: The tasks, of different names, each of one or more rows.
        batch_size: Rows per batch.
        seed: Chooses the shuffles, 0 or more.
        sampler: How often each task is trained on. Defaults to proportional sampling.
        batch_tokens: Maximum number of tokens per batch, padding included, in place of `batch_size`.
    """

    def __init__(
        self,
        task_rows: Sequence[TaskRows],
        batch_size: int,
        seed: int,
        sampler: Sampler | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        if not task_rows:
            raise UserError("a training needs one or more tasks with a head of their own, got none")
        for task in task_rows:
            if not len(task.lengths):
                raise UserError(f"task {task.name} has no rows to train on")
        self._tasks = tuple(task_rows)
        self._seed = seed
        self._batches = [_batches_of(task, batch_size, batch_tokens) for task in task_rows]
        self._batch_counts = np.array([batches.count for batches in self._batches])
        self.steps_per_epoch = int(self._batch_counts.sum())
        self._sampler = sampler or Sampler()
        self._is_plain = self._sampler.is_plain([task.name for task in task_rows])
        # Two of each, as a reader that runs ahead of the training crosses their border again and again.
        self._epoch = functools.lru_cache(maxsize=2)(self._plan_epoch)
        cuts = [functools.partial(batches.cut, task.name, seed) for batches, task in zip(self._batches, task_rows)]
        self._passes = [functools.lru_cache(maxsize=2)(cut) for cut in cuts]

    def step(self, n: int) -> PlannedBatch:
        """Returns the batch of step `n`, counted from 0."""
        if n < 0:
            raise ValueError(f"the step must be >= 0, got {n}")
        epoch, place = divmod(n, self.steps_per_epoch)
        planned = self._epoch(epoch)
        index = int(planned.tasks[place])
        number, batch = divmod(int(planned.numbers[place]), int(self._batch_counts[index]))
        return PlannedBatch(index, self._passes[index](number).batch(batch))

    def _plan_epoch(self, epoch: int) -> _Epoch:
        """Returns an epoch's steps: tasks in shuffled order, each task's batches in its own order."""
        if self._is_plain:
            visits, before = self._batch_counts, epoch * self._batch_counts
        else:
            visits = self._visits(epoch)
            before = sum((self._visits(earlier) for earlier in range(epoch)), np.zeros_like(visits))
        task_of_batch = np.repeat(np.arange(len(self._tasks)), visits)
        order = task_of_batch[seeded_permutation(len(task_of_batch), "order", self._seed, epoch)]
        numbers = np.empty_like(order)
        for index, first in enumerate(before):
            numbers[order == index] = first + np.arange(visits[index])
        return _Epoch(order, numbers)

    def _visits(self, epoch: int) -> np.ndarray:
        """Returns how many steps of an epoch go to each task."""
        names, sizes = [task.name for task in self._tasks], [len(task.lengths) for task in self._tasks]
        shares = self._sampler.shares(names, sizes, epoch)
        return draw_visits(shares, self.steps_per_epoch, self._seed, epoch)


def _batches_of(task: TaskRows, batch_size: int, batch_tokens: int | None) -> RowBatches | QueryBatches | TokenBatches:
    if batch_tokens is not None:
        return TokenBatches(task.lengths, task.queries, batch_tokens)
    if task.queries is not None:
        return QueryBatches(task.queries, task.lengths, batch_size)
    return RowBatches(task.lengths, batch_size)
