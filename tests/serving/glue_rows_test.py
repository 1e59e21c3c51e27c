"""Compares an export with the Python model on real rows, in batches of 1, 7 and 64."""

from __future__ import annotations

import collections
import dataclasses
import os
import string
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.data.sources.files_source import read_file_examples
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.tasks.registry import get_task
from tests.serving.examples import ask

_ROWS = 300
# docs/tasks.md: a task's candidates of one query are ordered by score, the last label is the relevant one.
_RANKING = dataclasses.replace(
    get_task("qnli"),
    name="qnli_ranking",
    kind="ranking",
    labels=("not_entailment", "entailment"),
    metrics=("mrr",),
    submission={},
)


def _model(tasks, texts):
    """A random model with a vocabulary of the rows' characters and frequent words."""
    words = collections.Counter(word for text in texts for word in text.lower().split() if word.isalpha())
    characters = [*string.ascii_lowercase, *string.digits, *string.punctuation]
    frequent = [word for word, _ in words.most_common(1000) if len(word) > 1]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters, *frequent]
    pieces += [f"##{character}" for character in [*string.ascii_lowercase, *string.digits]]
    config = BackboneConfig(len(pieces), num_layers=2, num_heads=2, hidden_dim=32, intermediate_dim=64)
    pretrained = PretrainedBackbone("test", config, tuple(pieces), lowercase=True, weights={})
    model = build_multi_task_model(pretrained, tasks, dropout=0.5)
    random = np.random.default_rng(0)
    model.set_weights([weight + random.normal(0, 0.2, weight.shape) for weight in model.get_weights()])
    return LoadedModel(model, list(tasks), pretrained.tokenizer(), 128, fingerprint="f" * 64)


def _serialized(texts):
    rows = []
    for values in zip(*texts.values()):
        features = {
            name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value])) for name, value in zip(texts, values)
        }
        rows.append(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    return rows


def _answer(task, logits):
    """Returns what a task's signature for texts answers."""
    if task.kind != "classification":
        return {"score": logits[:, 0]}
    return {
        "label": np.array(task.labels)[logits.argmax(axis=1)],
        "probabilities": softmax(logits.astype(np.float64), axis=1),
        "label_names": np.array([task.labels] * len(logits)),
    }


def _answers_of_all_tasks(tasks, logits, is_pair):
    answers = {}
    for task in tasks:
        applicable = task.is_pair == is_pair
        for name, values in _answer(task, logits[task.name]).items():
            none = values if applicable or name == "label_names" else np.zeros_like(values)
            answers[f"{task.name}_{name}"] = none
        answers[f"{task.name}_applicable"] = np.full(len(logits[task.name]), applicable)
    return answers


def _expected(loaded, tasks, task, inputs):
    """Returns what every signature that a task's rows can be sent to answers, by the Python model."""
    logits = {name: values.numpy() for name, values in loaded.model(inputs, training=False).items()}
    assert logits[task.name].std(axis=0).min() > 0.05
    answer = _answer(task, logits[task.name])
    if task.kind == "classification":
        examples = {f"{task.name}_classify": {"scores": answer["probabilities"], "classes": answer["label_names"]}}
    else:
        examples = {f"{task.name}_regress": {"outputs": answer["score"]}}
    return {
        task.name: answer,
        **examples,
        "serving_default": _answers_of_all_tasks(tasks, logits, task.is_pair),
        "embed": {"embedding": loaded.model.encode(inputs, training=False)["pooled_output"].numpy()},
        "tokens": logits,
    }


@pytest.mark.real_data
def test_every_signature_answers_300_rows_of_glue_as_the_python_model(tmp_path):
    # A classification of single texts and of pairs, a regression, and a ranking.
    tasks = [*map(get_task, ("sst2", "mrpc", "stsb")), _RANKING]
    folder = Path(os.environ["MTDNN_TF_GLUE_DIR"])
    rows = {task.name: read_file_examples(task, "validation", folder)[:_ROWS] for task in tasks}
    loaded = _model(
        tasks, [text for of_task in rows.values() for row in of_task for text in (row.text_a, row.text_b or "")]
    )
    export_model(loaded, tmp_path / "1")
    assert {len(of_task) for of_task in rows.values()} == {_ROWS}

    requests, expected = [], []
    for task in tasks:
        texts = {
            "text_a": [row.text_a.encode() for row in rows[task.name]],
            "text_b": [(row.text_b or "").encode() for row in rows[task.name]],
        }
        own = texts if task.is_pair else {"text_a": texts["text_a"]}
        tokens = [loaded.tokenizer.tokenize(tf.constant(texts[name])) for name in own]
        inputs = to_model_inputs(pack(tokens[0], tokens[1] if task.is_pair else None, loaded.tokenizer, 128))
        sent = {"embed": texts, "serving_default": texts, task.name: own}
        sent["tokens"] = {name: values.numpy().astype(np.int32) for name, values in inputs.items()}
        for name, answer in _expected(loaded, tasks, task, inputs).items():
            columns = sent.get(name, {"inputs": _serialized(own)})
            for size in (1, 7, 64):
                for start in range(0, _ROWS, size):
                    part = slice(start, start + size)
                    requests.append((name, {column: values[part] for column, values in columns.items()}))
                    expected.append({output: values[part] for output, values in answer.items()})
    largest: dict[str, float] = {}
    for (signature, _), answer, wanted in zip(requests, ask(tmp_path / "1", requests, tmp_path), expected):
        assert set(answer) == set(wanted)
        for output, values in wanted.items():
            if values.dtype.kind in "Ub":
                np.testing.assert_array_equal(answer[output], values)
            else:
                np.testing.assert_allclose(answer[output], values, atol=1e-5, rtol=0)
                largest[signature] = max(largest.get(signature, 0.0), float(np.abs(answer[output] - values).max()))
    assert len(largest) == 3 + 2 * len(tasks)
    print(f"{len(requests)} requests; largest difference by signature: {dict(largest)}")
