"""Training batches in few shapes: buckets of lengths, and rows filled up with rows of weight 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.static_shapes import doubled_size, pad_length, repeat_last_row, static_size
from mtdnn_tf.training.accumulation import arrange_micro_batches
from mtdnn_tf.training.generated import generated_ahead
from mtdnn_tf.training.inputs import TrainingInputs, split_batch

_PREFETCHED = 4


class Execution(NamedTuple):
    """Steps that are made in one call.

    Attributes:
        first: The first of them, counted from 0.
        steps: Their number.
    """

    first: int
    steps: int


class StaticBatches:
    """Yields the batches of `TrainingInputs` in few shapes.

    A batch is as long as its bucket (`static_size`). A replica's part has as many rows as a full batch gives it, and
    twice or four times as many where a query has that many candidates; batches by tokens have a bucket's number of
    rows. Steps that are executed together have the shape of the largest of them.

    Args:
        inputs: The batches.
        batch_size: Examples in a global batch; None where batches are cut by tokens.
        max_sequence_length: Longest row, in word pieces.
        replicas: Number of replicas.
        micro_batches: Parts that a replica's batch is gone through in.
        steps_per_execution: Steps that are made in one call.
    """

    def __init__(
        self,
        inputs: TrainingInputs,
        batch_size: int | None,
        max_sequence_length: int,
        replicas: int = 1,
        micro_batches: int = 1,
        steps_per_execution: int = 1,
    ) -> None:
        self._inputs = inputs
        self._rows = None if batch_size is None else -(-batch_size // (replicas * micro_batches))
        self._max_sequence_length = max_sequence_length
        self._replicas = replicas
        self._micro_batches = micro_batches
        self._steps_per_execution = steps_per_execution

    def executions(self, start: int, stop: int) -> Iterator[Execution]:
        """Yields how steps `start` to `stop` - 1 of one epoch are put together.

        Where a training was interrupted makes no difference: only steps that begin at a multiple of their number are
        executed together, others alone.
        """
        count = self._steps_per_execution
        while start < stop:
            taken = count if start % count == 0 and start + count <= stop else 1
            yield Execution(start, taken)
            start += taken

    def parts(self, execution: Execution) -> list[dict[str, np.ndarray]]:
        """Returns each replica's part of the batches of an execution.

        Returns:
            A replica's features of `TrainingInputs.batch`, each [steps, rows, ...].
        """
        steps = [
            [
                arrange_micro_batches(part, self._micro_batches)
                for part in split_batch(self._inputs.batch(step), self._replicas)
            ]
            for step in range(execution.first, execution.first + execution.steps)
        ]
        every = [part for parts in steps for part in parts]
        length = static_size(max(part["token_ids"].shape[1] for part in every), self._max_sequence_length)
        run = max(len(part["query"]) for part in every) // self._micro_batches
        run = static_size(run) if self._rows is None else doubled_size(run, self._rows)
        padded = [[pad_length(self._pad_rows(part, run), length) for part in parts] for parts in steps]
        return [
            {name: np.stack([parts[replica][name] for parts in padded]) for name in padded[0][replica]}
            for replica in range(self._replicas)
        ]

    def _pad_rows(self, part: dict[str, np.ndarray], run: int) -> dict[str, np.ndarray]:
        """Fills each micro-batch up to `run` rows with rows of weight 0."""
        real = len(part["query"]) // self._micro_batches
        if real == run:
            return part
        place = repeat_last_row(np.arange(real), run)
        rows = (np.arange(self._micro_batches)[:, np.newaxis] * real + place).ravel()
        is_real = np.tile(np.arange(run) < real, self._micro_batches)
        padded = {name: values[rows] for name, values in part.items()}
        padded["example_weight"] = np.where(is_real, padded["example_weight"], 0.0).astype(np.float32)
        # A repeated row is no candidate of the query that it is taken from.
        padded["query"] = np.where(is_real, padded["query"], part["query"].max() + 1).astype(np.int32)
        return padded

    def dataset(self, steps: Callable[[], range]) -> tf.data.Dataset:
        """Returns the parts of the executions of some steps of one epoch, replica after replica.

        Its elements, iterated eagerly, have static shapes; they are made ahead of the training.

        Args:
            steps: Gives the steps of an iteration when it begins.
        """

        def generate() -> Iterator[dict[str, np.ndarray]]:
            taken = steps()
            for execution in self.executions(taken.start, taken.stop):
                yield from self.parts(execution)

        first = self.parts(Execution(0, 1))[0]
        # No feature is text, which a TPU does not hold.
        spec = {name: tf.TensorSpec([None] * values.ndim, values.dtype) for name, values in first.items()}
        return generated_ahead(generate, spec, _PREFETCHED * self._replicas)
