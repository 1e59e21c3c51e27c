"""The file of a split's ids, which is written as its rows come."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO

from mtdnn_tf.data.sources.example import HASH_LENGTH, numbered_hash
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_file

_BYTES_COPIED_AT_ONCE = 1 << 20


class IdsFile:
    """Writes ids, one per line, as UTF-8.

    Args:
        path: The file, which must not exist.
        where: Task and split, for messages.
    """

    def __init__(self, path: Path, where: str) -> None:
        self._path, self._where = path, where
        self._file: IO[bytes] = path.open("xb")

    def __enter__(self) -> IdsFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, example_ids: Sequence[str]) -> None:
        """Adds ids; refuses those that are not one line of text."""
        self._file.write(self._lines(example_ids))

    def number_repeated_hashes(self, repeats: Iterable[tuple[int, int]]) -> None:
        """Numbers ids that are hashes: rows, in order, whose texts an earlier one has, each with its occurrence.

        It is called after the block of the context.
        """
        width = HASH_LENGTH + 1
        following = iter(repeats)
        repeat = next(following, None)
        if repeat is None:
            return
        path = self._path
        with new_file(path) as temporary, path.open("rb") as source, temporary.open("wb") as numbered:
            while repeat is not None:
                row, occurrence = repeat
                _copy(source, numbered, row * width - source.tell())
                digest = source.read(width)[:-1].decode()
                numbered.write(f"{numbered_hash(digest, occurrence)}\n".encode())
                repeat = next(following, None)
            shutil.copyfileobj(source, numbered)

    def _lines(self, example_ids: Sequence[str]) -> bytes:
        lines = "\n".join([*example_ids, ""])
        if lines.count("\n") == len(example_ids):
            with contextlib.suppress(UnicodeEncodeError):
                return lines.encode()
        wrong = next(one for one in example_ids if "\n" in one or one.encode("utf-8", "ignore").decode() != one)
        raise UserError(f"{self._where}: an example id must be one line of text, got {wrong!r}")


def _copy(source: IO[bytes], target: IO[bytes], count: int) -> None:
    """Copies the next bytes of a file."""
    for start in range(0, count, _BYTES_COPIED_AT_ONCE):
        target.write(source.read(min(_BYTES_COPIED_AT_ONCE, count - start)))
