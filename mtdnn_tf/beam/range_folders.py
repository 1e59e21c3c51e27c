"""What is made of ranges of rows: a folder with checksums for each, so that a stopped command continues."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_folder
from mtdnn_tf.manifests import read_manifest, write_manifest

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
    def new(self, number: int, rows: int) -> Iterator[Path]:
        """Yields a folder for the files of a range of some rows; it is done if the block ends without an error."""
        with new_folder(self._path(number)) as temporary:
            yield temporary
            write_manifest(temporary, {_IDENTITY: self.identity, _ROWS: rows})

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

    def written(self) -> int:
        """Returns the number of folders that are there."""
        return sum(1 for _ in self.folder.glob("range-*"))

    def _path(self, number: int) -> Path:
        return self.folder / f"range-{number:05d}"
