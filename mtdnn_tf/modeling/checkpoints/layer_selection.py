"""Picking some of a pre-trained encoder's layers, for a student that is shallower than what it starts from."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mtdnn_tf.errors import UserError

if TYPE_CHECKING:  # Flags are checked with this module, without importing KerasNLP.
    from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone

_ACCEPTED = "`student_layers` takes a count from 1, or rising numbers of layers from 0 by commas"
_LAYER = re.compile(r"encoder\.layer\.(\d+)\.(.+)")


def check_choice(choice: Sequence[int]) -> None:
    """Refuses a choice of layers that no encoder could satisfy.

    Args:
        choice: One number is a count of layers; several are layers by number, from 0.

    Raises:
        UserError: The count is below 1, or the numbers do not rise from 0.
    """
    given = ",".join(map(str, choice)) or "nothing"
    if not choice or (len(choice) == 1 and choice[0] < 1):
        raise UserError(f"{_ACCEPTED}; {given} given")
    if len(choice) > 1 and (choice[0] < 0 or any(a >= b for a, b in zip(choice, choice[1:]))):
        raise UserError(f"{_ACCEPTED}, each once; {given} given")


def picked_layers(choice: Sequence[int], num_layers: int, source: str) -> tuple[int, ...]:
    """Returns the numbers of the layers that are picked.

    A count picks layers spaced evenly from the first to the last, numbers at a half rounded up: 6 of 12 are 0, 2, 4, 7,
    9, 11. A count of 1 picks the first.

    Args:
        choice: One number is a count of layers; several are layers by number, from 0.
        num_layers: Number of layers there are.
        source: Whose layers they are, for messages.

    Raises:
        UserError: There are not that many layers, or the choice is none.
    """
    check_choice(choice)
    given = ",".join(map(str, choice))
    if len(choice) > 1:
        if choice[-1] >= num_layers:
            raise UserError(f"`student_layers`: {source} has {num_layers} layers, 0 to {num_layers - 1}; {given} given")
        return tuple(choice)
    count = choice[0]
    if count > num_layers:
        raise UserError(f"`student_layers`: {source} has {num_layers} layers; a count of {given} given")
    gaps = max(count - 1, 1)
    return tuple((2 * index * (num_layers - 1) + gaps) // (2 * gaps) for index in range(count))


def select_layers(pretrained: PretrainedBackbone, choice: Sequence[int]) -> PretrainedBackbone:
    """Returns an encoder of some of another's layers, with its embeddings and pooler.

    Args:
        pretrained: The encoder to pick from.
        choice: One number is a count of layers; several are layers by number, from 0.

    Raises:
        UserError: There are not that many layers, or the choice is none.
    """
    picked = picked_layers(choice, pretrained.config.num_layers, pretrained.source)
    place = {str(layer): index for index, layer in enumerate(picked)}
    weights = {}
    for name, array in pretrained.weights.items():
        match = _LAYER.fullmatch(name)
        if match is None:
            weights[name] = array
        elif match[1] in place:
            weights[f"encoder.layer.{place[match[1]]}.{match[2]}"] = array
    config = dataclasses.replace(pretrained.config, num_layers=len(picked))
    return dataclasses.replace(pretrained, config=config, weights=weights)
