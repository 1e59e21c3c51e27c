"""Runs pytest on one test file for Bazel, from the project's root: run_pytest.py FILE [OPTIONS]."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


def main(arguments: list[str]) -> int:
    """Returns pytest's exit status, or 0 if every test of the file is slow or needs real data."""
    # Python put this file's folder in front, where tests/tools would hide tools.
    sys.path[0] = str(Path.cwd())
    status = pytest.main(["-c", "pyproject.toml", "-p", "no:cacheprovider", *arguments])
    return 0 if status == pytest.ExitCode.NO_TESTS_COLLECTED else int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
