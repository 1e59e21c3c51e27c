import pytest

from mtdnn_tf.distillation.soft_targets import find_soft_targets, write_soft_targets
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.registry import select_tasks
from tests.distillation.conftest import TEACHERS


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


@pytest.mark.parametrize("name", ["predictions.npy", "example_ids.txt", "manifest.json"])
def test_a_flipped_bit_is_refused(scored, name):
    task, _, _, folder = scored
    path = folder / task.name / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"damaged.*run tools\.score again|delete it"):
        find_soft_targets([folder], [task])
