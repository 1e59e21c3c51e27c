"""The error for a user's mistake, in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST_COMPARED = 200
_MOST_SHOWN = 4000


class UserError(Exception):
    """Reports bad input: what is wrong, what is accepted, what was given, and where.

    Binaries print it as one line without a traceback and exit with status 1. Unprintable characters are shown as an
    escape: a file's own text may be part of it.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def unknown_name(what: str, given: str, accepted: Iterable[str], where: str = "") -> UserError:
    """Returns the error for a name that is not accepted; it offers the closest accepted name.

    Args:
        what: The kind of thing named, such as "task".
        given: The name that was given.
        accepted: All accepted names.
        where: Place of the name, such as "tasks.yaml:3"; empty if it came from no file.
    """
    names = sorted(accepted)
    # difflib's time grows with the square of the texts' length, and names may come from a file.
    comparable = len(given) <= _LONGEST_COMPARED and sum(map(len, names)) <= _MOST_SHOWN
    close = difflib.get_close_matches(given, names, n=1) if comparable else []
    hint = f"; did you mean {close[0]!r}?" if close else "."
    place = f"{where}: " if where else ""
    listed = ", ".join(names) or "none"
    if len(listed) > _MOST_SHOWN:
        listed = f"{listed[:_MOST_SHOWN]}... ({len(names)} names)"
    return UserError(f"{place}unknown {what} {shortened(given)!r}{hint} Accepted: {listed}")


def raise_error(error: UserError) -> None:
    """Raises an error: what readers do with a row that they cannot read, unless they are given something else."""
    raise error


def printable(text: str) -> str:
    """Returns a text with escapes for characters that are not printable, such as line breaks and terminal commands."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def one_line(error: BaseException, longest: int = _LONGEST_COMPARED) -> str:
    """Returns an error's message in one line of at most `longest` characters, or its type if it has none."""
    return shortened(" ".join(str(error).split()) or type(error).__name__, longest)


def shortened(text: str, longest: int = _LONGEST_COMPARED) -> str:
    """Returns a text cut to at most `longest` characters (200 by default)."""
    return text if len(text) <= longest else f"{text[:longest]}..."
