"""The loop over the steps of an epoch, for steps of Keras and for compiled steps of static shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import tensorflow as tf

from mtdnn_tf.parallelism import is_one_device, to_replicas
from mtdnn_tf.training.inputs.static_batches import StaticBatches
from mtdnn_tf.training.inputs.training_inputs import TrainingInputs
from mtdnn_tf.training.trainer import CompiledTrainer, Trainer

_Features = dict[str, tf.Tensor]
_Logs = dict[str, tf.Tensor]
# From a first step to the one after the last, yields numbers of steps, each with the function that makes them.
Steps = Callable[[int, int], Iterator[tuple[int, Callable[[], _Logs]]]]


def run_epoch(
    trainer: Trainer,
    steps: Steps,
    strategy: tf.distribute.Strategy,
    start: int,
    stop: int,
    epoch: int,
    callbacks: Sequence[tf.keras.callbacks.Callback],
    verbose: int = 0,
) -> dict[str, float]:
    """Makes steps `start` to `stop` - 1 of an epoch as `tf.keras.Model.fit` does, and returns means over the epoch.

    Callbacks see the last step of each call.
    """
    called = tf.keras.callbacks.CallbackList(
        list(callbacks), add_progbar=verbose != 0, model=trainer, verbose=verbose, epochs=epoch + 1, steps=stop - start
    )
    with strategy.scope():
        called.on_train_begin()
        trainer.reset_metrics()
        called.on_epoch_begin(epoch)
        step, logs = start, {}
        for count, make in steps(start, stop):
            called.on_train_batch_begin(step - start)
            logs = make()
            step += count
            called.on_train_batch_end(step - 1 - start, logs)
        called.on_epoch_end(epoch, logs)
        called.on_train_end(logs)
    return {name: float(value) for name, value in logs.items()}


class KerasSteps:
    """Makes steps one by one, by Keras's own training function, on batches divided into parts."""

    def __init__(self, trainer: Trainer, inputs: TrainingInputs, strategy: tf.distribute.Strategy, parts: int) -> None:
        self._run = trainer.make_train_function()
        self._taken = range(0)
        self._dataset = inputs.dataset(lambda: self._taken, strategy, parts)

    def __call__(self, start: int, stop: int) -> Iterator[tuple[int, Callable[[], _Logs]]]:
        """Yields 1 and the function that makes the step, for each step."""
        self._taken = range(start, stop)
        batches = iter(self._dataset)
        for _ in self._taken:
            yield 1, lambda: self._run(batches)


class StaticSteps:
    """Makes steps by the trainer's own `train_step`, traced once for each shape of its batches.

    On one device the step is compiled by XLA; in a strategy that compiles what it runs, as that of TPUs, by the
    strategy. Steps that are executed together are a loop on the host around the one step.
    """

    def __init__(self, trainer: CompiledTrainer, batches: StaticBatches, strategy: tf.distribute.Strategy) -> None:
        self._batches = batches
        self._strategy = strategy
        self._names = ["gradient_norm", *trainer.mean_losses()]
        self._run = tf.function(self._steps, autograph=False)
        self._step = trainer.train_step
        if is_one_device(strategy):
            self._step = tf.function(trainer.train_step, autograph=False, jit_compile=True)
        self._taken = range(0)
        self._dataset = batches.dataset(lambda: self._taken)
        # What callbacks count traces of.
        trainer.train_tf_function = self._run

    def __call__(self, start: int, stop: int) -> Iterator[tuple[int, Callable[[], _Logs]]]:
        """Yields the number of steps of each execution, and the function that makes them."""
        self._taken = range(start, stop)
        elements = iter(self._dataset)
        for execution in self._batches.executions(start, stop):
            yield len(execution), lambda: self._run(self._next(elements))

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
