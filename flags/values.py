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


def whole_numbers(flag: str, values: list[str]) -> list[int]:
    """Returns the whole numbers of a list flag.

    Raises:
        UserError: A value is not a whole number.
    """
    try:
        return [int(value) for value in values]
    except ValueError:
        raise UserError(f"--{flag} takes whole numbers, by commas; {','.join(values)} given") from None
