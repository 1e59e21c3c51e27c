"""The interface of a client, for any protocol."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from mtdnn_tf.errors import UserError

_Answer = TypeVar("_Answer")
_FIRST_WAIT = 0.2  # Seconds; it doubles with each retry.


class Unavailable(Exception):
    """Raised if a server is unreachable or busy; a retry may succeed."""


class Patience(NamedTuple):
    """Timeout and retries of a client.

    Attributes:
        timeout: Seconds for each attempt.
        retries: Number of retries if the server is unavailable.
    """

    timeout: float = 10.0
    retries: int = 3


class Signature(NamedTuple):
    """Names of a signature's inputs and outputs."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class Connection(Protocol):
    """A connection to one model of a server."""

    def signatures(self) -> dict[str, Signature]:
        """Returns the model's signatures by name."""

    def predict(self, signature: str, inputs: Mapping[str, Sequence[str]]) -> dict[str, list[Any]]:
        """Returns every output of a signature, as lists of numbers, strings or lists, one per row.

        Args:
            signature: The signature's name.
            inputs: Texts by input.
        """


def with_retries(ask: Callable[[], _Answer], patience: Patience, where: str) -> _Answer:
    """Calls a function until it succeeds, with increasing delays between attempts.

    Args:
        ask: Sends one request.
        patience: Number of retries.
        where: The server, for the message.

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
