from __future__ import annotations

import numpy as np
import pytest

from benchmarks.learning_worker import training_losses
from benchmarks.plain_path import build_plain_model, build_plain_optimizer
from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.tasks.task import TRAIN
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train
from tests.helpers import write_tasks


@pytest.fixture(name="config", scope="module")
def _config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("learning")
    config = TrainingConfig.build(
        output_dir=folder / "run",
        data_dir=folder / "elsewhere",
        cache_dir=folder / "cache",
        task_file=(write_tasks(folder),),
        backbone="tiny",
        max_sequence_length=64,
        epochs=1,
        batch_size=8,
        learning_rate=0.01,
        max_train_examples=12,
        evaluation="end",
    )
    train(config)
    return config


def test_training_losses_are_those_of_the_trained_rows_without_dropout(config):
    losses = training_losses(config)
    loaded = load_model(config.output_dir)
    assert list(losses) == ["mood", "entailment", "similarity"]
    for task in config.data.selected_tasks():
        encoded = EncodedData(config.data.source, loaded.tokenizer, 64, config.data.cache_dir).split(task, TRAIN)
        rows = config.part.rows(len(encoded))
        assert len(rows) == 12
        logits = loaded.model.task_logits(encoded.batch(rows), task.name).numpy()
        labels = np.asarray(encoded.labels)[rows]
        if task.name == "similarity":
            expected = np.mean((logits[:, 0] - labels) ** 2)
        else:
            probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            expected = -np.mean(np.log(probabilities[np.arange(12), labels.astype(int)]))
        assert losses[task.name] == pytest.approx(expected, rel=1e-4)


def test_plain_and_fast_paths_without_dropout_end_with_the_same_weights(config, tmp_path):
    task_file = config.data.task_file[0].with_name("without_dropout.yaml")
    lines = config.data.task_file[0].read_text().splitlines()
    task_file.write_text("\n".join(line + "\n    dropout: 0" if "kind:" in line else line for line in lines))
    still = config.replace(dropout=0.0, task_file=(task_file,))
    folders = [tmp_path / arm for arm in ("fast", "plain")]
    train(still.replace(output_dir=folders[0]))
    train(still.replace(output_dir=folders[1]), build_plain_model, build_plain_optimizer)
    fast, plain = (load_model(folder).model.get_weights() for folder in folders)
    assert len(fast) == len(plain)
    for one, other in zip(fast, plain):
        np.testing.assert_allclose(one, other, atol=2e-5)
