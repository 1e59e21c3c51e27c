"""Data files that are read by their URL, such as those of a bucket, through fsspec."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from mtdnn_tf.errors import UserError, one_line

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_remote(path: str | Path) -> bool:
    """Returns whether a path is a URL, such as gs://bucket/train.tsv."""
    return _URL.match(str(path)) is not None


def remote_path(url: str) -> Path:
    """Returns what reads the file, folder or pattern of a URL as `Path` does; see `reading` for its errors.

    Raises:
        UserError: The package that reads URLs is not installed.
    """
    try:
        from upath import UPath
    except ImportError:
        raise UserError(f"{url}: needs universal-pathlib: pip install 'mtdnn_tf[remote]'") from None
    with reading(url):
        return cast("Path", UPath(url))


@contextlib.contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turns errors of reading a URL into one for the user; they are of the package that reads it, and not declared."""
    try:
        yield
    except Exception as error:
        if isinstance(error, UserError) or not is_remote(path):
            raise
        raise UserError(f"{path}: cannot be read ({one_line(error)})") from error
