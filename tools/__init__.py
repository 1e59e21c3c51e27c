"""The command-line binaries, whose output is their own: what libraries print while they are imported is silenced."""

from __future__ import annotations

import contextlib
import io
import os
import warnings

# TensorFlow reports, as errors, that it registers GPU libraries twice. Set the variable to 0 to see all it says.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.filterwarnings("ignore", category=FutureWarning, module="google")
warnings.filterwarnings("ignore", message=r".*(state_updates|layer\.updates).*", category=UserWarning)
warnings.filterwarnings("ignore", message=r"\s*TensorFlow Addons \(TFA\) has ended", category=UserWarning)

import mtdnn_tf  # noqa: E402, F401  # Chooses the Keras that keras_nlp finds.

with contextlib.redirect_stdout(io.StringIO()):
    import keras_nlp  # noqa: F401  # Prints which backend it uses.
