"""Warm-up requests of a SavedModel, which make its first real request fast."""

from __future__ import annotations

import itertools

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from mtdnn_tf.serving.server.inference import classify, predict, regress
from mtdnn_tf.serving.server.messages import arrays_of_request, examples_of_input
from mtdnn_tf.serving.server.servable import Servable

WARMUP_REQUESTS = "assets.extra/tf_serving_warmup_requests"
# TF Serving's limits.
_MOST_RECORDS = 1000
_MOST_ROWS = 1 << 20


def warm_up(servable: Servable) -> int:
    """Replays a model's warm-up requests and returns their number.

    Raises:
        Exception: A record is damaged, or the model fails; the version is then not served.
    """
    path = servable.folder / WARMUP_REQUESTS
    if not path.is_file():
        return 0
    records = 0
    for record in itertools.islice(tf.data.TFRecordDataset(str(path)).as_numpy_iterator(), _MOST_RECORDS):
        _replay(servable, prediction_log_pb2.PredictionLog.FromString(record))
        records += 1
    return records


def _replay(servable: Servable, log: prediction_log_pb2.PredictionLog) -> None:
    kind = log.WhichOneof("log_type")
    if kind == "predict_log":
        request = log.predict_log.request
        predict(servable, request.model_spec.signature_name, arrays_of_request(request, _MOST_ROWS << 8), _MOST_ROWS)
    elif kind == "classify_log":
        request = log.classify_log.request
        classify(servable, request.model_spec.signature_name, examples_of_input(request.input), _MOST_ROWS)
    elif kind == "regress_log":
        request = log.regress_log.request
        regress(servable, request.model_spec.signature_name, examples_of_input(request.input), _MOST_ROWS)
    else:
        raise ValueError(f"warm-up record must be predict_log, classify_log or regress_log, got {kind}")
