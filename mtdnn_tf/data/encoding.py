"""Encodes a split of a task once, and finds it again as long as nothing it was made from changes."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from mtdnn_tf.data.encoded_split import REMEDY, SCHEMA_VERSION, EncodedSplit, open_encoded_split
from mtdnn_tf.data.packing import TRUNCATION, check_max_sequence_length
from mtdnn_tf.data.sources.example import Example, example_batches
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.split_writer import EncodedRows, SplitWriter
from mtdnn_tf.data.streaming.query_numbers import QueryNumbers
from mtdnn_tf.data.streaming.row_digest import RowDigest
from mtdnn_tf.data.streaming.split_rows import (
    SplitRows,
    chosen_examples,
    finished_fingerprint,
    open_split_rows,
    write_split_rows,
)
from mtdnn_tf.data.tokenized_batches import tokenized_batches
from mtdnn_tf.data.tokenizer import Tokenizer
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_folder
from mtdnn_tf.interruption import stop_if_asked
from mtdnn_tf.json_files import fingerprint
from mtdnn_tf.locks import locked_path
from mtdnn_tf.progress import counted
from mtdnn_tf.tasks.task import Task

# A share of [UNK] above which a warning is logged.
_MOST_UNKNOWN = 0.05

# What of a task decides its encoded rows, whatever source they come from.
_DECLARATION = ("kind", "text", "labels", "file_labels", "id", "group")


class EncodedPart(NamedTuple):
    """Rows of a split that were asked for."""

    encoded: EncodedSplit  # It has these rows, and may have others.
    places: np.ndarray  # Their numbers there, int64 [rows].


class EncodedData(NamedTuple):
    """Splits of tasks by one tokenizer, encoded when they are asked for."""

    source: DataSource
    tokenizer: Tokenizer
    max_sequence_length: int  # Maximum number of tokens per row, special tokens included; longer rows are cut.
    cache_dir: Path  # A split is in `<cache_dir>/<task>/<split>-<key>/`.

    def split(self, task: Task, split: str) -> EncodedSplit:
        """Returns a split as token ids, from the cache if it was encoded before from the same inputs.

        It has one row for each example of the source, in its order.
        """
        return self._encoded(task, split, self.made_from(task, split))

    def rows(self, task: Task, split: str) -> EncodedSplit | SplitRows:
        """Returns what is known of all rows of a split without their tokens; the split if it is in the cache.

        Raises:
            UserError: A row cannot be read, or two rows have the same id.
        """
        made_from = self.made_from(task, split)
        if self._folder(task, split, fingerprint(made_from)).exists():
            return self._encoded(task, split, made_from)
        # The same for any tokenizer.
        key = fingerprint({"rows": "all", **{name: made_from[name] for name in ("schema_version", "source", "task")}})
        folder = self._folder(task, split, key)

        def write(temporary: Path) -> None:
            batches = counted(example_batches(self.source.stream(task, split)), f"reading {task.name} {split}")
            write_split_rows(temporary, batches, self.source, task, split, key)

        self._write_once(folder, task, split, write)
        return open_split_rows(folder, task, split, key)

    def part(self, task: Task, split: str, all_rows: EncodedSplit | SplitRows, rows: np.ndarray) -> EncodedPart:
        """Returns some rows of a split, one at least, from the cache if they were encoded before.

        Args:
            task: The task.
            split: The split.
            all_rows: What `rows` returned.
            rows: Numbers of the rows in rising order, int64 [rows]. A ranking's queries are numbered among these rows.
        """
        if isinstance(all_rows, EncodedSplit):
            return EncodedPart(all_rows, rows)
        if len(rows) == len(all_rows):
            return EncodedPart(self.split(task, split), rows)
        chosen = hashlib.sha256(np.ascontiguousarray(rows, "<i8").data).hexdigest()
        encoded = self._encoded(task, split, {**self.made_from(task, split), "rows": chosen}, _Part(all_rows, rows))
        if len(encoded) != len(rows):
            raise UserError(f"task {task.name}, split {split}: its files changed while they were read; run it again")
        return EncodedPart(encoded, np.arange(len(rows)))

    def made_from(self, task: Task, split: str) -> dict[str, Any]:
        """Returns what an encoded split is made from, as JSON values: equal inputs, equal rows."""
        return {
            "schema_version": SCHEMA_VERSION,
            "tokenizer": self.tokenizer.fingerprint(),
            "max_sequence_length": self.max_sequence_length,
            "truncation": TRUNCATION,
            "source": self.source.fingerprint(task, split),
            "task": {
                **{name: getattr(task, name) for name in _DECLARATION},
                **({"weight": task.weight} if task.weight is not None else {}),
            },
        }

    def _folder(self, task: Task, split: str, key: str) -> Path:
        return self.cache_dir / task.name / f"{split}-{key[:16]}"

    def _encoded(self, task: Task, split: str, made_from: dict[str, Any], part: _Part | None = None) -> EncodedSplit:
        """Returns a split, or a part of it, from the cache; it is encoded if it is not there."""
        check_max_sequence_length(self.max_sequence_length)
        key = fingerprint(made_from)
        folder = self._folder(task, split, key)
        if folder.exists():
            _log_found(task.name, split, folder)
        else:
            details = {"key": key, "made_from": made_from}
            self._write_once(
                folder, task, split, lambda temporary: self._encode_into(temporary, task, split, details, part)
            )
        encoded = open_encoded_split(folder, task)
        if encoded.manifest.get("key") != key or encoded.split != split:
            raise UserError(f"{folder}: made from other inputs than its name says; {REMEDY}")
        _warn_of_unknown(task.name, split, folder, encoded.manifest.get("unknown", 0) / len(encoded.token_ids))
        return encoded

    def _write_once(self, folder: Path, task: Task, split: str, write: Callable[[Path], None]) -> None:
        """Writes a folder of the cache unless it is there."""
        if folder.exists():
            return
        # Runs that share a cache wait for the one that writes, instead of doing so too.
        with locked_path(folder, f"{task.name} {split} in {self.cache_dir}", wait=True):
            if not folder.exists():
                with new_folder(folder) as temporary:
                    write(temporary)

    def _encode_into(self, folder: Path, task: Task, split: str, details: dict[str, Any], part: _Part | None) -> None:
        start = time.monotonic()
        examples = self.source.stream(task, split)
        with SplitWriter(folder, task, split) as writer:
            if part is None:
                digest = RowDigest(folder.parent, self.source.streams_hashes(task))
                truncated, unknown = self._write_rows(writer, task, split, examples, digest.add)
            else:
                chosen = chosen_examples(examples, part.rows, part.all_rows)
                truncated, unknown = self._write_rows(writer, task, split, chosen)
        if part is None:
            data_fingerprint = finished_fingerprint(digest, writer.ids, self.source, task, split)
        else:
            data_fingerprint = part.all_rows.data_fingerprint
        writer.write_manifest(data_fingerprint, {"truncated": truncated, "unknown": unknown, **details})
        sizes = f"{writer.rows} rows, {writer.tokens} tokens, {unknown / writer.tokens:.1%} of them [UNK]"
        cut = f"{truncated} rows truncated to {self.max_sequence_length} tokens"
        what = f"{task.name} {split}" if part is None else f"a part of {task.name} {split}"
        logging.info("encoded %s: %s, %s, %.1f s", what, sizes, cut, time.monotonic() - start)

    def _write_rows(
        self,
        writer: SplitWriter,
        task: Task,
        split: str,
        examples: Iterable[Example],
        seen: Callable[[Sequence[Example]], None] = lambda batch: None,
    ) -> tuple[int, int]:
        """Writes rows, which `seen` is given; returns how many were cut, and how many tokens are [UNK]."""
        kind, query_numbers = task.kind_object, QueryNumbers()
        truncated = unknown = 0
        batches = counted(example_batches(examples), f"encoding {task.name} {split}")
        with contextlib.closing(
            tokenized_batches(batches, self.tokenizer, task.is_pair, self.max_sequence_length)
        ) as tokenized:
            for batch, tokens in tokenized:
                stop_if_asked()
                ids = [example.example_id for example in batch]
                labels = kind.label_array(task, [example.label for example in batch])
                queries = query_numbers.next(batch) if kind.has_queries else None
                weights = None if task.weight is None else np.array([example.weight for example in batch], np.float32)
                arrays = (tokens.token_ids, tokens.lengths, tokens.first_segment_lengths)
                writer.add(EncodedRows(ids, *arrays, labels, queries, weights))
                seen(batch)
                truncated += int(tokens.truncated)
                unknown += int(np.count_nonzero(tokens.token_ids == self.tokenizer.unknown_id))
        return truncated, unknown


class _Part(NamedTuple):
    """Rows of a split that are encoded alone."""

    all_rows: SplitRows
    rows: np.ndarray  # Their numbers in rising order, int64 [rows].


class TaskData(NamedTuple):
    """Data of tasks, which each model encodes with its own tokenizer, and to its own length by default."""

    source: DataSource
    cache_dir: Path
    max_sequence_length: int | None = None

    def encoded(self, tokenizer: Tokenizer, longest: int) -> EncodedData:
        """Returns the data, encoded by a model's tokenizer to its length where no other is given."""
        return EncodedData(self.source, tokenizer, self.max_sequence_length or longest, self.cache_dir)


# A recipe, its plan above all, finds the same split for every one of its trainings.
@functools.cache
def _log_found(task_name: str, split: str, folder: Path) -> None:
    logging.info("found %s %s encoded in %s", task_name, split, folder)


@functools.cache
def _warn_of_unknown(task_name: str, split: str, folder: Path, share: float) -> None:
    if share > _MOST_UNKNOWN:
        doubt = "does the encoder's vocabulary fit the texts and their casing?"
        logging.warning(
            "%s %s: %.1f %% of the tokens are [UNK] in %s; %s", task_name, split, 100 * share, folder, doubt
        )
