"""Verifies whole folders: every file whose checksum is in a manifest or in the file itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from mtdnn_tf.checked_json import CHECKSUM, read_checked_json
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import MANIFEST, read_json, read_manifest
from mtdnn_tf.interruption import stop_if_asked

_REMEDY = "restore it from a copy, or delete and rebuild it"


class Verification(NamedTuple):
    """Result of `verify`.

    Attributes:
        intact: Files whose checksum matches.
        unchecked: Files without a checksum, such as logs and files of data.
        problems: A line for each damaged file, or folder with one.
    """

    intact: list[Path]
    unchecked: list[Path]
    problems: list[str]


def verify(folder: Path) -> Verification:
    """Reads every file below a folder and compares it with its checksum.

    Raises:
        UserError: It is not a folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: must be a folder")
    found = Verification([], [], [])
    listed: set[Path] = set()
    files: list[Path] = []
    for place, _, names in os.walk(folder):
        stop_if_asked()
        files += [Path(place, name) for name in names]
        if MANIFEST in names:
            try:
                manifest = read_manifest(Path(place), _REMEDY)
            except UserError as error:
                found.problems.append(str(error))
                listed.update(Path(directory, name) for directory, _, below in os.walk(place) for name in below)
            else:
                of_manifest = [Path(place, name) for name in (MANIFEST, *manifest["files"])]
                listed.update(of_manifest)
                found.intact.extend(of_manifest)
    for file in sorted(set(files) - listed):
        if file.suffix != ".json":
            found.unchecked.append(file)
            continue
        try:
            value = read_json(file)
            checked = isinstance(value, dict) and CHECKSUM in value
            if isinstance(value, dict):
                read_checked_json(file, _REMEDY)
            (found.intact if checked else found.unchecked).append(file)
        except UserError as error:
            found.problems.append(str(error))
    return found
