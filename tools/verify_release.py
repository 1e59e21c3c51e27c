"""Verifies a release: checksums, all parts, and the SavedModel's answers against the other parts."""

from __future__ import annotations

from absl import logging

from flags.paths import define_path
from mtdnn_tf.release.verify import verify_release
from tools import cli

_RELEASE = define_path("release", "Folder that tools.export --release wrote.")


def main() -> None:
    files, tasks, difference = verify_release(_RELEASE.value)
    text = "%s: %d files intact; answers to %d tasks differ by at most %.1e between all parts"
    logging.info(text, _RELEASE.value, files, tasks, difference)


if __name__ == "__main__":
    cli.run(main, required=["release"])
