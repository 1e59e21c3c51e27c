"""Connecting to a TPU."""

from __future__ import annotations

import functools
import re
import socket

import tensorflow as tf

from mtdnn_tf.errors import UserError, shortened

LOCAL_TPU = "local"
_SECONDS = 10
_ACCEPTED = "local (a TPU VM), grpc://HOST:PORT, or the name of a Cloud TPU"


@functools.cache  # Connecting again would empty the TPU's memory.
def connect_tpu(address: str) -> tf.distribute.TPUStrategy:
    """Returns the strategy of a TPU's cores; must come before anything else that TensorFlow does.

    Args:
        address: "local" for that of this machine, "grpc://HOST:PORT", or the name of a Cloud TPU.

    Raises:
        UserError: No TPU is found there.
    """
    try:
        _check_reached(address)
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu=address)
        if address != LOCAL_TPU:
            tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
        return tf.distribute.TPUStrategy(resolver)
    # Of a build without TPUs, a name without an address, a library that asks for addresses and is not installed.
    except (tf.errors.OpError, OSError, ValueError, TypeError, RuntimeError, ImportError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"`strategy=tpu`: no TPU is found at `tpu={shortened(address)}` ({reason}); accepted: {_ACCEPTED}"
        ) from error


def _check_reached(address: str) -> None:
    """Opens a connection to an address, for which TensorFlow would wait without end."""
    if not address:
        raise ValueError("no address is given")
    if address.startswith("grpc://"):
        host_and_port = re.fullmatch(r"grpc://\[?([^/\s]+?)\]?:(\d{1,5})", address)
        if host_and_port is None or int(host_and_port[2]) > 65535:
            raise ValueError("not of the form grpc://HOST:PORT")
        socket.create_connection((host_and_port[1], int(host_and_port[2])), timeout=_SECONDS).close()
