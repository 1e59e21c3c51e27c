from __future__ import annotations

import pytest

from mtdnn_tf.tasks.nli import NLI_TASKS, SCITAIL, SNLI
from mtdnn_tf.tasks.registry import get_task


def test_ids_of_snli_and_scitail_are_hashes_in_both_sources():
    for task in (SNLI, SCITAIL):
        assert task.id == "hash"
        assert task.tfds is not None
        assert task.tfds.id is None


def test_only_snli_has_rows_without_an_agreed_label():
    assert SNLI.skip_labels == ("-", "-1")
    assert [task.name for task in NLI_TASKS if task.skip_labels] == ["snli"]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_anlis_rounds_have_mnlis_labels_and_ids_of_their_own(number: int):
    task = get_task(f"anli_r{number}")
    assert set(task.labels) == set(get_task("mnli").labels)
    assert dict(zip(task.file_labels, task.labels)) == {"e": "entailment", "n": "neutral", "c": "contradiction"}
    assert task.id == "uid"
    assert [file.path for file in task.files.values()] == [
        f"anli_v1.0/R{number}/{name}.jsonl" for name in ("train", "dev", "test")
    ]
