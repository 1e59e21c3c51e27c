"""Training batches in few shapes: buckets of lengths, and rows filled up with rows of weight 0."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.batching.batch_layout import doubled_size, lay_out, pad_length, static_size
from mtdnn_tf.training.inputs.training_inputs import TrainingInputs, generated_dataset

_PREFETCHED = 4


@dataclasses.dataclass(frozen=True)
class StaticBatches:
    """Yields the batches of `TrainingInputs` in few shapes.

    A batch is as long as its bucket (`static_size`). A replica's part has as many rows as a full batch gives it, and
    twice or four times as many where a query has that many candidates; batches by tokens have a bucket's number of
    rows. Steps that are executed together have the shape of the largest of them.
    """

    inputs: TrainingInputs
    batch_size: int | None  # None where batches are cut by tokens.
    max_sequence_length: int
    replicas: int = 1
    micro_batches: int = 1
    steps_per_execution: int = 1

    def executions(self, start: int, stop: int) -> Iterator[range]:
        """Yields the steps of each call, for steps `start` to `stop` - 1 of one epoch."""
        # From multiples of their number on, so that it makes no difference where a training was interrupted.
        count = self.steps_per_execution
        while start < stop:
            taken = count if start % count == 0 and start + count <= stop else 1
            yield range(start, start + taken)
            start += taken

    def parts(self, execution: range) -> list[dict[str, np.ndarray]]:
        """Returns each replica's part of the batches of an execution: features [steps, rows, ...]."""
        batches = [self.inputs.batch(step) for step in execution]
        layouts = [lay_out(batch["query"], self.replicas, self.micro_batches) for batch in batches]
        length = static_size(max(batch["token_ids"].shape[1] for batch in batches), self.max_sequence_length)
        size = max(layout.size for of_step in layouts for layout in of_step)
        if self.batch_size is None:
            size = static_size(size)
        else:
            size = doubled_size(size, -(-self.batch_size // (self.replicas * self.micro_batches)))
        batches = [pad_length(batch, length) for batch in batches]
        parts = []
        for replica in range(self.replicas):
            steps = [of_step[replica].padded(size).arrange(batch) for of_step, batch in zip(layouts, batches)]
            parts.append({name: np.stack([step[name] for step in steps]) for name in steps[0]})
        return parts

    def dataset(self, steps: Callable[[], range]) -> tf.data.Dataset:
        """Returns the parts of the executions of some steps of one epoch, replica after replica.

        Its elements, iterated eagerly, have static shapes. `steps` gives the steps of an iteration when it begins.
        """

        def generate() -> Iterator[dict[str, np.ndarray]]:
            taken = steps()
            for execution in self.executions(taken.start, taken.stop):
                yield from self.parts(execution)

        first = self.parts(range(1))[0]
        # No feature is text, which a TPU does not hold.
        spec = {name: tf.TensorSpec([None] * values.ndim, values.dtype) for name, values in first.items()}
        return generated_dataset(generate, spec, _PREFETCHED * self.replicas)
