"""Training batches of the batch plan."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.batching.batch_layout import lay_out
from mtdnn_tf.data.batching.batch_plan import BatchPlan, TaskRows
from mtdnn_tf.data.batching.sampling import Sampler
from mtdnn_tf.training.inputs.task_inputs import TaskInputs

_PREFETCHED_BATCHES = 8


class TrainingInputs:
    """Yields training batches, each a pure function of (seed, step); arguments as of `BatchPlan`."""

    def __init__(
        self,
        tasks: Sequence[TaskInputs],
        batch_size: int,
        seed: int,
        sampler: Sampler | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        self._tasks = list(tasks)
        self._rows = [
            TaskRows(inputs.task.name, inputs.encoded.lengths_of(inputs.rows), inputs.encoded.queries_of(inputs.rows))
            for inputs in tasks
        ]
        self.plan = BatchPlan(self._rows, batch_size, seed, sampler, batch_tokens)
        self._num_outputs = max(inputs.task.num_outputs for inputs in tasks)
        # Of the widest: one number per row in a run of tasks that need no more.
        self._gold_shape = max((inputs.gold.shape[1:] for inputs in tasks), default=())

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """Returns the global batch of a step.

        gold is [batch], or [batch, widest label] where a label is several numbers; teacher_logits [batch, widest task];
        query the same for candidates of one query and for no other rows; example_weight is each row's weight divided
        by the number of queries.
        """
        planned = self.plan.step(step)
        inputs = self._tasks[planned.task_index]
        size = len(planned.rows)
        queries = self._rows[planned.task_index].queries
        # Without queries, each row is an example of its own.
        query = np.arange(size) if queries is None else np.unique(queries[planned.rows], return_inverse=True)[1]
        teacher_logits = np.zeros((size, self._num_outputs), np.float32)
        teacher_logits[:, : inputs.task.num_outputs] = inputs.teacher_logits[planned.rows]
        gold = np.zeros((size, *self._gold_shape), np.float32)
        own = inputs.gold[planned.rows]
        gold.reshape(size, -1)[:, : own[0].size] = own.reshape(size, -1)
        return {
            **inputs.encoded.batch(inputs.rows[planned.rows]),
            "gold": gold,
            "has_gold": inputs.has_gold[planned.rows],
            "teacher_logits": teacher_logits,
            "has_teacher": inputs.has_teacher[planned.rows],
            "teacher_weight": inputs.teacher_weight[planned.rows],
            "example_weight": inputs.weight[planned.rows] * np.float32(1.0 / (query.max() + 1)),
            "query": query.astype(np.int32),
            "task_index": np.full(size, planned.task_index, np.int32),
        }

    def task_of(self, step: int) -> str:
        """Returns the name of the task that a step's batch is of."""
        return self._tasks[self.plan.step(step).task_index].task.name

    def dataset(self, steps: Callable[[], range], strategy: tf.distribute.Strategy, parts: int = 1) -> tf.data.Dataset:
        """Returns the batches of some steps as a data set distributed over the replicas.

        A worker makes the batches of its own replicas only, with rows in the order of `lay_out` for so many `parts`.
        `steps` gives the steps of an iteration when it begins. One data set serves all epochs of a run: TensorFlow does
        not give all memory of a data set back.
        """
        replicas = strategy.num_replicas_in_sync
        matrix = ("token_ids", "segment_ids", "padding_mask")
        inner = {"teacher_logits": (self._num_outputs,), "gold": self._gold_shape, **dict.fromkeys(matrix, (None,))}
        spec = {
            name: tf.TensorSpec([None, *inner.get(name, ())], values.dtype) for name, values in self.batch(0).items()
        }

        def build(context: tf.distribute.InputContext) -> tf.data.Dataset:
            own = replicas // context.num_input_pipelines
            first = own * context.input_pipeline_id

            def generate() -> Iterator[dict[str, np.ndarray]]:
                for step in steps():
                    batch = self.batch(step)
                    for layout in lay_out(batch["query"], replicas, parts)[first : first + own]:
                        yield layout.arrange(batch)

            return generated_dataset(generate, spec, _PREFETCHED_BATCHES * own)

        if replicas == 1:
            return build(tf.distribute.InputContext())
        return strategy.distribute_datasets_from_function(build)


def generated_dataset(
    generate: Callable[[], Iterator[dict[str, np.ndarray]]], spec: Mapping[str, tf.TensorSpec], prefetched: int
) -> tf.data.Dataset:
    """Returns a generator's batches as a data set that keeps some ready.

    With TensorFlow's deterministic operations there are none: each batch is made when it is asked for.
    """
    options = tf.data.Options()
    # There is nothing to tune; and whoever drops an iterator may have to wait until its tuning thread looks again,
    # after a pause that grows to a minute. Every epoch would end with such a wait.
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_generator(generate, output_signature=dict(spec))
    return dataset.prefetch(prefetched).with_options(options)
