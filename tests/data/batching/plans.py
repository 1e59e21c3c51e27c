"""What tests ask of batch plans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mtdnn_tf.data.batching.batch_plan import BatchPlan, PlannedBatch, TaskRows


def planned(plan: BatchPlan, start: int, stop: int) -> Iterator[PlannedBatch]:
    """Yields the batches of the steps from `start` to before `stop`."""
    return (plan.step(n) for n in range(start, stop))


def padding_ratio(plan: BatchPlan, tasks: Sequence[TaskRows], epochs: int = 1) -> float:
    """Returns tokens with padding per token without, over the first epochs of a plan of these tasks."""
    padded = real = 0
    for batch in planned(plan, 0, epochs * plan.steps_per_epoch):
        lengths = tasks[batch.task_index].lengths[batch.rows]
        padded += int(lengths.max()) * len(lengths)
        real += int(lengths.sum())
    return padded / real
