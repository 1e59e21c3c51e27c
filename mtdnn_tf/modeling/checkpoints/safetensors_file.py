"""Reading .safetensors files that others may have written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from mtdnn_tf.errors import UserError


def read_safetensors(path: Path, remedy: str) -> dict[str, np.ndarray]:
    """Reads the arrays of a .safetensors file by name.

    Args:
        path: The file.
        remedy: What the user can do if it is not accepted.

    Raises:
        UserError: The file is missing, is no .safetensors, tells of other sizes than it has, or of a type that NumPy
            has not, such as bfloat16.
    """
    try:
        return dict(load_file(path))
    except KeyError as error:
        raise UserError(f"{path}: arrays of type {error} are not accepted, float32 and float16 are; {remedy}") from None
    except (SafetensorError, OSError, ValueError, TypeError, OverflowError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: not a safetensors file, or damaged ({reason}); {remedy}") from None
