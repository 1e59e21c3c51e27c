"""Requests that TF Serving replays when it loads a version, so that the first client does not wait."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    input_pb2,
    predict_pb2,
    prediction_log_pb2,
    regression_pb2,
)

from mtdnn_tf.errors import UserError
from mtdnn_tf.serving.signatures import TEXTS, TOKENS, Signatures

# TF Serving finds the file under this name in a version's folder.
WARMUP = "assets.extra/tf_serving_warmup_requests"
# TF Serving refuses to load a version with more.
MAX_RECORDS = 1000
# Sentences of 4 to 40 words, so that every batch holds rows of different lengths, as clients' do.
_SENTENCES = (
    "The film was a delight from its first minute to its last.",
    "Shares fell sharply.",
    "How do I change the password of my account if I no longer know the old one?",
    "A man in a blue shirt is playing the guitar on a small stage while a crowd of people watches him.",
    "The company said on Tuesday that its profit for the third quarter rose by 12 per cent, helped by strong demand in "
    "Asia and by lower costs, and that it expects the fourth quarter to be better still.",
    "Nobody was hurt, the police said.",
    "Where is the nearest station?",
)


def warmup_records(
    signatures: Signatures, batch_sizes: Sequence[int], model_name: str
) -> Iterator[prediction_log_pb2.PredictionLog]:
    """Yields one request for every signature and batch size, in the order of the signatures.

    Args:
        signatures: The model's signatures.
        batch_sizes: Numbers of rows.
        model_name: Name under which the model is served.
    """
    for name, inputs in signatures.inputs().items():
        for size in batch_sizes:
            spec = {"name": model_name, "signature_name": name}
            if inputs == (tf.saved_model.CLASSIFY_INPUTS,):
                task = name.rpartition("_")[0]
                examples = _examples(size, pairs=len(signatures.inputs()[task]) == len(TEXTS))
                yield _examples_record(spec, examples, name.endswith("_classify"))
                continue
            texts = _texts(size)
            tensors: Mapping[str, Any] = {text: texts[text] for text in TEXTS if text in inputs}
            if name == TOKENS:
                tensors = signatures.tokens_of_pairs(*(tf.constant(texts[text]) for text in TEXTS))
            request = predict_pb2.PredictRequest(model_spec=spec)
            for key, value in tensors.items():
                request.inputs[key].CopyFrom(tf.make_tensor_proto(value))
            yield prediction_log_pb2.PredictionLog(predict_log={"request": request})


def _texts(size: int) -> dict[str, list[str]]:
    sentences = itertools.cycle(_SENTENCES)
    first = list(itertools.islice(sentences, size))
    return {"text_a": first, "text_b": list(itertools.islice(sentences, size))}


def _examples(size: int, pairs: bool) -> input_pb2.Input:
    texts = _texts(size)
    rows = []
    for row in range(size):
        features = {
            name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[texts[name][row].encode()]))
            for name in TEXTS[: 2 if pairs else 1]
        }
        rows.append(tf.train.Example(features=tf.train.Features(feature=features)))
    return input_pb2.Input(example_list={"examples": rows})


def _examples_record(
    spec: dict[str, str], examples: input_pb2.Input, classification: bool
) -> prediction_log_pb2.PredictionLog:
    if classification:
        classify = classification_pb2.ClassificationRequest(model_spec=spec, input=examples)
        return prediction_log_pb2.PredictionLog(classify_log={"request": classify})
    regress = regression_pb2.RegressionRequest(model_spec=spec, input=examples)
    return prediction_log_pb2.PredictionLog(regress_log={"request": regress})


def check_batch_sizes(batch_sizes: Sequence[int]) -> None:
    """Refuses batch sizes that TF Serving's batching does not take.

    Raises:
        UserError: They are not whole numbers from 1 that rise.
    """
    if any(size < 1 for size in batch_sizes) or sorted(set(batch_sizes)) != list(batch_sizes):
        given = ",".join(map(str, batch_sizes))
        raise UserError(f"--warmup_batch_sizes takes whole numbers from 1 in rising order, {given} given")


def write_warmup(folder: Path, signatures: Signatures, batch_sizes: Sequence[int], model_name: str) -> None:
    """Writes the warm-up requests of a version; none without batch sizes.

    Args:
        folder: The version's folder, while it is not visible yet.
        signatures: The model's signatures.
        batch_sizes: Numbers of rows, in rising order.
        model_name: Name under which the model is served.

    Raises:
        UserError: The batch sizes are not accepted, or make more requests than TF Serving replays.
    """
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
