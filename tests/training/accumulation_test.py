import functools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from mtdnn_tf.data.batching.batch_layout import lay_out
from mtdnn_tf.distillation.options import DistillationOptions
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.optimization.optimizers import build_optimizer
from mtdnn_tf.training.trainer import Trainer

TASKS = (
    Task("nli", "classification", ("a", "b"), ("x", "y", "z"), ("accuracy",), dropout=0.0),
    Task("score", "regression", ("a", "b"), metrics=("pearson",), dropout=0.0),
    Task("answers", "ranking", ("a", "b"), ("0", "1"), ("mrr",), dropout=0.0),
)
# Whose query each of 13 rows belongs to; the rows of the other tasks are examples of their own.
QUERIES = np.array([0, 1, 1, 2, 2, 2, 2, 3, 0, 3, 3, 4, 1], np.int32)


def _batch(task_index, seed=0):
    generator = np.random.default_rng(seed)
    outputs, size = TASKS[task_index].num_outputs, len(QUERIES)
    query = QUERIES if TASKS[task_index].kind == "ranking" else np.arange(size, dtype=np.int32)
    teacher = np.zeros((size, 3), np.float32)
    teacher[:, :outputs] = np.log(softmax(generator.normal(size=(size, outputs)), axis=-1))
    if outputs == 1:
        teacher[:, 0] = generator.normal(size=size)
    gold = generator.integers(0, outputs, size) if outputs > 1 else generator.uniform(0, 1, size)
    return {
        "token_ids": generator.integers(5, 90, (size, 12)).astype(np.int32),
        "segment_ids": np.tile(np.arange(12, dtype=np.int32) // 4 % 2, (size, 1)),
        "padding_mask": np.arange(12) < np.sort(generator.integers(3, 13, size))[:, None],
        "gold": gold.astype(np.float32),
        "has_gold": np.arange(size) != 3,
        "teacher_logits": teacher,
        "has_teacher": np.ones(size, bool),
        "teacher_weight": generator.uniform(0.5, 1, size).astype(np.float32),
        "example_weight": np.full(size, 1 / (query.max() + 1), np.float32),
        "query": query,
        "task_index": np.full(size, task_index, np.int32),
    }


def _tensors(batch):
    return {name: tf.constant(values) for name, values in batch.items()}


@functools.cache
def _step(task_index, micro_batches, parallel_parts=1):
    """Returns the gradients that one step applies, the losses, and the lengths that the encoder was run at."""
    tf.keras.utils.set_random_seed(1)
    network = build_multi_task_model(find_backbone("tiny"), TASKS, 0.0, seed=3)
    for (
        variable
    ) in network.trainable_variables:  # Initial weights are so small that gradients hardly reach the encoder.
        variable.assign(variable * 8.0)
    trainer = Trainer(network, TASKS, DistillationOptions(0.4), 10, micro_batches, parallel_parts)
    trainer.compile(optimizer=build_optimizer("adamax", 0.01, network))
    batch = _batch(task_index)
    assert len(QUERIES) % 4

    def keep(gradients):
        for slot, gradient in zip(slots, gradients):
            slot.assign(tf.convert_to_tensor(gradient))

    slots = [tf.Variable(tf.zeros_like(variable)) for variable in network.trainable_variables]
    trainer._apply = keep  # type: ignore[method-assign]
    spec = {name: tf.TensorSpec([None, *[None] * (values.ndim - 1)], values.dtype) for name, values in batch.items()}
    spec["teacher_logits"] = tf.TensorSpec([None, 3], tf.float32)
    step = tf.function(trainer.train_step, input_signature=[spec])
    (layout,) = lay_out(batch["query"], 1, micro_batches * parallel_parts)
    results = step(_tensors(layout.arrange(batch)))
    return [slot.numpy() for slot in slots], {name: float(value) for name, value in results.items()}


@pytest.mark.parametrize("task_index", [0, 1, 2], ids=[task.name for task in TASKS])
@pytest.mark.parametrize(("one_after_the_other", "parallel_parts"), [(4, 1), (1, 2), (2, 2)])
def test_parts_make_the_step_of_the_batch(task_index, one_after_the_other, parallel_parts):
    whole, whole_results = _step(task_index, 1)
    parts, results = _step(task_index, one_after_the_other, parallel_parts)
    assert sum(np.abs(gradient).max() > 1e-3 for gradient in whole) > 30
    for one, other in zip(whole, parts):
        np.testing.assert_allclose(one, other, atol=1e-6)
    for name, value in whole_results.items():
        assert results[name] == pytest.approx(value, rel=1e-6, abs=1e-6), name


# A process can split its CPU only before it has used it.
COMPARISON = """
import dataclasses, sys
from pathlib import Path
import numpy as np
from safetensors.numpy import load_file
from mtdnn_tf.evaluation.ensembles.scoring import Scoring, score
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.run import train
from mtdnn_tf.training.strategies import split_cpu
from tests.helpers import write_answers, write_huggingface_folder, write_tasks

folder = Path(sys.argv[1])
split_cpu(2)
write_huggingface_folder(folder / "bert")
task_file = write_tasks(folder / "tasks", rows=23)
text = task_file.read_text().replace("    files:", "    dropout: 0.0\\n    files:")
answers = "  answers: {kind: ranking, text: [question, answer], label: relevant, labels: ['0', '1'], dropout: 0.0, "
task_file.write_text(text + answers + "files: {train: train.tsv}}\\n")
write_answers(folder / "tasks" / "train.tsv", [1, 2, 9, 2, 3, 12, 2, 2, 4], seed=1)
config = TrainingConfig.build(
    output_dir=folder / "teacher", data_dir=folder, cache_dir=folder / "cache", task_file=(task_file,),
    max_sequence_length=32, backbone=str(folder / "bert"), dropout=0.0, epochs=1, batch_size=8, learning_rate=1e-3,
    optimizer="adamw", evaluation="never",
)
train(config.replace(tasks=("mood",), seed=5))
mood = select_tasks(["mood"], [task_file])
score(Scoring([folder / "teacher"], mood, "train", config.data.task_data(), folder / "soft"))
config = config.replace(soft_targets=(folder / "soft",))
weights = []
for strategy, parts in (("off", 1), ("off", 4), ("mirrored", 2)):
    run = folder / f"{strategy}{parts}"
    train(config.replace(output_dir=run, strategy=strategy, gradient_accumulation=parts))
    weights.append(load_file(run / "model" / "weights.safetensors"))
start = load_file(folder / "bert" / "model.safetensors")
whole = weights[0]
print(max(np.abs(whole[name] - other[name]).max() for name in whole for other in weights[1:]))
print(max(np.abs(whole["backbone." + name] - start[name]).max() for name in start))
"""


def test_runs_with_micro_batches_end_with_the_weights_of_whole_batches(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", COMPARISON, tmp_path],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    difference, moved = map(float, result.stdout.splitlines()[-2:])
    assert difference < 1e-5 < moved
