"""The tables of a split: one file or saved data set, or the shards in a folder or of a pattern."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mtdnn_tf.data.sources.saved_datasets import INFO, arrow_files, is_saved_dataset, is_saved_dict, split_folder
from mtdnn_tf.errors import UserError, shortened, unknown_name
from mtdnn_tf.files import sha256_of_file
from mtdnn_tf.remote_files import is_remote, reading
from mtdnn_tf.tasks.file_formats import ENDINGS, ending_of, is_pattern

# Of hidden files, and of those that programs write beside their shards, such as _SUCCESS.
_LEFT_OUT = (".", "_")


class Shard(NamedTuple):
    """One table of a split."""

    path: Path  # A file, or the folder of a saved data set.
    name: str = ""  # Tells one of several shards, relative to their folder; empty for an only table.

    def row_id(self, number: int) -> str:
        """Returns the id of a row by its number."""
        return f"{self.name}:{number}" if self.name else str(number)

    @property
    def files(self) -> list[Path]:
        """All files that its rows are read from."""
        return [*arrow_files(self.path), self.path / INFO] if is_saved_dataset(self.path) else [self.path]

    def checksums(self) -> list[list[str]]:
        """Returns name and SHA-256 of each of its files, the same wherever they are."""
        with reading(self.path):
            return [[self.name or file.name, sha256_of_file(file)] for file in self.files]


def has_data(path: Path) -> bool:
    """Returns whether there is a file or folder of this path, or one that matches this pattern."""
    with reading(path):
        return path.exists() or (is_pattern(path) and any(True for _ in _matches(path)))


def find_shards(path: Path, split: str, remedy: str = "") -> list[Shard]:
    """Returns the tables of a split in the order of its rows.

    Args:
        path: A data file; a folder of shards; a folder that `save_to_disk` of Hugging Face's `datasets` wrote; or a
            pattern of shards, in which `*`, `?` and `[]` are wildcards.
        split: The split, which tells the folder of a saved DatasetDict.
        remedy: What the user can do if there is none. Defaults to nothing.

    Raises:
        UserError: There is no such file or no shard, or shards are not files of one format.
    """
    with reading(path):
        return _find_shards(path, split, remedy)


def _find_shards(path: Path, split: str, remedy: str) -> list[Shard]:
    if path.is_file():
        return [Shard(path)]
    if is_saved_dict(path) or is_saved_dataset(path):
        if is_remote(path):
            raise UserError(f"{path}: saved data sets must be in a local folder; copy it, or save it with to_parquet")
        return [Shard(split_folder(path, split) if is_saved_dict(path) else path)]
    if path.is_dir():
        return _shards(path, {file.name: file for file in path.iterdir()})
    shards = _shards(path, dict(_matches(path))) if has_data(path) else []
    if not shards:
        raise UserError(f"{path}: {'no file matches' if is_pattern(path) else 'no such file'}{remedy}")
    return shards


def _matches(path: Path) -> Iterator[tuple[str, Path]]:
    """Yields what matches a pattern, with its name relative to the folder that has no wildcard."""
    folder = next(parent for parent in path.parents if parent.is_dir())
    try:
        for match in folder.glob(str(path.relative_to(folder))):
            yield match.relative_to(folder).as_posix(), match
    except ValueError as error:
        raise UserError(f"{path}: not accepted as a pattern of files ({error})") from None


def _shards(where: Path, found: dict[str, Path]) -> list[Shard]:
    """Returns shards sorted by name; refuses what is not files of one format."""
    shards = [Shard(found[name], name) for name in sorted(found) if not found[name].name.startswith(_LEFT_OUT)]
    if not shards:
        accepted = f"files that end in {', '.join(ENDINGS)}, or be written by `save_to_disk` of `datasets`"
        raise UserError(f"{where}: must have {accepted}, got no file")
    first = shards[0]
    for shard in shards:
        if not shard.path.is_file():
            raise UserError(f"{where}: shards must be files, got the folder {shard.name!r}")
        if not shard.name.isprintable():
            given = ascii(shortened(shard.name))
            raise UserError(f"{where}: names of shards are part of row ids and must be printable, got {given}")
        if ending_of(shard.path) not in ENDINGS:
            raise unknown_name("ending of a data file", ending_of(shard.path), ENDINGS, str(shard.path))
        if ending_of(shard.path) != ending_of(first.path):
            remedy = "name the shards to read with a pattern, such as part-*.tsv"
            raise UserError(f"{where}: shards must be of one format, got {first.name} and {shard.name}; {remedy}")
    return shards
