"""What is made of ranges of rows: a folder with checksums for each, so that a stopped command continues."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import move_folder, new_folder, remove
from mtdnn_tf.manifests import MANIFEST, read_manifest, write_manifest

_IDENTITY, _ROWS = "identity", "rows"


@dataclasses.dataclass(frozen=True)
class RangeFolders:
    """The folders of the ranges that are done; ranges without rows have none.

    Attributes:
        folder: Where they are. All workers see it.
        identity: Fingerprint of all that decides their files; those of something else are made again.
        files: Names of the files of each.
        remedy: What the user can do if one is damaged.
    """

    folder: Path
    identity: str
    files: tuple[str, ...]
    remedy: str = "delete it and run the command again"

    @contextlib.contextmanager
    def new(self, number: int, rows: int, fields: Mapping[str, Any] | None = None) -> Iterator[Path]:
        """Yields a folder for the files of a range of some rows; it is done if the block ends without an error.

        `fields` are further ones of its manifest.
        """
        with new_folder(self._path(number)) as temporary:
            yield temporary
            write_manifest(temporary, {**(fields or {}), _IDENTITY: self.identity, _ROWS: rows})

    def rows(self, number: int) -> int:
        """Returns the number of rows of a range that is done; 0 for another."""
        path = self._path(number)
        if not path.is_dir():
            return 0
        try:
            manifest = read_manifest(path, self.remedy, self.files)
        except UserError:
            return 0
        return int(manifest[_ROWS]) if manifest.get(_IDENTITY) == self.identity else 0

    def done(self, count: int) -> list[Path]:
        """Returns the folders of those of `count` ranges that are done, in order."""
        return [self._path(number) for number in range(count) if self.rows(number)]

    def take_back(self, store: Path, count: int) -> None:
        """Moves `count` ranges of the same work from where `move_to` has moved them, so that damaged ones are known."""
        if not self.folder.exists() and dataclasses.replace(self, folder=store).done(count):
            move_folder(store, self.folder)
            (self.folder / MANIFEST).unlink(missing_ok=True)

    def move_to(self, store: Path, count: int) -> None:
        """Moves those of `count` ranges that are done to a folder, which they replace."""
        done = {path.name for path in self.done(count)}
        for path in self.folder.iterdir():
            if path.is_dir() and path.name not in done:
                remove(path)
        move_folder(self.folder, store)

    def written(self) -> int:
        """Returns the number of folders that are there."""
        return sum(1 for _ in self.folder.glob("range-*"))

    def _path(self, number: int) -> Path:
        return self.folder / f"range-{number:05d}"
