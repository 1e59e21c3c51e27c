"""Manifests: the checksums of a folder's files, written beside them and verified."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import file_within, sha256_of_file
from mtdnn_tf.interruption import stop_if_asked
from mtdnn_tf.json_files import CHECKSUM, read_checked_json, read_json, write_checked_json

MANIFEST = "manifest.json"
_CHECKSUM = "manifest_sha256"
_REMEDY = "restore it from a copy, or delete and rebuild it"


def checksums(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of every file of a folder but its manifest, by its path there."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): sha256_of_file(path) for path in files}


def write_manifest(folder: Path, content: dict[str, Any], files: Mapping[str, str] | None = None) -> None:
    """Writes a folder's manifest: `content`, the SHA-256 of files by their paths, and its own checksum.

    `files` are the `checksums` of the folder by default.
    """
    listed = checksums(folder) if files is None else dict(files)
    write_checked_json(folder / MANIFEST, {**content, "files": listed}, _CHECKSUM)


def read_manifest_only(folder: Path, remedy: str) -> dict[str, Any]:
    """Reads a folder's manifest and verifies it, but none of the files that it lists; see `read_manifest`."""
    path = folder / MANIFEST
    if not path.is_file():
        raise UserError(f"{folder}: {MANIFEST} is missing; {remedy}")
    manifest = read_checked_json(path, remedy, _CHECKSUM)
    if not isinstance(manifest.get("files"), dict):
        raise UserError(f"{path}: not a manifest; {remedy}")
    return manifest


def read_manifest(folder: Path, remedy: str, needed: Sequence[str] = ()) -> dict[str, Any]:
    """Reads a folder's manifest after verifying it and every file it lists.

    Args:
        folder: The folder.
        remedy: What the user can do if it is damaged, such as "delete it and run mtdnn encode again".
        needed: Files that the manifest must list.

    Returns:
        The `content` of `write_manifest`, with `files`.

    Raises:
        UserError: The manifest or a listed file is missing or damaged, or not within the folder.
    """
    manifest, path = read_manifest_only(folder, remedy), folder / MANIFEST
    for name in needed:
        if name not in manifest["files"]:
            raise UserError(f"{path}: {name} is not listed; {remedy}")
    for name, expected in manifest["files"].items():
        file = file_within(folder, name, path)
        if not file.is_file():
            raise UserError(f"{file}: missing; {remedy}")
        if sha256_of_file(file) != expected:
            raise UserError(f"{file}: checksum does not match, the file is damaged; {remedy}")
    return manifest


class Verification(NamedTuple):
    """Files whose checksum matches, files without one, and a line for each damaged file or folder."""

    intact: list[Path]
    unchecked: list[Path]
    problems: list[str]


def verify(folder: Path) -> Verification:
    """Compares every file below a folder with its checksum in a manifest or in the file itself."""
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
        try:
            value = read_json(file) if file.suffix == ".json" else None
            if isinstance(value, dict):
                read_checked_json(file, _REMEDY)
            is_checked = isinstance(value, dict) and CHECKSUM in value
            (found.intact if is_checked else found.unchecked).append(file)
        except UserError as error:
            found.problems.append(str(error))
    return found
