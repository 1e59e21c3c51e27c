"""What models that predict run on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from flags import runtime
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.compiled_inference import compiled_inference
from mtdnn_tf.threads import give_operations_a_core_each
from mtdnn_tf.training.compilation import LOCAL_TPU, OFF, TPU
from mtdnn_tf.training.strategies import make_strategy


@contextlib.contextmanager
def compiled_as_told() -> Iterator[None]:
    """Has models within the block, or in the function it decorates, compiled or on a TPU if the flags say so.

    Raises:
        UserError: No TPU is found, or flags do not go together.
    """
    strategy = runtime.STRATEGY.value
    if runtime.TPU_ADDRESS.value != LOCAL_TPU and strategy != TPU:
        raise UserError(
            f"--tpu goes with --strategy={TPU}, --tpu={runtime.TPU_ADDRESS.value} with --strategy={strategy} given"
        )
    if strategy == TPU:
        with compiled_inference(make_strategy(strategy, runtime.TPU_ADDRESS.value)):
            yield
    elif runtime.JIT_COMPILE.value:
        with compiled_inference(make_strategy(OFF)):
            yield
    else:
        give_operations_a_core_each()
        yield
