"""Values of flags that absl has no type for."""

from __future__ import annotations

from mtdnn_tf.errors import UserError


def numbers(flag: str, values: list[str]) -> list[float] | None:
    """Returns the numbers of a list flag, or None if it is empty.

    Raises:
        UserError: A value is not a number.
    """
    try:
        return [float(value) for value in values] or None
    except ValueError:
        raise UserError(f"--{flag} takes numbers, by commas; {','.join(values)} given") from None
