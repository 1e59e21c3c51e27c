"""What all binaries share: flags, the log's form, and one line for a mistake of the user's."""

from __future__ import annotations

import logging as python_logging
import os
import sys
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from absl import app, flags, logging

from mtdnn_tf.errors import UserError


def _fail(message: str) -> None:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(1)


def _parse_flags(argv: list[str]) -> list[str]:
    try:
        rest = flags.FLAGS(argv)
    except flags.Error as error:
        _fail(str(error))
    if len(rest) > 1:
        _fail(f"arguments without -- are not accepted: {' '.join(rest[1:])}")
    return rest


def run(main: Callable[[], None]) -> None:
    """Parses the flags and runs a binary's main.

    A `UserError` and a wrong flag end it with one line on stderr and exit status 1; Ctrl-C with status 130.

    Args:
        main: Takes nothing; reads flags.
    """

    def guarded(_: list[str]) -> None:
        logging.get_absl_handler().setFormatter(python_logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        try:
            main()
        except UserError as error:
            _fail(str(error))
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(130)

    app.run(guarded, flags_parser=_parse_flags)
