"""The files that TF Serving's command line takes, beside the versions of a served model."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from pathlib import Path

from tensorflow_serving.config import model_server_config_pb2

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import write_text

MODELS = "models.config"
BATCHING = "batching.config"
MODEL_NAME = "mtdnn"
# Where TF Serving's Docker image looks for models.
_BASE = "/models"
# How long a request waits for others to share its batch with, in microseconds.
_BATCH_TIMEOUT = 1000
_QUEUED_BATCHES = 100

_log = logging.getLogger("absl")


def check_model_name(name: str) -> None:
    """Refuses a name that cannot stand in the server's addresses.

    Raises:
        UserError: It cannot.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise UserError(
            f"--model_name takes letters, digits, _, . and -, starting with a letter or digit; {name!r} given"
        )


def models_config(model_name: str) -> str:
    """Returns the text form of TF Serving's ModelServerConfig: one model, whose highest version is served.

    Args:
        model_name: The model's name, which is its folder's in the container too.
    """
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.config.add(name=model_name, base_path=f"{_BASE}/{model_name}", model_platform="tensorflow")
    return str(config)


def batching_config(batch_sizes: Sequence[int]) -> str:
    """Returns the text form of TF Serving's BatchingParameters.

    The number of threads is left to the server: its default is the number of processors.

    Args:
        batch_sizes: Sizes that a batch is filled up to, in rising order; one or more.
    """
    lines = [
        f"max_batch_size {{ value: {batch_sizes[-1]} }}",
        f"batch_timeout_micros {{ value: {_BATCH_TIMEOUT} }}",
        f"max_enqueued_batches {{ value: {_QUEUED_BATCHES} }}",
        *(f"allowed_batch_sizes: {size}" for size in batch_sizes),
        # Token ids of different lengths share a batch: what is filled up is masked.
        "pad_variable_length_inputs: true",
    ]
    return "".join(f"{line}\n" for line in lines)


def write_server_config(folder: Path, model_name: str, batch_sizes: Sequence[int]) -> None:
    """Writes the server's files where they do not stand yet: an operator's changes to them are kept.

    Args:
        folder: The served model's folder, which holds one folder a version.
        model_name: The model's name.
        batch_sizes: Allowed sizes of a batch, in rising order; without any, no batching is configured.
    """
    texts = {MODELS: models_config(model_name)}
    if batch_sizes:
        texts[BATCHING] = batching_config(batch_sizes)
    for name, text in texts.items():
        path = folder / name
        if not path.exists():
            write_text(path, text)
        elif path.read_text(encoding="utf-8") != text:
            _log.info("%s: kept as it stands; it differs from what this export would write", path)
