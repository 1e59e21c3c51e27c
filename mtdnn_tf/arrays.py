"""Reads .npy files from untrusted sources."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError

import numpy as np

from mtdnn_tf.errors import UserError


def read_array(path: Path, remedy: str, mapped: bool = False) -> np.ndarray:
    """Reads an array of numbers from a .npy file.

    Pickled objects and archives (.npz) are never read. The size in the header cannot make it allocate more memory than
    the file holds.

    Args:
        path: The file.
        remedy: What the user can do, for messages.
        mapped: Whether the array stays on disk. Defaults to False.

    Raises:
        UserError: The file is missing, truncated, not a .npy file, or does not hold numbers.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise UserError(f"{path}: missing; {remedy}") from None
    # NumPy parses the header with ast.literal_eval and tokenize, which raise these.
    except (
        OSError,
        ValueError,
        SyntaxError,
        TypeError,
        OverflowError,
        MemoryError,
        RecursionError,
        TokenError,
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: not a .npy file of numbers, or damaged ({reason}); {remedy}") from None
    if array.dtype.kind not in "biuf":
        raise UserError(f"{path}: must hold numbers, got {array.dtype}; {remedy}")
    return array if mapped else np.array(array)
