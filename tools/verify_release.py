"""Verifies a release: checksums, all parts, and the SavedModel's answers against the other parts."""

from __future__ import annotations

from pathlib import Path

from absl import flags, logging

from mtdnn_tf.release.verify import verify_release
from tools import cli

_RELEASE = flags.DEFINE_string("release", None, "Folder that tools.export --release wrote.")


def main() -> None:
    """Verifies the release."""
    verified = verify_release(Path(_RELEASE.value))
    logging.info(
        "%s: %d files intact; answers to %d tasks differ by at most %.1e between all parts",
        _RELEASE.value,
        verified.files,
        verified.tasks,
        verified.difference,
    )


if __name__ == "__main__":
    cli.run(main, required=["release"])
