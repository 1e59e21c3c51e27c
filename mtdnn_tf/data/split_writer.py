"""Writes an encoded split as its rows come."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from mtdnn_tf.data.encoded_split import EXAMPLE_IDS, SCHEMA_VERSION, declaration, empty_arrays
from mtdnn_tf.data.streaming.array_file import ArrayFile
from mtdnn_tf.data.streaming.ids_file import IdsFile
from mtdnn_tf.manifests import write_manifest
from mtdnn_tf.tasks.task import Task


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
        self.ids = self._opened.enter_context(IdsFile(folder / EXAMPLE_IDS, f"task {task.name}, split {split}"))

    def __enter__(self) -> SplitWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.__exit__(kind, error, trace)

    def add(self, rows: EncodedRows) -> None:
        """Adds rows; refuses ids that are not one line of text."""
        self.ids.add(rows.example_ids)
        ends = self.tokens + np.cumsum(rows.lengths, dtype=np.int64)
        for name, array in self._arrays.items():
            array.add(ends if name == "offsets" else getattr(rows, name))
        self.rows += len(rows.example_ids)
        self.tokens += len(rows.token_ids)

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
