from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mtdnn_tf.distillation.joining import TeacherLogits, join_positions, join_soft_targets, join_variance_weights
from mtdnn_tf.distillation.soft_targets import find_soft_targets, soft_target_folder, write_soft_targets
from mtdnn_tf.errors import UserError
from tests.distillation.conftest import TEACHERS, encode


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


def test_other_texts_are_refused_with_a_diff(scored, tmp_path):
    task, encoded, _, folder = scored
    path = tmp_path / "tasks" / "entailment_train.tsv"
    path.write_text(path.read_text().replace("cat", "dog", 1))
    changed = encode(task, tmp_path)
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


def test_splits_of_a_task_stand_side_by_side(scored, tmp_path):
    task, _, predictions, folder = scored
    test = encode(task, tmp_path, "test")
    write_soft_targets(soft_target_folder(folder, task, "test"), task, test, predictions[::-1], TEACHERS)
    found = find_soft_targets([folder], [task])
    assert found.keys() == {"entailment", "entailment/test"}
    rows = np.array([3, 30])
    joined = join_soft_targets(found["entailment/test"], task, test, rows)
    np.testing.assert_allclose(np.exp(joined), predictions[::-1][rows], rtol=1e-5)
    write_soft_targets(tmp_path / "other" / "entailment-test", task, test, predictions, TEACHERS)
    with pytest.raises(UserError, match="task entailment/test is in both"):
        find_soft_targets([folder, tmp_path / "other"], [task])


def test_variances_are_kept_and_weigh_the_rows_that_are_asked_for(scored):
    task, encoded, predictions, folder = scored
    variances = np.random.default_rng(2).gamma(1.0, 3.0, len(encoded)).astype(np.float32)

    def weights(teachers, *kept):
        write_soft_targets(folder / task.name, task, encoded, predictions, teachers, *kept)
        targets = find_soft_targets([folder], [task])[task.name]
        return join_variance_weights(targets, join_positions(targets, task, encoded, rows))

    rows = np.array([31, 2])
    np.testing.assert_allclose(
        weights(2 * TEACHERS, variances), 1 / (1 + variances[rows] / variances.mean()), rtol=1e-5
    )
    with pytest.raises(UserError, match="two or more teachers with their variance, got 1;"):
        weights(TEACHERS, variances)
    with pytest.raises(UserError, match="two or more teachers with their variance, got 2 without;"):
        weights(2 * TEACHERS)


def test_soft_targets_of_the_texts_in_another_order_are_refused(scored, tmp_path):
    task, _, _, folder = scored
    swapped = dataclasses.replace(task, text=task.text[::-1], id="row")
    targets = find_soft_targets([folder], [swapped])[task.name]
    with pytest.raises(UserError, match="soft targets of another data set or task"):
        join_soft_targets(targets, swapped, encode(swapped, tmp_path), np.arange(5))


def test_logits_of_a_batch_have_the_bits_of_all_at_once(scored):
    task, encoded, predictions, folder = scored
    targets = find_soft_targets([folder], [task])[task.name]
    rows = np.random.default_rng(3).permutation(len(encoded))
    logits = TeacherLogits.of(task, targets.predictions, join_positions(targets, task, encoded, rows))
    expected = task.kind_object.to_logits(predictions)[rows]
    assert np.array_equal(logits[np.arange(len(rows))], expected) and logits.largest() == np.abs(expected).max()
    for size in (1, 2, 3, 7, 31):
        batch = np.arange(size) * 3 % len(rows)
        assert np.array_equal(logits[batch], expected[batch])
    none = TeacherLogits.none(task, 2)
    both = none.followed_by([logits.take(np.array([4, 0])), none])
    assert len(both) == 6 and not none.largest()
    zeros = np.zeros(3)
    assert np.array_equal(both[np.array([3, 0, 2, 5])], [expected[0], zeros, expected[4], zeros])
