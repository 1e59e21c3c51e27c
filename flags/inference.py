"""How models that predict are run."""

from __future__ import annotations

from flags import runtime
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.predictor import InferenceSettings
from mtdnn_tf.parallelism import num_parallel_parts, use_single_threaded_ops
from mtdnn_tf.training.compilation import LOCAL_TPU, OFF, TPU
from mtdnn_tf.training.strategies import make_strategy


def inference_settings() -> InferenceSettings:
    """Returns the settings that the flags give; must be called before TensorFlow computes anything.

    Raises:
        UserError: No TPU is found, or flags do not go together.
    """
    strategy, batch_size = runtime.STRATEGY.value, runtime.EVALUATION_BATCH_SIZE.value
    if runtime.TPU_ADDRESS.value != LOCAL_TPU and strategy != TPU:
        raise UserError(
            f"--tpu goes with --strategy={TPU}, --tpu={runtime.TPU_ADDRESS.value} with --strategy={strategy} given"
        )
    if strategy == TPU:
        return InferenceSettings(batch_size, strategy=make_strategy(strategy, runtime.TPU_ADDRESS.value))
    if runtime.JIT_COMPILE.value:
        return InferenceSettings(batch_size, strategy=make_strategy(OFF))
    use_single_threaded_ops()
    return InferenceSettings(batch_size, num_parallel_parts())
