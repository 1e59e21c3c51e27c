"""The command-line programs. Messages that libraries print during import are suppressed."""

from __future__ import annotations

import contextlib
import io
import os
import warnings

# TensorFlow logs errors about registering GPU libraries twice. Set the variable to 0 to see all messages.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore", category=FutureWarning, module="google")
warnings.filterwarnings("ignore", message=r".*(state_updates|layer\.updates).*", category=UserWarning)
warnings.filterwarnings("ignore", message=r"\s*TensorFlow Addons \(TFA\) has ended", category=UserWarning)

import mtdnn_tf  # noqa: E402, F401  # Selects the Keras version for keras_nlp.

with contextlib.redirect_stdout(io.StringIO()):
    import keras_nlp  # noqa: F401  # Prints its backend.
