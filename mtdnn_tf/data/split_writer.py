"""Writes an encoded split as its rows come."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

import numpy as np

from mtdnn_tf.data.encoded_split import EXAMPLE_IDS, SCHEMA_VERSION, declaration, empty_arrays
from mtdnn_tf.data.sources.example import HASH_LENGTH, numbered_hash
from mtdnn_tf.data.streaming.array_file import ArrayFile
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_file
from mtdnn_tf.manifests import write_manifest
from mtdnn_tf.tasks.task import Task

_BYTES_COPIED_AT_ONCE = 1 << 20


class EncodedRows(NamedTuple):
    """Rows of a split: the fields of `EncodedSplit`, with lengths in place of offsets."""

    example_ids: Sequence[str]
    token_ids: np.ndarray  # Int32 [tokens].
    lengths: np.ndarray  # Int [rows].
    first_segment_lengths: np.ndarray  # Int32 [rows].
    labels: np.ndarray  # [rows, ...].
    queries: np.ndarray | None = None  # Int32 [rows].
    weights: np.ndarray | None = None  # Float32 [rows].


class SplitWriter:
    """Writes the files of an encoded split into a folder, and its manifest last.

    Args:
        folder: An empty folder.
        task: The task.
        split: Name of the split.
    """

    def __init__(self, folder: Path, task: Task, split: str) -> None:
        self.rows = self.tokens = 0
        self._folder, self._task, self._split = folder, task, split
        self._opened = contextlib.ExitStack()
        self._arrays = {
            name: self._opened.enter_context(ArrayFile(folder / f"{name}.npy", like))
            for name, like in empty_arrays(task).items()
        }
        self._arrays["offsets"].add(np.zeros(1, np.int64))
        self._ids: IO[bytes] = self._opened.enter_context((folder / EXAMPLE_IDS).open("xb"))

    def __enter__(self) -> SplitWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.__exit__(kind, error, trace)

    def add(self, rows: EncodedRows) -> None:
        """Adds rows; refuses ids that are not one line of text."""
        self._ids.write(self._lines(rows.example_ids))
        ends = self.tokens + np.cumsum(rows.lengths, dtype=np.int64)
        for name, array in self._arrays.items():
            array.add(ends if name == "offsets" else getattr(rows, name))
        self.rows += len(rows.example_ids)
        self.tokens += len(rows.token_ids)

    def number_repeated_hashes(self, repeats: Iterable[tuple[int, int]]) -> None:
        """Numbers ids that are hashes: rows, in order, whose texts an earlier one has, each with its occurrence.

        It is called after the block of the context.
        """
        path, width = self._folder / EXAMPLE_IDS, HASH_LENGTH + 1
        following = iter(repeats)
        repeat = next(following, None)
        if repeat is None:
            return
        with new_file(path) as temporary, path.open("rb") as source, temporary.open("wb") as numbered:
            while repeat is not None:
                row, occurrence = repeat
                _copy(source, numbered, row * width - source.tell())
                digest = source.read(width)[:-1].decode()
                numbered.write(f"{numbered_hash(digest, occurrence)}\n".encode())
                repeat = next(following, None)
            shutil.copyfileobj(source, numbered)

    def write_manifest(self, data_fingerprint: str, details: dict[str, Any]) -> None:
        """Writes the manifest, after the block of the context; arguments as of `EncodedSplit`."""
        manifest = {
            "schema_version": SCHEMA_VERSION,
            "rows": self.rows,
            **declaration(self._task),
            "split": self._split,
            "tokens": self.tokens,
            "data_fingerprint": data_fingerprint,
            **details,
        }
        write_manifest(self._folder, manifest)

    def _lines(self, example_ids: Sequence[str]) -> bytes:
        lines = "\n".join([*example_ids, ""])
        if lines.count("\n") == len(example_ids):
            with contextlib.suppress(UnicodeEncodeError):
                return lines.encode()
        wrong = next(one for one in example_ids if "\n" in one or one.encode("utf-8", "ignore").decode() != one)
        where = f"task {self._task.name}, split {self._split}"
        raise UserError(f"{where}: an example id must be one line of text, got {wrong!r}")


def _copy(source: IO[bytes], target: IO[bytes], count: int) -> None:
    """Copies the next bytes of a file."""
    for start in range(0, count, _BYTES_COPIED_AT_ONCE):
        target.write(source.read(min(_BYTES_COPIED_AT_ONCE, count - start)))
