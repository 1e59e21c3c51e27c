from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import mtdnn_tf as mtdnn
from mtdnn_tf.errors import UserError

ROOT = Path(__file__).parents[2]


def test_predictions_are_those_of_the_command_line(student, data, tmp_path):
    texts = data["mood"]["validation"]["sentence"].tolist()
    predicted = student.predict(texts, task="mood")
    assert list(predicted.columns) == ["label", "probability_bad", "probability_good"] and len(predicted) == len(texts)
    output = tmp_path / "predictions.tsv"
    command = [sys.executable, "-m", "tools.predict", f"--run={student.folder}", "--tasks=mood", "--split=validation"]
    subprocess.run([*command, f"--output={output}"], cwd=ROOT, check=True, capture_output=True)
    expected = pd.read_csv(output, sep="\t")
    assert predicted["label"].tolist() == expected["label"].tolist()
    np.testing.assert_allclose(predicted["probability_good"], expected["probability_good"], atol=2e-6)


def test_a_pair_is_given_as_a_tuple_or_as_columns(student, data):
    table = data["similarity"]["validation"]
    by_columns = student.predict(table[["first", "second"]], task="similarity")
    by_pairs = student.predict(list(zip(table["first"], table["second"])), task="similarity")
    pd.testing.assert_frame_equal(by_columns, by_pairs)
    assert list(by_pairs.columns) == ["score"]


def test_no_texts_have_no_answers(student):
    answers = student.predict([], task="mood")
    assert list(answers.columns) == ["label", "probability_bad", "probability_good"] and answers.empty
    assert student.embed([]).shape == (0, student.keras_model.backbone.config.hidden_dim)
    assert student.embed([]).dtype == np.float32


def test_metrics_are_those_of_the_training(student, data):
    metrics = student.evaluate({name: splits["validation"] for name, splits in data.items()})
    recorded = mtdnn.load(student.folder).metrics
    assert metrics.keys() == recorded.keys() == {"mood", "similarity"}
    for task, values in metrics.items():
        assert values == pytest.approx(recorded[task], abs=1e-6)


def test_embeddings_are_those_of_the_served_model(student, tmp_path):
    texts = ["the cat sees a dog", "a bird"]
    served = tf.saved_model.load(str(student.export(tmp_path / "served"))).signatures["embed"]
    expected = served(text_a=tf.constant(texts), text_b=tf.constant(["", ""]))["embedding"]
    np.testing.assert_allclose(student.embed(texts, batch_size=1), expected, atol=1e-5)


def test_the_keras_model_is_the_users_to_use(student):
    assert isinstance(student.keras_model, tf.keras.Model)
    assert set(student.keras_model.heads) == {"mood", "similarity"}


def test_wrong_inputs_are_refused(student, data):
    with pytest.raises(UserError, match="`task` must be one of mood, similarity, got none"):
        student.predict(["a"])
    with pytest.raises(UserError, match="unknown task 'mod'; did you mean 'mood'"):
        student.predict(["a"], task="mod")
    with pytest.raises(UserError, match="row 1: must be a pair of texts, got 'a'"):
        student.predict([("a", "b"), "a"], task="similarity")
    with pytest.raises(UserError, match="`data` must have rows for task 'mood', got none"):
        student.evaluate({"mood": data["mood"]["validation"].head(0)})
    with pytest.raises(UserError, match="column 'mood' is missing"):
        student.evaluate({"mood": data["mood"]["validation"][["sentence"]]})
