"""The training step: one task a batch, gold and distilled losses mixed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from mtdnn_tf.distillation.options import DistillationOptions, mixture_weight
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.accumulation import LossesAndGradients, sum_in_parallel, sum_over_micro_batches

MAX_GRADIENT_NORM = 1.0


class MeanByTask(tf.keras.metrics.Metric):
    """Averages a value separately for each task, over the replicas too, which Keras's MeanTensor does not."""

    def __init__(self, task_names: Sequence[str], name: str) -> None:
        super().__init__(name=name)
        self._task_names = list(task_names)
        shape = (len(task_names),)
        self.total = self.add_weight(name="total", shape=shape, initializer="zeros")
        self.count = self.add_weight(name="count", shape=shape, initializer="zeros")

    def update_state(self, value: tf.Tensor, task_index: tf.Tensor) -> None:
        """Adds a value of the task with an index; both are scalars."""
        is_task = tf.one_hot(task_index, len(self._task_names))
        self.total.assign_add(is_task * value)
        self.count.assign_add(is_task)

    def reset_state(self) -> None:
        """Forgets all values."""
        for variable in (self.total, self.count):
            variable.assign(tf.zeros_like(variable))

    def result(self) -> dict[str, tf.Tensor]:
        """Returns the average of each task as "<task>/<name>"; 0 for a task without a value."""
        means = tf.math.divide_no_nan(self.total, self.count)
        return {f"{task}/{self.name}": means[index] for index, task in enumerate(self._task_names)}


class Trainer(tf.keras.Model):
    """Trains the multi-task network by Algorithm 1 of 1901.11504 with the loss of 1904.09482 sec. 3.

    A batch is of one task, `task_index` its place among the tasks. The loss of an example is (1 - w) * gold +
    w * distilled. The batch's loss is their sum, each times its `example_weight`: the weight of its row, 1 by default,
    divided by the number of examples in the global batch, or 0 for padding. An example of a ranking is a query: its
    candidates' rows sum to its loss.
    """

    def __init__(
        self,
        network: MultiTaskModel,
        tasks: Sequence[Task],
        distillation: DistillationOptions,
        total_steps: int,
        micro_batches: int = 1,
        parallel_parts: int = 1,
    ) -> None:
        super().__init__(name="trainer")
        self.network = network
        self._tasks_in_order = list(tasks)
        self._distillation = distillation
        self._total_steps = total_steps
        self._micro_batches = micro_batches
        self._parallel_parts = parallel_parts
        names = [task.name for task in tasks]
        self._means = {name: MeanByTask(names, name) for name in ("loss", "gold_loss", "distilled_loss")}
        self.built = True

    def batch_loss(self, batch: dict[str, tf.Tensor], training: bool) -> dict[str, tf.Tensor]:
        """Returns the scalars `loss`, `gold_loss` and `distilled_loss` of this replica's part of a batch."""
        encoded = self.network.encode(batch, training)
        # Only the head of the batch's task is run, so gradients on all other heads are exactly zero.
        branches = [functools.partial(self._task_loss, task, encoded, batch, training) for task in self._tasks_in_order]
        if len(branches) == 1:
            return branches[0]()
        return tf.switch_case(batch["task_index"][0], branches)

    def _task_loss(
        self, task: Task, encoded: dict[str, tf.Tensor], batch: dict[str, tf.Tensor], training: bool
    ) -> dict[str, tf.Tensor]:
        logits = self.network.heads[task.name](encoded, training=training)
        kind, options = task.kind_object, self._distillation
        gold_labels = tf.reshape(batch["gold"], [tf.shape(batch["gold"])[0], -1])
        gold = kind.gold_loss(task, logits, gold_labels, batch["query"])
        teacher_logits = batch["teacher_logits"][:, : task.num_outputs]
        distilled = kind.distilled_loss(logits, teacher_logits, batch["query"], options.loss, options.temperature)
        distilled *= batch["teacher_weight"]
        step = self.optimizer.iterations if training else 0
        mixed = options.weight_at(step, self._total_steps)
        weight = mixture_weight(mixed, batch["has_gold"], batch["has_teacher"])
        losses = {
            "loss": (1.0 - weight) * gold + weight * distilled,
            "gold_loss": tf.where(batch["has_gold"], gold, 0.0),
            "distilled_loss": tf.where(batch["has_teacher"], distilled, 0.0),
        }
        return {name: tf.reduce_sum(loss * batch["example_weight"]) for name, loss in losses.items()}

    @tf.autograph.experimental.do_not_convert
    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, Any]:
        """Makes one optimizer step on one batch."""
        of_micro_batch = functools.partial(sum_in_parallel, self._losses_and_gradients, count=self._parallel_parts)
        losses, gradients = sum_over_micro_batches(of_micro_batch, batch, self._micro_batches)
        if isinstance(self.optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
            gradients = self.optimizer.get_unscaled_gradients(gradients)
        replica = tf.distribute.get_replica_context()
        if replica.num_replicas_in_sync > 1:
            # Clipping must see the gradient of the global batch, so replicas are summed first.
            gradients = replica.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        gradients = [_sum_repeated_rows(gradient) for gradient in gradients]
        gradients, gradient_norm = tf.clip_by_global_norm(gradients, MAX_GRADIENT_NORM)
        self._apply(gradients)
        for name, mean in self._means.items():
            mean.update_state(losses[name] * replica.num_replicas_in_sync, batch["task_index"][0])
        return {"gradient_norm": gradient_norm, **self.mean_losses()}

    def _losses_and_gradients(self, batch: dict[str, tf.Tensor]) -> LossesAndGradients:
        """Returns the losses of some rows, and the gradients of their sum, times the loss scale under float16."""
        with tf.GradientTape() as tape:
            losses = self.batch_loss(batch, training=True)
            loss = losses["loss"]
            if isinstance(self.optimizer, tf.keras.mixed_precision.LossScaleOptimizer):
                loss = self.optimizer.get_scaled_loss(loss)
        variables = self.network.trainable_variables
        return losses, tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)

    def _apply(self, gradients: list[tf.Tensor]) -> None:
        pairs = zip(gradients, self.network.trainable_variables)
        if isinstance(self.optimizer, tf.keras.optimizers.legacy.Optimizer):
            self.optimizer.apply_gradients(pairs, experimental_aggregate_gradients=False)
        else:
            self.optimizer.apply_gradients(pairs, skip_gradients_aggregation=True)

    def mean_losses(self) -> dict[str, tf.Tensor]:
        """Returns the means over an epoch as "<task>/<loss>"; 0 for a task without a batch."""
        return {key: value for mean in self._means.values() for key, value in mean.result().items()}

    @property
    def metrics(self) -> list[tf.keras.metrics.Metric]:
        """The metrics that are reset at the start of an epoch."""
        return list(self._means.values())


def _sum_repeated_rows(gradient: tf.Tensor | tf.IndexedSlices) -> tf.Tensor | tf.IndexedSlices:
    """Returns a gradient without duplicate rows of an embedding table, which TensorFlow's global norm counts apart."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    rows, places = tf.unique(gradient.indices)
    summed = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows))
    return tf.IndexedSlices(summed, rows, gradient.dense_shape)


class CompiledTrainer(Trainer):
    """A `Trainer` whose step has no shape that depends on values, so that XLA compiles it.

    Its steps are those of `Trainer` but for rounding, and for the random numbers that dropout draws.
    """

    def _losses_and_gradients(self, batch: dict[str, tf.Tensor]) -> LossesAndGradients:
        """Returns dense gradients: which rows of a table a batch touches depends on its tokens."""
        losses, gradients = super()._losses_and_gradients(batch)
        return losses, [tf.convert_to_tensor(gradient) for gradient in gradients]
