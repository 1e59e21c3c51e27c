"""What linear heads read of an encoder, and where checkpoints say so."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mtdnn_tf.errors import UserError
from mtdnn_tf.json_files import read_json_object, write_json

AUTO = "auto"
POOLER = "pooler"
CLS = "cls"
MEAN = "mean"
POOLINGS = (POOLER, CLS, MEAN)

# Where a sentence-transformers folder keeps the pooling that its encoder was trained with.
SENTENCE_TRANSFORMERS = "1_Pooling/config.json"
_MODES = {"pooling_mode_cls_token": CLS, "pooling_mode_mean_tokens": MEAN}
_MODE_PREFIX = "pooling_mode_"
POOLER_WEIGHTS = ("pooler.dense.weight", "pooler.dense.bias")
_log = logging.getLogger("absl")


def folder_pooling(folder: Path, weights: Collection[str]) -> str:
    """Returns the pooling that a checkpoint asks for.

    Args:
        folder: The checkpoint's folder. `1_Pooling/config.json` of sentence-transformers decides if it is there.
        weights: Names of the checkpoint's weights. Without it, BERT's pooler is used if it is among them, else the
            first position.

    Raises:
        UserError: 1_Pooling/config.json asks for another pooling than "cls" and "mean".
    """
    path = folder / SENTENCE_TRANSFORMERS
    if path.is_file():
        return _of_sentence_transformers(read_json_object(path), path)
    if any(name in weights for name in POOLER_WEIGHTS):
        return POOLER
    _log.info("%s: no pooler weights; heads read the first position's output (pooling %s)", folder, CLS)
    return CLS


def _of_sentence_transformers(values: Mapping[str, Any], path: Path) -> str:
    modes = [name for name, value in values.items() if name.startswith(_MODE_PREFIX) and value is True]
    if len(modes) != 1 or modes[0] not in _MODES:
        raise UserError(
            f"{path}: exactly one of {', '.join(_MODES)} must be true, got {', '.join(modes) or 'none'}; "
            f"pass --pooling={CLS} or --pooling={MEAN} with a copy of the folder without {SENTENCE_TRANSFORMERS}"
        )
    return _MODES[modes[0]]


def write_folder_pooling(folder: Path, pooling: str, width: int) -> None:
    """Writes the pooling of an encoder as sentence-transformers does; BERT's pooler needs no file.

    Args:
        folder: The checkpoint's folder.
        pooling: One of `POOLINGS`.
        width: Width of the encoder.
    """
    if pooling == POOLER:
        return
    modes = {name: pooling == mode for name, mode in _MODES.items()}
    write_json(folder / SENTENCE_TRANSFORMERS, {"word_embedding_dimension": width, **modes})
    parts = [("0", "", "Transformer"), ("1", "1_Pooling", "Pooling")]
    write_json(
        folder / "modules.json",
        [
            {"idx": int(name), "name": name, "path": path, "type": f"sentence_transformers.models.{kind}"}
            for name, path, kind in parts
        ],
    )
