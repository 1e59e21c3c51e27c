from __future__ import annotations

import json
import logging

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from mtdnn_tf.errors import UserError
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.serving.server_files import (
    BATCHING,
    MODELS,
    WARMUP,
    batching_config,
    check_model_name,
    models_config,
    warmup_records,
    write_server_config,
    write_warmup,
)
from mtdnn_tf.serving.signatures import Signatures
from tests.serving.examples import TASKS, loaded_model, run_alone
from tests.serving.tf_serving_batching import parse


def test_the_models_file_parses_as_tf_servings_and_names_one_model():
    config = text_format.Parse(models_config("answers"), model_server_config_pb2.ModelServerConfig())
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("answers", "/models/answers", "tensorflow")
    # Without a policy the highest version is served.
    assert not model.HasField("model_version_policy")


def test_the_batching_file_parses_as_tf_servings_and_keeps_its_rules():
    parameters = parse(batching_config((1, 8, 32)))
    assert parameters.max_execution_batch_size.value == 32 <= parameters.max_batch_size.value
    assert parameters.enable_large_batch_splitting.value
    assert not parameters.allowed_batch_sizes
    assert 0 <= parameters.batch_timeout_micros.value <= 10_000
    assert parameters.max_enqueued_batches.value > 0
    assert not parameters.HasField("num_batch_threads")
    assert parameters.pad_variable_length_inputs


def test_what_stands_is_kept(tmp_path, caplog):
    write_server_config(tmp_path, "answers", (1, 8))
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert written == {MODELS: models_config("answers"), BATCHING: batching_config((1, 8))}
    (tmp_path / MODELS).write_text("# mine\n")
    with caplog.at_level(logging.INFO, logger="absl"):
        write_server_config(tmp_path, "answers", (1, 8))
    assert (tmp_path / MODELS).read_text() == "# mine\n"
    assert [record.message for record in caplog.records] == [
        f"{tmp_path / MODELS}: kept; it differs from what this export would write"
    ]


def test_without_sizes_no_batching_is_configured(tmp_path):
    write_server_config(tmp_path, "answers", ())
    assert [path.name for path in tmp_path.iterdir()] == [MODELS]


@pytest.mark.parametrize("name", ["", "a/b", "a:b", ".hidden", "a b", "ä"])
def test_names_that_no_address_can_hold_are_refused(name):
    with pytest.raises(UserError, match="--model_name must be letters"):
        check_model_name(name)


# Reads and answers the requests as TF Serving's loader does, without the project.
_REPLAY = """
import json, sys
import tensorflow as tf
import tensorflow_text
from tensorflow_serving.apis import prediction_log_pb2

model = tf.saved_model.load(sys.argv[1])
replayed = []
for record in tf.data.TFRecordDataset(sys.argv[1] + "/assets.extra/tf_serving_warmup_requests"):
    log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
    kind = log.WhichOneof("log_type")
    request = getattr(log, kind).request
    if kind == "predict_log":
        inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
    else:
        examples = [example.SerializeToString() for example in request.input.example_list.examples]
        inputs = {"inputs": tf.constant(examples)}
    outputs = model.signatures[request.model_spec.signature_name](**inputs)
    rows = {int(value.shape[0]) for value in outputs.values()}
    assert len(rows) == 1
    assert all(bool(tf.reduce_all(tf.math.is_finite(v))) for v in outputs.values() if v.dtype.is_floating)
    replayed.append([kind, request.model_spec.name, request.model_spec.signature_name, rows.pop(),
                     request.model_spec.HasField("version")])
print(json.dumps(replayed))
assert not [name for name in sys.modules if name.split(".")[0] in ("mtdnn_tf", "keras_nlp", "official")]
"""


@pytest.fixture(name="loaded", scope="module")
def _shared_model():
    loaded = loaded_model()
    return loaded._replace(tasks=TASKS)


def test_every_request_parses_and_is_answered_in_another_process(loaded, tmp_path):
    export_model(loaded, tmp_path / "1", batch_sizes=(1, 5), model_name="answers")
    replayed = json.loads(run_alone(_REPLAY, str(tmp_path / "1"), cwd=tmp_path))
    kinds = {
        **dict.fromkeys(("serving_default", "tokens", "embed", "single", "pair", "diagnostic"), "predict_log"),
        **dict.fromkeys(("scored", "ranked"), "predict_log"),
        **dict.fromkeys(("single_classify", "pair_classify", "diagnostic_classify"), "classify_log"),
        **dict.fromkeys(("scored_regress", "ranked_regress"), "regress_log"),
    }
    # Without a version: it is replayed on that which is loaded.
    expected = [[kind, "answers", name, size, False] for name, kind in kinds.items() for size in (1, 5)]
    assert sorted(replayed) == sorted(expected)


def test_requests_are_the_same_bytes_again_and_hold_rows_of_several_lengths(loaded, tmp_path):
    signatures = Signatures(loaded)
    for name in ("one", "two"):
        write_warmup(tmp_path / name, signatures, (1, 8), "mtdnn")
    assert (tmp_path / "one" / WARMUP).read_bytes() == (tmp_path / "two" / WARMUP).read_bytes()
    by_name = {}
    for record in warmup_records(signatures, (8,), "mtdnn"):
        if record.HasField("predict_log"):
            by_name[record.predict_log.request.model_spec.signature_name] = record.predict_log.request.inputs
    texts = [text.decode() for text in by_name["pair"]["text_b"].string_val]
    assert len({len(text.split()) for text in texts}) > 3
    assert len(by_name["tokens"]["token_ids"].tensor_shape.dim) == 2


def test_without_sizes_no_request_is_written(loaded, tmp_path):
    write_warmup(tmp_path, Signatures(loaded), (), "mtdnn")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((8, 1), "rising order, got 8,1"),
        ((1, 1), "rising order, got 1,1"),
        ((0, 1), ">= 1 in rising order, got 0,1"),
        (tuple(range(1, 79)), "78 sizes of 13 signatures make 1014 warm-up requests, TF Serving takes up to 1000"),
    ],
)
def test_sizes_that_tf_serving_refuses_are_refused(loaded, tmp_path, sizes, message):
    with pytest.raises(UserError, match=message):
        write_warmup(tmp_path, Signatures(loaded), sizes, "mtdnn")
    assert not list(tmp_path.iterdir())
