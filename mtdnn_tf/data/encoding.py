"""Encodes a split of a task once, and finds it again as long as nothing it was made from changes."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from mtdnn_tf.data.encoded_split import REMEDY, SCHEMA_VERSION, EncodedSplit, open_encoded_split
from mtdnn_tf.data.packing import TRUNCATION, check_max_sequence_length
from mtdnn_tf.data.sources.example import Example
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.split_writer import EncodedRows, SplitWriter
from mtdnn_tf.data.streaming.row_digest import RowDigest
from mtdnn_tf.data.tokenized_batches import example_batches, tokenized_batches
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
        check_max_sequence_length(self.max_sequence_length)
        made_from = self.made_from(task, split)
        key = fingerprint(made_from)
        folder = self.cache_dir / task.name / f"{split}-{key[:16]}"
        if folder.exists():
            _log_found(task.name, split, folder)
        else:
            # Runs that share a cache wait for the one that encodes, instead of doing so too.
            with locked_path(folder, f"{task.name} {split} in {self.cache_dir}", wait=True):
                if not folder.exists():
                    self._encode_into(folder, task, split, key, made_from)
        encoded = open_encoded_split(folder, task)
        if encoded.manifest.get("key") != key or encoded.split != split:
            raise UserError(f"{folder}: made from other inputs than its name says; {REMEDY}")
        _warn_of_unknown(task.name, split, folder, encoded.manifest.get("unknown", 0) / len(encoded.token_ids))
        return encoded

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

    def _encode_into(self, folder: Path, task: Task, split: str, key: str, made_from: dict[str, Any]) -> None:
        start = time.monotonic()
        with new_folder(folder) as temporary:
            identity = RowDigest(folder.parent, self.source.streams_hashes(task))
            with SplitWriter(temporary, task, split) as writer:
                truncated, unknown = self._write_rows(writer, identity, task, split)
            data_fingerprint = identity.hexdigest()
            if identity.duplicates:
                self.source.refuse_duplicates(task, split, identity.duplicates)
            writer.number_repeated_hashes(identity.repeats())
            details = {"truncated": truncated, "unknown": unknown, "key": key, "made_from": made_from}
            writer.write_manifest(data_fingerprint, details)
        sizes = f"{writer.rows} rows, {writer.tokens} tokens, {unknown / writer.tokens:.1%} of them [UNK]"
        cut = f"{truncated} rows truncated to {self.max_sequence_length} tokens"
        logging.info("encoded %s %s: %s, %s, %.1f s", task.name, split, sizes, cut, time.monotonic() - start)

    def _write_rows(self, writer: SplitWriter, identity: RowDigest, task: Task, split: str) -> tuple[int, int]:
        """Writes the rows of a split; returns how many were cut, and how many tokens are [UNK]."""
        kind, query_numbers = task.kind_object, QueryNumbers()
        truncated = unknown = 0
        batches = counted(example_batches(self.source.stream(task, split)), f"encoding {task.name} {split}")
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
                identity.add(batch)
                truncated += int(tokens.truncated)
                unknown += int(np.count_nonzero(tokens.token_ids == self.tokenizer.unknown_id))
        return truncated, unknown


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


class QueryNumbers:
    """Numbers queries in the order in which they first come; it keeps their names in memory."""

    def __init__(self) -> None:
        self._numbers: dict[str | None, int] = {}

    def next(self, examples: Sequence[Example]) -> np.ndarray:
        """Returns the number of each of the next candidates' queries, int32 [examples]."""
        numbers = self._numbers
        return np.array([numbers.setdefault(example.group, len(numbers)) for example in examples], np.int32)
