import math
import random

import pytest

from benchmarks.evidence.comparisons import Study, holm
from benchmarks.evidence.plan import read_plan
from benchmarks.evidence.report import report, write_figures
from benchmarks.evidence.results import plan_fingerprint, read_results, results_file
from benchmarks.evidence.trainings import Block
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.measures.statistics import paired_difference
from mtdnn_tf.json_files import write_checked_json

_GAINS = {"multi_task": 0.1, "ensemble": 0.13, "student": 0.11, "student_transfer": 0.12}


def _results(task, score, splits):
    return [
        {
            "task": task,
            "split": split,
            "rows": 10,
            "metrics": {"accuracy": score},
            "calibration": None if task in ("similarity", "relatedness") else {"ece": 0.1, "nll": 0.5, "brier": 0.3},
            "agreement": 0.9,
        }
        for split in splits
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Results of the real plan, made up: an arm's gain, and noise that the models of a seed share."""
    folder, plan = tmp_path_factory.mktemp("results"), read_plan()
    draw = random.Random(3)
    shared = {seed: draw.gauss(0, 0.01) for seeds in plan.ensembles for seed in seeds}
    latency = {size: {"median_ms": 5.0} for size in ("1", "32")}
    for name in plan.blocks:
        block = Block(plan, name, folder / "tasks.yaml", folder / "out")
        models = []
        for arm, seed, tasks in [
            *([("ensemble", block.ensemble, plan.trained_tasks)] if block.ensemble else []),
            *((training.arm, training.seed, training.tasks) for training in [*block.members(), *block.others()]),
        ]:
            score = 0.6 + _GAINS.get(arm, 0.0) + shared.get(seed, 0.0) + draw.gauss(0, 0.002)
            results = [result for task in tasks for result in _results(task, score, block.splits_of(task))]
            models.append({"arm": arm, "seed": seed, "results": results})
        cost = [
            {"name": model, "parameters": 1e7, "flops": 1e9, "latency": latency}
            for model in ("ensemble", "multi_task", *plan.students)
        ]
        found = {"plan_sha256": plan_fingerprint(plan), "models": models, "cost": cost if block.ensemble else []}
        write_checked_json(results_file(folder, name), found)
    return folder


def test_the_report_has_every_planned_arm_and_its_differences(folder):
    plan = read_plan()
    study = Study(plan, read_results(folder, plan))
    text = report(study, None)
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines() if line.startswith("| ")}
    for arm in (
        "single-task, equal epochs",
        "multi-task, fine-tuned",
        "ensemble",
        "student, unlabelled rows, 3 layers",
    ):
        assert arm in rows
    difference = study.difference("student_transfer", "multi_task", plan.trained_tasks)
    expected = paired_difference(*(study.scores(arm, plan.trained_tasks) for arm in ("student_transfer", "multi_task")))
    assert difference.by_seed == expected and expected is not None and expected.n == 12
    assert expected.mean == pytest.approx(0.02, abs=0.003) and difference.support(0.01) == "yes"
    assert difference.by_ensemble.n == 4
    assert f"{100 * expected.mean:+.2f} | {100 * expected.low:+.2f} to {100 * expected.high:+.2f}" in text
    # The ensemble's gain is 3 points over its members, the student keeps 1 of them.
    gain = math.fsum(study.ensemble_gains(plan.trained_tasks)) / 4
    student = study.difference("student", "multi_task", plan.trained_tasks).by_seed.mean
    assert f"| {student / gain:.2f} |" in text
    for start in ("plain encoder", "multi-task"):
        assert start in text.split("## Adaptation")[1]


def test_figures_are_drawn(folder, tmp_path):
    plan = read_plan()
    paths = write_figures(Study(plan, read_results(folder, plan)), tmp_path)
    assert [path.read_bytes()[:4] for path in paths] == [b"\x89PNG"] * 2


def test_a_missing_block_or_one_of_another_plan_is_refused(folder, tmp_path):
    plan = read_plan()
    for name in set(plan.blocks) - {"ensemble_2"}:
        results_file(tmp_path, name).write_bytes(results_file(folder, name).read_bytes())
    with pytest.raises(UserError, match=r"ensemble_2.json is missing; test results are read when every block is done"):
        read_results(tmp_path, plan)
    write_checked_json(results_file(tmp_path, "ensemble_2"), {"plan_sha256": "of another"})
    with pytest.raises(UserError, match=r"ensemble_2.json: results of another plan"):
        read_results(tmp_path, plan)


def test_holms_correction():
    # The example of R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm").
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
