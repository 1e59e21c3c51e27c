from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mtdnn_tf as mtdnn
from mtdnn_tf.errors import UserError
from tests.helpers import write_tasks

OPTIONS: dict[str, Any] = {
    "backbone": "tiny",
    "epochs": 1,
    "batch_size": 8,
    "max_sequence_length": 32,
    "learning_rate": 1e-2,
}
MOOD = mtdnn.Classification("mood", "sentence", ["bad", "good"], label="mood", metrics=["accuracy", "f1"])
SIMILARITY = mtdnn.Regression("similarity", ["first", "second"], metrics=["pearson", "spearman"])
ROOT = Path(__file__).parents[2]


@pytest.fixture(name="data", scope="module")
def _data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    write_tasks(folder)

    def table(task, split):
        return pd.read_csv(folder / f"{task}_{split}.tsv", sep="\t")

    data = {task: {split: table(task, split) for split in ("train", "validation")} for task in ("mood", "similarity")}
    data["mood"]["unlabelled"] = table("mood", "test")[["sentence"]]
    return data


@pytest.fixture(name="student", scope="module")
def _student(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("distilled")
    return mtdnn.distill([MOOD, SIMILARITY], data, output_dir=folder, teachers=2, cache_dir=folder / "cache", **OPTIONS)


def _weights(run: Path) -> str:
    return hashlib.sha256((run / "model" / "weights.safetensors").read_bytes()).hexdigest()


def test_the_student_learned_from_both_teachers_and_from_unlabelled_rows(student):
    folder = student.folder.parent
    assert sorted(path.name for path in (folder / "teachers").iterdir()) == ["1", "2"]
    flags = (student.folder / "config.flags").read_text(encoding="utf-8").splitlines()
    assert f"--soft_targets={folder / 'soft_targets'}" in flags and "--transfer_splits=unlabelled" in flags
    assert len({_weights(run) for run in (*(folder / "teachers").iterdir(), student.folder)}) == 3


def test_the_command_line_ends_with_the_same_bytes(student, tmp_path):
    command = [sys.executable, "-m", "tools.train", f"--flagfile={student.folder}/config.flags"]
    subprocess.run([*command, f"--output_dir={tmp_path}"], cwd=ROOT, check=True, capture_output=True)
    assert _weights(tmp_path) == _weights(student.folder)


def test_the_same_call_keeps_what_is_finished(student, data, caplog):
    folder = student.folder.parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    with caplog.at_level(logging.INFO, "absl"):
        again = mtdnn.distill(
            [MOOD, SIMILARITY], data, output_dir=folder, teachers=2, cache_dir=folder / "cache", **OPTIONS
        )
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert again.folder == student.folder


def test_other_data_in_the_same_folder_are_refused(student, data):
    folder = student.folder.parent
    changed = {**data, "mood": {**data["mood"], "train": data["mood"]["train"].iloc[::-1]}}
    with pytest.raises(UserError, match="mood"):
        mtdnn.distill([MOOD, SIMILARITY], changed, output_dir=folder, teachers=2, cache_dir=folder / "cache", **OPTIONS)


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


def test_metrics_are_those_of_the_training(student, data):
    metrics = student.evaluate({name: splits["validation"] for name, splits in data.items()})
    recorded = mtdnn.load(student.folder).metrics
    assert metrics.keys() == recorded.keys() == {"mood", "similarity"}
    for task, values in metrics.items():
        assert values == pytest.approx(recorded[task], abs=1e-6)


def test_embeddings_are_those_of_the_served_model(student, tmp_path):
    import tensorflow as tf

    texts = ["the cat sees a dog", "a bird"]
    served = tf.saved_model.load(str(student.export(tmp_path / "served"))).signatures["embed"]
    expected = served(text_a=tf.constant(texts), text_b=tf.constant(["", ""]))["embedding"]
    np.testing.assert_allclose(student.embed(texts, batch_size=1), expected, atol=1e-5)


def test_the_keras_model_is_the_users_to_use(student):
    import tensorflow as tf

    assert isinstance(student.keras_model, tf.keras.Model)
    assert set(student.keras_model.heads) == {"mood", "similarity"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda data, folder: mtdnn.train(MOOD, output_dir=folder), "`data` must have a table for task 'mood'"),
        (lambda data, folder: mtdnn.train(MOOD, {"mod": data["mood"]}, output_dir=folder), "did you mean 'mood'"),
        (
            lambda data, folder: mtdnn.train(MOOD, {"mood": {"validation": data["mood"]["train"]}}, output_dir=folder),
            "must have a 'train' table",
        ),
        (
            lambda data, folder: mtdnn.train(MOOD, {"mood": data["mood"]["train"]}, output_dir=folder, epoch=1),
            "unknown option 'epoch'; did you mean 'epochs'",
        ),
        (
            lambda data, folder: mtdnn.train(
                mtdnn.Classification("mood", "sentence", ["bad", "fine"], label="mood"),
                {"mood": data["mood"]["train"]},
                output_dir=folder,
                **OPTIONS,
            ),
            "good",
        ),
        (lambda data, folder: mtdnn.score([], output_dir=folder), "`teachers` must be one or more trained models"),
        (lambda data, folder: mtdnn.load(folder / "none"), "no trained model here"),
    ],
)
def test_wrong_use_is_refused_in_one_line(call, message, data, tmp_path):
    with pytest.raises(mtdnn.UserError, match=message) as raised:
        call(data, tmp_path)
    assert "\n" not in str(raised.value)


def test_wrong_predictions_are_refused(student):
    with pytest.raises(UserError, match="`task` must be one of mood, similarity, got none"):
        student.predict(["a"])
    with pytest.raises(UserError, match="unknown task 'mod'; did you mean 'mood'"):
        student.predict(["a"], task="mod")
    with pytest.raises(UserError, match="row 1: must be a pair of texts, got 'a'"):
        student.predict([("a", "b"), "a"], task="similarity")


def test_importing_the_package_does_not_import_tensorflow():
    code = "import sys, mtdnn_tf; mtdnn_tf.Classification('a', 't', ['x']); sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_the_public_names_are_all_there():
    assert all(hasattr(mtdnn, name) for name in mtdnn.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'trian'"):
        mtdnn.trian  # noqa: B018
