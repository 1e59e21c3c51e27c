"""The error for a mistake of the user's, told in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Reports bad input: what is wrong, what is accepted, what was given, and where.

    Binaries print it as one line without a traceback and exit with status 1.
    """


def unknown_name(what: str, given: str, accepted: Iterable[str], where: str = "") -> UserError:
    """Builds the error for a name that is not one of the accepted names.

    Args:
        what: The kind of thing named, such as "task".
        given: The name that was given.
        accepted: Every name that would have been accepted.
        where: Where the name stands, such as "tasks.yaml:3"; empty if it came from no file.

    Returns:
        The error to raise; it offers the closest accepted name where one is close.
    """
    names = sorted(accepted)
    close = difflib.get_close_matches(given, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    place = f"{where}: " if where else ""
    return UserError(f"{place}unknown {what} {given!r}{hint} Accepted: {', '.join(names) or 'none'}")
