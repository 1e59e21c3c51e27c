"""Verifies a release: every checksum, every part read again, and the SavedModel's answers against the other parts'."""

from __future__ import annotations

from pathlib import Path

from absl import flags, logging

from mtdnn_tf.release.verify import verify_release
from tools import cli

_RELEASE = flags.DEFINE_string("release", None, "Folder that tools.export --release wrote.")


def main() -> None:
    """Verifies the folder that the flag names."""
    verified = verify_release(Path(_RELEASE.value))
    logging.info(
        "%s: %d files as they were written; %d tasks answered alike by all parts, to %.1e",
        _RELEASE.value,
        verified.files,
        verified.tasks,
        verified.difference,
    )


if __name__ == "__main__":
    cli.run(main, required=["release"])
