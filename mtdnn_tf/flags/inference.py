"""Flags of the devices that models predict on."""

from __future__ import annotations

from mtdnn_tf.evaluation.predictor import InferenceSettings
from mtdnn_tf.flags.options import define, given
from mtdnn_tf.parallelism import num_parallel_parts, use_single_threaded_ops
from mtdnn_tf.training.config import RuntimeOptions
from mtdnn_tf.training.strategies import OFF, TPU, make_strategy

define(RuntimeOptions)


def inference_settings() -> InferenceSettings:
    """Returns the settings that the flags give; must be called before TensorFlow computes anything.

    Raises:
        UserError: No TPU is found, or flags do not go together.
    """
    runtime = RuntimeOptions.build(**given(RuntimeOptions))
    if runtime.is_compiled:
        strategy = make_strategy(TPU if runtime.strategy == TPU else OFF, runtime.tpu)
        return InferenceSettings(runtime.evaluation_batch_size, strategy=strategy)
    use_single_threaded_ops()
    return InferenceSettings(runtime.evaluation_batch_size, num_parallel_parts())
