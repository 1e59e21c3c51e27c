from __future__ import annotations

import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from mtdnn_tf.serving.server.inference import WARMUP_REQUESTS, warm_up
from mtdnn_tf.serving.server.models.batcher import BatchingOptions
from mtdnn_tf.serving.server.models.servable import Servable
from mtdnn_tf.serving.server.models.served_model import ServedModel


def _records(*values):
    for value in values:
        log = prediction_log_pb2.PredictionLog()
        log.predict_log.request.inputs["x"].CopyFrom(tf.make_tensor_proto(value))
        yield log.SerializeToString()
    for request, signature in (
        (log.classify_log.request, "classify_x_to_y"),
        (log.regress_log.request, "regress_x_to_y"),
    ):
        request.model_spec.signature_name = signature
        example = request.input.example_list.examples.add()
        example.features.feature["x"].float_list.value.append(1.0)
        yield log.SerializeToString()


def _write(version, records):
    path = version / WARMUP_REQUESTS
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


@pytest.fixture(name="version")
def _version(models, tmp_path):
    shutil.copytree(models["half_plus_two"] / "123", tmp_path / "5")
    return tmp_path / "5"


def test_every_record_is_replayed(version):
    assert warm_up(Servable("name", 5, version, BatchingOptions())) == 0
    _write(version, _records(np.ones(1, np.float32), np.ones(4000, np.float32)))
    assert warm_up(Servable("name", 5, version, BatchingOptions())) == 4


def test_a_version_that_cannot_answer_its_own_requests_is_not_served(version):
    _write(version, _records("a text"))
    model = ServedModel("name", version.parent, BatchingOptions())
    assert not model.poll()
    assert "float32, got string" in model.failure
