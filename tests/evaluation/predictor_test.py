from __future__ import annotations

import gc
import signal
import weakref

import numpy as np
import pytest

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation import predictor
from mtdnn_tf.evaluation.predictor import InferenceSettings, Predictor
from mtdnn_tf.interruption import Interrupted
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.task import Task

_PAIR = Task(
    name="pair", kind="classification", text=("a", "b"), labels=("x", "y", "z"), metrics=("accuracy",), dropout=0.5
)
_DIAGNOSTIC = Task(
    name="diagnostic",
    kind="classification",
    text=("a", "b"),
    labels=("x", "y", "z"),
    metrics=("accuracy",),
    head_of="pair",
)
_SCORED = Task(name="scored", kind="regression", text=("a", "b"), metrics=("pearson",), dropout=0.5)
_LENGTHS = np.random.default_rng(1).integers(4, 20, 23)


def _model():
    model = build_multi_task_model(find_backbone("tiny"), [_PAIR, _DIAGNOSTIC, _SCORED], dropout=0.5)
    random = np.random.default_rng(0)
    # Initial weights answer almost the same whatever the text.
    model.set_weights([weight + random.normal(0, 0.5, weight.shape) for weight in model.get_weights()])
    return model


@pytest.fixture(name="model", scope="module")
def _shared_model():
    return _model()


def _encoded(task, lengths=_LENGTHS):
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    token_ids = np.random.default_rng(2).integers(5, 60, offsets[-1]).astype(np.int32)
    return EncodedSplit(
        task=task,
        split="validation",
        example_ids=[str(row) for row in range(len(lengths))],
        token_ids=token_ids,
        offsets=offsets,
        first_segment_lengths=(lengths // 2).astype(np.int32),
        labels=np.zeros(len(lengths), np.int32),
        data_fingerprint="",
        manifest={},
    )


def _logits_one_by_one(model, encoded, head):
    rows = []
    for row in range(len(encoded)):
        start, end = encoded.offsets[row], encoded.offsets[row + 1]
        segments = np.arange(end - start) >= encoded.first_segment_lengths[row]
        inputs = {
            "token_ids": encoded.token_ids[None, start:end],
            "segment_ids": segments[None].astype(np.int32),
            "padding_mask": np.ones((1, end - start), np.int32),
        }
        rows.append(model(inputs, training=False)[head].numpy()[0].astype(np.float64))
    return np.array(rows)


def test_probabilities_are_those_of_unpadded_rows_one_by_one(model):
    encoded = _encoded(_PAIR)
    logits = _logits_one_by_one(model, encoded, "pair")
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.ptp(expected[:, 0]) > 0.1
    for batch_size in (1, 4, 64):
        predicted = Predictor(model, InferenceSettings(batch_size)).predict(encoded)
        assert predicted.dtype == np.float32
        np.testing.assert_allclose(predicted, expected, atol=1e-5)


@pytest.mark.parametrize("parallel", [2, 5])
def test_batches_at_the_same_time_give_the_same_probabilities(model, parallel):
    one_by_one = Predictor(model, InferenceSettings(3)).predict(_encoded(_PAIR))
    np.testing.assert_array_equal(Predictor(model, InferenceSettings(3, parallel)).predict(_encoded(_PAIR)), one_by_one)


def test_an_interruption_leaves_the_other_batches_out(model, monkeypatch):
    answered = []
    batch = EncodedSplit.batch

    def counted(*arguments):
        answered.append(1)
        return batch(*arguments)

    monkeypatch.setattr(EncodedSplit, "batch", counted)

    def stop():
        raise Interrupted(signal.SIGTERM)

    monkeypatch.setattr(predictor, "stop_if_asked", stop)
    with pytest.raises(Interrupted):
        Predictor(model, InferenceSettings(1, 2)).predict(_encoded(_PAIR, np.full(400, 5)))
    assert len(answered) < 400


def test_regression_gives_scores(model):
    encoded = _encoded(_SCORED)
    predicted = Predictor(model, InferenceSettings(4)).predict(encoded)
    assert predicted.shape == (len(_LENGTHS), 1)
    np.testing.assert_allclose(predicted, _logits_one_by_one(model, encoded, "scored"), atol=1e-5)


def test_a_task_without_a_head_of_its_own_is_answered_by_another_tasks(model):
    predictor = Predictor(model)
    np.testing.assert_array_equal(predictor.predict(_encoded(_DIAGNOSTIC)), predictor.predict(_encoded(_PAIR)))


def test_the_encoder_is_traced_once_for_all_tasks(model):
    predictor = Predictor(model, InferenceSettings(5))
    for rows in (np.arange(3), np.arange(23)):
        predictor.predict(_encoded(_PAIR), rows)
        predictor.predict(_encoded(_SCORED), rows)
    assert predictor.inference.encode.experimental_get_tracing_count() == 1


def test_a_model_that_is_used_no_more_is_freed():
    def used_model():
        model = _model()
        Predictor(model).predict(_encoded(_PAIR))
        return weakref.ref(model)

    reference = used_model()
    gc.collect()
    assert reference() is None


def test_trained_weights_are_used_without_tracing_anew():
    model = _model()
    predictor = Predictor(model)
    before = predictor.predict(_encoded(_PAIR))
    model.heads["pair"].logits.bias.assign([9.0, 0.0, 0.0])
    after = predictor.predict(_encoded(_PAIR))
    assert (before[:, 0] < 0.99).all()
    assert (after[:, 0] > before[:, 0]).all()


def test_an_empty_split_has_no_predictions(model):
    assert Predictor(model).predict(_encoded(_PAIR, np.zeros(0, np.int64))).shape == (0, 3)


def test_a_diverged_model_is_refused():
    model = _model()
    model.heads["pair"].logits.bias.assign([float("nan"), 0.0, 0.0])
    with pytest.raises(UserError, match="23 of 23 predictions are not finite"):
        Predictor(model).predict(_encoded(_PAIR))


def test_a_task_that_the_model_does_not_answer_is_refused(model):
    other = Task(name="pear", kind="regression", text=("a",), metrics=("pearson",))
    with pytest.raises(UserError, match="did you mean 'pair'"):
        Predictor(model).predict(_encoded(other))
