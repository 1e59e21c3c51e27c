"""Checkpoints of a run: everything that the next step depends on."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from mtdnn_tf.errors import UserError, one_line
from mtdnn_tf.files import new_folder
from mtdnn_tf.locks import remove_leftovers
from mtdnn_tf.manifests import read_manifest, write_manifest
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel
from mtdnn_tf.training.trainer import Trainer

_log = logging.getLogger("absl")
_STATE = "state"
_VERSION = "tensorflow"
# Where checkpoints have the layers of an encoder, by their names in `bert_weights`: as Keras named those of KerasNLP's.
_EMBEDDINGS = ("word_embeddings", "position_embeddings", "token_type_embeddings", "LayerNorm")
# DeBERTa and ModernBERT came later, and have no other's places.
_LATER = {
    "encoder.rel_embeddings": "relative_positions/table",
    "encoder.LayerNorm": "relative_positions/norm",
    "encoder.final.LayerNorm": "final_norm",
}
_OF_BLOCK = {
    "attention.self.query": "_self_attention_layer/_query_dense",
    "attention.self.key": "_self_attention_layer/_key_dense",
    "attention.self.value": "_self_attention_layer/_value_dense",
    "attention.output.dense": "_self_attention_layer/_output_dense",
    "attention.output.LayerNorm": "_self_attention_layer_norm",
    "output.LayerNorm": "_feedforward_layer_norm",
    "intermediate.dense": "_feedforward_intermediate_dense",
    "output.dense": "_feedforward_output_dense",
    "attention.self.query_key_value": "attention/query_key_value",
    "attention.LayerNorm": "attention/norm",
    "intermediate.LayerNorm": "intermediate/norm",
}
_REMEDY = "delete it to continue from the checkpoint before, or the run's folder to start again"


class Checkpoints:
    """Saves and restores weights, optimizer slots, step and dropout generators.

    Data needs no state: the batch of a step is a pure function of the seed and the step. Each checkpoint is a folder
    `ckpt-<step>` with TensorFlow's files and a manifest of their checksums; the last `keep` of them are kept.
    """

    def __init__(self, trainer: Trainer, folder: Path, keep: int) -> None:
        self._trainer = trainer
        self._step = trainer.optimizer.iterations
        self._checkpoint = tf.train.Checkpoint(
            network=_objects(trainer.network), optimizer=trainer.optimizer, generators=trainer.network.generators
        )
        self._folder = folder
        self._keep = keep
        self.saved_step = 0

    def kept(self) -> str:
        """Returns what a message about a failed training says of its checkpoints."""
        saved = self._saved()
        return f"the last good checkpoint, {saved[-1]}, is kept" if saved else "no checkpoint had been written"

    def restore(self) -> int:
        """Restores the last checkpoint, if there is one, and returns the number of steps that have been made."""
        for path in list(self._folder.glob(".ckpt-*")):
            remove_leftovers(path.with_name(path.name[1:].rpartition(".")[0]))
        if saved := self._saved():
            written_by = read_manifest(saved[-1], _REMEDY).get(_VERSION, tf.__version__)
            self._read(saved[-1] / _STATE)
            if written_by != tf.__version__:
                what = f"written by TensorFlow {written_by}, continued by {tf.__version__}"
                _log.info("%s: %s: the weights will be those of one version but for rounding", saved[-1], what)
        else:
            # Runs of version 0.1 have TensorFlow's own layout.
            path = tf.train.latest_checkpoint(str(self._folder))
            if path is None:
                return 0
            self._read(Path(path))
        self.saved_step = int(self._step.numpy())
        return self.saved_step

    def _read(self, path: Path) -> None:
        try:
            self._checkpoint.read(str(path)).assert_existing_objects_matched()
        except (tf.errors.OpError, AssertionError, ValueError) as error:
            reason = one_line(error)
            raise UserError(f"{path}: the checkpoint is damaged or of another model ({reason}); {_REMEDY}") from error

    def save(self) -> None:
        """Saves a checkpoint named by the number of steps made, unless it exists, and removes the oldest."""
        step = int(self._step.numpy())
        if step == self.saved_step:
            return
        self._check_finite(step)
        with new_folder(self._folder / f"ckpt-{step}") as temporary:
            self._checkpoint.write(str(temporary / _STATE))
            write_manifest(temporary, {"what": "checkpoint", "step": step, _VERSION: tf.__version__})
        self.saved_step = step
        for folder in self._saved()[: -self._keep]:
            shutil.rmtree(folder)
        for file in (*self._folder.glob("ckpt-*.index"), *self._folder.glob("ckpt-*.data-*")):
            file.unlink()
        (self._folder / "checkpoint").unlink(missing_ok=True)

    def _check_finite(self, step: int) -> None:
        """Refuses to save what could only diverge: finite losses can still make weights overflow."""
        slots = self._trainer.optimizer.variables
        variables = [*self._trainer.network.weights, *(slots() if callable(slots) else slots)]
        if not all(tf.reduce_all(tf.math.is_finite(value)) for value in variables if value.dtype.is_floating):
            reason = "a weight is not finite: the training diverged"
            raise UserError(f"{self._folder}: step {step}: {reason}; {self.kept()}")

    def _saved(self) -> list[Path]:
        """Returns the folders of checkpoints by their number of steps."""
        found = [path for path in self._folder.glob("ckpt-*") if path.is_dir() and re.fullmatch(r"ckpt-\d+", path.name)]
        return sorted(found, key=lambda path: int(path.name.removeprefix("ckpt-")))


def _objects(network: MultiTaskModel) -> tf.train.Checkpoint:
    """Returns the layers of a network at the places that checkpoints of all versions have them in."""
    encoder = network.backbone
    places = {_place(name, encoder.config.num_own_layers): variable for name, variable in encoder.named.items()}
    layers = [_tracked(places) if layer is encoder else layer for layer in network.layers if layer.weights]
    return tf.train.Checkpoint(**{f"layer_with_weights-{number}": layer for number, layer in enumerate(layers)})


def _place(name: str, num_layers: int) -> str:
    """Returns where checkpoints have a weight of an encoder, parts separated by slashes."""
    layer, _, kind = name.rpartition(".")
    if layer in _LATER:
        return f"{_LATER[layer]}/{kind}"
    if layer.endswith("_embeddings"):
        return f"layer_with_weights-{_EMBEDDINGS.index(layer.rpartition('.')[2])}/embeddings"
    kind = {"weight": "gamma", "bias": "beta"}[kind] if layer.endswith("LayerNorm") else kind
    kind = "kernel" if kind == "weight" else kind
    if block := re.fullmatch(r"encoder\.layer\.(\d+)\.(.+)", layer):
        return f"layer_with_weights-{len(_EMBEDDINGS) + int(block[1])}/{_OF_BLOCK[block[2]]}/{kind}"
    number = len(_EMBEDDINGS) + num_layers if layer.startswith("pooler") else _EMBEDDINGS.index("LayerNorm")
    return f"layer_with_weights-{number}/{kind}"


def _tracked(variables: Mapping[str, tf.Variable]) -> tf.train.Checkpoint:
    """Returns objects nested as the paths of the variables."""
    branches: dict[str, dict[str, tf.Variable]] = {}
    for path, variable in variables.items():
        parent, _, rest = path.partition("/")
        branches.setdefault(parent, {})[rest] = variable
    nested = {name: branch[""] if "" in branch else _tracked(branch) for name, branch in branches.items()}
    return tf.train.Checkpoint(**nested)
