"""What the benchmarks' command lines share: mistakes told in one line, and files that are complete or absent."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path


class InputError(Exception):
    """Reports bad input in one line."""


def run(main: Callable[[], None]) -> None:
    """Runs a command's main function; an `InputError` is printed as one line and the exit status is 1."""
    try:
        main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file that becomes visible under its name only when complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        temporary = Path(file.name)
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            temporary.unlink()
            raise
    temporary.chmod(0o644)
    temporary.replace(path)
