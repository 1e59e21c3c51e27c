"""What a pre-trained encoder brings, from whatever kind of folder it was read."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from mtdnn_tf.data.tokenizer import Tokenizer, make_tokenizer
from mtdnn_tf.data.word_pieces import TokenRules
from mtdnn_tf.errors import UserError, one_line
from mtdnn_tf.json_files import read_json_object, write_json
from mtdnn_tf.modeling.backbone import AUTO, CLS, MEAN, POOLER, BackboneConfig
from mtdnn_tf.modeling.bert_weights import POOLER_WEIGHTS

# Where a sentence-transformers folder keeps the pooling that its encoder was trained with.
SENTENCE_TRANSFORMERS = "1_Pooling/config.json"
_MODES = {"pooling_mode_cls_token": CLS, "pooling_mode_mean_tokens": MEAN}
_ACCEPTED = "`student_layers` must be a count >= 1, or comma-separated rising numbers of layers from 0"
_LAYER = re.compile(r"encoder\.layer\.(\d+)\.(.+)")
_log = logging.getLogger("absl")


@dataclasses.dataclass(frozen=True)
class PretrainedBackbone:
    """A pre-trained encoder before it is built."""

    source: str  # Where it came from, for messages and manifests.
    config: BackboneConfig
    vocabulary: tuple[str, ...]  # Word pieces in the order of their ids.
    lowercase: bool  # Whether texts are lower-cased and stripped of accents.
    weights: Mapping[str, np.ndarray]  # By name in Hugging Face's layout; empty for random weights.
    rules: TokenRules = TokenRules()

    def tokenizer(self) -> Tokenizer:
        """Returns the encoder's tokenizer."""
        return make_tokenizer(self.vocabulary, self.lowercase, self.rules)

    def check_length(self, max_sequence_length: int) -> None:
        """Refuses sequences longer than the encoder has positions for, or too short for [CLS] a [SEP] b [SEP]."""
        if not 8 <= max_sequence_length <= self.config.max_positions:
            raise UserError(
                f"--max_sequence_length must be an integer from 8 to {self.config.max_positions} (positions of "
                f"{self.source}), got {max_sequence_length}"
            )


def with_pooling(pretrained: PretrainedBackbone, pooling: str) -> PretrainedBackbone:
    """Returns the encoder with the pooling that the user chose, "auto" for the checkpoint's."""
    if pooling in (AUTO, pretrained.config.pooling):
        return pretrained
    if pooling == POOLER and pretrained.weights and not all(name in pretrained.weights for name in POOLER_WEIGHTS):
        raise UserError(f"--pooling must be auto, cls or mean where {pretrained.source} has no pooler, got {pooling}")
    return dataclasses.replace(pretrained, config=dataclasses.replace(pretrained.config, pooling=pooling))


def check_choice(choice: Sequence[int]) -> None:
    """Refuses a choice of layers that no encoder could satisfy: one number is a count, several are layers from 0."""
    least = 1 if len(choice) == 1 else 0
    if not choice or choice[0] < least or any(a >= b for a, b in zip(choice, choice[1:])):
        raise UserError(f"{_ACCEPTED}, got {','.join(map(str, choice)) or 'nothing'}")


def picked_layers(choice: Sequence[int], num_layers: int, source: str) -> tuple[int, ...]:
    """Returns the numbers of the layers that are picked of `source`.

    A count picks layers spaced evenly from the first to the last, numbers at a half rounded up: 6 of 12 are 0, 2, 4, 7,
    9, 11. A count of 1 picks the first.
    """
    check_choice(choice)
    if len(choice) > 1:
        if choice[-1] >= num_layers:
            given = ",".join(map(str, choice))
            raise UserError(f"`student_layers`: {source} has {num_layers} layers, 0 to {num_layers - 1}, got {given}")
        return tuple(choice)
    count = choice[0]
    if count > num_layers:
        raise UserError(f"`student_layers`: {source} has {num_layers} layers, got a count of {count}")
    gaps = max(count - 1, 1)
    return tuple((2 * index * (num_layers - 1) + gaps) // (2 * gaps) for index in range(count))


def select_layers(pretrained: PretrainedBackbone, choice: Sequence[int]) -> PretrainedBackbone:
    """Returns an encoder of some of another's layers (`picked_layers`), with its embeddings and pooler.

    Layers that share their weights are run as often as layers are picked. A layer of local attention stays one.
    """
    picked = picked_layers(choice, pretrained.config.num_layers, pretrained.source)
    place = {str(layer): index for index, layer in enumerate(picked)}
    windows = pretrained.config.windows
    if windows and picked[0]:
        given = f"{pretrained.source} must begin with 0: only the first layer reads its input without a norm"
        raise UserError(f"`student_layers` of {given}, got {','.join(map(str, picked))}")
    kept = tuple(windows[layer] for layer in picked) if windows else ()
    config = dataclasses.replace(pretrained.config, num_layers=len(picked), windows=kept)
    if config.shares_layers:
        return dataclasses.replace(pretrained, config=config)
    weights = {}
    for name, array in pretrained.weights.items():
        match = _LAYER.fullmatch(name)
        if match is None:
            weights[name] = array
        elif match[1] in place:
            weights[f"encoder.layer.{place[match[1]]}.{match[2]}"] = array
    return dataclasses.replace(pretrained, config=config, weights=weights)


def folder_pooling(folder: Path, weights: Collection[str]) -> str:
    """Returns the pooling that a checkpoint asks for.

    1_Pooling/config.json of sentence-transformers decides if it is there; else BERT's pooler if it is among the
    weights, given by name; else the first position.
    """
    path = folder / SENTENCE_TRANSFORMERS
    if path.is_file():
        values = read_json_object(path)
        modes = [name for name, value in values.items() if name.startswith("pooling_mode_") and value is True]
        if len(modes) != 1 or modes[0] not in _MODES:
            raise UserError(
                f"{path}: exactly one of {', '.join(_MODES)} must be true, got {', '.join(modes) or 'none'}; "
                f"pass --pooling={CLS} or --pooling={MEAN} with a copy of the folder without {SENTENCE_TRANSFORMERS}"
            )
        return _MODES[modes[0]]
    if any(name in weights for name in POOLER_WEIGHTS):
        return POOLER
    _log.info("%s: no pooler weights; heads read the first position's output (pooling %s)", folder, CLS)
    return CLS


def write_folder_pooling(folder: Path, config: BackboneConfig) -> None:
    """Writes the pooling of an encoder as sentence-transformers does; BERT's pooler needs no file."""
    if config.pooling == POOLER:
        return
    modes = {name: config.pooling == mode for name, mode in _MODES.items()}
    write_json(folder / SENTENCE_TRANSFORMERS, {"word_embedding_dimension": config.hidden_dim, **modes})
    modules = [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    write_json(folder / "modules.json", modules)


def read_safetensors(path: Path, remedy: str) -> dict[str, np.ndarray]:
    """Reads the arrays of a .safetensors file by name; `remedy` is what the user can do if it is not accepted."""
    try:
        return dict(load_file(path))
    except FileNotFoundError:
        raise UserError(f"{path}: missing; {remedy}") from None
    except KeyError as error:
        raise UserError(f"{path}: must have arrays of floating-point numbers, got type {error}; {remedy}") from None
    except (SafetensorError, OSError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise UserError(f"{path}: not a safetensors file, or damaged ({one_line(error)}); {remedy}") from None
