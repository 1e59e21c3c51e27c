"""What a client asks of a server, whatever the protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from mtdnn_tf.errors import UserError

_Answer = TypeVar("_Answer")
_FIRST_WAIT = 0.2  # Seconds; it doubles with each retry.


class Unavailable(Exception):
    """A server that may answer later: it is not reached, too busy, or told so."""


class Patience(NamedTuple):
    """How long a client waits.

    Attributes:
        timeout: Seconds for each attempt.
        retries: Attempts after the first, where a server is unavailable.
    """

    timeout: float = 10.0
    retries: int = 3


class Signature(NamedTuple):
    """The names of what a signature takes and gives."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Connection(Protocol):
    """A way to one model of one server."""

    def signatures(self) -> dict[str, Signature]:
        """Returns the model's signatures by name."""

    def predict(self, signature: str, inputs: Mapping[str, Sequence[str]]) -> dict[str, list[Any]]:
        """Returns every output of a signature: for each row numbers, strings, or lists of them.

        Args:
            signature: The signature's name.
            inputs: Texts by input.
        """


def with_retries(ask: Callable[[], _Answer], patience: Patience, where: str) -> _Answer:
    """Asks until an answer comes, with a growing pause between attempts.

    Args:
        ask: Asks once.
        patience: How often to ask again.
        where: The server, for the error.

    Raises:
        UserError: The server stays unavailable.
    """
    wait = _FIRST_WAIT
    for attempt in range(patience.retries + 1):
        try:
            return ask()
        except Unavailable as error:
            reason = error
        if attempt < patience.retries:
            time.sleep(wait)
            wait *= 2
    attempts = patience.retries + 1
    raise UserError(f"{where}: no answer after {attempts} attempt{'s' * (attempts > 1)} ({reason})")
