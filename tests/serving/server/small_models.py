"""Small SavedModels whose answers can be told by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.task import Task
from tests.helpers import VOCABULARY

_EXAMPLES = tf.TensorSpec([None], tf.string, "inputs")


class Affine(tf.Module):
    """x / 2 + offset, from floats and from examples with a feature "x"; and some signatures for awkward values."""

    def __init__(self, offset: float) -> None:
        super().__init__()
        self.offset = tf.Variable(offset)

    def _of(self, x):
        return x / 2 + self.offset

    def _parsed(self, inputs):
        feature = {"x": tf.io.FixedLenFeature([1], tf.float32), "y": tf.io.FixedLenFeature([1], tf.float32, [0.0])}
        parsed = tf.io.parse_example(inputs, feature)
        return parsed["x"] + parsed["y"]

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def predict(self, x):
        return {"y": self._of(x)}

    @tf.function(input_signature=[_EXAMPLES])
    def regress(self, inputs):
        return {"outputs": self._of(self._parsed(inputs))}

    @tf.function(input_signature=[_EXAMPLES])
    def classify(self, inputs):
        y = self._of(self._parsed(inputs))
        classes = tf.tile(tf.constant([["low", "high"]]), [tf.shape(y)[0], 1])
        return {"classes": classes, "scores": tf.concat([10 - y, y], axis=1)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text"), tf.TensorSpec([None, 2], tf.int64, "ids")])
    def mixed(self, text, ids):
        return {
            "length": tf.strings.length(text),
            "image_bytes": text,
            "sum": tf.reduce_sum(ids, axis=1),
            "is_long": tf.strings.length(text) > 3,
            "mean": tf.reduce_mean(ids),
        }

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "tag"),
            tf.TensorSpec([None, 5], tf.int32, "signal"),
            tf.TensorSpec([None, 2, 2], tf.float32, "sensor"),
        ]
    )
    def documented(self, tag, signal, sensor):
        return {"tag": tag, "total": tf.reduce_sum(signal, axis=1), "turned": tf.transpose(sensor, [0, 2, 1])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image")])
    def image(self, image):
        return {"size": tf.strings.length(image)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, "steps")])
    def slow(self, steps):
        start = tf.ones([300, 300]) / 300
        end = tf.while_loop(lambda i, m: i < tf.reduce_max(steps), lambda i, m: (i + 1, m @ start), (0, start))[1]
        return {"steps": steps, "one": tf.repeat(tf.reduce_sum(end[0]), tf.size(steps))}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, "row")])
    def fails(self, row):
        return {"value": tf.raw_ops.BatchMatMulV2(x=tf.ones([1, 2, 3]), y=tf.ones([1, 3 + tf.size(row), 2]))[0, 0]}


def write_affine(folder: Path, offset: float) -> None:
    """Writes a version of the model; it stands under its name only when complete."""
    model = Affine(offset)
    signatures = {
        "serving_default": model.predict.get_concrete_function(),
        "regress_x_to_y": model.regress.get_concrete_function(),
        "classify_x_to_y": model.classify.get_concrete_function(),
        "mixed": model.mixed.get_concrete_function(),
        "documented": model.documented.get_concrete_function(),
        "image": model.image.get_concrete_function(),
        "slow": model.slow.get_concrete_function(),
        "fails": model.fails.get_concrete_function(),
    }
    temporary = folder.with_name(f".{folder.name}")
    tf.saved_model.save(model, str(temporary), signatures=signatures)
    temporary.rename(folder)


class Tasks(tf.Module):
    """Answers two tasks from one or two texts at once, as the default signature of an exported model does."""

    def __init__(self, favourite: int) -> None:
        super().__init__()
        self.favourite = tf.Variable(favourite)

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, "text_a"), tf.TensorSpec([None], tf.string, "text_b")]
    )
    def predict(self, text_a, text_b):
        rows = tf.shape(text_a)[0]
        is_pair = tf.strings.length(text_b) > 0
        labels = {"mood": ["bad", "good"], "entailment": ["<b>no</b>", "maybe & more", "a long name of a label"]}
        outputs = {"closeness_score": tf.cast(tf.strings.length(text_a), tf.float32), "closeness_applicable": is_pair}
        for task, names in labels.items():
            best = tf.fill([rows], self.favourite % len(names))
            shares = 0.7 * tf.one_hot(best, len(names)) + 0.3 / len(names)
            outputs[f"{task}_label"] = tf.gather(tf.constant(names), best)
            outputs[f"{task}_probabilities"] = shares
            outputs[f"{task}_label_names"] = tf.tile(tf.constant([names]), [rows, 1])
            outputs[f"{task}_applicable"] = is_pair if task == "entailment" else tf.logical_not(is_pair)
        return outputs

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text_a")])
    def mood(self, text_a):
        outputs = self.predict(text_a, tf.fill(tf.shape(text_a), ""))
        return {name: outputs[f"mood_{name}"] for name in ("label", "probabilities", "label_names")}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, "text_a"), tf.TensorSpec([None], tf.string, "text_b")]
    )
    def closeness(self, text_a, text_b):
        return {"score": self.predict(text_a, text_b)["closeness_score"]}


def write_tasks_model(folder: Path, favourite: int, together: bool = True) -> None:
    """Writes a version of the model; it stands under its name only when complete."""
    model = Tasks(favourite)
    signatures = {"mood": model.mood.get_concrete_function(), "closeness": model.closeness.get_concrete_function()}
    if together:
        signatures = {"serving_default": model.predict.get_concrete_function()}
    temporary = folder.with_name(f".{folder.name}")
    tf.saved_model.save(model, str(temporary), signatures=signatures)
    temporary.rename(folder)


def tiny_model() -> LoadedModel:
    """Returns a model with random weights that answers one sentence, a pair by label, and a pair by score."""
    tasks = [
        Task(name="mood", kind="classification", text=("sentence",), labels=("bad", "good"), metrics=("accuracy",)),
        Task(
            name="entailment",
            kind="classification",
            text=("a", "b"),
            labels=("yes", "maybe", "no"),
            metrics=("accuracy",),
        ),
        Task(name="similarity", kind="regression", text=("a", "b"), metrics=("pearson",)),
    ]
    config = BackboneConfig(
        vocabulary_size=len(VOCABULARY), num_layers=2, num_heads=2, hidden_dim=16, intermediate_dim=32, max_positions=64
    )
    pretrained = PretrainedBackbone("tiny", config, tuple(VOCABULARY), lowercase=True, weights={})
    model = build_multi_task_model(pretrained, tasks, dropout=0.1)
    random = np.random.default_rng(0)
    model.set_weights([weight + random.normal(0, 0.4, weight.shape) for weight in model.get_weights()])
    return LoadedModel(model, tasks, pretrained.tokenizer(), 64, fingerprint="f" * 64)
