from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mtdnn_tf.data.sources.example import Example
from mtdnn_tf.data.sources.files_source import read_file_examples
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.sources.tfds_source import read_tfds_examples, tfds_fingerprint, tfds_splits
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.registry import get_task
from mtdnn_tf.tasks.task import TfdsData

_ROWS = 40


def _prepare(folder: Path, name: str, splits: Mapping[str, Mapping[str, list[Any]]]) -> Path:
    """Prepares data under the name, version and features of TFDS's own data set; returns the prepared folder."""
    import tensorflow as tf
    import tensorflow_datasets as tfds

    declared = tfds.builder(name, data_dir=str(folder / "not_prepared"))
    builder = tfds.dataset_builders.store_as_tfds_dataset(
        name=name.split("/")[0],
        config=name.split("/")[1] if "/" in name else None,
        version=str(declared.info.version),
        features=declared.info.features,
        split_datasets={split: tf.data.Dataset.from_tensor_slices(dict(columns)) for split, columns in splits.items()},
        data_dir=str(folder),
    )
    return Path(builder.data_path)


def _pairs(labels: list[int], premise: str = "sentence1", hypothesis: str = "sentence2") -> dict[str, list[Any]]:
    """Returns rows of two texts, as GLUE's data sets have them."""
    numbers = range(len(labels))
    return {
        premise: [f"premise {number} é" for number in numbers],
        hypothesis: [f"hypothesis {number}" for number in numbers],
        "label": labels,
        "idx": list(numbers),
    }


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tfds")
    labels = [number % 2 for number in range(_ROWS)]
    for name in ("glue/rte", "glue/wnli"):
        _prepare(folder, name, {"train": _pairs(labels), "test": _pairs([-1, -1, -1])})
    scores = {**_pairs([0, 0]), "label": [0.5, 5.0]}
    _prepare(folder, "glue/stsb", {"train": scores, "test": {**scores, "label": [-1.0, -1.0]}})
    snli = _pairs([2, -1, 0, -1, 1, 1], "premise", "hypothesis")
    del snli["idx"]
    snli["premise"][4:] = ["same", "same"]
    snli["hypothesis"][4:] = ["pair", "pair"]
    _prepare(folder, "snli", {"validation": snli})
    return folder


def test_rows_come_back_in_the_order_of_their_numbers(prepared: Path):
    import tensorflow_datasets as tfds

    stored = [int(row["idx"]) for row in tfds.load("glue/rte", split="train", data_dir=str(prepared), download=False)]
    assert sorted(stored) == list(range(_ROWS))
    assert stored != sorted(stored)
    examples = read_tfds_examples(get_task("rte"), "train", prepared)
    assert [example.example_id for example in examples] == [str(number) for number in range(_ROWS)]
    assert [example.text_a for example in examples] == [f"premise {number} é" for number in range(_ROWS)]
    assert [example.text_b for example in examples] == [f"hypothesis {number}" for number in range(_ROWS)]


@pytest.mark.parametrize(("name", "names_in_tfds"), [
    ("rte", ["entailment", "not_entailment"]),
    ("wnli", ["not_entailment", "entailment"]),
])  # fmt: skip
def test_labels_are_matched_by_name(prepared: Path, name: str, names_in_tfds: list[str]):
    import tensorflow_datasets as tfds

    feature = tfds.builder(f"glue/{name}", data_dir=str(prepared)).info.features["label"]
    assert feature.names == names_in_tfds
    task = get_task(name)
    for number, example in enumerate(read_tfds_examples(task, "train", prepared)):
        assert example.label is not None
        assert task.labels[example.label] == names_in_tfds[number % 2]


def test_the_same_rows_from_files_are_the_same_examples(prepared: Path, tmp_path: Path):
    for name, spellings in (("rte", ("entailment", "not_entailment")), ("wnli", ("0", "1"))):
        rows = [f"{n}\tpremise {n} é\thypothesis {n}\t{spellings[n % 2]}\n" for n in range(_ROWS)]
        task = get_task(name)
        path = tmp_path / task.files["train"].path
        path.parent.mkdir()
        path.write_text("index\tsentence1\tsentence2\tlabel\n" + "".join(rows), encoding="utf-8")
        assert read_file_examples(task, "train", tmp_path) == read_tfds_examples(task, "train", prepared)


def test_test_splits_have_no_gold(prepared: Path):
    assert [example.label for example in read_tfds_examples(get_task("wnli"), "test", prepared)] == [None] * 3
    stsb = get_task("stsb")
    assert [example.label for example in read_tfds_examples(stsb, "train", prepared)] == [0.5, 5.0]
    assert [example.label for example in read_tfds_examples(stsb, "test", prepared)] == [None, None]


def test_snlis_rows_without_an_agreed_label_are_skipped(
    prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    task = get_task("snli")
    with caplog.at_level(logging.INFO, logger="absl"):
        examples = read_tfds_examples(task, "validation", prepared)
    messages = [record.getMessage() for record in caplog.records]
    assert "snli, split validation: skipped 2 row(s) without an agreed label" in messages
    # The official file, in its own order.
    rows = [("premise 0 é", "hypothesis 0", "contradiction"), ("premise 1 é", "hypothesis 1", "-")]
    rows += [("premise 2 é", "hypothesis 2", "entailment"), *[("same", "pair", "neutral")] * 2]
    path = tmp_path / task.files["validation"].path
    path.parent.mkdir()
    keys = ("sentence1", "sentence2", "gold_label")
    path.write_text("".join(json.dumps(dict(zip(keys, row))) + "\n" for row in rows))
    assert set(read_file_examples(task, "validation", tmp_path)) == set(examples)


def test_labels_of_another_name_are_mapped(prepared: Path):
    rte = get_task("rte")
    renamed = TfdsData("glue/rte", rte.text, labels=(("entailment", "yes"), ("not_entailment", "no")))
    task = dataclasses.replace(rte, labels=("no", "yes"), tfds=renamed)
    names = [task.labels[example.label or 0] for example in read_tfds_examples(task, "train", prepared)]
    assert names == ["yes", "no"] * (_ROWS // 2)


def test_labels_and_features_that_do_not_fit_are_refused(prepared: Path):
    rte = get_task("rte")
    with pytest.raises(UserError, match="glue/rte: unknown label of task rte 'not_entailment'"):
        read_tfds_examples(dataclasses.replace(rte, labels=("entailment", "contradiction")), "train", prepared)
    with pytest.raises(UserError, match=r"unknown feature of glue/rte 'sentence'; did you mean 'sentence\d'\?"):
        data = TfdsData("glue/rte", ("sentence",))
        read_tfds_examples(dataclasses.replace(rte, text=("sentence",), tfds=data), "train", prepared)
    with pytest.raises(UserError, match="feature 'idx' has no label names"):
        data = TfdsData("glue/rte", rte.text, label="idx")
        read_tfds_examples(dataclasses.replace(rte, tfds=data), "train", prepared)


def test_splits_are_those_prepared(prepared: Path):
    assert tfds_splits(get_task("rte"), prepared) == ["train", "test"]
    with pytest.raises(
        UserError, match=r"unknown split of glue/rte 'tests'; did you mean 'test'\? Accepted: test, train"
    ):
        read_tfds_examples(get_task("rte"), "tests", prepared)


def test_data_that_are_not_prepared_are_refused_with_the_command(tmp_path: Path):
    with pytest.raises(UserError) as caught:
        read_tfds_examples(get_task("cola"), "train", tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: glue/cola/2.0.0 is not prepared there;"
        f" prepare it with `tfds build glue/cola --data_dir={tmp_path}`"
    )
    assert list(tmp_path.iterdir()) == []


def test_the_fingerprint_changes_with_the_data_and_not_with_the_folder(prepared: Path, tmp_path: Path):
    rte = get_task("rte")
    first = tfds_fingerprint(rte, "train", prepared)
    assert json.loads(json.dumps(first)) == first
    assert str(prepared) not in str(first)
    labels = [number % 2 for number in range(_ROWS)]
    _prepare(tmp_path / "same", "glue/rte", {"train": _pairs(labels)})
    assert tfds_fingerprint(rte, "train", tmp_path / "same") == first
    _prepare(tmp_path / "one_label", "glue/rte", {"train": _pairs([1 - labels[0], *labels[1:]])})
    others = [
        tfds_fingerprint(rte, "train", tmp_path / "one_label"),
        tfds_fingerprint(rte, "test", prepared),
        tfds_fingerprint(get_task("wnli"), "train", prepared),
        tfds_fingerprint(dataclasses.replace(rte, labels=rte.labels[::-1]), "train", prepared),
    ]
    assert all(other != first for other in others)


def test_damaged_data_are_refused_in_one_line(tmp_path: Path):
    folder = _prepare(tmp_path, "glue/rte", {"train": _pairs([0, 1, 0])})
    (shard,) = folder.glob("*.tfrecord*")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(
        UserError, match=r"glue/rte is damaged \(.*\); delete it and prepare it again with `tfds build"
    ) as caught:
        read_tfds_examples(get_task("rte"), "train", tmp_path)
    assert "\n" not in str(caught.value)
    shard.unlink()
    for read in (read_tfds_examples, tfds_fingerprint):
        with pytest.raises(UserError, match="glue/rte is damaged"):
            read(get_task("rte"), "train", tmp_path)


def test_repeated_row_numbers_are_refused(tmp_path: Path):
    _prepare(tmp_path, "glue/rte", {"train": {**_pairs([0, 1, 0]), "idx": [0, 1, 1]}})
    with pytest.raises(UserError, match="glue/rte, split 'train': duplicate id '1'; ids must be unique"):
        DataSource("tfds", tmp_path).read(get_task("rte"), "train")


def test_examples_hold_plain_values(prepared: Path):
    (example, *_) = read_tfds_examples(get_task("rte"), "train", prepared)
    assert [type(value) for value in example] == [str, str, str, int, type(None), float]
    assert isinstance(example, Example)
    (scored, *_) = read_tfds_examples(get_task("stsb"), "train", prepared)
    assert type(scored.label) is float
