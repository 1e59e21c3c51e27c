import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax, softmax

from mtdnn_tf.distillation.options import DistillationOptions
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.optimization.optimizers import build_optimizer
from mtdnn_tf.training.trainer import Trainer

TASKS = (
    Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",), dropout=0.0),
    Task("nli", "classification", ("a", "b"), ("x", "y", "z"), ("accuracy",), dropout=0.0),
    Task("score", "regression", ("a", "b"), metrics=("pearson",), dropout=0.0),
)


def _trainer(options=None, optimizer="adamax", tasks=TASKS, dropout=0.0, total_steps=10):
    tf.keras.utils.set_random_seed(1)
    network = build_multi_task_model(find_backbone("tiny"), tasks, dropout, seed=3)
    trainer = Trainer(network, tasks, options or DistillationOptions(), total_steps)
    trainer.compile(optimizer=build_optimizer(optimizer, 0.01, network))
    return trainer


def _batch(task_index, size=6, seed=0, has_gold=True, has_teacher=True):
    generator = np.random.default_rng(seed)
    outputs = TASKS[task_index].num_outputs
    teacher = np.zeros((size, 3), np.float32)
    teacher[:, :outputs] = np.log(softmax(generator.normal(size=(size, outputs)), axis=-1))
    if outputs == 1:
        teacher[:, 0] = generator.uniform(0, 5, size)
    gold = generator.integers(0, outputs, size) if outputs > 1 else generator.uniform(0, 5, size)
    lengths = generator.integers(3, 10, size)
    return {
        "token_ids": generator.integers(5, 90, (size, 9)).astype(np.int32),
        "segment_ids": np.zeros((size, 9), np.int32),
        "padding_mask": np.arange(9) < lengths[:, None],
        "gold": gold.astype(np.float32),
        "has_gold": np.full(size, has_gold),
        "teacher_logits": teacher,
        "has_teacher": np.full(size, has_teacher),
        "teacher_weight": np.ones(size, np.float32),
        "example_weight": np.full(size, 1 / size, np.float32),
        "query": np.arange(size, dtype=np.int32),
        "task_index": np.full(size, task_index, np.int32),
    }


def _tensors(batch):
    return {name: tf.constant(values) for name, values in batch.items()}


def _loss_and_gradients(trainer, batch):
    @tf.function  # As in training: the head is chosen inside the graph.
    def run(tensors):
        with tf.GradientTape() as tape:
            losses = trainer.batch_loss(tensors, training=False)
        return losses, tape.gradient(losses["loss"], trainer.network.trainable_variables)

    losses, gradients = run(_tensors(batch))
    return losses, [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]


@pytest.mark.parametrize("task_index", [0, 1, 2])
def test_loss_is_the_mixture_of_its_formula(task_index):
    trainer, batch = _trainer(DistillationOptions(weight=0.3)), _batch(task_index)
    logits = trainer.network.task_logits(_tensors(batch), TASKS[task_index].name).numpy()
    if TASKS[task_index].labels:
        log_p = log_softmax(logits, axis=-1)
        gold = -log_p[np.arange(6), batch["gold"].astype(int)]
        distilled = -(np.exp(batch["teacher_logits"][:, : logits.shape[1]]) * log_p).sum(-1)
    else:
        gold, distilled = (logits[:, 0] - batch["gold"]) ** 2, (logits[:, 0] - batch["teacher_logits"][:, 0]) ** 2
    losses, _ = _loss_and_gradients(trainer, batch)
    np.testing.assert_allclose(losses["loss"], (0.7 * gold + 0.3 * distilled).mean(), rtol=1e-5)
    np.testing.assert_allclose(losses["gold_loss"], gold.mean(), rtol=1e-5)
    np.testing.assert_allclose(losses["distilled_loss"], distilled.mean(), rtol=1e-5)


@pytest.mark.parametrize("task_index", [0, 1, 2])
def test_weight_0_equals_gold_only_exactly(task_index):
    with_teacher = _loss_and_gradients(_trainer(DistillationOptions(weight=0.0)), _batch(task_index))
    gold_only = _loss_and_gradients(_trainer(), _batch(task_index, has_teacher=False))
    assert float(with_teacher[0]["loss"]) == float(gold_only[0]["loss"])
    for one, other in zip(with_teacher[1], gold_only[1]):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("task_index", [0, 1, 2])
def test_weight_1_ignores_gold_labels(task_index):
    trainer, batch = _trainer(DistillationOptions(weight=1.0)), _batch(task_index)
    losses, gradients = _loss_and_gradients(trainer, batch)
    for changed in ({"gold": 1.0 - batch["gold"]}, {"has_gold": np.zeros(6, bool)}):
        other_losses, other_gradients = _loss_and_gradients(trainer, {**batch, **changed})
        assert float(losses["loss"]) == float(other_losses["loss"])
        for one, other in zip(gradients, other_gradients):
            np.testing.assert_array_equal(one, other)


def test_rows_without_gold_learn_from_the_teacher_alone():
    trainer, batch = _trainer(DistillationOptions(weight=0.4)), _batch(1)
    batch["has_gold"] = np.array([True, False] * 3)
    logits = trainer.network.task_logits(_tensors(batch), "nli").numpy()
    log_p = log_softmax(logits, axis=-1)
    gold = -log_p[np.arange(6), batch["gold"].astype(int)]
    distilled = -(np.exp(batch["teacher_logits"]) * log_p).sum(-1)
    expected = np.where(batch["has_gold"], 0.6 * gold + 0.4 * distilled, distilled).mean()
    np.testing.assert_allclose(_loss_and_gradients(trainer, batch)[0]["loss"], expected, rtol=1e-5)


@pytest.mark.parametrize("task_index", [0, 1, 2])
def test_gradients_on_other_heads_are_exactly_zero(task_index):
    trainer = _trainer()
    _, gradients = _loss_and_gradients(trainer, _batch(task_index))
    by_variable = dict(zip((id(v) for v in trainer.network.trainable_variables), gradients))
    for index, task in enumerate(TASKS):
        for variable in trainer.network.heads[task.name].trainable_variables:
            is_zero = not by_variable[id(variable)].any()
            assert is_zero == (index != task_index), task.name
    assert any(by_variable[id(v)].any() for v in trainer.network.backbone.trainable_variables)


def test_rows_of_weight_0_change_nothing():
    trainer, batch = _trainer(), _batch(1, size=6)
    shorter = {name: values[:4] for name, values in batch.items()}
    shorter["example_weight"] = np.full(4, 0.25, np.float32)
    padded = {**batch, "example_weight": np.array([0.25] * 4 + [0.0] * 2, np.float32)}
    one, other = _loss_and_gradients(trainer, shorter), _loss_and_gradients(trainer, padded)
    np.testing.assert_allclose(one[0]["loss"], other[0]["loss"], rtol=1e-6)
    for first, second in zip(one[1], other[1]):
        np.testing.assert_allclose(first, second, atol=1e-6)


def test_a_step_clips_the_gradient_to_norm_1():
    trainer, batch = _trainer(optimizer="adamw"), _batch(2)
    batch["gold"] = batch["gold"] + 100.0
    _, gradients = _loss_and_gradients(trainer, batch)
    norm = np.sqrt(sum((gradient.astype(np.float64) ** 2).sum() for gradient in gradients))
    applied: list[np.ndarray] = []
    trainer._apply = lambda clipped: applied.extend(tf.convert_to_tensor(g).numpy() for g in clipped)
    results = trainer.train_step(_tensors(batch))
    assert norm > 1.0
    np.testing.assert_allclose(results["gradient_norm"], norm, rtol=1e-4)
    np.testing.assert_allclose(np.sqrt(sum((g.astype(np.float64) ** 2).sum() for g in applied)), 1.0, rtol=1e-4)


def test_training_loss_of_each_task_is_averaged_over_its_own_batches():
    trainer = _trainer(optimizer="adamw")
    trainer.optimizer.learning_rate = 0.0
    steps = [_batch(0, seed=1), _batch(2, seed=2), _batch(0, seed=3)]
    expected = [float(_loss_and_gradients(trainer, batch)[0]["loss"]) for batch in steps]
    for batch in steps:
        results = trainer.train_step(_tensors(batch))
    np.testing.assert_allclose(results["mood/loss"], (expected[0] + expected[2]) / 2, rtol=1e-5)
    np.testing.assert_allclose(results["score/loss"], expected[1], rtol=1e-5)
    assert float(results["nli/loss"]) == 0.0


def test_losses_fall_when_it_trains():
    trainer, batches = _trainer(), [_batch(index) for index in range(3)]
    before = [float(_loss_and_gradients(trainer, batch)[0]["loss"]) for batch in batches]
    step = tf.function(trainer.train_step)
    for _ in range(15):
        for batch in batches:
            step(_tensors(batch))
    after = [float(_loss_and_gradients(trainer, batch)[0]["loss"]) for batch in batches]
    assert all(late < early for late, early in zip(after, before))
