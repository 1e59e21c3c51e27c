"""Checks of encoded splits: texts in two splits, contradicting labels, texts without a known word piece."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Sequence

import numpy as np

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.data.tokenizer import Tokenizer
from mtdnn_tf.errors import UserError
from mtdnn_tf.options import Options, option

_ROWS_PER_BLOCK = 1 << 14
_log = logging.getLogger("absl")


@dataclasses.dataclass(frozen=True)
class DataChecks(Options):
    """What is refused instead of logged."""

    fail_on_leak: bool = option(
        False,
        "Refuse development rows whose texts are in the training split, which are otherwise counted in the log.",
        decides_weights=False,
    )

    def check(
        self,
        training: EncodedSplit,
        rows: np.ndarray,
        development: Sequence[EncodedSplit],
        tokenizer: Tokenizer,
        batch_size: int | None = None,
    ) -> None:
        """Logs one line for each thing that makes a task's training or its evaluation doubtful.

        Texts are compared as the model reads them: lower-cased where it is, and cut to its length. `rows` of the
        training split are trained on with gold labels, on `development` the task's head is evaluated; without
        `batch_size`, batches have another measure.
        """
        if not len(rows):
            return
        task, hashes = training.task, _hashes(training)[rows]
        if batch_size is not None and len(rows) < batch_size:
            _log.warning("task %s: has %d training rows, less than a batch of %d", task.name, len(rows), batch_size)
        if texts := _contradictions(hashes, np.asarray(training.labels)[rows]):
            _log.warning("task %s: %d text(s) have different labels in the training rows", task.name, texts)
        for encoded, of in ((training, rows), *((split, np.arange(len(split))) for split in development)):
            if unknown := np.count_nonzero(~_has_known_piece(encoded, tokenizer)[of]):
                _log.warning(
                    "task %s, split %s: %d of %d rows have no known word piece: their texts are empty or [UNK]",
                    *(encoded.task.name, encoded.split, unknown, len(of)),
                )
        for split in development:
            if leaked := np.count_nonzero(np.isin(_hashes(split), hashes)):
                line = (
                    f"task {split.task.name}, split {split.split}: {leaked} of {len(split)} rows "
                    f"({leaked / len(split):.1%}) have the texts of rows that are trained on"
                )
                if self.fail_on_leak:
                    raise UserError(f"{line}; remove them, or leave out `fail_on_leak`")
                _log.warning("%s", line)


def _hashes(encoded: EncodedSplit) -> np.ndarray:
    """Returns a number for the texts of each row, int64 [rows]: equal for equal word pieces."""
    hashes = np.empty(len(encoded), np.int64)
    for block in _blocks(encoded):
        offsets, firsts = encoded.offsets[block.start : block.stop + 1], encoded.first_segment_lengths[block]
        tokens, borders = encoded.token_ids[offsets[0] : offsets[-1]], (offsets - offsets[0]).tolist()
        rows = zip(firsts.tolist(), borders, borders[1:])
        hashes[block] = [hash((first, tokens[start:end].tobytes())) for first, start, end in rows]
    return hashes


def _contradictions(hashes: np.ndarray, labels: np.ndarray) -> int:
    """Returns the number of texts that have rows of different labels."""
    _, kind_of_label = np.unique(labels.reshape(len(labels), -1), axis=0, return_inverse=True)
    pairs = np.unique(np.column_stack([hashes, kind_of_label.ravel()]), axis=0)
    return int(np.count_nonzero(np.unique(pairs[:, 0], return_counts=True)[1] > 1))


def _has_known_piece(encoded: EncodedSplit, tokenizer: Tokenizer) -> np.ndarray:
    """Returns which rows have a word piece other than [UNK], bool [rows]."""
    others = [tokenizer.start_id, tokenizer.end_id, tokenizer.unknown_id]
    known = np.empty(len(encoded), bool)
    for block in _blocks(encoded):
        offsets = encoded.offsets[block.start : block.stop + 1]
        is_known = ~np.isin(encoded.token_ids[offsets[0] : offsets[-1]], others)
        known[block] = np.logical_or.reduceat(is_known, offsets[:-1] - offsets[0])
    return known


def _blocks(encoded: EncodedSplit) -> Iterator[slice]:
    """Yields ranges of rows, so that no object per row of the split is in memory."""
    for start in range(0, len(encoded), _ROWS_PER_BLOCK):
        yield slice(start, min(start + _ROWS_PER_BLOCK, len(encoded)))
