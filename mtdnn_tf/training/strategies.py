"""tf.distribute strategies by name."""

from __future__ import annotations

import functools
import re
import socket

import tensorflow as tf

from mtdnn_tf.errors import UserError, one_line, shortened, unknown_name

OFF = "off"
TPU = "tpu"
LOCAL_TPU = "local"
MULTI_WORKER = "multi_worker"
STRATEGIES = (OFF, "mirrored", MULTI_WORKER, TPU)


def split_cpu(count: int) -> None:
    """Splits the CPU into logical devices, before TensorFlow uses one, to try a mirrored run without GPUs."""
    cpus = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * count)


def make_strategy(name: str, tpu: str = LOCAL_TPU) -> tf.distribute.Strategy:
    """Returns a distribution strategy, before TensorFlow has done anything else.

    It is "off" for one device, "mirrored" for all GPUs of this machine, or all logical CPUs if it has none,
    "multi_worker" for those of all machines in TF_CONFIG, or "tpu" (see `connect_tpu`).
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
        from official.common import distribute_utils  # Heavy, and only needed here.

        # By default, the factory takes 0 GPUs and silently runs on the CPU.
        return distribute_utils.get_distribution_strategy("mirrored", num_gpus=len(gpus))
    return tf.distribute.MirroredStrategy([device.name for device in tf.config.list_logical_devices("CPU")])


@functools.cache  # Connecting again would empty the TPU's memory.
def connect_tpu(address: str) -> tf.distribute.TPUStrategy:
    """Returns the strategy of the cores of a TPU: "local", "grpc://HOST:PORT", or the name of a Cloud TPU."""
    try:
        _check_reached(address)
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=address)
        if address != LOCAL_TPU:
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    # Of a build without TPUs, a name without an address, a library that asks for addresses and is not installed.
    except (tf.errors.OpError, OSError, ValueError, TypeError, RuntimeError, ImportError) as error:
        reason, accepted = one_line(error), "local (a TPU VM), grpc://HOST:PORT, or the name of a Cloud TPU"
        raise UserError(
            f"`strategy=tpu`: no TPU is found at `tpu={shortened(address)}` ({reason}); accepted: {accepted}"
        ) from error


def _check_reached(address: str) -> None:
    """Opens a connection to an address, for which TensorFlow would wait without end."""
    if not address:
        raise ValueError("no address is given")
    if address.startswith("grpc://"):
        host_and_port = re.fullmatch(r"grpc://\[?([^/\s]+?)\]?:(\d{1,5})", address)
        if host_and_port is None or int(host_and_port[2]) > 65535:
            raise ValueError("not of the form grpc://HOST:PORT")
        socket.create_connection((host_and_port[1], int(host_and_port[2])), timeout=10).close()
