import random

import pytest

from benchmarks.evidence.plan import read_plan
from benchmarks.evidence.splits import write_splits
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.task_file import load_task_file
from tests.benchmarks.evidence.small_study import write_plan, write_suite


def _ids(path):
    return [line.split("\t")[0] for line in path.read_text(encoding="utf-8").splitlines()[1:]]


def test_splits_are_disjoint_and_do_not_depend_on_the_order_of_rows(tmp_path):
    suite, plan = write_suite(tmp_path / "suite"), read_plan(write_plan(tmp_path / "plan.yaml"))
    tasks = {task.name: task for task in load_task_file(write_splits(plan, suite, tmp_path / "splits"))}
    assert list(tasks) == ["nli", "closeness", "mood"]
    assert list(tasks["nli"].files) == ["train", "validation", "test", "unlabelled", "other_domain"]
    assert list(tasks["closeness"].files) == list(tasks["mood"].files) == ["train", "validation", "test"]
    assert all(task.evaluation_splits == ("validation",) for task in tasks.values())
    folder = tmp_path / "splits" / "nli"
    train, unlabelled = _ids(folder / "train.tsv"), _ids(folder / "unlabelled.tsv")
    assert (len(train), len(unlabelled), len(set(train + unlabelled))) == (16, 24, 40)
    assert set(train + unlabelled) <= set(_ids(suite / "nli" / "train.tsv"))
    assert set(_ids(folder / "other_domain.tsv")) <= set(_ids(suite / "other" / "test.tsv"))
    assert len(_ids(folder / "test.tsv")) == 30 and len(_ids(folder / "validation.tsv")) == 20
    # An adaptation chooses its rows itself.
    assert len(_ids(tmp_path / "splits" / "mood" / "train.tsv")) == 60
    for path in suite.glob("*/*.tsv"):
        header, *rows = path.read_text(encoding="utf-8").splitlines()
        random.Random(1).shuffle(rows)
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    write_splits(plan, suite, tmp_path / "again")
    for name in ("train", "unlabelled", "validation", "test", "other_domain"):
        assert (tmp_path / "again" / "nli" / f"{name}.tsv").read_bytes() == (folder / f"{name}.tsv").read_bytes()


def test_a_task_with_too_few_rows_is_refused(tmp_path):
    suite, plan = write_suite(tmp_path / "suite", rows=15), read_plan(write_plan(tmp_path / "plan.yaml"))
    with pytest.raises(UserError, match="nli: 16 training rows are needed, got 15"):
        write_splits(plan, suite, tmp_path / "splits")
