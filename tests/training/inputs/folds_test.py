"""Out-of-fold soft targets, from two teachers that were each trained on one half to what is stored of both."""

import hashlib
import json
import logging

import numpy as np
import pytest

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.distillation.joining import TeacherLogits
from mtdnn_tf.distillation.soft_targets import read_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles.scoring import Scoring, score
from mtdnn_tf.evaluation.runs import predict_with_runs
from mtdnn_tf.kinds.registry import KINDS
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.inputs.task_inputs import TaskInputs, hold_out
from mtdnn_tf.training.run import train
from tests.helpers import write_answers, write_huggingface_folder, write_tasks

ANSWERS = """\
tasks:
  answers: {kind: ranking, text: [question, answer], label: relevant, labels: ["0", "1"],
            files: {train: answers.tsv, test: answers.tsv}}
"""
NAMES = ("mood", "entailment", "similarity", "answers")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Returns the configuration of a run on all rows; runs `fold0` and `fold1` beside it left one fold out each."""
    folder = tmp_path_factory.mktemp("folds")
    write_huggingface_folder(folder / "bert")
    write_answers(folder / "answers.tsv", [1, 2, 12, 2, 3, 5, 1, 7, 5, 2], seed=1)
    (folder / "answers.yaml").write_text(ANSWERS)
    config = TrainingConfig.build(
        output_dir=folder / "whole",
        data_dir=folder,
        cache_dir=folder / "cache",
        task_file=(write_tasks(folder / "tasks"), folder / "answers.yaml"),
        max_sequence_length=32,
        backbone=str(folder / "bert"),
        epochs=3,
        batch_size=8,
        learning_rate=1e-2,
        evaluation="never",
    )
    for held_out in (0, 1):
        handler = logging.FileHandler(folder / f"fold{held_out}.log")
        logging.getLogger("absl").addHandler(handler)
        logging.getLogger("absl").setLevel("INFO")
        run = config.replace(output_dir=folder / f"fold{held_out}", folds=2, held_out_fold=held_out)
        train(run.replace(seed=held_out))
        logging.getLogger("absl").removeHandler(handler)
        handler.close()
    return config


def _half(example_id: str) -> int:
    return int(hashlib.sha256(f"fold {example_id}".encode()).hexdigest(), 16) % 2


def _predicted(config, run, *names):
    """Returns each task's rows by id, as one run predicts all of them, and each id's fold."""
    tasks = [task for task in config.data.selected_tasks() if task.name in (names or NAMES)]
    predicted = predict_with_runs([config.data.data_dir / run], tasks, ["train"], config.data.task_data())
    rows, folds = {}, {}
    for task in tasks:
        encoded, values = predicted[f"{task.name}/train"].encoded, predicted[f"{task.name}/train"].predictions
        ids = encoded.example_ids
        rows[task.name] = dict(zip(ids, values))
        groups = range(len(ids)) if encoded.queries is None else encoded.queries
        folds[task.name] = {
            name: _half(min(other for other, at in zip(ids, groups) if at == group)) for name, group in zip(ids, groups)
        }
    return rows, folds


def test_each_row_is_scored_by_the_run_that_was_not_trained_on_it(base, tmp_path):
    runs = [base.data.data_dir / "fold1", base.data.data_dir / "fold0"]
    tasks = base.data.selected_tasks()
    assert score(Scoring(runs, tasks, "train", base.data.task_data(), tmp_path)) == list(NAMES)
    alone = {fold: _predicted(base, f"fold{fold}")[0] for fold in (0, 1)}
    _, folds = _predicted(base, "fold0")
    for name in NAMES:
        stored = read_soft_targets(tmp_path / name)
        rows = dict(zip(stored.example_ids, stored.predictions))
        assert rows.keys() == folds[name].keys() and set(folds[name].values()) == {0, 1}
        for example_id, fold in folds[name].items():
            # Batches of other rows are padded to other lengths.
            np.testing.assert_allclose(rows[example_id], alone[fold][name][example_id], atol=3e-6)
        in_sample = [np.abs(rows[i] - alone[1 - fold][name][i]).max() for i, fold in folds[name].items()]
        assert np.median(in_sample) > 1e-4
        teachers = [(t["run"], t["folds"], t["held_out_fold"]) for t in stored.manifest["teachers"]]
        assert teachers == [("fold1", 2, 1), ("fold0", 2, 0)]
        assert stored.variances is not None and not stored.variances.any()
    student = base.replace(output_dir=tmp_path / "run", soft_targets=(tmp_path,), distill_variance_weighting=True)
    with pytest.raises(UserError, match="needs soft targets of two or more teachers with their variance, got 1"):
        train(student)


def test_a_run_on_all_rows_counts_for_all_and_weights_are_those_of_the_runs_that_count(base, tmp_path):
    train(base.replace(tasks=("similarity",)))
    runs = [base.data.data_dir / name for name in ("fold0", "whole", "fold1")]
    tasks = base.data.selected_tasks()[2:3]
    score(Scoring(runs, tasks, "train", base.data.task_data(), tmp_path, weights=[1.0, 3.0, 2.0]))
    stored = read_soft_targets(tmp_path / "similarity")
    names = ("fold0", "fold1", "whole")
    out0, out1, whole = (_predicted(base, name, tasks[0].name)[0]["similarity"] for name in names)
    assert stored.variances is not None and stored.manifest["teachers_per_example"] == 2
    for example_id, value, variance in zip(stored.example_ids, stored.predictions, stored.variances):
        other, weight = (out1, 2.0) if _half(example_id) else (out0, 1.0)
        pair = np.array([other[example_id][0], whole[example_id][0]], np.float64)
        mean = np.average(pair, weights=[weight, 3.0])
        np.testing.assert_allclose(value, [mean], atol=1e-5)
        np.testing.assert_allclose(variance, np.average((pair - mean) ** 2, weights=[weight, 3.0]), atol=1e-5)
    with pytest.raises(UserError, match="fold 1 of 2 has none"):
        score(Scoring(runs, tasks, "train", base.data.task_data(), tmp_path, weights=[1.0, 0.0, 0.0]))


def test_on_other_splits_all_runs_count_for_all_rows(base, tmp_path):
    task = base.data.selected_tasks()[3]
    runs = [base.data.data_dir / "fold0", base.data.data_dir / "fold1"]
    score(Scoring(runs, [task], "test", base.data.task_data(), tmp_path))
    stored = read_soft_targets(tmp_path / "answers-test")
    tasks_alone = [
        predict_with_runs([run], [task], ["test"], base.data.task_data())["answers/test"].predictions for run in runs
    ]
    np.testing.assert_allclose(stored.predictions, np.mean(tasks_alone, axis=0), atol=1e-6)
    assert stored.variances is not None and (stored.variances > 0).sum() > 20
    assert "teachers_per_example" not in stored.manifest


def test_a_missing_fold_is_refused_before_anything_is_scored(base, tmp_path):
    with pytest.raises(UserError, match="missing: 1 with --folds=2 --held_out_fold=1"):
        score(Scoring([base.data.data_dir / "fold0"], [], "train", base.data.task_data(), tmp_path / "soft"))
    assert not (tmp_path / "soft").exists()


def test_a_run_is_trained_on_the_other_rows(base):
    _, folds = _predicted(base, "fold0")
    for held_out in (0, 1):
        log = (base.data.data_dir / f"fold{held_out}.log").read_text()
        rows = sum(fold != held_out for task in folds.values() for fold in task.values())
        assert f"4 tasks (0 with soft targets), {rows} examples" in log
        for name, task in folds.items():
            out = sum(fold == held_out for fold in task.values())
            assert f"{name} train: fold {held_out} of 2 is held out, {out} row(s)" in log
    run = base.data.data_dir / "fold1"
    config = json.loads((run / "config.json").read_text())
    assert (config["folds"], config["held_out_fold"]) == (2, 1)
    assert "--held_out_fold=1\n" in (run / "config.flags").read_text()
    with pytest.raises(UserError, match="held_out_fold: 1 before, 0 now"):
        train(base.replace(output_dir=run, folds=2, held_out_fold=0))


def test_an_encoder_that_has_learned_the_rows_is_refused(base, tmp_path):
    fold0 = str(base.data.data_dir / "fold0")
    tuned = base.replace(output_dir=tmp_path / "tuned", tasks=("mood",), init_from=fold0, folds=2, held_out_fold=0)
    train(tuned)
    for start in (fold0, fold0 + "/model"):
        with pytest.raises(UserError, match=r"trained on mood without fold 0 of 2; `folds=2` `held_out_fold=1` needs"):
            train(tuned.replace(output_dir=tmp_path / "leak", init_from=start, held_out_fold=1))
    assert not (tmp_path / "leak").exists()


def test_no_row_of_the_fold_and_every_other_row_is_left(base):
    task = base.data.selected_tasks()[0]
    encoded = predict_with_runs([base.data.data_dir / "fold0"], [task], ["train"], base.data.task_data())
    split = encoded["mood/train"].encoded
    assert isinstance(split, EncodedSplit)
    rows = np.arange(5, 40)
    column = rows.astype(np.float32)
    # Logits of scores are the scores.
    logits = TeacherLogits(KINDS["regression"], 1, ((column[:, None], np.arange(len(rows))),))
    inputs = TaskInputs(task, split, rows, column, column > 0, logits, column > 0, column, column)
    kept = {}
    for held_out in range(3):
        left = hold_out(inputs, base.replace(folds=3, held_out_fold=held_out).folds.fold)
        kept[held_out] = set(left.rows)
        scores = left.teacher_logits[np.arange(len(left.rows))][:, 0]
        assert left.gold.tolist() == left.rows.tolist() == scores.tolist() == left.weight.tolist()
        assert len(left.rows) + left.held_out == 35
    # Every row is held out by one run and trained on by the two others.
    assert sorted(row for part in kept.values() for row in part) == sorted(2 * rows.tolist())
    one = column[:1]
    first = TaskInputs(task, split, rows[:1], one, one > 0, inputs.teacher_logits.take(np.arange(1)), one > 0, one, one)
    number = int(hashlib.sha256(f"fold {split.example_ids[5]}".encode()).hexdigest(), 16) % 3
    with pytest.raises(UserError, match="leaves none of its 1 training rows"):
        hold_out(first, base.replace(folds=3, held_out_fold=number).folds.fold)
