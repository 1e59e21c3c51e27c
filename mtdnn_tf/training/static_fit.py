"""Training in batches of static shapes: one program a shape, and several steps in one call."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from mtdnn_tf.parallelism import is_one_device, to_replicas
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.inputs import TrainingInputs
from mtdnn_tf.training.static_batches import StaticBatches
from mtdnn_tf.training.trainer import Trainer

_Features = dict[str, tf.Tensor]


class StaticFit:
    """Trains by the trainer's own `train_step`, traced once for each shape of its batches.

    On one device the step is compiled by XLA; in a strategy that compiles what it runs, as that of TPUs, by the
    strategy. Steps that are executed together are a loop on the host around the one step.

    Args:
        trainer: The trainer, compiled with its optimizer; its step has static shapes (`CompiledTrainer`).
        batches: What it trains on.
        strategy: That of its variables; the default strategy is one device.
    """

    def __init__(self, trainer: Trainer, batches: StaticBatches, strategy: tf.distribute.Strategy) -> None:
        self._trainer = trainer
        self._batches = batches
        self._strategy = strategy
        self._names = ["gradient_norm", *(name for mean in trainer.metrics for name in mean.result())]
        self._run = tf.function(self._steps, autograph=False)
        self._step = trainer.train_step
        if is_one_device(strategy):
            self._step = tf.function(trainer.train_step, autograph=False, jit_compile=True)
        self._taken = range(0)
        self._dataset = batches.dataset(lambda: self._taken)
        # What callbacks count traces of.
        trainer.train_tf_function = self._run

    def __call__(
        self, start: int, stop: int, epoch: int, callbacks: Sequence[tf.keras.callbacks.Callback], verbose: int = 0
    ) -> tf.keras.callbacks.History:
        """Makes steps `start` to `stop` - 1 as `tf.keras.Model.fit` does, of which callbacks see each execution's last.

        Args:
            start: First step, counted from 0.
            stop: After the last step, in the same epoch.
            epoch: Number of the epoch, from 0.
            callbacks: What Keras's `fit` takes.
            verbose: 1 for a progress bar. Defaults to 0.
        """
        trainer = self._trainer
        called = tf.keras.callbacks.CallbackList(
            list(callbacks), add_history=True, add_progbar=verbose != 0, model=trainer,
            verbose=verbose, epochs=epoch + 1, steps=stop - start,
        )  # fmt: skip
        called.on_train_begin()
        with self._strategy.scope():
            trainer.reset_metrics()
        called.on_epoch_begin(epoch)
        self._taken = range(start, stop)
        elements = iter(self._dataset)
        logs: dict[str, tf.Tensor] = {}
        for execution in self._batches.executions(start, stop):
            called.on_train_batch_begin(execution.first - start)
            logs = self._run(self._next(elements))
            called.on_train_batch_end(execution.first + execution.steps - 1 - start, logs)
        called.on_epoch_end(epoch, logs)
        called.on_train_end(logs)
        return trainer.history

    def _next(self, elements: tf.data.Iterator) -> _Features:
        """Returns the features of an execution, on each replica its own."""
        return to_replicas(self._strategy, [next(elements) for _ in range(self._strategy.num_replicas_in_sync)])

    def _steps(self, features: _Features) -> dict[str, tf.Tensor]:
        """Makes as many steps as features [steps, rows, ...] hold; returns what the last of them returns."""

        def of_replica(features: _Features, index: tf.Tensor) -> dict[str, tf.Tensor]:
            return self._step({name: tf.gather(values, index) for name, values in features.items()})

        def step(index: tf.Tensor, _: dict[str, tf.Tensor]) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            results = self._strategy.run(of_replica, args=(features, index))
            return index + 1, {name: self._strategy.experimental_local_results(results[name])[0] for name in results}

        count = self._strategy.experimental_local_results(features["gold"])[0].shape[0]
        state = tf.constant(0), {name: tf.constant(0.0) for name in self._names}
        if count == 1:
            return step(*state)[1]
        return tf.while_loop(lambda index, _: index < count, step, state, parallel_iterations=1)[1]


def static_fit(
    config: TrainingConfig, trainer: Trainer, inputs: TrainingInputs, strategy: tf.distribute.Strategy
) -> StaticFit:
    """Returns the training of a run in static shapes.

    Args:
        config: The run.
        trainer: Its trainer.
        inputs: Its batches.
        strategy: That of the trainer's variables.
    """
    batches = StaticBatches(
        inputs,
        config.batch_size if config.batch_tokens is None else None,
        config.max_sequence_length,
        strategy.num_replicas_in_sync,
        config.gradient_accumulation,
        config.steps_per_execution,
    )
    return StaticFit(trainer, batches, strategy)
