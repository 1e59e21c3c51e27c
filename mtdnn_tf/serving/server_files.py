"""The files that TF Serving reads beside a model's graph: warm-up requests, models.config and batching.config."""

from __future__ import annotations

import itertools
import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog
from tensorflow_serving.config import model_server_config_pb2

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import write_text
from mtdnn_tf.serving.signatures import TOKENS, Signatures
from mtdnn_tf.serving.task_answers import TEXTS

MODELS = "models.config"
BATCHING = "batching.config"
MODEL_NAME = "mtdnn"
# TF Serving finds the file under this name in a version's folder.
WARMUP = "assets.extra/tf_serving_warmup_requests"
# TF Serving refuses to load a version with more.
MAX_RECORDS = 1000
# Where TF Serving's Docker image looks for models.
_BASE = "/models"
# How long a request waits for others to share its batch with, in microseconds.
_BATCH_TIMEOUT = 1000
# Of a request, as `mtdnn serve` accepts; a larger one than a batch is split.
_MAX_ROWS = 1024
# Together, requests that wait.
_QUEUED_ROWS = 4 * _MAX_ROWS
# Sentences of 4 to 40 words, so that every batch holds rows of different lengths, as clients' do.
# A request of more rows has more bytes than servers take.
_LARGEST_BATCH = 1 << 16
_SENTENCES = (Path(__file__).parent / "warmup_sentences.txt").read_text(encoding="utf-8").splitlines()

_log = logging.getLogger("absl")


def check_model_name(name: str) -> None:
    """Refuses a name that the server's addresses cannot hold."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise UserError(
            f"--model_name must be letters, digits, _, . and -, starting with a letter or digit, got {name!r}"
        )


def check_batch_sizes(batch_sizes: Sequence[int]) -> None:
    """Refuses batch sizes that are not integers >= 1 in rising order, as TF Serving's batching needs them."""
    given = ",".join(map(str, batch_sizes))
    if any(size < 1 for size in batch_sizes) or sorted(set(batch_sizes)) != list(batch_sizes):
        raise UserError(f"--warmup_batch_sizes must be integers >= 1 in rising order, got {given}")
    if batch_sizes and batch_sizes[-1] > _LARGEST_BATCH:
        raise UserError(f"--warmup_batch_sizes must be integers <= {_LARGEST_BATCH}, got {given}")


def models_config(model_name: str) -> str:
    """Returns the text form of TF Serving's ModelServerConfig: one model, whose highest version is served."""
    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.config.add(name=model_name, base_path=f"{_BASE}/{model_name}", model_platform="tensorflow")
    return str(config)


def batching_config(batch_sizes: Sequence[int]) -> str:
    """Returns the text form of TF Serving's BatchingParameters; the last size is the largest that is computed at once.

    The number of threads is left to the server: its default is the number of processors. There are no allowed sizes:
    the graph takes any, and a request of no rows would end the server, which fills it up with its first row.
    """
    largest = batch_sizes[-1]
    lines = [
        f"max_batch_size {{ value: {max(largest, _MAX_ROWS)} }}",
        "enable_large_batch_splitting { value: true }",
        f"max_execution_batch_size {{ value: {largest} }}",
        f"batch_timeout_micros {{ value: {_BATCH_TIMEOUT} }}",
        f"max_enqueued_batches {{ value: {math.ceil(_QUEUED_ROWS / largest)} }}",
        # Token ids of different lengths share a batch; the signature masks what is filled up.
        "pad_variable_length_inputs: true",
    ]
    return "".join(f"{line}\n" for line in lines)


def write_server_config(folder: Path, model_name: str, batch_sizes: Sequence[int]) -> None:
    """Writes models.config and, with batch sizes, batching.config beside the versions, unless they exist.

    An operator's changes are kept.
    """
    texts = {MODELS: models_config(model_name)}
    if batch_sizes:
        texts[BATCHING] = batching_config(batch_sizes)
    for name, text in texts.items():
        path = folder / name
        if not path.exists():
            write_text(path, text)
        elif path.read_text(encoding="utf-8") != text:
            _log.warning("%s: kept; it differs from what this export would write", path)


def write_warmup(folder: Path, signatures: Signatures, batch_sizes: Sequence[int], model_name: str) -> None:
    """Writes the warm-up requests that TF Serving replays when it loads a version; none without batch sizes."""
    check_batch_sizes(batch_sizes)
    count = len(signatures.inputs()) * len(batch_sizes)
    if count > MAX_RECORDS:
        raise UserError(
            f"--warmup_batch_sizes: {len(batch_sizes)} sizes of {len(signatures.inputs())} signatures make {count} "
            f"warm-up requests, TF Serving takes up to {MAX_RECORDS}; give fewer sizes"
        )
    if not count:
        return
    path = folder / WARMUP
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in warmup_records(signatures, batch_sizes, model_name):
            # Maps in any order are the same message; an export made again has the same bytes.
            writer.write(record.SerializeToString(deterministic=True))


def warmup_records(signatures: Signatures, batch_sizes: Sequence[int], model_name: str) -> Iterator[PredictionLog]:
    """Yields one request for every signature and batch size, in the order of the signatures."""
    for name, inputs in signatures.inputs().items():
        for size in batch_sizes:
            sentences = itertools.cycle(_SENTENCES)
            texts = {text: list(itertools.islice(sentences, size)) for text in TEXTS}
            record = PredictionLog()
            if inputs == (tf.saved_model.CLASSIFY_INPUTS,):
                task, _, api = name.rpartition("_")
                request = (record.classify_log if api == "classify" else record.regress_log).request
                names = signatures.inputs()[task]
                rows = (dict(zip(names, row)) for row in zip(*(texts[name] for name in names)))
                request.input.example_list.examples.extend(map(_example, rows))
            else:
                request = record.predict_log.request
                tensors: Mapping[str, Any] = {text: texts[text] for text in TEXTS if text in inputs}
                if name == TOKENS:
                    tensors = signatures.tokens_of_pairs(*(tf.constant(texts[text]) for text in TEXTS))
                for key, value in tensors.items():
                    request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            request.model_spec.name, request.model_spec.signature_name = model_name, name
            yield record


def _example(texts: Mapping[str, str]) -> tf.train.Example:
    example = tf.train.Example()
    for name, text in texts.items():
        example.features.feature[name].bytes_list.value.append(text.encode())
    return example
