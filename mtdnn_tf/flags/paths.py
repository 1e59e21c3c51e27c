"""Flags of files and folders: `~` is the home folder, and an empty path is refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import data_path, user_path


class _PathParser(flags.ArgumentParser):
    def __init__(self, read: Callable[[str], Path] = user_path) -> None:
        super().__init__()
        self._read = read

    def parse(self, argument: str | Path) -> Path:
        if argument == "":
            raise ValueError("must be a path, got nothing")
        try:
            return self._read(str(argument))
        except UserError as error:
            raise ValueError(str(error)) from None


class _PathsParser(flags.ListParser):
    def parse(self, argument: str | Sequence[str]) -> list[Path]:
        return [_PathParser().parse(item) for item in super().parse(argument)]


def define_path(name: str, help: str) -> flags.FlagHolder[Path | None]:
    """Defines a flag of a file or folder, None if it is not given."""
    return flags.DEFINE(_PathParser(), name, None, help, serializer=flags.ArgumentSerializer())


def define_data_path(name: str, help: str) -> flags.FlagHolder[Path | None]:
    """Defines a flag of data files, which may be a URL, None if it is not given."""
    return flags.DEFINE(_PathParser(data_path), name, None, help, serializer=flags.ArgumentSerializer())


def define_paths(name: str, help: str) -> flags.FlagHolder[Any]:
    """Defines a flag of comma-separated files or folders."""
    return flags.DEFINE(_PathsParser(), name, [], help, serializer=flags.CsvListSerializer(","))
