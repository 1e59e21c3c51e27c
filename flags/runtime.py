"""Flags of the machine a binary runs on."""

from __future__ import annotations

from absl import flags

from mtdnn_tf.parallelism import use_single_threaded_ops
from mtdnn_tf.training.compilation import LOCAL_TPU, OFF
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.strategies import STRATEGIES, split_cpu

STRATEGY = flags.DEFINE_enum("strategy", OFF, STRATEGIES, "tf.distribute strategy.")
TPU_ADDRESS = flags.DEFINE_string(
    "tpu", LOCAL_TPU, "Of --strategy=tpu: local for this machine's, grpc://HOST:PORT, or the name of a Cloud TPU."
)
JIT_COMPILE = flags.DEFINE_bool(
    "jit_compile", False, "Has XLA compile the steps, for batches of few shapes; under --strategy=tpu they always are."
)
LOGICAL_CPUS = flags.DEFINE_integer(
    "logical_cpus", 1, "Splits the CPU into so many devices, to try --strategy=mirrored without GPUs.", lower_bound=1
)
DETERMINISTIC = flags.DEFINE_bool(
    "deterministic", True, "Deterministic kernels only, so that a continued run ends bit-identical."
)
EVALUATION_BATCH_SIZE = flags.DEFINE_integer(
    "evaluation_batch_size", 64, "Examples in a batch of evaluation.", lower_bound=1
)


def prepare_cores(config: TrainingConfig) -> None:
    """Configures the processor cores for a training; must be called before TensorFlow computes anything.

    Args:
        config: The training.
    """
    if LOGICAL_CPUS.value > 1:
        split_cpu(LOGICAL_CPUS.value)
    if config.splits_over_cores:
        use_single_threaded_ops()
