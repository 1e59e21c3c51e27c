"""A ranking that a user declares, from two teachers to the metrics of their student, checked against plain Python."""

import csv
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from mtdnn_tf.evaluation.ensembles.scoring import Scoring, score
from mtdnn_tf.evaluation.predictions import write_predictions
from mtdnn_tf.evaluation.runs import predict_with_runs
from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train
from tests.helpers import write_answers, write_huggingface_folder, write_tasks

TASK = """\
tasks:
  answers:
    kind: ranking
    text: [question, answer]
    label: relevant
    labels: ["0", "1"]
    files: {train: train.tsv, validation: validation.tsv}
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Returns the configuration of a student that learned a ranking from two teachers, beside two other tasks."""
    folder = tmp_path_factory.mktemp("ranking")
    write_huggingface_folder(folder / "bert")
    write_answers(folder / "train.tsv", [1, 2, 30, 2, 3, 30, 1, 7, 5, 2, 2, 4], seed=1)
    write_answers(folder / "validation.tsv", [1, 2, 30, 2, 12, 3], seed=2)
    (folder / "answers.yaml").write_text(TASK)
    config = TrainingConfig.build(
        output_dir=folder / "teacher1",
        data_dir=folder,
        cache_dir=folder / "cache",
        tasks=("answers", "mood", "similarity"),
        task_file=(folder / "answers.yaml", write_tasks(folder / "tasks")),
        max_sequence_length=32,
        backbone=str(folder / "bert"),
        epochs=2,
        batch_size=16,
        learning_rate=1e-2,
        evaluation="end",
    )
    train(config)
    train(config.replace(output_dir=folder / "teacher2", seed=5))
    teachers = [folder / "teacher1", folder / "teacher2"]
    score(Scoring(teachers, config.data.selected_tasks()[:1], "train", config.data.task_data(), folder / "soft"))
    student = config.replace(output_dir=folder / "student", soft_targets=(folder / "soft",))
    return student, train(student)


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _predictions(config, names, split):
    """Returns what runs predict, in the order of the data's rows."""
    folders = [config.output_dir.parent / name for name in names]
    predicted = predict_with_runs(folders, config.data.selected_tasks()[:1], [split], config.data.task_data())
    (result,) = predicted.values()
    return result.rows()


def _predicted(config, names, split, path) -> list[dict[str, str]]:
    """Returns the rows of the file of predictions, which stand in the order of the data's."""
    write_predictions(path, _predictions(config, names, split))
    return _table(path)


def test_the_students_metrics_are_those_of_its_sorted_lists(runs, tmp_path):
    config, metrics = runs
    rows = _predicted(config, ["student"], "validation", tmp_path / "predictions.tsv")
    assert list(rows[0]) == ["id", "probability"]
    # The file has six digits, in which candidates may be level.
    probabilities = _predictions(config, ["student"], "validation").values[:, 0]
    np.testing.assert_allclose([float(row["probability"]) for row in rows], probabilities, rtol=0, atol=1e-6)
    questions: dict[str, list[tuple[float, int]]] = {}
    for probability, gold in zip(probabilities, _table(config.data.data_dir / "validation.tsv")):
        questions.setdefault(gold["question"], []).append((-float(probability), int(gold["relevant"])))
    assert sorted(map(len, questions.values())) == [1, 2, 2, 3, 12, 30]
    assert all(abs(sum(p for p, _ in candidates) + 1) < 1e-4 for candidates in questions.values())
    ranks = [1 + next(at for at, (_, r) in enumerate(sorted(candidates)) if r) for candidates in questions.values()]
    reciprocal = float(np.mean([1 / rank for rank in ranks]))
    # With one relevant candidate a question, average precision is the reciprocal rank.
    expected = {"mrr": reciprocal, "map": reciprocal, "accuracy_at_1": float(np.mean([rank == 1 for rank in ranks]))}
    assert metrics["answers"] == pytest.approx(expected)
    assert set(metrics) == {"answers", "mood", "similarity"}


def test_soft_targets_are_the_mean_of_the_teachers_lists(runs, tmp_path):
    config, _ = runs
    rows = [
        np.array([float(row["probability"]) for row in _predicted(config, [name], "train", tmp_path / f"{name}.tsv")])
        for name in ("teacher1", "teacher2")
    ]
    (folder,) = config.distillation.soft_targets
    stored = np.load(folder / "answers" / "predictions.npy")
    np.testing.assert_allclose(stored[:, 0], (rows[0] + rows[1]) / 2, atol=2e-6)
    sums: dict[str, float] = {}
    for row, value in zip(_table(config.data.data_dir / "train.tsv"), stored[:, 0]):
        sums[row["question"]] = sums.get(row["question"], 0.0) + value
    assert len(sums) == 12
    assert list(sums.values()) == pytest.approx([1.0] * 12, abs=1e-5)
    assert np.abs(rows[0] - rows[1]).max() > 0.01


def test_the_ensemble_is_judged_too(runs):
    config, _ = runs
    folders = [config.output_dir.parent / name for name in ("teacher1", "teacher2")]
    predicted = predict_with_runs(folders, config.data.selected_tasks()[:1], [], config.data.task_data())
    assert set(predicted["answers"].metrics()) == {"mrr", "map", "accuracy_at_1"}


def test_the_served_model_scores_candidates(runs, tmp_path):
    config, _ = runs
    export_model(load_model(config.output_dir), tmp_path / "1")
    answer = tf.saved_model.load(str(tmp_path / "1")).signatures["answers"]
    table = _table(config.data.data_dir / "validation.tsv")
    question = max({row["question"] for row in table}, key=lambda q: sum(row["question"] == q for row in table))
    rows = [row for row in table if row["question"] == question]
    texts = (tf.constant([row[name] for row in rows]) for name in ("question", "answer"))
    scores = answer(**dict(zip(("text_a", "text_b"), texts)))["score"].numpy()
    predicted = _predicted(config, ["student"], "validation", tmp_path / "predictions.tsv")
    expected = [float(p["probability"]) for p, row in zip(predicted, table) if row["question"] == question]
    np.testing.assert_allclose(softmax(scores), expected, atol=1e-5)


def test_questions_without_a_relevant_answer_are_left_out_and_counted(runs, tmp_path, caplog):
    caplog.set_level("INFO", logger="absl")
    config, _ = runs
    text = (config.data.data_dir / "train.tsv").read_text().replace("\t1\n", "\t0\n", 3)
    (tmp_path / "train.tsv").write_text(text)
    rows = [line.split("\t") for line in text.splitlines()[1:]]
    relevant = {row[0] for row in rows if row[2] == "1"}
    left_out = sum(row[0] not in relevant for row in rows)
    (tmp_path / "answers.yaml").write_text(TASK.replace(", validation: validation.tsv", ""))
    changed = config.replace(
        output_dir=tmp_path / "run", task_file=(tmp_path / "answers.yaml",), tasks=(), soft_targets=(), epochs=1
    )
    train(changed.replace(evaluation="never"))
    assert len(relevant) == 9
    assert f"skipped {left_out} row(s) with neither gold label (a query with a relevant candidate)" in caplog.text
    assert f"1 tasks (0 with soft targets), {len(rows) - left_out} examples" in caplog.text
