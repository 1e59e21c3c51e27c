"""Verifies all checksums below a folder: runs, soft targets, encoded data, reports, exports."""

from __future__ import annotations

import sys

from mtdnn_tf.commands.program import Command
from mtdnn_tf.errors import UserError
from mtdnn_tf.flags.paths import define_path
from mtdnn_tf.manifests import verify

_FOLDER = define_path("folder", "Folder to verify, with all subfolders.")


def main() -> None:
    folder = _FOLDER.value
    found = verify(folder)
    if not found.intact and not found.problems:
        raise UserError(f"{folder}: nothing to verify, none of its {len(found.unchecked)} files has a checksum")
    for problem in found.problems:
        print(f"error: {problem}", file=sys.stderr)
    damaged, unchecked = len(found.problems), len(found.unchecked)
    print(f"{folder}: {len(found.intact)} files intact, {damaged} damaged, {unchecked} without checksum")
    if found.problems:
        sys.exit(1)


COMMAND = Command(main, required=("folder",))
