import dataclasses

import numpy as np
import pytest
from scipy.special import softmax

from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.distillation.soft_targets import (
    find_soft_targets,
    join_soft_targets,
    join_variance_weights,
    soft_target_folder,
    write_soft_targets,
)
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.registry import select_tasks
from tests.helpers import VOCABULARY, write_tasks

TEACHERS = [{"run": "1", "weights_sha256": "00", "weight": 1.0}]


@pytest.fixture
def scored(tmp_path):
    """Returns a task, its encoded training split, the predictions for it, and the folder of its soft targets."""
    task_file = write_tasks(tmp_path / "tasks")
    task = select_tasks(["entailment"], [task_file])[0]
    encoded = _encode(task, tmp_path)
    predictions = softmax(np.random.default_rng(0).normal(size=(len(encoded), 3)), axis=-1).astype(np.float32)
    write_soft_targets(tmp_path / "soft" / task.name, task, encoded, predictions, TEACHERS)
    return task, encoded, predictions, tmp_path / "soft"


def _encode(task, folder, split="train"):
    tokenizer = WordPieceTokenizer(VOCABULARY, lowercase=True)
    return EncodedData(DataSource("files", folder / "tasks"), tokenizer, 32, folder / "cache").split(task, split)


def test_rows_are_joined_by_id_whatever_their_order(scored, tmp_path):
    task, encoded, predictions, folder = scored
    rows = np.array([7, 0, 31])
    targets = find_soft_targets([folder], [task])[task.name]
    np.testing.assert_allclose(np.exp(join_soft_targets(targets, task, encoded, rows)), predictions[rows], rtol=1e-5)

    order = np.random.default_rng(1).permutation(len(encoded))
    shuffled = dataclasses.replace(encoded, example_ids=[encoded.example_ids[row] for row in order])
    write_soft_targets(folder / task.name, task, shuffled, predictions[order], TEACHERS)
    targets = find_soft_targets([folder], [task])[task.name]
    np.testing.assert_allclose(np.exp(join_soft_targets(targets, task, encoded, rows)), predictions[rows], rtol=1e-5)


def test_a_task_without_soft_targets_is_left_out(scored, tmp_path):
    task, _, _, folder = scored
    others = select_tasks(["mood"], [tmp_path / "tasks" / "tasks.yaml"])
    assert find_soft_targets([folder], [task, *others]).keys() == {"entailment"}
    with pytest.raises(UserError, match="no soft targets of mood"):
        find_soft_targets([folder], others)


def test_one_task_in_two_folders_is_refused(scored, tmp_path):
    task, encoded, predictions, folder = scored
    write_soft_targets(tmp_path / "again" / task.name, task, encoded, predictions, TEACHERS)
    with pytest.raises(UserError, match="is in both"):
        find_soft_targets([folder, tmp_path / "again"], [task])


def test_other_texts_are_refused_with_a_diff(scored, tmp_path):
    task, encoded, _, folder = scored
    path = tmp_path / "tasks" / "entailment_train.tsv"
    path.write_text(path.read_text().replace("cat", "dog", 1))
    changed = _encode(task, tmp_path)
    targets = find_soft_targets([folder], [task])[task.name]
    assert changed.data_fingerprint != encoded.data_fingerprint
    with pytest.raises(UserError, match=r"data_fingerprint: soft targets [0-9a-f]+, training [0-9a-f]+"):
        join_soft_targets(targets, task, changed, np.arange(3))


def test_another_order_of_labels_is_refused_with_a_diff(scored):
    task, encoded, _, folder = scored
    turned = dataclasses.replace(task, labels=task.labels[::-1])
    targets = find_soft_targets([folder], [task])[task.name]
    with pytest.raises(UserError, match=r"label_names: soft targets .*'entails'.*, training .*'contradicts'"):
        join_soft_targets(targets, turned, encoded, np.arange(3))


def test_missing_ids_are_named(scored):
    task, encoded, predictions, folder = scored
    fewer = dataclasses.replace(encoded, example_ids=encoded.example_ids[5:])
    write_soft_targets(folder / task.name, task, fewer, predictions[5:], TEACHERS)
    targets = find_soft_targets([folder], [task])[task.name]
    with pytest.raises(UserError, match=f"for 5 of 10 examples, the first: {encoded.example_ids[0]}"):
        join_soft_targets(targets, task, encoded, np.arange(10))


@pytest.mark.parametrize("name", ["predictions.npy", "example_ids.txt", "manifest.json"])
def test_a_flipped_bit_is_refused(scored, name):
    task, _, _, folder = scored
    path = folder / task.name / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"damaged.*run tools\.score again|delete it"):
        find_soft_targets([folder], [task])


def test_splits_of_a_task_stand_side_by_side(scored, tmp_path):
    task, _, predictions, folder = scored
    test = _encode(task, tmp_path, "test")
    write_soft_targets(soft_target_folder(folder, task, "test"), task, test, predictions[::-1], TEACHERS)
    found = find_soft_targets([folder], [task])
    assert found.keys() == {"entailment", "entailment/test"}
    rows = np.array([3, 30])
    joined = join_soft_targets(found["entailment/test"], task, test, rows)
    np.testing.assert_allclose(np.exp(joined), predictions[::-1][rows], rtol=1e-5)
    write_soft_targets(tmp_path / "other" / "entailment-test", task, test, predictions, TEACHERS)
    with pytest.raises(UserError, match="task entailment/test is in both"):
        find_soft_targets([folder, tmp_path / "other"], [task])


def test_variances_are_kept_and_weigh_the_rows_that_are_asked_for(scored, tmp_path):
    task, encoded, predictions, folder = scored
    variances = np.random.default_rng(2).gamma(1.0, 3.0, len(encoded)).astype(np.float32)
    write_soft_targets(folder / task.name, task, encoded, predictions, 2 * TEACHERS, variances)
    targets, rows = find_soft_targets([folder], [task])[task.name], np.array([31, 2])
    np.testing.assert_allclose(
        join_variance_weights(targets, encoded, rows), 1 / (1 + variances[rows] / variances.mean()), rtol=1e-5
    )
    write_soft_targets(folder / task.name, task, encoded, predictions, TEACHERS, variances)
    with pytest.raises(UserError, match="two or more teachers with their variance, got 1;"):
        join_variance_weights(find_soft_targets([folder], [task])[task.name], encoded, rows)
    write_soft_targets(folder / task.name, task, encoded, predictions, 2 * TEACHERS)
    with pytest.raises(UserError, match="two or more teachers with their variance, got 2 without;"):
        join_variance_weights(find_soft_targets([folder], [task])[task.name], encoded, rows)


def test_soft_targets_of_the_texts_in_another_order_are_refused(scored, tmp_path):
    task, _, _, folder = scored
    swapped = dataclasses.replace(task, text=task.text[::-1], id="row")
    targets = find_soft_targets([folder], [swapped])[task.name]
    with pytest.raises(UserError, match="soft targets of another data set or task"):
        join_soft_targets(targets, swapped, _encode(swapped, tmp_path), np.arange(5))
