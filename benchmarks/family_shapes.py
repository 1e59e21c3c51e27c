"""Folders of encoders of one shape, a family each, which transformers and the product read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.command_line import InputError
from mtdnn_tf.modeling.checkpoints.families import FAMILIES

_GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden" / "families"
# Not of an encoder without its weights.
_LEFT_OUT = ("config.json", "model.safetensors", "expected.npz")
_POSITIONS = 512
# Ids below are special ones, or pieces of the small tokenizers.
FIRST_ID = 400


class Shape(NamedTuple):
    """The shape of the encoders."""

    layers: int = 6
    width: int = 384
    heads: int = 12
    vocabulary: int = 30522


def config_of(family: str, shape: Shape) -> dict[str, Any]:
    """Returns the content of a family's config.json: the shape, and the other sizes as published encoders have them."""
    values: dict[str, Any] = json.loads((_GOLDEN / family / "config.json").read_text(encoding="utf-8"))
    sizes = {
        "vocabulary_size": shape.vocabulary,
        "num_layers": shape.layers,
        "num_heads": shape.heads,
        "hidden_dim": shape.width,
        "intermediate_dim": 4 * shape.width,
        "embedding_dim": min(128, shape.width // 2),
        # RoBERTa's and XLM-R's count two that no token has.
        "max_positions": _POSITIONS + (2 if FAMILIES[family].counts_from_padding else 0),
    }
    more: Mapping[str, Any] = {}
    if family == "deberta-v2":
        more = {"position_buckets": 256, "pooler_hidden_size": shape.width}
    elif family == "modernbert":
        # Gated: two matrices of this width read the states.
        more = {"intermediate_size": shape.width * 3 // 2, "local_attention": 128}
    fields = FAMILIES[family].sizes
    return {**values, **{fields[name]: size for name, size in sizes.items() if name in fields}, **more}


def write_folder(family: str, shape: Shape, folder: Path) -> None:
    """Writes config.json, and the files of a small tokenizer."""
    shutil.copytree(_GOLDEN / family, folder, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    content = json.dumps(config_of(family, shape), indent=2) + "\n"
    (folder / "config.json").write_text(content, encoding="utf-8")


def check_shape(shape: Shape) -> None:
    """Refuses a shape that a family cannot have."""
    if shape.heads < 1 or shape.width % shape.heads or (shape.width // shape.heads) % 2:
        raise InputError(f"--width must be an even multiple of --heads {shape.heads}, got {shape.width}")
    if shape.layers < 1 or shape.vocabulary <= FIRST_ID:
        given = f"{shape.layers} and {shape.vocabulary}"
        raise InputError(f"--layers must be >= 1 and --vocabulary > {FIRST_ID}, got {given}")
