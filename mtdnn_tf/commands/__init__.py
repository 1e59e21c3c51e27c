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

# A user's KERAS_BACKEND or keras.json for Keras 3 would end the import.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["MPLBACKEND"] = "agg"  # Figures are files; another value may be unknown.
# Without HOME, libraries do not find the folder of an unknown user: an error, or files in a folder named ~.
_has_home = os.path.expanduser("~") != "~"  # noqa: PTH111
if not _has_home:
    os.environ["HOME"] = "/dev/null"
    os.environ.setdefault("KERAS_HOME", "/dev/null/.keras")
    os.environ.setdefault("MPLCONFIGDIR", "/dev/null/matplotlib")  # Matplotlib then makes a temporary folder.

import mtdnn_tf  # noqa: E402, F401  # Selects the Keras version for keras_nlp.

with contextlib.redirect_stdout(io.StringIO()):
    import keras_nlp  # noqa: F401  # Prints its backend.

import tensorflow as tf  # noqa: E402

if not _has_home:
    del os.environ["HOME"]

# keras.json may have other values, with which models would not be those that were trained.
tf.keras.backend.set_floatx("float32")
tf.keras.backend.set_epsilon(1e-7)
tf.keras.backend.set_image_data_format("channels_last")
