import math

import pytest
import yaml

from benchmarks.evidence.pilot import PILOT
from benchmarks.evidence.plan import PLAN, read_plan
from benchmarks.evidence.trainings import Block
from mtdnn_tf.errors import UserError
from tests.benchmarks.evidence.small_study import write_plan, write_suite


def test_no_student_has_the_seed_of_a_teacher_and_none_is_of_the_pilot():
    plan = read_plan()
    members, students = [], []
    for number in range(1, len(plan.ensembles) + 1):
        assert not set(plan.members(number)) & set(plan.students_of(number))
        members += plan.members(number)
        students += plan.students_of(number)
    # Every student is compared with the multi-task model of its seed.
    assert sorted(members) == sorted(students) and len(set(members)) == len(members) >= 12
    pilot = yaml.safe_load(PILOT.read_text(encoding="utf-8"))["seeds"]
    assert not {seed for seeds in pilot for seed in seeds} & set(members)


def test_students_have_as_many_steps_per_task_as_the_multi_task_model():
    plan = read_plan()
    size, epochs = plan.training["batch_size"], plan.training["epochs"]
    labelled, unlabelled = math.ceil(plan.rows["labelled"] / size), math.ceil(plan.rows["unlabelled"] / size)
    assert not plan.rows["labelled"] % size and not plan.rows["unlabelled"] % size
    steps = epochs * labelled * len(plan.trained_tasks)
    for options in plan.students.values():
        transfers = "transfer_splits" in options
        per_epoch = labelled * len(plan.trained_tasks)
        per_epoch += unlabelled * len(plan.tasks["with_teacher"]) * transfers
        assert options.get("epochs", epochs) * per_epoch == steps
        assert options.get("sampler") == ("uniform" if transfers else None)


def test_a_plan_with_other_parts_or_a_seed_twice_is_refused(tmp_path):
    text = PLAN.read_text(encoding="utf-8")
    (tmp_path / "a.yaml").write_text(text.replace("adaptation:\n  labels", "adapt:\n  labels"))
    with pytest.raises(UserError, match="must have adaptation, ensembles"):
        read_plan(tmp_path / "a.yaml")
    seed = read_plan().ensembles[0][0]
    (tmp_path / "b.yaml").write_text(text.replace(f"[{seed},", f"[{seed + 1},"))
    with pytest.raises(UserError, match="each seed must be in one ensemble"):
        read_plan(tmp_path / "b.yaml")


def test_a_block_needs_no_other_block(tmp_path):
    plan = read_plan(write_plan(tmp_path / "plan.yaml"))
    task_file = write_suite(tmp_path / "suite") / "tasks.yaml"
    counts = []
    for name in plan.blocks:
        block, trained = Block(plan, name, task_file, tmp_path / name), set()
        for training in [*block.members(), *block.others()]:
            start = training.settings.encoder.init_from
            assert start is None or start in trained
            trained.add(str(training.settings.output_dir))
        counts.append(len(trained))
    # Members, students, fine-tuned models, single-task models, adapted ones.
    assert counts == [2 + 2 + 4 + 2 + 3, 1 + 2 * 2 + 4 + 2 + 3, 2 * 2]
    # Two tasks: twice the epochs on one task are as many steps.
    assert {training.settings.optimization.epochs for training in block.others()} == {2}
    by_arm = {training.arm: training for training in Block(plan, "ensemble_1", task_file, tmp_path).others()}
    assert by_arm["student_transfer"].seed == 3
    assert by_arm["adaptation/student_transfer/8"].settings.encoder.init_from == str(
        by_arm["student_transfer"].settings.output_dir
    )
