import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.distillation.options import DistillationOptions
from mtdnn_tf.errors import UserError
from mtdnn_tf.manifests import read_manifest, write_manifest
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.callbacks import SaveCheckpoints
from mtdnn_tf.training.checkpoints import Checkpoints
from mtdnn_tf.training.optimization.optimizers import build_optimizer
from mtdnn_tf.training.trainer import Trainer

TASK = Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",))
THREE_LABELS = dataclasses.replace(TASK, labels=("bad", "good", "neither"))
BATCH = {
    "token_ids": tf.constant([[2, 10, 11, 3]]),
    "segment_ids": tf.zeros((1, 4), tf.int32),
    "padding_mask": tf.ones((1, 4), tf.bool),
    "gold": tf.constant([1.0]),
    "has_gold": tf.constant([True]),
    "has_teacher": tf.constant([False]),
    "teacher_weight": tf.constant([1.0]),
    "query": tf.constant([0]),
    "teacher_logits": tf.zeros((1, 2)),
    "example_weight": tf.constant([1.0]),
    "task_index": tf.constant([0]),
}


def _trainer(seed, optimizer="adamax", task=TASK):
    tf.keras.utils.set_random_seed(seed)
    network = build_multi_task_model(find_backbone("tiny"), [task], dropout=0.2, seed=seed)
    trainer = Trainer(network, [task], DistillationOptions(), 100)
    trainer.compile(optimizer=build_optimizer(optimizer, 0.01, network))
    return trainer


@pytest.mark.parametrize("optimizer", ["adamax", "adamw"])
def test_a_restored_trainer_goes_on_as_the_saved_one(tmp_path, optimizer):
    first = _trainer(0, optimizer)
    for _ in range(3):
        first.train_step(BATCH)
    Checkpoints(first, tmp_path, keep=1).save()
    second = _trainer(1, optimizer)
    assert Checkpoints(second, tmp_path, keep=1).restore() == 3
    for trainer in (first, second):
        for _ in range(3):
            trainer.train_step(BATCH)
    for one, other in zip(first.network.weights, second.network.weights):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    for one, other in zip(first.network.generators, second.network.generators):
        np.testing.assert_array_equal(one.state.numpy(), other.state.numpy())


def test_a_checkpoint_of_another_tensorflow_is_continued_and_said(tmp_path, caplog):
    trainer = _trainer(0)
    trainer.train_step(BATCH)
    Checkpoints(trainer, tmp_path, keep=1).save()
    with caplog.at_level("INFO", "absl"):
        assert Checkpoints(_trainer(1), tmp_path, keep=1).restore() == 1
        assert "TensorFlow" not in caplog.text
        manifest = read_manifest(tmp_path / "ckpt-1", "")
        assert manifest["tensorflow"] == tf.__version__
        write_manifest(tmp_path / "ckpt-1", {**manifest, "tensorflow": "2.1.0"})
        assert Checkpoints(_trainer(1), tmp_path, keep=1).restore() == 1
    assert f"written by TensorFlow 2.1.0, continued by {tf.__version__}: the weights will be" in caplog.text


def test_without_a_checkpoint_it_starts_at_0(tmp_path):
    assert Checkpoints(_trainer(0), tmp_path, keep=1).restore() == 0


def test_only_the_last_checkpoints_are_kept(tmp_path):
    trainer = _trainer(0)
    checkpoints = Checkpoints(trainer, tmp_path, keep=2)
    for _ in range(4):
        trainer.train_step(BATCH)
        checkpoints.save()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ckpt-3", "ckpt-4"]


@pytest.mark.parametrize("name", ["state.data-00000-of-00001", "state.index", "manifest.json"])
def test_a_damaged_checkpoint_is_refused_and_without_it_the_one_before_is_taken(tmp_path, name):
    trainer = _trainer(0)
    checkpoints = Checkpoints(trainer, tmp_path, keep=2)
    for _ in range(2):
        trainer.train_step(BATCH)
        checkpoints.save()
    path = tmp_path / "ckpt-2" / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"{name}: .*damaged.*; delete it to continue from the checkpoint before"):
        checkpoints.restore()
    shutil.rmtree(tmp_path / "ckpt-2")
    assert checkpoints.restore() == 1


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    trainer = _trainer(0)
    trainer.train_step(BATCH)
    Checkpoints(trainer, tmp_path, keep=1).save()
    with pytest.raises(UserError, match="is damaged or of another model"):
        Checkpoints(_trainer(0, task=THREE_LABELS), tmp_path, keep=1).restore()


def test_checkpoints_of_version_0_1_are_read_and_replaced(tmp_path):
    first, second = _trainer(0), _trainer(1)
    first.train_step(BATCH)
    # The layout is that of tests/golden/v1.
    state = Checkpoints(first, tmp_path, keep=2)._checkpoint
    tf.train.CheckpointManager(state, str(tmp_path), max_to_keep=2).save(checkpoint_number=1)
    assert (tmp_path / "ckpt-1.index").is_file()
    checkpoints = Checkpoints(second, tmp_path, keep=2)
    assert checkpoints.restore() == 1
    for one, other in zip(first.network.weights, second.network.weights):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    second.train_step(BATCH)
    checkpoints.save()
    assert [path.name for path in tmp_path.iterdir()] == ["ckpt-2"]


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    trainer = _trainer(0)
    checkpoints = Checkpoints(trainer, tmp_path, keep=1)
    trainer.train_step(BATCH)
    checkpoints.save()
    trainer.train_step(BATCH)
    weight = trainer.network.heads["mood"].weights[0]
    weight.assign(tf.fill(weight.shape, np.float32(np.inf)))
    with pytest.raises(UserError, match=r"step 2: a weight is not finite.*last good checkpoint, .*/ckpt-1, is kept"):
        checkpoints.save()
    assert [path.name for path in tmp_path.iterdir()] == ["ckpt-1"]


def test_what_a_killed_process_left_is_removed(tmp_path):
    (tmp_path / ".ckpt-7.ab_c1234").mkdir()
    (tmp_path / ".ckpt-7.ab_c1234" / "state.index").write_bytes(b"half")
    assert Checkpoints(_trainer(0), tmp_path, keep=1).restore() == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("interval", "least", "saved"),
    [(100, 1, [2, 4, 6, 8]), (5, 3, [4, 5, 8])],
)
def test_the_end_of_an_epoch_is_saved_after_enough_steps(tmp_path, interval, least, saved):
    trainer = _trainer(0)
    callback = SaveCheckpoints(Checkpoints(trainer, tmp_path, keep=100), interval, least)
    # One pass of fit an epoch, of two steps each, as a run makes it.
    for epoch in range(4):
        data = tf.data.Dataset.from_tensors(BATCH).repeat(2)
        trainer.fit(data, initial_epoch=epoch, epochs=epoch + 1, verbose=0, callbacks=[callback])
    assert sorted(int(path.name.split("-")[1]) for path in tmp_path.iterdir()) == saved
