"""Compares an export with the Python model on real rows, in batches of 1, 7 and 64."""

from __future__ import annotations

import collections
import os
import string
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from mtdnn_tf.data.files_source import read_file_examples
from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.model_folder import LoadedModel
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model, tokenizer_of
from mtdnn_tf.modeling.pretrained import PretrainedBackbone
from mtdnn_tf.serving.export import export_saved_model
from mtdnn_tf.tasks.registry import get_task
from mtdnn_tf.tasks.task import CLASSIFICATION
from tests.serving.examples import ask

_ROWS = 100


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
    return LoadedModel(model, list(tasks), tokenizer_of(pretrained), 128, fingerprint="f" * 64)


@pytest.mark.real_data
def test_300_rows_of_glue_get_the_python_models_answers(tmp_path):
    tasks = [get_task(name) for name in ("sst2", "mrpc", "stsb")]
    folder = Path(os.environ["MTDNN_TF_GLUE_DIR"])
    rows = {task.name: read_file_examples(task, "validation", folder)[:_ROWS] for task in tasks}
    loaded = _model(
        tasks, [text for of_task in rows.values() for row in of_task for text in (row.text_a, row.text_b or "")]
    )
    export_saved_model(loaded, tmp_path / "1")
    assert sum(map(len, rows.values())) == 300

    requests, expected = [], []
    for task in tasks:
        texts = {
            "text_a": [row.text_a.encode() for row in rows[task.name]],
            "text_b": [(row.text_b or "").encode() for row in rows[task.name]],
        }
        tokens = [loaded.tokenizer.tokenize(tf.constant(texts[name])) for name in texts]
        inputs = to_model_inputs(pack(tokens[0], tokens[1] if task.is_pair else None, loaded.tokenizer, 128))
        logits = loaded.model(inputs, training=False)[task.name].numpy()
        assert logits.std(axis=0).min() > 0.05
        key, values = (
            ("probabilities", softmax(logits, axis=1)) if task.kind == CLASSIFICATION else ("score", logits[:, 0])
        )
        own = texts if task.is_pair else {"text_a": texts["text_a"]}
        for size in (1, 7, 64):
            for start in range(0, _ROWS, size):
                part = slice(start, start + size)
                for name, sent, output in ((task.name, own, key), ("serving_default", texts, f"{task.name}_{key}")):
                    requests.append((name, {text: column[part] for text, column in sent.items()}))
                    expected.append((output, values[part]))
    answers = ask(tmp_path / "1", requests, tmp_path)
    for answer, (output, values) in zip(answers, expected):
        np.testing.assert_allclose(answer[output], values, atol=1e-5)
