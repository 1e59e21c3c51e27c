"""The names of a release's parts, and their checksums in the form that `sha256sum --check` reads."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import sha256_of_file, write_text

CARD = "README.md"
LICENCES = "LICENCES.md"
DESCRIPTION = "release.json"
TASKS = "tasks.json"
LABELS = "labels.json"
METRICS = "metrics.json"
FLAGS = "config.flags"
IDENTITY = "config.json"
HEADS = "heads"
HUGGING_FACE = "backbone_huggingface"
KERAS_NLP = "backbone_keras_nlp"
SERVING = "serving"
VERSION = "1"
CHECKSUMS = "SHA256SUMS"
SCHEMA = 1
# Maximum difference between the answers of the parts.
TOLERANCE = 1e-5


def _files(folder: Path) -> list[str]:
    # A link could leave the folder, and its target could change.
    paths = [path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()]
    return sorted(name for name in (path.relative_to(folder).as_posix() for path in paths) if name != CHECKSUMS)


def write_checksums(folder: Path) -> None:
    """Writes the SHA-256 of every file of a folder. All files must be complete."""
    write_text(folder / CHECKSUMS, "".join(f"{sha256_of_file(folder / name)}  {name}\n" for name in _files(folder)))


def verify_checksums(folder: Path) -> int:
    """Verifies that a folder has exactly the listed files, unchanged, and returns their number; or raises UserError."""
    path = folder / CHECKSUMS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        raise UserError(f"{path}: missing; the folder must be one that mtdnn export --release wrote") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8, the file is damaged ({error})") from None
    named: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        match = re.fullmatch(r"([0-9a-f]{64})  (.+)", line)
        if match is None or match[2] in named or {"/", ".."} & {*PurePosixPath(match[2]).parts}:
            raise UserError(f"{path}:{number}: must be a checksum and a path within the folder, got {line[:200]!r}")
        named[match[2]] = match[1]
    found = _files(folder)
    missing, unnamed = sorted(set(named) - set(found)), sorted(set(found) - set(named))
    if missing:
        raise UserError(f"{folder / missing[0]}: missing, but listed in {CHECKSUMS}; copy the release again")
    if unnamed:
        raise UserError(f"{folder / unnamed[0]}: not listed in {CHECKSUMS}; remove it, or copy the release again")
    for name, expected in named.items():
        if (folder / name).is_symlink() or sha256_of_file(folder / name) != expected:
            raise UserError(f"{folder / name}: checksum does not match, the file was changed; copy the release again")
    return len(named)
