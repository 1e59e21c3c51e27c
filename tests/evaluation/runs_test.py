import dataclasses
import logging
from typing import Any

import numpy as np
import pytest

from mtdnn_tf.data.encoding import TaskData
from mtdnn_tf.data.folds import Fold
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.subset import Part
from mtdnn_tf.distillation.soft_targets import read_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles.scoring import Scoring, score
from mtdnn_tf.evaluation.runs import check_fold_weights, predict_each_run, predict_with_runs, predictions_per_example
from mtdnn_tf.modeling.checkpoints.model_folder import model_fingerprint
from mtdnn_tf.tasks.registry import get_task, select_tasks
from mtdnn_tf.training.config import TrainingConfig
from tests.helpers import write_tasks
from tests.small_models import write_two_teachers


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Returns two runs of different encoders and vocabularies, their tasks and their source."""
    folder = tmp_path_factory.mktemp("runs")
    tasks = select_tasks([], [write_tasks(folder / "tasks")])
    return write_two_teachers(folder, tasks), tasks, DataSource("files", folder / "tasks"), folder / "cache"


def test_an_ensemble_of_different_vocabularies_is_averaged_row_by_row(runs):
    folders, tasks, source, cache = runs
    alone = [predict_with_runs([folder], tasks, ["test"], TaskData(source, cache)) for folder in folders]
    each = predict_each_run(folders, [], ["test"], TaskData(source, cache))
    together = {name: split.combined([3.0, 1.0]) for name, split in each.items()}
    assert len({model_fingerprint(folder) for folder in folders}) == 2
    for name in ("mood/test", "entailment/test", "similarity/test"):
        expected = 0.75 * alone[0][name].predictions + 0.25 * alone[1][name].predictions
        np.testing.assert_allclose(together[name].predictions, expected, atol=1e-6)
        assert not np.allclose(alone[0][name].predictions, alone[1][name].predictions)


def test_scores_are_the_averaged_predictions_with_their_teachers(runs, tmp_path):
    folders, tasks, source, cache = runs
    assert score(Scoring(folders, tasks[:2], "train", TaskData(source, cache), tmp_path)) == ["mood", "entailment"]
    predictions = predict_with_runs(folders, tasks[:1], ["train"], TaskData(source, cache))
    np.testing.assert_array_equal(np.load(tmp_path / "mood" / "predictions.npy"), predictions["mood/train"].predictions)
    manifest = (tmp_path / "mood" / "manifest.json").read_text()
    assert all(model_fingerprint(folder) in manifest for folder in folders)
    with pytest.raises(UserError, match="--teachers must be one or more runs"):
        score(Scoring([], tasks, "train", TaskData(source, cache), tmp_path))


def test_a_part_of_the_training_split_is_scored_as_a_student_takes_it(runs, tmp_path):
    folders, tasks, source, cache = runs
    part = Part(max_examples=15, seed=3)
    score(Scoring(folders, tasks[:1], "train", TaskData(source, cache), tmp_path / "part", train_part=part))
    score(Scoring(folders, tasks[:1], "train", TaskData(source, cache), tmp_path / "whole"))
    scored, whole = (read_soft_targets(tmp_path / name / "mood") for name in ("part", "whole"))
    assert len(whole.example_ids) == 40
    taken = TrainingConfig.build(output_dir=tmp_path, max_train_examples=15, subset_seed=3).part.rows(40)
    assert list(scored.example_ids) == [whole.example_ids[row] for row in taken]
    assert scored.manifest["data_fingerprint"] == whole.manifest["data_fingerprint"]
    # Other batches are padded to other lengths.
    np.testing.assert_allclose(scored.predictions, whole.predictions[taken], atol=1e-6)


def test_logits_are_averaged_where_that_is_asked_for(runs, tmp_path):
    folders, tasks, source, cache = runs
    alone = [predict_with_runs([folder], tasks, ["train"], TaskData(source, cache)) for folder in folders]
    score(Scoring(folders, tasks, "train", TaskData(source, cache), tmp_path, [3.0, 1.0], average="logits"))
    for name in ("mood", "entailment"):
        stored = read_soft_targets(tmp_path / name)
        products = np.prod([run[f"{name}/train"].predictions ** p for run, p in zip(alone, (0.75, 0.25))], axis=0)
        np.testing.assert_allclose(stored.predictions, products / products.sum(axis=1, keepdims=True), atol=1e-5)
        assert stored.manifest["average"] == "logits"
    scores = [run["similarity/train"].predictions for run in alone]
    stored = read_soft_targets(tmp_path / "similarity")
    np.testing.assert_allclose(stored.predictions, 0.75 * scores[0] + 0.25 * scores[1], atol=1e-6)
    each = predict_each_run(folders, tasks, ["train"], TaskData(source, cache))["similarity/train"]
    np.testing.assert_array_equal(each.combined([3.0, 1.0], "logits").predictions, stored.predictions)
    with pytest.raises(UserError, match="unknown --average 'logit'; did you mean 'logits'"):
        each.combined(average="logit")


def test_fitted_weights_are_those_of_each_task_in_its_manifest(runs, tmp_path):
    folders, tasks, source, cache = runs
    score(Scoring(folders, tasks, "train", TaskData(source, cache), tmp_path, fit_weights_on=["dev", "validation"]))
    alone = [predict_with_runs([folder], tasks, ["train"], TaskData(source, cache)) for folder in folders]
    fitted = []
    for name in ("mood", "entailment", "similarity"):
        stored = read_soft_targets(tmp_path / name)
        weights = [teacher["weight"] for teacher in stored.manifest["teachers"]]
        mean = np.average([run[f"{name}/train"].predictions for run in alone], axis=0, weights=weights)
        np.testing.assert_allclose(stored.predictions, mean, atol=1e-5)
        details = stored.manifest["fitted_weights"]
        assert details["split"] == "validation" and details["rows_fitted_on"] + details["rows_held_apart"] == 40
        fitted.append(tuple(weights))
    assert len(set(fitted)) == 3


def test_a_run_that_does_not_answer_the_task_is_refused(runs):
    folders, tasks, source, cache = runs
    with pytest.raises(UserError, match=r"unknown task of run .*run0 'rte'"):
        predict_with_runs(folders, [get_task("rte")], ["test"], TaskData(source, cache))
    turned = dataclasses.replace(tasks[0], labels=("good", "bad"))
    with pytest.raises(UserError, match=r"not the one that was trained: labels \[good, bad\] instead of \[bad, good\]"):
        predict_with_runs(folders, [turned], ["test"], TaskData(source, cache))


def test_tasks_without_a_development_split_are_refused_or_said(runs, caplog):
    folders, tasks, source, cache = runs
    mood, entailment = (dataclasses.replace(task, evaluation_splits=()) for task in tasks[:2])
    empty: list[Any] = [[], {"mood": [], "entailment": []}]
    for splits in empty:
        with pytest.raises(UserError, match="nothing to predict: no development split of mood, entailment; --split"):
            predict_with_runs(folders[:1], [mood, entailment], splits, TaskData(source, cache))
    with caplog.at_level(logging.WARNING, "absl"):
        predicted = predict_with_runs(folders[:1], [mood, tasks[1]], [], TaskData(source, cache))
    assert list(predicted) == ["entailment"]
    assert [record.getMessage() for record in caplog.records] == [
        "not predicted, because they have no development split: mood"
    ]


def test_a_split_is_predicted_whatever_its_labels_are(runs, tmp_path):
    folders, tasks, source, cache = runs
    hidden = [select_tasks([], [write_tasks(tmp_path)])[0].without_labels(["test"])]
    path = tmp_path / "mood_test.tsv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *(row.rpartition("\t")[0] + "\t-1" for row in rows)]) + "\n")
    predicted = predict_with_runs(folders[:1], hidden, ["test"], TaskData(source, cache))["mood/test"]
    expected = predict_with_runs(folders[:1], tasks[:1], ["test"], TaskData(source, cache))["mood/test"]
    np.testing.assert_array_equal(predicted.predictions, expected.predictions)
    assert not hidden[0].kind_object.labelled(np.asarray(predicted.encoded.labels)).any()
    assert hidden[0].files["train"].label == "mood"


HALVES = [Fold(2, 0), Fold(2, 1)]


@pytest.mark.parametrize(
    ("folds", "count"),
    [
        ([None], 1),
        (HALVES, 1),
        (2 * HALVES, 2),
        ([*HALVES, None], 2),
        ([*HALVES, Fold(3, 2), Fold(3, 0), Fold(3, 1)], 2),
    ],
)
def test_every_row_has_as_many_runs(folds, count):
    assert predictions_per_example(folds) == count


@pytest.mark.parametrize(
    ("folds", "missing"),
    [
        ([Fold(2, 0)], "1 with --folds=2 --held_out_fold=1$"),
        ([*HALVES, Fold(2, 1)], "1 with --folds=2 --held_out_fold=0$"),
        ([Fold(3, 1), Fold(3, 1), None], "2 with --folds=3 --held_out_fold=0, 2 with --folds=3 --held_out_fold=2$"),
        ([Fold(2, 0), Fold(3, 1)], "1 with --folds=2 --held_out_fold=1, 1 with --folds=3 --held_out_fold=0, 1 with"),
    ],
)
def test_missing_folds_are_named(folds, missing):
    with pytest.raises(UserError, match=missing):
        predictions_per_example(folds)


def test_weights_leave_no_row_without_a_run():
    check_fold_weights(HALVES, [1, 2])
    check_fold_weights([*HALVES, None], [1, 0, 1])
    check_fold_weights([*HALVES, *HALVES], [1, 0, 0, 1])
    check_fold_weights([None, None], [1, 0])
    with pytest.raises(UserError, match="fold 1 of 2 has none, got 1, 0"):
        check_fold_weights(HALVES, [1, 0])
    with pytest.raises(UserError, match="fold 0 of 2 has none"):
        check_fold_weights([*HALVES, None], [0, 1, 0])
