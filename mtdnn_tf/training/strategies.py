"""tf.distribute strategies by name."""

from __future__ import annotations

import tensorflow as tf

from mtdnn_tf.errors import unknown_name
from mtdnn_tf.training.tpu import LOCAL_TPU, connect_tpu

OFF = "off"
TPU = "tpu"
MULTI_WORKER = "multi_worker"
STRATEGIES = (OFF, "mirrored", MULTI_WORKER, TPU)


def split_cpu(count: int) -> None:
    """Splits the CPU into logical devices, so that a mirrored run can be tried without GPUs.

    Must be called before TensorFlow has used a device.
    """
    cpus = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * count)


def make_strategy(name: str, tpu: str = LOCAL_TPU) -> tf.distribute.Strategy:
    """Returns a distribution strategy.

    Args:
        name: "off" for one device, or "mirrored" for every GPU of this machine, or every logical CPU if it has none,
            or "multi_worker" for those of every machine that TF_CONFIG names, or "tpu". Connecting to other machines,
            or to a TPU, must come before anything else that TensorFlow does.
        tpu: Where the TPU is. Defaults to "local".

    Raises:
        UserError: There is no such strategy, or no TPU.
    """
    if name not in STRATEGIES:
        raise unknown_name("`strategy`", name, STRATEGIES)
    if name == OFF:
        return tf.distribute.get_strategy()
    if name == TPU:
        return connect_tpu(tpu)
    if name == MULTI_WORKER:
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        from official.common import distribute_utils  # Heavy, and needed here alone.

        # Told no number, the factory takes 0 GPUs and runs on the CPU without a word.
        return distribute_utils.get_distribution_strategy("mirrored", num_gpus=len(gpus))
    return tf.distribute.MirroredStrategy([device.name for device in tf.config.list_logical_devices("CPU")])
