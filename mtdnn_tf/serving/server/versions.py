"""The versions of a model on disk."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Version(NamedTuple):
    """A version as it stands on disk.

    Attributes:
        number: The version's number, the name of its folder.
        folder: The folder.
        stamp: When its graph was written, so that a repaired version is told from a broken one.
    """

    number: int
    folder: Path
    stamp: int


def versions_on_disk(base: Path) -> list[Version]:
    """Returns a model's versions, the highest first.

    A version is a folder named by a number that holds saved_model.pb; what is written under another name for now is
    none.

    Args:
        base: The model's folder.
    """
    found = []
    try:
        folders = [path for path in base.iterdir() if path.name.isascii() and path.name.isdigit()]
    except OSError:  # Gone for now; what is loaded stays.
        return []
    for folder in folders:
        try:
            stamp = (folder / "saved_model.pb").stat().st_mtime_ns
        except OSError:
            continue
        found.append(Version(int(folder.name), folder, stamp))
    return sorted(found, reverse=True)
