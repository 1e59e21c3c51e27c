"""The checksums of a folder, in the form that `sha256sum --check` reads."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import sha256_of_file, write_text

CHECKSUMS = "SHA256SUMS"


def _files(folder: Path) -> list[str]:
    # A link could lead out of the folder, and what it leads to could change.
    paths = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    return sorted(name for name in (path.relative_to(folder).as_posix() for path in paths) if name != CHECKSUMS)


def write_checksums(folder: Path) -> None:
    """Writes the SHA-256 of every file of a folder, all of which are complete."""
    write_text(folder / CHECKSUMS, "".join(f"{sha256_of_file(folder / name)}  {name}\n" for name in _files(folder)))


def verify_checksums(folder: Path) -> int:
    """Verifies that a folder holds the files that its checksums name, unchanged, and no others.

    Returns:
        The number of files.

    Raises:
        UserError: A file is missing, damaged or not named; or the checksums are missing or cannot be read.
    """
    path = folder / CHECKSUMS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"{path}: missing; a folder that tools.export --release wrote is accepted") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8, the file is damaged ({error})") from None
    named: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        match = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
        if match is None or match[2] in named or _leads_out(match[2]):
            raise UserError(
                f"{path}:{number}: a checksum and a path within the folder is accepted, {line[:200]!r} given"
            )
        named[match[2]] = match[1]
    found = _files(folder)
    missing, unnamed = sorted(set(named) - set(found)), sorted(set(found) - set(named))
    if missing:
        raise UserError(f"{folder / missing[0]}: missing, though {CHECKSUMS} names it; copy the release again")
    if unnamed:
        raise UserError(f"{folder / unnamed[0]}: {CHECKSUMS} does not name it; remove it, or copy the release again")
    for name, expected in named.items():
        if (folder / name).is_symlink() or sha256_of_file(folder / name) != expected:
            raise UserError(f"{folder / name}: checksum does not match, the file is changed; copy the release again")
    return len(named)


def _leads_out(name: str) -> bool:
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts
