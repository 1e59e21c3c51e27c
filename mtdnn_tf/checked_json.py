"""JSON files that tell when they are damaged: objects that carry the checksum of their other values."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import fingerprint, read_json, write_json

CHECKSUM = "_sha256"


def write_checked_json(path: Path, value: Mapping[str, Any]) -> None:
    """Writes an object of JSON with its checksum, as a file that becomes visible only when complete.

    Args:
        path: The file.
        value: JSON values by name.
    """
    write_json(path, {**value, CHECKSUM: fingerprint(dict(value))})


def read_checked_json(path: Path, remedy: str) -> dict[str, Any]:
    """Reads what `write_checked_json` wrote, without its checksum.

    A file of version 0.1, which has none, is read as it is.

    Args:
        path: The file.
        remedy: What the user can do if it is damaged.

    Raises:
        UserError: The file is missing or damaged.
    """
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path}: an object of JSON is needed; {remedy}")
    whole = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    given = value.pop(CHECKSUM, None)
    if given is None and not _ends_with_a_checksum(value):
        return value
    if given != fingerprint(value) or path.read_bytes() != whole.encode():
        raise UserError(f"{path}: checksum does not match, the file is damaged; {remedy}")
    return value


def _ends_with_a_checksum(value: Mapping[str, Any]) -> bool:
    """Returns whether the last value is a checksum, whose name may be what is damaged."""
    last = next(reversed(list(value.values())), None)
    return isinstance(last, str) and re.fullmatch("[0-9a-f]{64}", last) is not None
