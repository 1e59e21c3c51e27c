"""Verifies a release: checksums, all parts, and their answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.errors import UserError, one_line
from mtdnn_tf.json_files import from_json, read_json
from mtdnn_tf.modeling.checkpoints import huggingface
from mtdnn_tf.modeling.checkpoints.keras_nlp_preset import read_preset
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.release import layout
from mtdnn_tf.release.heads import read_heads
from mtdnn_tf.serving.layout import DESCRIPTION
from mtdnn_tf.serving.reduced_weights import FLOAT32, check_weights
from mtdnn_tf.serving.served_weights import ServedWeights
from mtdnn_tf.tasks.task import Task

_FIRST = ("The film was a delight.", "Shares fell.", "", "How do I change the password of my account?", "a b c d e f g")
_SECOND = ("It bored everyone who saw it.", "The price of shares went down on Tuesday.", "Why?", "", "g f e d")


class Verified(NamedTuple):
    """Numbers of files and tasks that were verified, and the maximum difference of any probability or score."""

    files: int
    tasks: int
    difference: float


def verify_release(folder: Path) -> Verified:
    """Verifies a release's checksums, reads all parts, and compares the SavedModel with the other parts' model."""
    files = layout.verify_checksums(folder)
    description = read_json(folder / layout.DESCRIPTION)
    if not isinstance(description, dict) or description.get("schema") != layout.SCHEMA:
        raise UserError(f"{folder / layout.DESCRIPTION}: not the description of a release of schema {layout.SCHEMA}")
    tasks = [from_json(task, Task, str(folder / layout.TASKS)) for task in read_json(folder / layout.TASKS)]
    pretrained = huggingface.read_folder(folder / layout.HUGGING_FACE)
    if description["has_preset"]:
        _check_preset(pretrained, folder / layout.KERAS_NLP)
    read_json(folder / layout.METRICS)
    served = [task for task in tasks if not task.head_labels]
    of_export = read_json(folder / layout.SERVING / layout.VERSION / DESCRIPTION)
    _check_records(folder, description, of_export, served)
    weights = of_export.get("weights", FLOAT32)  # Older versions do not record it.
    check_weights(weights)

    model = build_multi_task_model(pretrained, tasks, dropout=0.0)
    read_heads(model.heads, folder / layout.HEADS)
    version = folder / layout.SERVING / layout.VERSION
    try:
        signatures = tf.saved_model.load(str(version)).signatures
    except (OSError, ValueError, tf.errors.OpError) as error:
        reason = one_line(error)
        raise UserError(f"{version}: cannot be loaded as a SavedModel ({reason}); copy the release again") from None
    # Rounds the encoder's weights like the SavedModel's.
    reduced = None if weights == FLOAT32 else ServedWeights(model.backbone, weights)
    tokenizer = pretrained.tokenizer()
    first, second = (tokenizer.tokenize(tf.constant(texts)) for texts in (_FIRST, _SECOND))
    differences = []
    for task in served:
        if task.name not in signatures:
            raise UserError(f"{version}: signature {task.name} is missing; copy the release again")
        packed = pack(first, second if task.is_pair else None, tokenizer, description["max_sequence_length"])
        logits = model.task_logits(to_model_inputs(packed), task.head_task, weights=reduced)
        differences.append(_difference(task, logits, signatures[task.name], version))
    return Verified(files, len(served), max(differences))


def _check_preset(pretrained: PretrainedBackbone, folder: Path) -> None:
    preset = read_preset(folder)
    same = preset.vocabulary == pretrained.vocabulary and preset.lowercase == pretrained.lowercase
    same = same and all(np.array_equal(array, pretrained.weights[name]) for name, array in preset.weights.items())
    if not same or preset.weights.keys() != pretrained.weights.keys():
        raise UserError(f"{folder}: holds another encoder than {layout.HUGGING_FACE}; copy the release again")


def _check_records(folder: Path, description: dict[str, Any], of_export: dict[str, Any], served: list[Task]) -> None:
    labels = {task.name: list(task.labels) for task in served}
    if of_export["model_fingerprint"] != description["model_fingerprint"]:
        parts = f"{layout.SERVING} and {layout.DESCRIPTION}"
        raise UserError(f"{folder}: {parts} are of two models; copy the release again")
    for where, found in (
        (layout.LABELS, read_json(folder / layout.LABELS)),
        (layout.SERVING, {name: task["labels"] for name, task in of_export["tasks"].items()}),
    ):
        if found != labels:
            raise UserError(f"{folder / where}: has other labels than {layout.TASKS}; copy the release again")


def _difference(task: Task, logits: tf.Tensor, signature: Any, version: Path) -> float:
    texts = {"text_a": tf.constant(_FIRST), "text_b": tf.constant(_SECOND)}
    answer = signature(**{name: texts[name] for name in list(texts)[: len(task.text)]})
    expected = task.kind_object.answer_tensors(task, logits)
    numbers = [name for name, values in expected.items() if values.dtype.is_floating]
    difference = max(np.abs(answer[name] - expected[name]).max() for name in numbers)
    if not difference <= layout.TOLERANCE:
        raise UserError(
            f"{version}: answers task {task.name} differently, by {difference:.1e}, from what {layout.HUGGING_FACE} "
            f"and {layout.HEADS} make; up to {layout.TOLERANCE:.0e} is accepted"
        )
    return float(difference)
