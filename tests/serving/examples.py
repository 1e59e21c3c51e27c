"""A small model of every kind of task, texts of every kind, and a process that asks an export as a server does."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtdnn_tf.modeling.backbone import POOLER, BackboneConfig
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.task import Task

WORDS = [
    *("the", "a", "cat", "dog", "sat", "ran", "on", "mat", "fast", "slow", "not", "very", "good", "film"),
    *(",", ".", "e"),
]
VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "##s", "##ed", "##er", "好", "😀")
MAX_SEQUENCE_LENGTH = 24
WIDTH = 16

SINGLE = Task(name="single", kind="classification", text=("text",), labels=("bad", "goöd"), metrics=("accuracy",))
PAIR = Task(name="pair", kind="classification", text=("a", "b"), labels=("yes", "maybe", "no"), metrics=("accuracy",))
DIAGNOSTIC = dataclasses.replace(PAIR, name="diagnostic", head_of="pair")
MERGED = dataclasses.replace(
    DIAGNOSTIC,
    name="merged",
    labels=("yes", "not_yes"),
    head_labels=(("yes", "yes"), ("maybe", "not_yes"), ("no", "not_yes")),
)
SCORED = Task(name="scored", kind="regression", text=("a", "b"), metrics=("pearson",))
RANKED = Task(name="ranked", kind="ranking", text=("query", "answer"), labels=("no", "yes"), metrics=("mrr",))
TASKS = [SINGLE, PAIR, DIAGNOSTIC, SCORED, RANKED]

# Run in a process that knows nothing of this project, as TF Serving does.
_CLIENT = """
import json, sys
import numpy as np
import tensorflow as tf
import tensorflow_text

model = tf.saved_model.load(sys.argv[1])
requests = json.load(open(sys.argv[2]))
answers = {}
for number, (signature, inputs) in enumerate(requests):
    tensors = {name: tf.constant([bytes.fromhex(value) for value in values], tf.string)
               if name.startswith(("text", "inputs")) else tf.constant(values, tf.int32)
               for name, values in inputs.items()}
    for name, value in model.signatures[signature](**tensors).items():
        value = value.numpy()
        answers[f"{number}/{name}"] = np.char.decode(value.astype(bytes), "utf-8") if value.dtype == object else value
np.savez(sys.argv[3], **answers)
loaded = [name for name in sys.modules if name.split(".")[0] in ("mtdnn_tf", "keras_nlp", "official")]
assert not loaded, loaded
"""


def loaded_model(
    tasks: Sequence[Task] = (*TASKS, MERGED),
    pooling: str = POOLER,
    vocabulary: Sequence[str] = VOCABULARY,
    width: int = WIDTH,
) -> LoadedModel:
    """Returns a model of two layers whose answers depend on the text."""
    config = BackboneConfig(
        vocabulary_size=len(vocabulary),
        num_layers=2,
        num_heads=2,
        hidden_dim=width,
        intermediate_dim=2 * width,
        max_positions=MAX_SEQUENCE_LENGTH,
        pooling=pooling,
    )
    pretrained = PretrainedBackbone("test", config, tuple(vocabulary), lowercase=True, weights={})
    # Dropout is on in the model, so that an export that leaves it on is seen.
    model = build_multi_task_model(pretrained, tasks, dropout=0.5)
    random = np.random.default_rng(0)
    # Initial weights answer almost the same whatever the text.
    noise = 0.4 * (WIDTH / width) ** 0.5
    model.set_weights([weight + random.normal(0, noise, weight.shape) for weight in model.get_weights()])
    return LoadedModel(model, list(tasks), pretrained.tokenizer(), MAX_SEQUENCE_LENGTH, fingerprint="f" * 64)


def random_texts(seed: int) -> list[bytes]:
    """Returns 200 texts, the empty one and others that a client may send by mistake among them."""
    random = np.random.default_rng(seed)
    words = [*WORDS, "cats", "Runner", "Café", "unknown", "好", "😀", "👩‍👩‍👧", "\u200b", "[SEP]"]
    texts = ["", " ", "😀", "the cat sat", "x" * 10_000, "the cat sat . " * 714, "a\tb\nc\x00d", "[SEP] [CLS]"]
    while len(texts) < 200:
        texts.append(" ".join(random.choice(words, random.integers(1, 40))))
    encoded = [text.encode() for text in texts]
    encoded[8] = b"not \xff UTF-8 \xc3"
    return [encoded[index] for index in random.permutation(200)]


def run_alone(code: str, *arguments: str, cwd: Path, python: str = sys.executable) -> str:
    """Returns what code prints in another process, which cannot import the project."""
    ran = subprocess.run(
        [python, "-c", code, *arguments],
        cwd=cwd,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    return ran.stdout


def ask(
    exported: Path, requests: Sequence[tuple[str, Mapping[str, Any]]], folder: Path, python: str = sys.executable
) -> list[dict[str, np.ndarray]]:
    """Returns an exported model's outputs for each (signature, inputs), computed in another process.

    Texts and serialized examples are bytes.
    """

    def sent(values: Any) -> Any:
        return [value.hex() for value in values] if isinstance(values[0], bytes) else np.asarray(values).tolist()

    content = [(name, {key: sent(values) for key, values in inputs.items()}) for name, inputs in requests]
    (folder / "requests.json").write_text(json.dumps(content))
    run_alone(_CLIENT, str(exported), "requests.json", "answers.npz", cwd=folder, python=python)
    answers: list[dict[str, np.ndarray]] = [{} for _ in requests]
    with np.load(folder / "answers.npz") as arrays:
        for key in arrays:
            number, output = key.split("/")
            answers[int(number)][output] = arrays[key]
    return answers
