"""Batches for training: encoded rows, gold labels and soft targets, in the order of the batch plan."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.batching.batch_layout import lay_out
from mtdnn_tf.data.batching.batch_plan import BatchPlan, TaskRows
from mtdnn_tf.data.batching.sampling import Sampler
from mtdnn_tf.data.encoded_split import EncodedSplit, join_splits
from mtdnn_tf.distillation.soft_targets import SoftTargets, join_soft_targets, join_variance_weights
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.task import Task

_PREFETCHED_BATCHES = 8
_log = logging.getLogger("absl")


@dataclasses.dataclass(frozen=True)
class TaskInputs:
    """What one task trains on.

    Attributes:
        task: The task.
        encoded: Its training split.
        rows: Indices of the split's rows that are trained on.
        gold: Float32 [rows, ...], as `Kind.gold` returns it; 0 where there is none.
        has_gold: Bool [rows].
        teacher_logits: Float32 [rows, num_outputs]; zeros without soft targets.
        has_teacher: Bool [rows].
        teacher_weight: Float32 [rows]: multiplies the distilled loss.
        held_out: Number of rows that could be trained on and are in a fold that is held out.
    """

    task: Task
    encoded: EncodedSplit
    rows: np.ndarray
    gold: np.ndarray
    has_gold: np.ndarray
    teacher_logits: np.ndarray
    has_teacher: np.ndarray
    teacher_weight: np.ndarray
    held_out: int = 0


def task_inputs(
    task: Task,
    encoded: EncodedSplit,
    rows: np.ndarray,
    soft_targets: SoftTargets | None,
    variance_weighting: bool = False,
    use_gold: bool = True,
) -> TaskInputs:
    """Joins a task's rows with their gold labels and soft targets; rows with neither are left out and counted.

    Args:
        task: The task.
        encoded: Its training split.
        rows: Indices of the rows to train on.
        soft_targets: The task's soft targets, if it has teachers.
        variance_weighting: Whether rows of a regression count less where its teachers disagree. Defaults to False.
        use_gold: Whether gold labels are trained on; those of transfer data are not. Defaults to True.

    Raises:
        UserError: The soft targets do not belong to the split, or no row has anything to learn from.
    """
    labels = np.asarray(encoded.labels)[rows]
    queries = None if encoded.queries is None else np.asarray(encoded.queries)[rows]
    gold, has_gold = task.kind_object.gold(task, labels, queries)
    has_gold &= use_gold
    teacher_weight = np.ones(len(rows), np.float32)
    if soft_targets is None:
        if skipped := np.count_nonzero(~has_gold):
            _log.info(
                "%s %s: skipped %d row(s) with neither gold label%s nor soft target",
                task.name,
                encoded.split,
                skipped,
                "" if encoded.queries is None else " (a query with a relevant candidate)",
            )
        rows, gold, has_gold, teacher_weight = (part[has_gold] for part in (rows, gold, has_gold, teacher_weight))
        teacher_logits = np.zeros((len(rows), task.num_outputs), np.float32)
    else:
        teacher_logits = join_soft_targets(soft_targets, task, encoded, rows)
        if variance_weighting and task.kind_object.predicts_scores:
            teacher_weight = join_variance_weights(soft_targets, encoded, rows)
    if not len(rows):
        raise UserError(
            f"task {task.name}: split {encoded.split} has no row with a gold label, and there are no soft targets"
        )
    gold = np.where(has_gold.reshape(-1, *(1 for _ in gold.shape[1:])), gold, 0).astype(np.float32)
    has_teacher = np.full(len(rows), soft_targets is not None)
    return TaskInputs(task, encoded, rows, gold, has_gold, teacher_logits, has_teacher, teacher_weight)


def join_task_inputs(parts: Sequence[TaskInputs]) -> TaskInputs:
    """Returns what a task trains on in several splits as one; the first part is of the training split."""
    if len(parts) == 1:
        return parts[0]
    starts = np.cumsum([0, *(len(part.encoded) for part in parts)])
    return dataclasses.replace(
        parts[0],
        encoded=join_splits([part.encoded for part in parts]),
        rows=np.concatenate([part.rows + start for part, start in zip(parts, starts)]),
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("gold", "has_gold", "teacher_logits", "has_teacher", "teacher_weight")
        },
    )


class TrainingInputs:
    """Yields training batches, each a pure function of (seed, step).

    Args:
        tasks: What each task trains on.
        batch_size: Examples in a global batch.
        seed: Seed of the batch plan.
        sampler: How often each task is trained on; proportional to its size by default.
        batch_tokens: Most tokens of a global batch, padding included, in place of `batch_size`; None for none.
    """

    def __init__(
        self,
        tasks: Sequence[TaskInputs],
        batch_size: int,
        seed: int,
        sampler: Sampler | None = None,
        batch_tokens: int | None = None,
    ) -> None:
        self._tasks = list(tasks)
        self._queries = [
            None if inputs.encoded.queries is None else np.asarray(inputs.encoded.queries)[inputs.rows]
            for inputs in tasks
        ]
        rows = [
            TaskRows(inputs.task.name, np.asarray(inputs.encoded.lengths)[inputs.rows], queries)
            for inputs, queries in zip(tasks, self._queries)
        ]
        self.plan = BatchPlan(rows, batch_size, seed, sampler, batch_tokens)
        self._num_outputs = max(inputs.task.num_outputs for inputs in tasks)
        # Of the widest: one number per row in a run of tasks that need no more.
        self._gold_shape = max((inputs.gold.shape[1:] for inputs in tasks), default=())

    def batch(self, step: int) -> dict[str, np.ndarray]:
        """Returns the global batch of a step.

        Returns:
            token_ids, segment_ids int32 and padding_mask bool, each [batch, length]; gold float32 [batch], or [batch,
            widest label] where a label is several numbers; has_gold bool, has_teacher bool, teacher_weight float32,
            example_weight float32, task_index int32, each [batch]; query int32 [batch], the same for candidates of one
            query and for no other rows; teacher_logits float32 [batch, widest task].
        """
        planned = self.plan.step(step)
        inputs = self._tasks[planned.task_index]
        size = len(planned.rows)
        queries = self._queries[planned.task_index]
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
            "example_weight": np.full(size, 1.0 / (query.max() + 1), np.float32),
            "query": query.astype(np.int32),
            "task_index": np.full(size, planned.task_index, np.int32),
        }

    def task_of(self, step: int) -> str:
        """Returns the name of the task that a step's batch is of."""
        return self._tasks[self.plan.step(step).task_index].task.name

    def dataset(self, steps: Callable[[], range], strategy: tf.distribute.Strategy, parts: int = 1) -> tf.data.Dataset:
        """Returns the batches of some steps as a data set distributed over the replicas.

        Each replica gets as many rows, part after part, as `lay_out` arranges them. A worker makes the batches of its
        own replicas only.

        Args:
            steps: Gives the steps of an iteration when it begins. One data set serves all epochs of a run: TensorFlow
                does not give all memory of a data set back.
            strategy: That of the trainer.
            parts: Number of parts of each replica's batch: micro-batches times parallel parts. Defaults to 1.
        """
        replicas = strategy.num_replicas_in_sync
        matrix, vector = tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.float32)
        flags = tf.TensorSpec([None], tf.bool)
        spec = {
            "token_ids": matrix,
            "segment_ids": matrix,
            "padding_mask": tf.TensorSpec([None, None], tf.bool),
            "gold": tf.TensorSpec([None, *self._gold_shape], tf.float32),
            "has_gold": flags,
            "teacher_logits": tf.TensorSpec([None, self._num_outputs], tf.float32),
            "has_teacher": flags,
            "teacher_weight": vector,
            "example_weight": vector,
            "query": tf.TensorSpec([None], tf.int32),
            "task_index": tf.TensorSpec([None], tf.int32),
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
    """Returns a generator's batches as a data set.

    Args:
        generate: Yields the batches, from the first for every iteration.
        spec: Shape and type of each feature.
        prefetched: Number of batches that are kept ready. With TensorFlow's deterministic operations there are none:
            each batch is made when it is asked for.
    """
    options = tf.data.Options()
    # There is nothing to tune; and whoever drops an iterator may have to wait until its tuning thread looks again,
    # after a pause that grows to a minute. Every epoch would end with such a wait.
    options.autotune.enabled = False
    dataset = tf.data.Dataset.from_generator(generate, output_signature=dict(spec))
    return dataset.prefetch(prefetched).with_options(options)
