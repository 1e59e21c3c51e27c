from __future__ import annotations

import json

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.serving.export import export_saved_model
from mtdnn_tf.serving.signatures import Signatures
from mtdnn_tf.serving.warmup import WARMUP, warmup_records, write_warmup
from tests.serving.examples import TASKS, loaded_model, run_alone

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
    export_saved_model(loaded, tmp_path / "1", batch_sizes=(1, 5), model_name="answers")
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
        ((8, 1), "rising order, 8,1 given"),
        ((1, 1), "rising order, 1,1 given"),
        ((0, 1), "from 1 in rising order, 0,1 given"),
        (tuple(range(1, 79)), "78 sizes of 13 signatures make 1014 warm-up requests, TF Serving takes up to 1000"),
    ],
)
def test_sizes_that_tf_serving_refuses_are_refused(loaded, tmp_path, sizes, message):
    with pytest.raises(UserError, match=message):
        write_warmup(tmp_path, Signatures(loaded), sizes, "mtdnn")
    assert not list(tmp_path.iterdir())
