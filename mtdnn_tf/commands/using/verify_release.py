"""Verifies a release: checksums, all parts, and the SavedModel's answers against the other parts."""

from __future__ import annotations

from absl import logging

from mtdnn_tf.commands.program import Command
from mtdnn_tf.flags.paths import define_path
from mtdnn_tf.release.verify import verify_release

_RELEASE = define_path("release", "Folder that mtdnn export --release wrote.")


def main() -> None:
    files, tasks, difference = verify_release(_RELEASE.value)
    text = "%s: %d files intact; answers to %d tasks differ by at most %.1e between all parts"
    logging.info(text, _RELEASE.value, files, tasks, difference)


COMMAND = Command(main, required=("release",))
