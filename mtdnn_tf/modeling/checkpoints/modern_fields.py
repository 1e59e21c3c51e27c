"""The fields of a config.json that say how far ModernBERT's layers attend, and how they rotate positions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtdnn_tf.errors import UserError, shortened
from mtdnn_tf.modeling.backbone import BackboneConfig

_GLOBAL, _LOCAL = "full_attention", "sliding_attention"
_EVERY, _WINDOW, _KINDS, _ROTARY = "global_attn_every_n_layers", "local_attention", "layer_types", "rope_parameters"
_LARGEST_BASE = 1e30
_BASES = {_GLOBAL: "global_rope_theta", _LOCAL: "local_rope_theta"}
# What ModernBertConfig has where config.json does not say it.
_DEFAULTS = {_EVERY: 3, _WINDOW: 128, _BASES[_GLOBAL]: 160000.0, _BASES[_LOCAL]: 10000.0}


def read_windows(values: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Returns the fields of a backbone's config that have windows and the bases of rotary positions.

    Kinds of layers and bases are also read as transformers 5 writes them, in `layer_types` and `rope_parameters`.

    Args:
        values: Of the file.
        path: The file, for messages.
    """
    given = {**_DEFAULTS, **values}
    window, every, number = given[_WINDOW], given[_EVERY], given.get("num_hidden_layers")
    for field, least in ((_WINDOW, 2), (_EVERY, 1)):
        if type(given[field]) is not int or given[field] < least:
            raise UserError(f"{path}: {field} must be an integer >= {least}, got {shortened(repr(given[field]), 60)}")
    kinds = given.get(_KINDS)
    if kinds is None:
        # `read_sizes` refuses other numbers of layers.
        count = number if type(number) is int and 0 < number < 1000 else 1
        kinds = [_LOCAL if layer % every else _GLOBAL for layer in range(count)]
    if not isinstance(kinds, list) or len(kinds) != number or not all(kind in _BASES for kind in kinds):
        shown = shortened(repr(kinds), 60)
        raise UserError(f"{path}: {_KINDS} must be {number} of {_GLOBAL} and {_LOCAL}, got {shown}")
    bases = _bases(given, path)
    return {
        # Its half is at each side of a position.
        "windows": tuple(window // 2 if kind == _LOCAL else 0 for kind in kinds),
        "global_rotary_base": bases[_GLOBAL],
        "local_rotary_base": bases[_LOCAL],
    }


def _bases(values: Mapping[str, Any], path: Path) -> dict[str, float]:
    """Returns the bases of rotary positions by the kind of layer."""
    found = {kind: (values[field], f"{field} must be a number") for kind, field in _BASES.items()}
    if found[_LOCAL][0] is None:
        found[_LOCAL] = found[_GLOBAL]
    rotary = values.get(_ROTARY)
    if rotary is not None:
        parts = {kind: rotary.get(kind) if isinstance(rotary, dict) else None for kind in _BASES}
        plain = "the only fields rope_theta and rope_type 'default'"
        for kind, part in parts.items():
            is_plain = isinstance(part, dict) and {*part} <= {"rope_theta", "rope_type"}
            if not isinstance(part, dict) or not is_plain or part.get("rope_type", "default") != "default":
                shown = shortened(repr(part), 60)
                raise UserError(f"{path}: {kind} of {_ROTARY} must have {plain}, got {shown}")
            found[kind] = part.get("rope_theta", found[kind][0]), f"rope_theta of {kind} must be a number"
    for base, message in found.values():
        # JSON has integers that no float holds.
        if type(base) not in (int, float) or not abs(base) < _LARGEST_BASE:
            raise UserError(f"{path}: {message}, got {shortened(repr(base), 60)}")
    return {kind: float(base) for kind, (base, _) in found.items()}


def values_of_windows(config: BackboneConfig, start_id: int, end_id: int) -> dict[str, Any]:
    """Returns the values that a file has of windows, rotary positions and the ids of special tokens.

    Raises:
        UserError: Layers of global attention are not every n-th, as transformers 4 needs them.
    """
    numbers = range(config.num_layers)
    is_global = [not window for window in config.windows]
    every = next((n for n in numbers[1:] if is_global == [layer % n == 0 for layer in numbers]), config.num_layers)
    if is_global != [layer % every == 0 for layer in numbers]:
        kept = ",".join(str(layer) for layer in numbers if is_global[layer])
        raise UserError(
            f"--format=huggingface must have global attention in every n-th layer from 0, {_EVERY}; the encoder has it "
            f"in layers {kept or 'none'} of {config.num_layers}: pick other `student_layers`"
        )
    return {
        _EVERY: every,
        _WINDOW: 2 * max(config.windows) or _DEFAULTS[_WINDOW],
        _BASES[_GLOBAL]: config.global_rotary_base,
        _BASES[_LOCAL]: config.local_rotary_base,
        **dict.fromkeys(("bos_token_id", "cls_token_id"), start_id),
        **dict.fromkeys(("eos_token_id", "sep_token_id"), end_id),
    }
