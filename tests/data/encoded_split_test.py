from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from mtdnn_tf.data.encoded_split import EncodedSplit, join_splits, open_encoded_split
from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.split_writer import EncodedRows, SplitWriter
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_folder
from mtdnn_tf.manifests import write_manifest
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.tasks.task import SplitFile, Task
from tests.helpers import VOCABULARY, write_answers, write_tasks

TASK = Task("task", "classification", ("a", "b"), ("no", "yes"), ("accuracy",))
ROWS = [[2, 7, 3, 8, 3], [2, 9, 10, 11, 3, 3], [2, 3, 5, 3]]
FIRST_SEGMENT_LENGTHS = [3, 5, 2]
FILES = ["token_ids.npy", "offsets.npy", "first_segment_lengths.npy", "labels.npy", "example_ids.txt", "manifest.json"]


def write_encoded_split(folder: Path, split: EncodedSplit) -> None:
    with new_folder(folder) as temporary:
        with SplitWriter(temporary, split.task, split.split) as writer:
            arrays = (split.token_ids, split.lengths, split.first_segment_lengths, split.labels)
            writer.add(EncodedRows(split.example_ids, *arrays, split.queries, split.weights))
        writer.write_manifest(split.data_fingerprint, split.manifest)


def write(folder: Path, example_ids: list[str] | None = None) -> None:
    split = EncodedSplit(
        TASK,
        "train",
        example_ids or ["x", "\u4e2d\r\u2028 y", "z"],
        np.concatenate(ROWS).astype(np.int32),
        np.array([0, 5, 11, 15], np.int64),
        np.array(FIRST_SEGMENT_LENGTHS, np.int32),
        np.array([0, -1, 1], np.int32),
        "0f",
        {},
    )
    write_encoded_split(folder, split)


@pytest.fixture
def folder(tmp_path) -> Path:
    write(tmp_path / "split")
    return tmp_path / "split"


def test_what_is_written_is_read(folder):
    split = open_encoded_split(folder, TASK)
    assert split.example_ids == ["x", "\u4e2d\r\u2028 y", "z"]
    assert split.lengths.tolist() == [5, 6, 4]
    assert split.lengths.dtype == np.int32
    assert split.labels.tolist() == [0, -1, 1]
    assert (split.task, split.split, split.data_fingerprint, len(split)) == (TASK, "train", "0f", 3)
    assert isinstance(split.token_ids, np.memmap)
    assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)


def test_weights_are_kept_and_taken_and_joined(tmp_path):
    task = dataclasses.replace(TASK, weight="importance")
    write(tmp_path / "split")
    plain = open_encoded_split(tmp_path / "split", TASK)
    weighted = dataclasses.replace(plain, task=task, weights=np.array([0.5, 0, 2], np.float32))
    write_encoded_split(tmp_path / "weighted", weighted)
    split = open_encoded_split(tmp_path / "weighted", task)
    assert plain.weights is None
    assert np.array_equal(np.asarray(split.weights), [0.5, 0, 2])
    assert np.array_equal(np.asarray(split.take(np.array([2, 0])).weights), [2, 0.5])
    joined = join_splits([dataclasses.replace(part, manifest={"key": "0"}) for part in (split, split)])
    assert np.array_equal(np.asarray(joined.weights), [0.5, 0, 2, 0.5, 0, 2])


@pytest.mark.parametrize("wrong", [[1, -1, 1], [1, np.nan, 1], [1, np.inf, 1], [1, 1]])
def test_weights_that_no_encoding_makes_are_refused(tmp_path, wrong):
    task = dataclasses.replace(TASK, weight="importance")
    write(tmp_path / "split")
    split = dataclasses.replace(open_encoded_split(tmp_path / "split", TASK), task=task)
    write_encoded_split(tmp_path / "weighted", dataclasses.replace(split, weights=np.array(wrong, np.float32)))
    with pytest.raises(UserError, match=r"weights\.npy: .*; delete the folder and encode again"):
        open_encoded_split(tmp_path / "weighted", task)


def padded_by_loops(split: EncodedSplit, rows: list[int]) -> dict[str, list]:
    width = max(len(ROWS[row]) for row in rows)
    padding = [width - len(ROWS[row]) for row in rows]
    return {
        "token_ids": [ROWS[row] + [0] * pad for row, pad in zip(rows, padding)],
        "segment_ids": [
            [0] * FIRST_SEGMENT_LENGTHS[row] + [1] * (len(ROWS[row]) - FIRST_SEGMENT_LENGTHS[row]) + [0] * pad
            for row, pad in zip(rows, padding)
        ],
        "padding_mask": [[True] * len(ROWS[row]) + [False] * pad for row, pad in zip(rows, padding)],
    }


@pytest.mark.parametrize("rows", [[0, 1, 2], [2], [2, 0, 2, 2]])
def test_batches_are_padded_to_their_longest_row(folder, rows):
    split = open_encoded_split(folder, TASK)
    batch = split.batch(np.array(rows))
    assert {name: array.tolist() for name, array in batch.items()} == padded_by_loops(split, rows)
    assert [array.dtype for array in batch.values()] == [np.int32, np.int32, bool]


@pytest.mark.parametrize("rows", [[0, 2], [1], [2, 0], []])
def test_rows_that_are_taken_keep_all_that_they_had(folder, rows):
    split = open_encoded_split(folder, TASK)
    taken = split.take(np.array(rows, np.int64))
    assert taken.example_ids == [split.example_ids[row] for row in rows]
    assert taken.token_ids.tolist() == [token for row in rows for token in ROWS[row]]
    assert taken.labels.tolist() == [[0, -1, 1][row] for row in rows]
    assert (taken.data_fingerprint, taken.split, len(taken)) == ("0f", "train", len(rows))
    if rows:
        batch = taken.batch(np.arange(len(rows)))
        assert {name: array.tolist() for name, array in batch.items()} == padded_by_loops(split, rows)


def test_a_batch_of_no_rows_is_empty(folder):
    batch = open_encoded_split(folder, TASK).batch(np.array([], np.int64))
    assert {array.shape for array in batch.values()} == {(0, 0)}


@pytest.mark.parametrize("name", FILES)
def test_every_torn_or_changed_file_is_refused(folder, name):
    path = folder / name
    whole = path.read_bytes()
    damaged = [whole[: len(whole) * tenth // 10] for tenth in range(10)]
    for tenth in range(10):
        place = (len(whole) - 1) * tenth // 9
        damaged.append(whole[:place] + bytes([whole[place] ^ 1 << tenth % 8]) + whole[place + 1 :])
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(UserError) as error:
            open_encoded_split(folder, TASK)
        assert name in str(error.value)
        assert "delete" in str(error.value)
        assert "\n" not in str(error.value)
    path.unlink()
    with pytest.raises(UserError, match=rf"{name}.*missing; delete the folder and encode again"):
        open_encoded_split(folder, TASK)


def test_another_tasks_folder_is_refused(folder):
    for task in (dataclasses.replace(TASK, name="other"), dataclasses.replace(TASK, labels=("yes", "no"))):
        with pytest.raises(UserError, match=r"is expected; delete the folder and encode again"):
            open_encoded_split(folder, task)


def test_ids_that_do_not_fit_a_line_are_refused(tmp_path):
    for example_id in ("a\nb", "a\ud800"):
        with pytest.raises(UserError, match="one line of text"):
            write(tmp_path / "split", ["x", example_id, "z"])
    assert not list(tmp_path.iterdir())


def test_an_array_of_another_size_is_refused(folder):
    # A folder whose checksums are right and whose content is not: written by a program with a fault.
    manifest = json.loads((folder / "manifest.json").read_text())
    for field in ("tokens", "rows"):
        write_manifest_again(folder, {**manifest, field: manifest[field] + 1})
        with pytest.raises(UserError, match=r"\.npy: int"):
            open_encoded_split(folder, TASK)


def write_manifest_again(folder: Path, manifest: dict) -> None:
    write_manifest(folder, {key: value for key, value in manifest.items() if key not in ("files", "manifest_sha256")})


@pytest.mark.parametrize("name", ["mood", "similarity"])
def test_rows_are_those_of_the_splits(tmp_path, name):
    task = select_tasks([name], [write_tasks(tmp_path / "tasks")])[0]
    tokenizer, source = WordPieceTokenizer(VOCABULARY, lowercase=True), DataSource("files", tmp_path)
    splits = [
        EncodedData(source, tokenizer, 32, tmp_path / "cache").split(task, split)
        for split in ("train", "test", "validation")
    ]
    assert join_splits(splits[:1]) is splits[0]
    joined = join_splits(splits)
    assert len(joined) == 120 == len(set(joined.example_ids))
    assert joined.example_ids[41] == f"test/{splits[1].example_ids[1]}"
    for number, split in enumerate(splits):
        rows = np.array([39, 0, 17])
        np.testing.assert_array_equal(joined.lengths[40 * number + rows], split.lengths[rows])
        np.testing.assert_array_equal(joined.labels[40 * number + rows], split.labels[rows])
        for feature, values in split.batch(rows).items():
            np.testing.assert_array_equal(joined.batch(40 * number + rows)[feature], values)
    other = join_splits([splits[0], splits[2], splits[1]])
    assert len({split.manifest["key"] for split in (joined, other, *splits)}) == 5


def test_queries_of_two_splits_stay_apart(tmp_path):
    for seed, split in enumerate(("train", "test")):
        write_answers(tmp_path / f"{split}.tsv", [2, 1, 4], seed)
    files = {split: SplitFile(f"{split}.tsv", label="relevant") for split in ("train", "test")}
    task = Task("answers", "ranking", ("question", "answer"), ("0", "1"), ("mrr",), files=files, id="hash")
    tokenizer, source = WordPieceTokenizer(VOCABULARY, lowercase=True), DataSource("files", tmp_path)
    splits = [EncodedData(source, tokenizer, 32, tmp_path / "cache").split(task, split) for split in files]
    joined = join_splits(splits)
    first, second = (np.asarray(split.queries) for split in splits)
    np.testing.assert_array_equal(np.asarray(joined.queries), [*first, *(second + 3)])
    assert np.asarray(joined.queries).dtype == np.int32
