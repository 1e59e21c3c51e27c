"""One split of a task as token ids, in files that are memory-mapped."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_folder, read_array, write_text
from mtdnn_tf.json_files import check_schema, fingerprint
from mtdnn_tf.manifests import MANIFEST, read_manifest, write_manifest
from mtdnn_tf.tasks.task import Task

# Changes whenever the files of an encoded split, or the code that fills them, change their meaning.
SCHEMA_VERSION = 1

REMEDY = "delete the folder and encode again"

_ARRAYS = ("token_ids", "offsets", "first_segment_lengths")
_QUERIES = "queries"
_FIELDS = {"rows": int, "tokens": int, "split": str, "data_fingerprint": str}
_EXAMPLE_IDS = "example_ids.txt"


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

    def __len__(self) -> int:
        return len(self.example_ids)

    @functools.cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, special tokens included, int32 [rows]."""
        return np.diff(self.offsets).astype(np.int32)

    def queries_of(self, rows: np.ndarray) -> np.ndarray | None:
        """Returns the numbers of some rows' queries."""
        return None if self.queries is None else self.queries[rows]

    def take(self, rows: np.ndarray) -> EncodedSplit:
        """Returns a split of some rows (whole queries), read into memory, with the fingerprint and manifest of all."""
        lengths = self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return dataclasses.replace(
            self,
            example_ids=[self.example_ids[row] for row in rows],
            token_ids=self.token_ids[np.repeat(self.offsets[rows], lengths) + within],
            offsets=offsets,
            first_segment_lengths=self.first_segment_lengths[rows],
            labels=self.labels[rows],
            queries=self.queries_of(rows),
        )

    def batch(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Returns what a model reads of some rows, as `packing.to_model_inputs` does of packed ones."""
        lengths = self.lengths[rows]
        positions = np.arange(lengths.max(initial=0))
        padding_mask = positions < lengths[:, np.newaxis]
        places = self.offsets[rows][:, np.newaxis] + positions
        token_ids = np.zeros(padding_mask.shape, np.int32)
        token_ids[padding_mask] = self.token_ids[places[padding_mask]]
        in_second = padding_mask & (positions >= self.first_segment_lengths[rows][:, np.newaxis])
        return {"token_ids": token_ids, "segment_ids": in_second.astype(np.int32), "padding_mask": padding_mask}


def write_encoded_split(folder: Path, split: EncodedSplit) -> None:
    """Writes the folder of an encoded split, which appears when complete."""
    for example_id in split.example_ids:
        if "\n" in example_id or example_id.encode("utf-8", "ignore").decode() != example_id:
            where = f"task {split.task.name}, split {split.split}"
            raise UserError(f"{where}: an example id must be one line of text, got {example_id!r}")
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "rows": len(split),
        **_declaration(split.task),
        "split": split.split,
        "tokens": len(split.token_ids),
        "data_fingerprint": split.data_fingerprint,
        **split.manifest,
    }
    with new_folder(folder) as temporary:
        for name in (*_ARRAYS, "labels", *(() if split.queries is None else (_QUERIES,))):
            np.save(temporary / f"{name}.npy", getattr(split, name), allow_pickle=False)
        write_text(temporary / _EXAMPLE_IDS, "".join(f"{example_id}\n" for example_id in split.example_ids))
        write_manifest(temporary, manifest)


def _declaration(task: Task) -> dict[str, Any]:
    return {"task": task.name, "kind": task.kind, "labels": list(task.labels)}


def open_encoded_split(folder: Path, task: Task) -> EncodedSplit:
    """Opens what `write_encoded_split` wrote, with arrays that stay on disk, after verifying every file's checksum."""
    manifest = read_manifest(folder, REMEDY, needed=(*(f"{name}.npy" for name in _ARRAYS), _EXAMPLE_IDS))
    check_schema(manifest.get("schema_version"), SCHEMA_VERSION, folder, REMEDY)
    for field, of in _FIELDS.items():
        if type(manifest.get(field)) is not of:
            raise UserError(f"{folder}: field {field} of {MANIFEST} is {manifest.get(field)!r}; {REMEDY}")
    for field, value in _declaration(task).items():
        if manifest.get(field) != value:
            raise UserError(f"{folder}: {field} is {manifest.get(field)!r}, {value!r} is expected; {REMEDY}")
    no_labels, rows = task.kind_object.label_array(task, ()), manifest["rows"]
    expected = {
        "token_ids": ("int32", (manifest["tokens"],)),
        "offsets": ("int64", (rows + 1,)),
        "first_segment_lengths": ("int32", (rows,)),
        "labels": (str(no_labels.dtype), (rows, *no_labels.shape[1:])),
        **({_QUERIES: ("int32", (rows,))} if task.kind_object.has_queries else {}),
    }
    arrays = _map(folder, expected)
    try:
        ids = TextLines((folder / _EXAMPLE_IDS).read_bytes())
    except UnicodeDecodeError as error:
        raise UserError(f"{folder / _EXAMPLE_IDS}: not UTF-8 ({error}); {REMEDY}") from None
    for name, array in arrays.items():
        (dtype, shape), found = expected[name], f"{array.dtype} {list(array.shape)}"
        needed = f"{dtype} {list(shape)}"
        if found != needed:
            raise UserError(f"{folder / name}.npy: {needed} is expected, it holds {found}; {REMEDY}")
    if len(ids) != rows:
        raise UserError(f"{folder / _EXAMPLE_IDS}: {rows} ids are expected, it holds {len(ids)}; {REMEDY}")
    _check_contents(folder, arrays, task)
    # The pages that the checks have read are given back with their maps.
    del arrays
    return EncodedSplit(
        task=task,
        split=manifest["split"],
        example_ids=ids,
        **_map(folder, expected),
        data_fingerprint=manifest["data_fingerprint"],
        manifest=manifest,
    )


def _map(folder: Path, names: Iterable[str]) -> dict[str, np.ndarray]:
    return {name: read_array(folder / f"{name}.npy", REMEDY, mapped=True) for name in names}


def _check_contents(folder: Path, arrays: dict[str, np.ndarray], task: Task) -> None:
    """Refuses arrays that no encoding makes; a wrong one could point to memory that holds something else."""
    offsets, firsts, tokens = arrays["offsets"], arrays["first_segment_lengths"], arrays["token_ids"]
    lengths = np.diff(offsets)
    faults = {
        "offsets": offsets[0] != 0 or offsets[-1] != len(tokens) or lengths.min(initial=1) < 1,
        "first_segment_lengths": bool((firsts < 1).any() or (firsts > lengths).any()),
        "token_ids": tokens.min(initial=0) < 0,
        "labels": not task.kind_object.are_labels(task, arrays["labels"]),
        _QUERIES: _QUERIES in arrays and arrays[_QUERIES].min(initial=0) < 0,
    }
    for name, is_wrong in faults.items():
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
        for name in ("token_ids", "first_segment_lengths", "labels")
    }
    return dataclasses.replace(
        splits[0],
        **arrays,
        split="+".join(split.split for split in splits),
        example_ids=[f"{split.split}/{example_id}" for split in splits for example_id in split.example_ids],
        offsets=np.concatenate([*offsets, starts[-1:]]).astype(np.int64),
        data_fingerprint=fingerprint([split.data_fingerprint for split in splits]),
        queries=np.concatenate([of_split + first for of_split, first in zip(queries, firsts)]) if queries else None,
        manifest={"key": joined_key([split.manifest["key"] for split in splits])},
    )


def joined_key(keys: Sequence[str]) -> str:
    """Returns the key in the manifest of joined splits from those of their manifests."""
    return keys[0] if len(keys) == 1 else fingerprint(list(keys))


class TextLines(Sequence[str]):
    """The lines of UTF-8 content, decoded one by one: as objects, ids take eight times the bytes.

    What follows the last line feed is no line.
    """

    def __init__(self, content: bytes) -> None:
        content.decode()
        self._content = content
        self._ends = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n"))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[index] for index in range(*place.indices(len(self)))]
        index = range(len(self))[place]
        start = int(self._ends[index - 1]) + 1 if index else 0
        return self._content[start : int(self._ends[index])].decode()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(a == b for a, b in zip(self, other))

    __hash__ = None  # type: ignore[assignment]
