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

_ROWS_PER_BLOCK = 1 << 12
# What SplitMix64 multiplies and shifts by.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_ROUNDS = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
# No word piece is at so high a place.
_NO_PLACE = np.uint64(1 << 63)
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
        task, hashes = training.task, text_hashes(training)[rows]
        order = np.argsort(hashes)
        hashes = hashes[order]
        if batch_size is not None and len(rows) < batch_size:
            _log.warning("task %s: has %d training rows, less than a batch of %d", task.name, len(rows), batch_size)
        if texts := _contradictions(hashes, training.labels[rows[order]]):
            _log.warning("task %s: %d text(s) have different labels in the training rows", task.name, texts)
        for encoded, of in ((training, rows), *((split, np.arange(len(split))) for split in development)):
            if unknown := np.count_nonzero(~_has_known_piece(encoded, tokenizer)[of]):
                _log.warning(
                    "task %s, split %s: %d of %d rows have no known word piece: their texts are empty or [UNK]",
                    *(encoded.task.name, encoded.split, unknown, len(of)),
                )
        for split in development:
            if leaked := _common(text_hashes(split), hashes):
                line = (
                    f"task {split.task.name}, split {split.split}: {leaked} of {len(split)} rows "
                    f"({leaked / len(split):.1%}) have the texts of rows that are trained on"
                )
                if self.fail_on_leak:
                    raise UserError(f"{line}; remove them, or leave out `fail_on_leak`")
                _log.warning("%s", line)


def text_hashes(encoded: EncodedSplit) -> np.ndarray:
    """Returns a number for the texts of each row, uint64 [rows]: equal for equal word pieces, else different.

    Of two different rows the numbers are the same with a probability of about 2^-64: the sum of what every word piece
    gives at its place.
    """
    hashes = np.empty(len(encoded), np.uint64)
    for block in _blocks(encoded):
        offsets, tokens = _token_block(encoded, block)
        starts, lengths = offsets[:-1], np.diff(offsets)
        places = np.arange(len(tokens)) - np.repeat(starts, lengths)
        firsts = np.asarray(encoded.first_segment_lengths[block]).astype(np.uint64)
        hashes[block] = np.add.reduceat(_mixed(places << 32 | tokens), starts) + _mixed(firsts | _NO_PLACE)
    return hashes


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Returns 64 bits that look random for each number, as SplitMix64 makes them (Steele et al. 2014)."""
    mixed = numbers.astype(np.uint64) * _GAMMA
    for shift, factor in _ROUNDS:
        mixed ^= mixed >> shift
        mixed *= factor
    return mixed ^ mixed >> np.uint64(31)


def _contradictions(hashes: np.ndarray, labels: np.ndarray) -> int:
    """Returns the number of texts that have rows of different labels; the rows are sorted by the hashes of texts."""
    labels = labels.reshape(len(labels), -1)
    is_other = (labels[1:] != labels[:-1]).any(axis=1)
    return len(np.unique(hashes[1:][is_other & (hashes[1:] == hashes[:-1])]))


def _common(hashes: np.ndarray, of_training: np.ndarray) -> int:
    """Returns how many of the hashes are among others, which are sorted."""
    places = np.minimum(np.searchsorted(of_training, hashes), len(of_training) - 1)
    return int(np.count_nonzero(of_training[places] == hashes))


def _has_known_piece(encoded: EncodedSplit, tokenizer: Tokenizer) -> np.ndarray:
    """Returns which rows have a word piece other than [UNK], bool [rows]."""
    known = np.empty(len(encoded), bool)
    for block in _blocks(encoded):
        offsets, tokens = _token_block(encoded, block)
        is_known = (tokens != tokenizer.start_id) & (tokens != tokenizer.end_id) & (tokens != tokenizer.unknown_id)
        known[block] = np.logical_or.reduceat(is_known, offsets[:-1])
    return known


def _token_block(encoded: EncodedSplit, block: slice) -> tuple[np.ndarray, np.ndarray]:
    """Returns the token ids of a range of rows, and where each row begins there, and the last one ends."""
    offsets = np.asarray(encoded.offsets[block.start : block.stop + 1])
    return offsets - offsets[0], np.asarray(encoded.token_ids[offsets[0] : offsets[-1]])


def _blocks(encoded: EncodedSplit) -> Iterator[slice]:
    """Yields ranges of rows, so that no object per row of the split is in memory."""
    for start in range(0, len(encoded), _ROWS_PER_BLOCK):
        yield slice(start, min(start + _ROWS_PER_BLOCK, len(encoded)))
