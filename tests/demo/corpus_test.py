from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mtdnn_tf.data.sources import DataSource, read_examples
from mtdnn_tf.demo.corpus import clean_rows, noisy_rows, write_demo_corpus
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.task_file import load_task_file

_SIZES = {"train": 60, "unlabelled": 40, "validation": 30, "test": 20}


@pytest.fixture(scope="module")
def task_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_demo_corpus(tmp_path_factory.mktemp("demo") / "corpus", 0, *_SIZES.values())


def test_the_corpus_of_a_seed_is_the_same_on_every_machine(task_file):
    digest = hashlib.sha256()
    for path in sorted(task_file.parent.iterdir()):
        digest.update(path.read_bytes())
    assert digest.hexdigest() == "7228d63dea5f46c18a04315bb9f5badcbe06bbe2196b92e7ad1f9072a4877a18"


def test_another_seed_gives_other_rows(task_file, tmp_path):
    other = write_demo_corpus(tmp_path / "corpus", 1, *_SIZES.values())
    for path in task_file.parent.glob("*_train.*"):
        assert path.read_text() != (other.parent / path.name).read_text()


def test_the_project_reads_all_tasks_and_splits(task_file):
    tasks = {task.name: task for task in load_task_file(task_file)}
    assert {name: task.num_outputs for name, task in tasks.items()} == {"intent": 6, "answered": 2, "similarity": 1}
    assert {Path(task.files["train"].path).suffix for task in tasks.values()} == {".tsv", ".jsonl", ".csv"}
    for task in tasks.values():
        for split, size in _SIZES.items():
            examples = read_examples(task, split, DataSource("files", task_file.parent))
            assert len(examples) == size
            labels = [example.label if task.labels else example.score for example in examples]
            assert (set(labels) == {None}) if split == "unlabelled" else (None not in labels)


def test_files_hold_what_other_readers_read(task_file):
    folder = task_file.parent
    with (folder / "similarity_validation.csv").open(newline="") as file:
        scores = [float(row["score"]) for row in csv.DictReader(file)]
    assert len(scores) == 30 and all(0 <= score <= 5 and (2 * score).is_integer() for score in scores)
    rows = [json.loads(line) for line in (folder / "answered_validation.jsonl").read_text().splitlines()]
    assert {row["answered"] for row in rows} == {"no", "yes"}
    unlabelled = [json.loads(line) for line in (folder / "answered_unlabelled.jsonl").read_text().splitlines()]
    assert all(list(row) == ["message", "reply"] for row in unlabelled)


@pytest.mark.parametrize("name", ["intent", "answered", "similarity"])
def test_rows_are_short_and_in_one_split_only(name):
    rows = clean_rows(name, 0, 1500)
    assert len({row.texts for row in rows}) == 1500
    lengths = [len(text.split()) for row in rows for text in row.texts]
    assert min(lengths) >= 3 and max(lengths) <= 32 and 8 < np.mean(lengths) < 16
    assert all(text[0].isupper() and text[-1] in ".?" and "{" not in text for row in rows for text in row.texts)


@pytest.mark.parametrize(("name", "classes"), [("intent", 6), ("answered", 2)])
def test_a_share_of_the_training_labels_is_wrong_and_classes_are_balanced(name, classes):
    rows = clean_rows(name, 3, 600)
    noisy = noisy_rows(name, 3, rows)
    assert set(Counter(row.gold for row in rows).values()) == {600 // classes}
    assert [row.texts for row in noisy] == [row.texts for row in rows]
    assert sum(row.gold != other.gold for row, other in zip(rows, noisy)) == 90
    assert {row.gold for row in noisy} == {row.gold for row in rows}


def test_training_scores_are_blurred_within_the_scale():
    rows = clean_rows("similarity", 3, 1200)
    gold = np.array([row.gold for row in rows])
    noisy = np.array([row.gold for row in noisy_rows("similarity", 3, rows)])
    inside = (gold >= 2) & (gold <= 3)
    assert np.std((noisy - gold)[inside]) == pytest.approx(0.8, abs=0.08)
    assert noisy.min() == 0.0 and noisy.max() == 5.0


def test_validation_and_test_are_clean(task_file):
    clean = {row.texts: row.gold for row in clean_rows("intent", 0, sum(_SIZES.values()))}
    for split in ("validation", "test"):
        lines = (task_file.parent / f"intent_{split}.tsv").read_text().splitlines()[1:]
        for text, intent in (line.split("\t") for line in lines):
            assert clean[(text,)] == intent


def test_impossible_sizes_are_refused(tmp_path):
    with pytest.raises(UserError, match="test_examples of the demo corpus must be an integer >= 1, got 0"):
        write_demo_corpus(tmp_path / "corpus", test_examples=0)
    assert not list(tmp_path.iterdir())
