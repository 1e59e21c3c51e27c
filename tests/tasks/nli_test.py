from __future__ import annotations

import pytest

from mtdnn_tf.tasks.nli import NLI_TASKS, SCITAIL, SNLI
from mtdnn_tf.tasks.task import Task


@pytest.mark.parametrize("task", NLI_TASKS, ids=lambda task: task.name)
def test_features_and_labels_are_those_of_tensorflow_datasets(task: Task, tmp_path):
    import tensorflow_datasets as tfds

    assert task.tfds is not None
    features = tfds.builder(task.tfds.name, data_dir=str(tmp_path)).info.features
    assert set(features) == {*task.tfds.text, task.tfds.label}
    assert tuple(features[task.tfds.label].names) == task.labels


def test_ids_are_hashes_in_both_sources():
    for task in NLI_TASKS:
        assert task.id == "hash"
        assert task.tfds is not None
        assert task.tfds.id is None


def test_only_snli_has_rows_without_an_agreed_label():
    assert SNLI.skip_labels == ("-", "-1")
    assert SCITAIL.skip_labels == ()
