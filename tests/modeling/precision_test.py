import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from mtdnn_tf.distillation.options import DistillationOptions
from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.backbone import MIXED_FLOAT16
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.encoder_block import normalize
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.checkpoints import Checkpoints
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.optimization.optimizers import build_optimizer, with_loss_scale
from mtdnn_tf.training.run import train
from mtdnn_tf.training.trainer import Trainer
from tests.helpers import write_huggingface_folder, write_tasks

TASKS = (
    Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",)),
    Task("nli", "classification", ("a", "b"), ("x", "y", "z"), ("accuracy",), head="san"),
)


def _batch(task_index, size=8, seed=0):
    generator = np.random.default_rng(seed)
    token_ids = generator.integers(5, 90, (size, 10))
    batch = {
        "token_ids": token_ids.astype(np.int32),
        "segment_ids": np.tile(np.arange(10, dtype=np.int32) // 5, (size, 1)),
        "padding_mask": np.ones((size, 10), bool),
        "gold": (token_ids[:, 1] > 45).astype(np.float32),
        "has_gold": np.ones(size, bool),
        "teacher_logits": np.zeros((size, 3), np.float32),
        "has_teacher": np.zeros(size, bool),
        "teacher_weight": np.ones(size, np.float32),
        "example_weight": np.full(size, 1 / size, np.float32),
        "query": np.arange(size, dtype=np.int32),
        "task_index": np.full(size, task_index, np.int32),
    }
    return {name: tf.constant(values) for name, values in batch.items()}


def _trainer(precision, dropout=0.0, micro_batches=1, recompute=False):
    tf.keras.utils.set_random_seed(1)
    network = build_multi_task_model(find_backbone("tiny"), TASKS, dropout, 3, precision, recompute)
    trainer = Trainer(network, TASKS, DistillationOptions(), 100, micro_batches)
    trainer.compile(optimizer=with_loss_scale(build_optimizer("adamax", 0.01, network), precision))
    return trainer


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_the_encoder_computes_in_16_bits_and_all_else_is_float32(precision):
    trainer = _trainer(precision)
    encoded = trainer.network.backbone({name: _batch(0)[name] for name in ("token_ids", "segment_ids", "padding_mask")})
    assert encoded["sequence_output"].dtype.name == precision[len("mixed_") :]
    assert {variable.dtype for variable in trainer.network.trainable_variables} == {tf.float32}
    assert tf.keras.mixed_precision.global_policy().name == "float32"
    for index, task in enumerate(TASKS):
        assert trainer.network.task_logits(_batch(index), task.name).dtype == tf.float32
        assert {loss.dtype for loss in trainer.batch_loss(_batch(index), training=True).values()} == {tf.float32}


@pytest.mark.parametrize("training", [False, True])
def test_layer_norm_of_what_is_constant_is_finite_in_float16(training):
    # BERT's epsilon of 1e-12 is 0 in float16; LayerNorm computes in float32.
    weights = {"norm.weight": tf.ones(16), "norm.bias": tf.zeros(16)}
    for value in (3.0, 60000.0):
        rows = tf.fill((3, 16), tf.constant(value, tf.float16))
        assert np.isfinite(normalize(rows, weights, "norm", training).numpy()).all()


def _curve(precision):
    trainer = _trainer(precision)
    trainer.optimizer.learning_rate = 0.003
    step = tf.function(trainer.train_step)
    losses = []
    for number in range(32):
        trainer.reset_metrics()
        losses.append(float(step(_batch(0, seed=number % 2))["mood/loss"]))
    return np.array(losses)


def test_learning_curves_are_near_that_of_float32():
    exact = _curve("float32")
    assert exact[-1] < exact[0] - 0.2
    for precision in ("mixed_bfloat16", "mixed_float16"):
        # 7e-4 and 4e-5 were measured.
        assert 0 < np.abs(_curve(precision) - exact).max() < 5e-3, precision


def test_a_step_that_overflows_changes_no_weights_and_counts():
    trainer = _trainer(MIXED_FLOAT16)
    trainer.train_step(_batch(0))
    scale = trainer.optimizer.loss_scale
    assert float(scale) == 2.0**15
    before = [variable.numpy() for variable in trainer.network.trainable_variables]
    batch = _batch(0)
    batch["example_weight"] *= 1e30
    trainer.train_step(batch)
    for variable, old in zip(trainer.network.trainable_variables, before):
        np.testing.assert_array_equal(variable.numpy(), old)
    assert int(trainer.optimizer.iterations) == 2
    assert float(trainer.optimizer.loss_scale) == 2.0**14


def test_the_loss_scale_is_in_the_checkpoint(tmp_path):
    first = _trainer(MIXED_FLOAT16, dropout=0.2)
    first.train_step(_batch(0))
    overflow = _batch(0)
    overflow["example_weight"] *= 1e30
    first.train_step(overflow)
    Checkpoints(first, tmp_path, keep=1).save()
    second = _trainer(MIXED_FLOAT16, dropout=0.2)
    assert Checkpoints(second, tmp_path, keep=1).restore() == 2
    for trainer in (first, second):
        for seed in range(3):
            trainer.train_step(_batch(seed % 2, seed=seed))
    assert float(second.optimizer.loss_scale) == 2.0**14
    for one, other in zip(first.network.weights, second.network.weights):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_a_run_saves_float32_and_is_refused_in_another_precision(tmp_path):
    write_huggingface_folder(tmp_path / "bert")
    config = TrainingConfig.build(
        output_dir=tmp_path / "run",
        data_dir=tmp_path,
        cache_dir=tmp_path / "cache",
        task_file=(write_tasks(tmp_path / "tasks"),),
        tasks=("mood", "similarity"),
        max_sequence_length=32,
        backbone=str(tmp_path / "bert"),
        epochs=1,
        batch_size=16,
        learning_rate=0.01,
        evaluation="end",
        precision=MIXED_FLOAT16,
        recompute_activations=True,
        layer_decay=0.9,
        batch_tokens=120,
        gradient_accumulation=2,
    )
    assert np.isfinite(train(config)["mood"]["accuracy"])
    arrays = load_file(tmp_path / "run" / "model" / "weights.safetensors")
    assert {array.dtype for array in arrays.values()} == {np.dtype("float32")}
    start = load_file(tmp_path / "bert" / "model.safetensors")
    assert max(np.abs(arrays["backbone." + name] - array).max() for name, array in start.items()) > 1e-3
    assert train(config.replace(recompute_activations=False))
    with pytest.raises(UserError, match="precision: mixed_float16 before, float32 now"):
        train(config.replace(precision="float32"))
