"""Distils an ensemble of language-understanding models into one multi-task BERT."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `X as X` is a public name to type checkers.
    from mtdnn_tf.api.model import Model as Model
    from mtdnn_tf.api.tasks import Classification as Classification
    from mtdnn_tf.api.tasks import MultiLabel as MultiLabel
    from mtdnn_tf.api.tasks import Ranking as Ranking
    from mtdnn_tf.api.tasks import Regression as Regression
    from mtdnn_tf.api.tasks import TaskDeclaration as TaskDeclaration
    from mtdnn_tf.api.verbs import distill as distill
    from mtdnn_tf.api.verbs import load as load
    from mtdnn_tf.api.verbs import score as score
    from mtdnn_tf.api.verbs import train as train
    from mtdnn_tf.distillation.soft_targets import SoftTargets as SoftTargets
    from mtdnn_tf.errors import UserError as UserError

__version__ = "0.2.0"

# TF 2.16 made Keras 3 its default, and Keras 3 has no TPUStrategy. The variable must be set before TensorFlow is
# imported, and must not be set for TF 2.15, where it would load a second Keras.
if tuple(int(part) for part in importlib.metadata.version("tensorflow").split(".")[:2]) >= (2, 16):
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")

# Where the public names are defined. They are imported when they are first used: importing TensorFlow takes seconds.
_MODULES = {
    "api.model": ("Model",),
    "api.tasks": ("Classification", "MultiLabel", "Ranking", "Regression", "TaskDeclaration"),
    "api.verbs": ("distill", "load", "score", "train"),
    "distillation.soft_targets": ("SoftTargets",),
    "errors": ("UserError",),
}
__all__ = [name for names in _MODULES.values() for name in names]


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
