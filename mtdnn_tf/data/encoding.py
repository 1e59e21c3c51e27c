"""Encodes a split of a task once, and finds it again as long as nothing it was made from changes."""

from __future__ import annotations

import functools
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from mtdnn_tf.data.encoded_split import REMEDY, SCHEMA_VERSION, EncodedSplit, open_encoded_split, write_encoded_split
from mtdnn_tf.data.packing import TRUNCATION, check_max_sequence_length, pack
from mtdnn_tf.data.sources.example import Example
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.errors import UserError
from mtdnn_tf.interruption import stop_if_asked
from mtdnn_tf.json_files import fingerprint
from mtdnn_tf.locks import locked_path
from mtdnn_tf.progress import watched
from mtdnn_tf.tasks.task import Task

_ROWS_PER_CALL = 1024
# A share of [UNK] above which a warning is logged.
_MOST_UNKNOWN = 0.05

# What of a task decides its encoded rows, whatever source they come from.
_DECLARATION = ("kind", "text", "labels", "file_labels", "id", "group")


class EncodedData(NamedTuple):
    """Splits of tasks by one tokenizer, encoded when they are asked for."""

    source: DataSource
    tokenizer: WordPieceTokenizer
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
            "task": {name: getattr(task, name) for name in _DECLARATION},
        }

    def _encode_into(self, folder: Path, task: Task, split: str, key: str, made_from: dict[str, Any]) -> None:
        start = time.monotonic()
        examples = self.source.read(task, split)
        token_ids, offsets, first_segment_lengths, truncated = _encode(
            examples, self.tokenizer, self.max_sequence_length, f"encoding {task.name} {split}"
        )
        unknown = int(np.count_nonzero(token_ids == self.tokenizer.unknown_id))
        labels = task.kind_object.label_array(task, [example.label for example in examples])
        encoded = EncodedSplit(
            task,
            split,
            [example.example_id for example in examples],
            token_ids,
            offsets,
            first_segment_lengths,
            labels,
            data_fingerprint(examples),
            {"truncated": truncated, "unknown": unknown, "key": key, "made_from": made_from},
            query_numbers(examples) if task.kind_object.has_queries else None,
        )
        write_encoded_split(folder, encoded)
        sizes = f"{len(examples)} rows, {len(token_ids)} tokens, {unknown / len(token_ids):.1%} of them [UNK]"
        cut = f"{truncated} rows truncated to {self.max_sequence_length} tokens"
        logging.info("encoded %s %s: %s, %s, %.1f s", task.name, split, sizes, cut, time.monotonic() - start)


class TaskData(NamedTuple):
    """Data of tasks, which each model encodes with its own tokenizer, and to its own length by default."""

    source: DataSource
    cache_dir: Path
    max_sequence_length: int | None = None

    def encoded(self, tokenizer: WordPieceTokenizer, longest: int) -> EncodedData:
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


def data_fingerprint(examples: Sequence[Example]) -> str:
    """Returns the hexadecimal SHA-256 over the ids, texts and queries of the examples.

    It does not depend on their order, as TensorFlow Datasets shuffles what it writes.
    """
    digest = hashlib.sha256()
    for example in sorted(examples, key=lambda example: example.example_id):
        # JSON keeps the borders between the texts.
        parts = [example.example_id, example.text_a, example.text_b]
        digest.update(json.dumps(parts if example.group is None else [*parts, example.group]).encode())
    return digest.hexdigest()


def _encode(
    examples: Sequence[Example], tokenizer: WordPieceTokenizer, max_sequence_length: int, what: str = "encoding"
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Returns the examples' token ids, offsets and first segments' lengths, and how many rows were cut."""
    is_pair = examples[0].text_b is not None
    encoder = _encoder(tokenizer, is_pair, max_sequence_length)
    batches = []
    for start in watched(range(0, len(examples), _ROWS_PER_CALL), what):
        stop_if_asked()
        rows = examples[start : start + _ROWS_PER_CALL]
        columns = [[row.text_a for row in rows]]
        if is_pair:
            columns.append([row.text_b or "" for row in rows])
        with tf.device("CPU:0"):
            outputs = encoder(*(tf.constant(column, tf.string) for column in columns))
        batches.append([output.numpy() for output in outputs])
    *arrays, truncated = zip(*batches)
    token_ids, lengths, first_segment_lengths = map(np.concatenate, arrays)
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return token_ids, offsets, first_segment_lengths, int(sum(truncated))


# Tracing takes longer than encoding thousands of rows, and the splits of a run share a tokenizer and a length.
@functools.lru_cache(maxsize=2)
def _encoder(tokenizer: WordPieceTokenizer, is_pair: bool, max_sequence_length: int) -> Callable[..., list[tf.Tensor]]:
    """Returns the function from texts to token ids, lengths, first segments' lengths and the number of rows cut."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)] * (1 + is_pair), autograph=False)
    def encoder(*texts: tf.Tensor) -> list[tf.Tensor]:
        tokens = [tokenizer.tokenize(text) for text in texts]
        packed = pack(tokens[0], tokens[1] if is_pair else None, tokenizer, max_sequence_length)
        whole_lengths = 1 + sum(part.row_lengths() + 1 for part in tokens)
        lengths = packed.token_ids.row_lengths()
        truncated = tf.math.count_nonzero(lengths < whole_lengths)
        return [packed.token_ids.values, lengths, packed.first_segment_lengths, truncated]

    return encoder


def query_numbers(examples: Sequence[Example]) -> np.ndarray:
    """Returns the number of each candidate's query, in the order in which the queries first come."""
    numbers: dict[str | None, int] = {}
    return np.array([numbers.setdefault(example.group, len(numbers)) for example in examples], np.int32)
