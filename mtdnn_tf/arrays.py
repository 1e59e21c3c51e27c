"""Reading .npy files that others may have written."""

from __future__ import annotations

from pathlib import Path
from tokenize import TokenError

import numpy as np

from mtdnn_tf.errors import UserError


def read_array(path: Path, remedy: str, mapped: bool = False) -> np.ndarray:
    """Reads an array of numbers from a .npy file.

    Pickled objects are never read, nor is an archive (.npz) under the name of a .npy. Memory is taken only for what the
    file holds, whatever size its header tells.

    Args:
        path: The file.
        remedy: What the user can do if it is not accepted.
        mapped: Whether the array stays on disk. Defaults to False.

    Raises:
        UserError: The file is missing, is no .npy, holds other things than numbers, or is shorter than it tells.
    """
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise UserError(f"{path}: missing; {remedy}") from None
    # Its header is read by ast.literal_eval and, for NumPy's own repairs, tokenize, which raise these.
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
        raise UserError(f"{path}: numbers are accepted, {array.dtype} given; {remedy}")
    return array if mapped else np.array(array)
