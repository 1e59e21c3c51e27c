"""Distils an ensemble of language-understanding models into one multi-task BERT."""

from __future__ import annotations

import importlib.metadata
import os

# TF 2.16 made Keras 3 its default, and Keras 3 has no TPUStrategy. The variable must be set before TensorFlow is
# imported, and must not be set for TF 2.15, where it would load a second Keras.
if tuple(int(part) for part in importlib.metadata.version("tensorflow").split(".")[:2]) >= (2, 16):
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
