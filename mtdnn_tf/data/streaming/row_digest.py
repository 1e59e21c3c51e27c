"""The fingerprint of a split's rows and what is known only of all of them: repeated ids."""

from __future__ import annotations

import hashlib
import itertools
import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mtdnn_tf.data.sources.example import HASH_LENGTH, Example, numbered_hash
from mtdnn_tf.data.streaming.row_sum import RowSum
from mtdnn_tf.data.streaming.sorted_lines import SortedLines
from mtdnn_tf.interruption import stop_if_asked

# Lower than any character of a longer id, in which _NUL stands for the character itself.
_END_OF_ID = "\0\1"
_NUL = "\0\2"
# The separator is in no JSON text, so that the texts of many strings are split at it.
_TEXTS = json.JSONEncoder(separators=("\n", ":"))
_MOST_DUPLICATES = 1000


class RowDigest:
    """Sorts rows by id in bounded memory.

    Args:
        folder: Where temporary files are made if they are needed.
        are_hashes: Whether ids are hashes, of which repeated ones are numbered in the order of their rows. Defaults to
            False: they are duplicates.
        digits: Number of digits of the largest row number. Defaults to 12.
    """

    def __init__(self, folder: Path, are_hashes: bool = False, digits: int = 12) -> None:
        self._folder = folder
        self._are_hashes = are_hashes
        self._digits = digits
        self._sorted = SortedLines(folder)
        self._repeats = SortedLines(folder)
        self._rows = 0
        self.duplicates: list[str] = []  # Ids that several rows have, some of them if they are many.

    def add(self, examples: Sequence[Example], numbers: Sequence[int] | None = None) -> None:
        """Adds rows, which are the next ones unless their numbers are given."""
        if not examples:
            return
        ids = [example.example_id for example in examples]
        columns = [_texts([example.text_a for example in examples]), _texts([example.text_b for example in examples])]
        groups = [example.group for example in examples]
        if self._are_hashes:
            if numbers is None:
                numbers = range(self._rows, self._rows + len(ids))
            keys: Iterable[str] = (f"{digest}{number:0{self._digits}d}" for digest, number in zip(ids, numbers))
        else:
            columns.insert(0, _texts(ids))
            keys = (example_id.replace("\0", _NUL) + _END_OF_ID for example_id in ids)
        if groups[0] is not None:
            columns.append(_texts(groups))
        self._sorted.add([key + ", ".join(cells) for key, cells in zip(keys, zip(*columns))])
        self._rows += len(ids)

    def hexdigest(self) -> str:
        """Returns the hexadecimal SHA-256 over ids, texts and queries of all rows, once.

        It does not depend on their order, as TensorFlow Datasets shuffles what it writes, except for the numbers of
        repeated hashes. Where ids are duplicates it is of no use.
        """
        digest = hashlib.sha256()
        for contents in self.blocks():
            digest.update("".join(contents).encode())
        return digest.hexdigest()

    def digests(self) -> tuple[str, str]:
        """Returns the `hexdigest`, and the `RowSum` of the same rows, once."""
        digest, total = hashlib.sha256(), RowSum()
        for contents in self.blocks():
            digest.update("".join(contents).encode())
            total.add(contents)
        return digest.hexdigest(), total.hexdigest()

    def blocks(self) -> Iterator[Sequence[str]]:
        """Yields what is digested, block by block, once: id, texts and query of each row as a JSON array."""
        for contents in self._numbered_blocks() if self._are_hashes else self._unique_blocks():
            stop_if_asked()
            yield contents

    def repeats(self) -> Iterator[tuple[int, int]]:
        """Yields each row whose hash an earlier row has, in order, and its occurrence; after `hexdigest`, once."""
        for line in itertools.chain.from_iterable(self._repeats.blocks()):
            yield int(line[: self._digits]), int(line[self._digits :])

    def _unique_blocks(self) -> Iterator[Sequence[str]]:
        last = None
        for block in self._sorted.blocks():
            pairs = [line.split(_END_OF_ID, 1) for line in block]
            ids = [pair[0] for pair in pairs]
            if len({*ids}) < len(ids) or last == ids[0]:
                repeated = [key for key, after in zip([last, *ids], ids) if key == after]
                self.duplicates += [key.replace(_NUL, "\0") for key in repeated]
                if len(self.duplicates) > _MOST_DUPLICATES:
                    return
            last = ids[-1]
            yield [f"[{content}]" for _, content in pairs]

    def _numbered_blocks(self) -> Iterator[Sequence[str]]:
        last, occurrence = "", 0
        # Of one hash, in the order of their ids as text: "-10" comes before "-2".
        repeated = SortedLines(self._folder)
        for block in self._sorted.blocks():
            ready: list[str] = []
            for line in block:
                digest, content = line[:HASH_LENGTH], line[HASH_LENGTH + self._digits :]
                if digest != last:
                    if occurrence > 1:
                        yield ready
                        yield from repeated.blocks()
                        ready, repeated = [], SortedLines(self._folder)
                    last, occurrence = digest, 0
                occurrence += 1
                row = f'["{numbered_hash(digest, occurrence)}", {content}]'
                if occurrence == 1:
                    ready.append(row)
                else:
                    repeated.add([row])
                    self._repeats.add([f"{line[HASH_LENGTH : HASH_LENGTH + self._digits]}{occurrence}"])
            yield ready
        yield from repeated.blocks()


def data_fingerprint(examples: Sequence[Example]) -> str:
    """Returns `RowDigest.hexdigest` of examples whose ids are unique."""
    rows = RowDigest(Path(tempfile.gettempdir()))
    rows.add(examples)
    return rows.hexdigest()


def _texts(strings: Sequence[str | None]) -> list[str]:
    """Returns each string as JSON."""
    return _TEXTS.encode(strings)[1:-1].split("\n")
