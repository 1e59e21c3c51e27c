"""Verifies the checksums of everything below a folder: runs, soft targets, encoded data, reports, exports."""

from __future__ import annotations

import sys
from pathlib import Path

from absl import flags

from mtdnn_tf.verification import verify
from tools import cli

_FOLDER = flags.DEFINE_string("folder", None, "The folder; everything below it is verified.")


def main() -> None:
    """Prints a line for each damaged file, and how many files are intact; exits with 1 if one is damaged."""
    folder = Path(_FOLDER.value)
    found = verify(folder)
    for problem in found.problems:
        print(f"error: {problem}", file=sys.stderr)
    damaged, unchecked = len(found.problems), len(found.unchecked)
    print(f"{folder}: {len(found.intact)} files intact, {damaged} damaged, {unchecked} without checksum")
    if found.problems:
        sys.exit(1)


if __name__ == "__main__":
    cli.run(main, required=["folder"])
