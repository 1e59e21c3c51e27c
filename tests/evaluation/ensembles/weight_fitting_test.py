import dataclasses
import hashlib

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import accuracy_score, log_loss

from mtdnn_tf.data.encoding import EncodedData, TaskData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles.scoring import Scoring, score
from mtdnn_tf.evaluation.ensembles.weight_fitting import fit_on_half
from mtdnn_tf.evaluation.runs import RunPredictions
from mtdnn_tf.tasks.registry import select_tasks
from tests.helpers import VOCABULARY, write_tasks


@pytest.fixture(name="predicted")
def _predicted(tmp_path):
    """Returns what two runs predict on a development split, the second with more noise."""
    (task,) = select_tasks(["entailment"], [write_tasks(tmp_path / "tasks", rows=200)])
    tokenizer, source = WordPieceTokenizer(VOCABULARY, lowercase=True), DataSource("files", tmp_path)
    encoded = EncodedData(source, tokenizer, 32, tmp_path / "cache").split(task, "validation")
    generator, gold = np.random.default_rng(0), np.eye(3)[np.asarray(encoded.labels)]
    runs = [softmax(2 * gold + generator.normal(scale=s, size=(200, 3)), axis=-1).astype(np.float32) for s in (1, 4)]
    return RunPredictions(encoded, runs)


def test_weights_depend_on_one_half_and_are_judged_on_the_other(predicted, caplog):
    caplog.set_level("INFO", logger="absl")
    ids, gold = predicted.encoded.example_ids, np.asarray(predicted.encoded.labels)
    apart = np.array([int(hashlib.sha256(f"weights {name}".encode()).hexdigest(), 16) % 2 == 1 for name in ids])
    weights, details = fit_on_half(predicted, "probabilities")
    assert sum(weights) == pytest.approx(1.0) and weights[0] > 0.6
    assert (details["split"], details["rows_fitted_on"], details["rows_held_apart"]) == (
        "validation",
        int((~apart).sum()),
        int(apart.sum()),
    )
    for name, given in (("equal", [0.5, 0.5]), ("fitted", weights)):
        mean = np.average(np.stack(predicted.by_run), axis=0, weights=given)[apart]
        expected = log_loss(gold[apart], mean, labels=[0, 1, 2])
        judged = details["held_apart"][name]
        assert judged["negative_log_likelihood"] == pytest.approx(expected, abs=1e-5)
        assert judged["accuracy"] == accuracy_score(gold[apart], mean.argmax(axis=1))
        assert f"({name}): on {apart.sum()} rows held apart negative_log_likelihood {expected:.4f}" in caplog.text
    assert (
        details["held_apart"]["fitted"]["negative_log_likelihood"]
        < details["held_apart"]["equal"]["negative_log_likelihood"]
    )
    # Other predictions and labels of the half that is held apart leave the weights as they are.
    turned = [np.where(apart[:, None], run[:, ::-1], run) for run in predicted.by_run]
    encoded = dataclasses.replace(predicted.encoded, labels=np.where(apart, (gold + 1) % 3, gold))
    assert fit_on_half(RunPredictions(encoded, turned), "probabilities")[0] == weights
    assert fit_on_half(RunPredictions(encoded, turned), "logits")[0] != weights


def test_a_half_without_labels_is_refused(predicted):
    encoded = dataclasses.replace(predicted.encoded, labels=np.full(200, -1))
    with pytest.raises(UserError, match="task entailment needs labelled rows in both halves of the split, 0 and 0 of"):
        fit_on_half(RunPredictions(encoded, predicted.by_run), "probabilities")


def test_the_training_split_and_weights_that_are_given_are_refused(tmp_path):
    tasks = select_tasks([], [write_tasks(tmp_path / "tasks")])
    scoring = Scoring([tmp_path], tasks, "train", TaskData(DataSource("files", tmp_path), tmp_path), tmp_path)
    with pytest.raises(UserError, match="that no teacher was trained on, got train"):
        score(dataclasses.replace(scoring, fit_weights_on="train"))
    with pytest.raises(UserError, match="give one of them"):
        score(dataclasses.replace(scoring, weights=[1.0], fit_weights_on=["validation"]))
    with pytest.raises(
        UserError, match=r"unknown split of --fit_weights_on for task mood 'dev'.* Accepted: test, valid"
    ):
        score(dataclasses.replace(scoring, fit_weights_on="dev"))
