from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from mtdnn_tf.data.sources.source import DataSource
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
    assert digest.hexdigest() == "1b5a7b0f6d31b1ad40041901491c4d8074b00359ce81a94425fa5cc181a65add"


def test_another_seed_gives_other_rows(task_file, tmp_path):
    other = write_demo_corpus(tmp_path / "corpus", 1, *_SIZES.values())
    for path in task_file.parent.glob("*_train.*"):
        assert path.read_text() != (other.parent / path.name).read_text()


def test_the_project_reads_all_tasks_and_splits(task_file):
    tasks = {task.name: task for task in load_task_file(task_file)}
    assert {name: task.num_outputs for name, task in tasks.items()} == {"intent": 6, "mood": 3, "urgency": 1}
    assert {Path(task.files["train"].path).suffix for task in tasks.values()} == {".tsv", ".jsonl", ".csv"}
    for task in tasks.values():
        for split, size in _SIZES.items():
            examples = DataSource("files", task_file.parent).read(task, split)
            assert len(examples) == size
            labels = [example.label for example in examples]
            assert (set(labels) == {None}) if split == "unlabelled" else (None not in labels)


def test_files_hold_what_other_readers_read(task_file):
    folder = task_file.parent
    with (folder / "urgency_validation.csv").open(newline="") as file:
        scores = [float(row["urgency"]) for row in csv.DictReader(file)]
    assert len(scores) == 30 and set(scores) <= {1.0, 2.0, 3.0, 4.0, 5.0}
    rows = [json.loads(line) for line in (folder / "mood_validation.jsonl").read_text().splitlines()]
    assert {row["mood"] for row in rows} == {"angry", "neutral", "happy"}
    unlabelled = [json.loads(line) for line in (folder / "mood_unlabelled.jsonl").read_text().splitlines()]
    assert all(list(row) == ["message"] for row in unlabelled)


@pytest.mark.parametrize("name", ["intent", "mood", "urgency"])
def test_rows_are_short_and_in_one_split_only(name):
    rows = clean_rows(name, 0, 1300)
    assert len({row.text for row in rows}) == 1300
    lengths = [len(row.text.split()) for row in rows]
    assert min(lengths) >= 3 and max(lengths) <= 30 and 9 < np.mean(lengths) < 14
    assert all(text[0].isupper() and text[-1] in ".?" and "{" not in text for text in (row.text for row in rows))


@pytest.mark.parametrize(("name", "classes"), [("intent", 6), ("mood", 3)])
def test_a_fifth_of_the_training_labels_is_wrong_and_classes_are_balanced(name, classes):
    rows = clean_rows(name, 3, 600)
    noisy = noisy_rows(name, 3, rows)
    frequencies = Counter(row.gold for row in rows).values()
    assert len(frequencies) == classes and max(frequencies) - min(frequencies) <= 6
    assert [row.text for row in noisy] == [row.text for row in rows]
    assert sum(row.gold != other.gold for row, other in zip(rows, noisy)) == 120
    assert {row.gold for row in noisy} == {row.gold for row in rows}


def test_training_scores_are_blurred_within_the_scale():
    rows = clean_rows("urgency", 3, 1200)
    gold = np.array([row.gold for row in rows])
    noisy = np.array([row.gold for row in noisy_rows("urgency", 3, rows)])
    inside = gold == 3
    assert np.std((noisy - gold)[inside]) == pytest.approx(1.0, abs=0.15)
    assert noisy.min() >= 0.0 and noisy.max() == 5.0


def test_validation_and_test_are_clean(task_file):
    clean = {row.text: row.gold for row in clean_rows("intent", 0, sum(_SIZES.values()))}
    for split in ("validation", "test"):
        lines = (task_file.parent / f"intent_{split}.tsv").read_text().splitlines()[1:]
        for text, intent in (line.split("\t") for line in lines):
            assert clean[text] == intent


def test_impossible_sizes_are_refused(tmp_path):
    with pytest.raises(UserError, match="test_examples of the demo corpus must be an integer >= 1, got 0"):
        write_demo_corpus(tmp_path / "corpus", test_examples=0)
    assert not list(tmp_path.iterdir())
