"""A program: its flags, log format, and one-line messages for user errors."""

from __future__ import annotations

import dataclasses
import io
import logging as python_logging
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from absl import app, flags, logging

from mtdnn_tf.errors import UserError, one_line, printable
from mtdnn_tf.files import DISK_IS_FULL
from mtdnn_tf.interruption import Interrupted, install_handlers
from mtdnn_tf.options import is_flag_text

_HELP = ("-h", "-help", "--help", "-?", "--?")


def _fail(message: str) -> NoReturn:
    # The library names options as `name` or `name=value`.
    message = re.sub(r"`(\w+)(=[^`]*|)`", lambda of: f"--{of[1]}{of[2]}" if of[1] in flags.FLAGS else of[0], message)
    print(f"error: {printable(' '.join(message.split()))}", file=sys.stderr)
    sys.exit(1)


def _reason(error: OSError) -> str:
    if error.filename is None:
        return str(error)
    return f"{error.filename}: {error.strerror}{_space(Path(error.filename)) if error.errno in DISK_IS_FULL else ''}"


def _space(path: Path) -> str:
    folder = next(place for place in (path, *path.absolute().parents) if place.is_dir())
    free = shutil.disk_usage(folder).free
    return f"; {free / 1e6:.1f} MB are free there; free some space, and the same command continues"


def _parse_flags(argv: list[str]) -> list[str]:
    if not all(map(str.isascii, argv)) and sys.getfilesystemencoding() != "utf-8":
        encoding = sys.getfilesystemencoding()
        _fail(f"the locale's encoding must be UTF-8 for flags that are not ASCII, got {encoding}; set PYTHONUTF8=1")
    for argument in argv[1:]:
        # A run writes its flags to a UTF-8 file, one per line.
        if not is_flag_text(argument):
            _fail(f"{argument!r}: flags must be UTF-8 text without control characters")
    try:
        rest = flags.FLAGS(argv)
    except OSError as error:  # A missing flagfile.
        _fail(_reason(error))
    except UnicodeDecodeError as error:
        _fail(f"--flagfile: not UTF-8 ({error})")
    except (flags.Error, ValueError) as error:  # absl raises ValueError for --noFLAG=VALUE.
        _fail(str(error))
    if len(rest) > 1:
        _fail(f"arguments without -- are not accepted: {' '.join(rest[1:])}")
    return rest


@dataclasses.dataclass(frozen=True)
class Command:
    """A program, described by its module's docstring.

    Args:
        main: Does the work; the flags are parsed.
        required: Names of flags that must have a value. Defaults to none.
    """

    main: Callable[[], None]
    required: Sequence[str] = ()

    def run(self) -> None:
        """Parses the flags and runs the program.

        A `UserError`, a wrong flag, or a file that cannot be read or written ends it with one line on stderr and exit
        status 1. SIGTERM and SIGINT (Ctrl-C) end it at the next safe point with one line and status 75 or 130; a second
        signal ends it at once.
        """
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # For a terminal or a pipe that is not UTF-8.
        for module, defined in flags.FLAGS.flags_by_module_dict().items():
            for flag in defined if module.startswith("mtdnn_tf.") else ():
                flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)  # So that --help lists it.
        if any(argument in _HELP for argument in sys.argv[1:]):
            print(str(sys.modules[self.main.__module__].__doc__).strip(), flags.FLAGS.main_module_help(), sep="\n")
            return
        for name in self.required:
            flags.register_validator(name, bool, f"must have a value; see `{sys.argv[0]} --help`")
        app.run(self._guarded, flags_parser=_parse_flags)

    def _guarded(self, _: list[str]) -> None:
        logging.get_absl_handler().setFormatter(python_logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
        # Keras warns about callbacks slower than a batch, such as saving a checkpoint; saving a model logs every
        # function on absl's logger, and a checkpoint its shards.
        python_logging.getLogger("tensorflow").setLevel(python_logging.ERROR)
        logging.get_absl_handler().addFilter(
            lambda record: not any(module in record.pathname for module in ("saved_model", "checkpoint/sharding"))
        )
        try:
            install_handlers()
            self.main()
        except UserError as error:
            _fail(str(error))
        except OSError as error:
            _fail(_reason(error))
        except MemoryError as error:
            _fail(f"out of memory ({one_line(error)})")
        except Interrupted as stop:
            print(stop, file=sys.stderr)
            sys.exit(stop.exit_status)
