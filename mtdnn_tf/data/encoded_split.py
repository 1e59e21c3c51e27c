"""One split of a task as token ids, in files that are memory-mapped."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtdnn_tf.data.streaming.text_lines import JoinedTexts, TakenTexts, TextLines
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import read_array
from mtdnn_tf.json_files import check_schema, fingerprint
from mtdnn_tf.manifests import MANIFEST, read_manifest
from mtdnn_tf.tasks.task import Task

# Changes whenever the files of an encoded split, or the code that fills them, change their meaning.
SCHEMA_VERSION = 1

REMEDY = "delete the folder and encode again"

_ARRAYS = ("token_ids", "offsets", "first_segment_lengths")
_QUERIES, _WEIGHTS = "queries", "weights"
_FIELDS = {"rows": int, "tokens": int, "split": str, "data_fingerprint": str}
EXAMPLE_IDS = "example_ids.txt"
_CHECKED_AT_ONCE = 1 << 20
_ROWS_AT_ONCE = 1 << 16


@dataclasses.dataclass(frozen=True, eq=False)
class EncodedSplit:
    """One split of a task: its rows' ids, token ids and gold labels."""

    task: Task
    split: str
    example_ids: Sequence[str]
    token_ids: np.ndarray  # Of all rows, one after the other, int32 [tokens].
    offsets: np.ndarray  # Where each row begins in `token_ids`, and where the last one ends, int64 [rows + 1].
    first_segment_lengths: np.ndarray  # Length of "[CLS] a [SEP]" of each row, int32 [rows].
    labels: np.ndarray  # Gold labels, [rows, ...], as `Kind.label_array` returns them.
    data_fingerprint: str  # SHA-256 over ids and texts of the rows, whatever their order, vocabulary and labels.
    manifest: dict[str, Any]  # What the files were made from, as a person may read it in manifest.json.
    queries: np.ndarray | None = None  # Of a ranking, the number of each row's query, from 0, int32 [rows].
    weights: np.ndarray | None = None  # Factor of each row's loss, float32 [rows]; None for 1.

    def __len__(self) -> int:
        return len(self.example_ids)

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, special tokens included, int32 [rows]."""
        lengths = np.empty(len(self), np.int32)
        # Without 64-bit numbers of all rows in memory.
        return np.subtract(self.offsets[1:], self.offsets[:-1], out=lengths, casting="same_kind")

    def lengths_of(self, rows: np.ndarray) -> np.ndarray:
        """Returns the `lengths` of some rows."""
        lengths = np.empty(len(rows), np.int32)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            block = rows[start : start + _ROWS_AT_ONCE]
            lengths[start : start + _ROWS_AT_ONCE] = self.offsets[block + 1] - self.offsets[block]
        return lengths

    def queries_of(self, rows: np.ndarray) -> np.ndarray | None:
        """Returns the numbers of some rows' queries."""
        return None if self.queries is None else self.queries[rows]

    def take(self, rows: np.ndarray) -> EncodedSplit:
        """Returns a split of some rows (whole queries), read into memory, with the fingerprint and manifest of all."""
        lengths = self.lengths_of(rows)
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return dataclasses.replace(
            self,
            example_ids=TakenTexts(self.example_ids, rows),
            token_ids=self.token_ids[np.repeat(self.offsets[rows], lengths) + within],
            offsets=offsets,
            first_segment_lengths=self.first_segment_lengths[rows],
            labels=self.labels[rows],
            queries=self.queries_of(rows),
            weights=None if self.weights is None else self.weights[rows],
        )

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Returns what a model reads of some rows, as `packing.to_model_inputs` does of packed ones."""
        lengths = self.lengths_of(rows)
        positions = np.arange(lengths.max(initial=0))
        padding_mask = positions < lengths[:, np.newaxis]
        places = self.offsets[rows][:, np.newaxis] + positions
        token_ids = np.zeros(padding_mask.shape, np.int32)
        token_ids[padding_mask] = self.token_ids[places[padding_mask]]
        in_second = padding_mask & (positions >= self.first_segment_lengths[rows][:, np.newaxis])
        return {"token_ids": token_ids, "segment_ids": in_second.astype(np.int32), "padding_mask": padding_mask}


def declaration(task: Task) -> dict[str, Any]:
    """Returns what a manifest says of the task, and what must be the same when the split is opened."""
    return {"task": task.name, "kind": task.kind, "labels": list(task.labels)}


def empty_arrays(task: Task) -> dict[str, np.ndarray]:
    """Returns the arrays of a split by name, with no rows."""
    return {
        "token_ids": np.empty(0, np.int32),
        "offsets": np.empty(0, np.int64),
        "first_segment_lengths": np.empty(0, np.int32),
        "labels": task.kind_object.label_array(task, ()),
        **({_QUERIES: np.empty(0, np.int32)} if task.kind_object.has_queries else {}),
        **({_WEIGHTS: np.empty(0, np.float32)} if task.weight is not None else {}),
    }


def open_encoded_split(folder: Path, task: Task) -> EncodedSplit:
    """Opens what `SplitWriter` wrote, with arrays and ids that stay on disk, after verifying every file's checksum."""
    manifest = read_manifest(folder, REMEDY, needed=(*(f"{name}.npy" for name in _ARRAYS), EXAMPLE_IDS))
    check_schema(manifest.get("schema_version"), SCHEMA_VERSION, folder, REMEDY)
    for field, of in _FIELDS.items():
        if type(manifest.get(field)) is not of:
            raise UserError(f"{folder}: field {field} of {MANIFEST} is {manifest.get(field)!r}; {REMEDY}")
    for field, value in declaration(task).items():
        if manifest.get(field) != value:
            raise UserError(f"{folder}: {field} is {manifest.get(field)!r}, {value!r} is expected; {REMEDY}")
    rows, empty = manifest["rows"], empty_arrays(task)
    counts = {"token_ids": manifest["tokens"], "offsets": rows + 1}
    arrays = _map(folder, empty)
    try:
        ids = TextLines(folder / EXAMPLE_IDS)
    except UnicodeDecodeError as error:
        raise UserError(f"{folder / EXAMPLE_IDS}: not UTF-8 ({error}); {REMEDY}") from None
    for name, array in arrays.items():
        found = f"{array.dtype} {list(array.shape)}"
        needed = f"{empty[name].dtype} {[counts.get(name, rows), *empty[name].shape[1:]]}"
        if found != needed:
            raise UserError(f"{folder / name}.npy: {needed} is expected, it holds {found}; {REMEDY}")
    if len(ids) != rows:
        raise UserError(f"{folder / EXAMPLE_IDS}: {rows} ids are expected, it holds {len(ids)}; {REMEDY}")
    _check_contents(folder, manifest, task)
    return EncodedSplit(
        task=task,
        split=manifest["split"],
        example_ids=ids,
        **arrays,
        data_fingerprint=manifest["data_fingerprint"],
        manifest=manifest,
    )


def _map(folder: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    return {name: read_array(folder / f"{name}.npy", REMEDY, mapped=True) for name in names}


def _blocks(folder: Path, name: str, count: int, overlap: int = 0) -> Iterator[np.ndarray]:
    """Yields parts of an array of so many rows, each with the first rows of the next."""
    for start in range(0, count, _CHECKED_AT_ONCE):
        # The pages that are read are given back with their map.
        yield np.array(_map(folder, [name])[name][start : start + _CHECKED_AT_ONCE + overlap])


def _check_contents(folder: Path, manifest: dict[str, Any], task: Task) -> None:
    """Refuses arrays that no encoding makes; a wrong one could point to memory that holds something else."""
    rows, tokens = manifest["rows"], manifest["tokens"]
    end = 0
    for offsets, firsts in zip(
        _blocks(folder, "offsets", rows, overlap=1), _blocks(folder, "first_segment_lengths", rows)
    ):
        lengths = np.diff(offsets)
        _refuse(folder, "offsets", offsets[0] != end or lengths.min() < 1)
        _refuse(folder, "first_segment_lengths", bool((firsts < 1).any() or (firsts > lengths).any()))
        end = offsets[-1]
    _refuse(folder, "offsets", end != tokens)
    for block in _blocks(folder, "token_ids", tokens):
        _refuse(folder, "token_ids", block.min() < 0)
    for block in _blocks(folder, "labels", rows):
        _refuse(folder, "labels", not task.kind_object.are_labels(task, block))
    for block in _blocks(folder, _QUERIES, rows) if task.kind_object.has_queries else ():
        _refuse(folder, _QUERIES, block.min() < 0)
    for block in _blocks(folder, _WEIGHTS, rows) if task.weight is not None else ():
        _refuse(folder, _WEIGHTS, not bool((block >= 0).all() and np.isfinite(block).all()))


def _refuse(folder: Path, name: str, is_wrong: bool) -> None:
    if is_wrong:
        raise UserError(f"{folder / name}.npy: numbers that no encoding makes; {REMEDY}")


def join_splits(splits: Sequence[EncodedSplit]) -> EncodedSplit:
    """Returns one split with the rows of different splits of a task, one split after the other, in memory.

    Its name is "<first>+<second>", its ids are "<split>/<id>", and its manifest has only a `key`. A single split is
    returned as it is.
    """
    if len(splits) == 1:
        return splits[0]
    starts = np.cumsum([0, *(len(split.token_ids) for split in splits)])
    offsets = [split.offsets[:-1] + start for split, start in zip(splits, starts)]
    # No query is in two splits.
    queries = [split.queries for split in splits if split.queries is not None]
    firsts = np.cumsum([0, *(of_split.max() + 1 for of_split in queries)], dtype=np.int32)
    arrays = {
        name: np.concatenate([getattr(split, name) for split in splits])
        for name in (
            "token_ids",
            "first_segment_lengths",
            "labels",
            *(() if splits[0].weights is None else (_WEIGHTS,)),
        )
    }
    return dataclasses.replace(
        splits[0],
        **arrays,
        split="+".join(split.split for split in splits),
        example_ids=JoinedTexts([(split.split, split.example_ids) for split in splits]),
        offsets=np.concatenate([*offsets, starts[-1:]]).astype(np.int64),
        data_fingerprint=fingerprint([split.data_fingerprint for split in splits]),
        queries=np.concatenate([of_split + first for of_split, first in zip(queries, firsts)]) if queries else None,
        manifest={"key": joined_key([split.manifest["key"] for split in splits])},
    )


def joined_key(keys: Sequence[str]) -> str:
    """Returns the key in the manifest of joined splits from those of their manifests."""
    return keys[0] if len(keys) == 1 else fingerprint(list(keys))
