import dataclasses
import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.measures.metrics import compute_metrics
from mtdnn_tf.evaluation.runs import predict_with_runs
from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.recipe.results import models_json
from mtdnn_tf.recipe.run import plan, run_recipe
from mtdnn_tf.training.config import TrainingConfig
from tests.helpers import write_huggingface_folder, write_tasks

STUDENTS = ("student/seed_3", "student/seed_4")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    write_huggingface_folder(folder / "bert")
    base = TrainingConfig.build(
        output_dir=folder / "out",
        data_dir=folder,
        cache_dir=folder / "cache",
        task_file=(write_tasks(folder / "tasks"),),
        max_sequence_length=32,
        backbone=str(folder / "bert"),
        student_layers=(1,),
        epochs=1,
        batch_size=8,
        learning_rate=0.01,
        evaluation="end",
        transfer_splits=("test",),
        distill_variance_weighting=True,
    )
    return RecipeConfig(
        base,
        dropouts=(0.0, 0.2, 0.1),
        top_k=2,
        selection_tasks=("mood",),
        teacher_tasks=("mood", "similarity"),
        fine_tune_teachers=True,
        fine_tune_epochs=2,
        seeds=(3, 4),
    )


def _written(folder):
    return {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("results.")
    }


def test_the_plan_counts_steps_and_runs_nothing(config):
    lines = plan(config).splitlines()
    # 40 rows a task in batches of 8: 15 steps all tasks, 5 steps an epoch of one.
    steps = {line.split(":")[0]: line.split()[-1] for line in lines[1:-1]}
    assert list(steps) == [
        *("teachers/1", "teachers/2", "teachers/3", "selection.json"),
        *("fine_tuned_teachers/mood/1", "fine_tuned_teachers/mood/2"),
        *("fine_tuned_teachers/similarity/1", "fine_tuned_teachers/similarity/2"),
        *("soft_targets/mood", "soft_targets/similarity", "soft_targets/mood-test", "soft_targets/similarity-test"),
        *("multi_task/seed_3", "student/seed_3", "multi_task/seed_4", "student/seed_4"),
    ]
    assert [count for count in steps.values() if count != "-"] == ["15"] * 3 + ["10"] * 4 + ["15"] * 4
    assert lines[-1].split() == ["all", "145", "145", "to", "do"]
    assert not config.base.output_dir.exists()


def test_folds_are_planned_for_every_kept_teacher(config):
    lines = plan(dataclasses.replace(config, folds=2, top_k=1, teacher_tasks=("similarity",))).splitlines()
    steps = {line.split(":")[0]: line.split()[-1] for line in lines[1:-1]}
    of_folds = {name: count for name, count in steps.items() if "folds" in name}
    assert list(of_folds) == [
        *("folds/1/without_0", "fine_tuned_folds/similarity/1/without_0"),
        *("folds/1/without_1", "fine_tuned_folds/similarity/1/without_1"),
    ]
    # About half of the rows each, in batches of 8: fewer steps than with all rows.
    assert all(0 < int(count) < (15 if name.startswith("folds") else 10) for name, count in of_folds.items())


def test_every_stage_is_run_once_and_the_table_has_every_model(config):
    outcome = run_recipe(config)
    results = outcome.results
    folder = config.base.output_dir
    kept = json.loads((folder / "selection.json").read_text())["kept"]
    assert [model.name for model in results] == [
        "teacher 1 (dropout 0)",
        "teacher 2 (dropout 0.2)",
        "teacher 3 (dropout 0.1)",
        *(f"teacher {number}, fine-tuned" for number in kept),
        "ensemble of 2",
        "multi-task",
        "distilled student",
    ]
    assert [sorted(run.seed for run in model.runs) for model in results] == [
        [1],
        [2],
        [3],
        [kept[0]],
        [kept[1]],
        [0],
        [3, 4],
        [3, 4],
    ]
    for model in results:
        answered = {"mood", "similarity"} if "fine-tuned" in model.name else {"mood", "entailment", "similarity"}
        assert all(set(run.metrics) == answered for run in model.runs)
    written_results = json.loads((folder / "results.json").read_text())
    assert written_results["models"] == json.loads(json.dumps(models_json(results)))
    assert {name: gain["tasks"] for name, gain in written_results["gains"].items()} == {
        "with": ["mood", "similarity"],
        "without": ["entailment"],
        "all": ["mood", "entailment", "similarity"],
    }
    of_student = written_results["models"][-1]["runs"]
    accuracies = [run["metrics"]["entailment"]["accuracy"] for run in of_student]
    assert written_results["gains"]["without"]["student"] == pytest.approx(sum(accuracies) / 2)
    assert {path.name for path in (folder / "soft_targets").iterdir()} == {
        *("mood", "mood-test", "similarity", "similarity-test"),
    }
    for place, number in enumerate(kept, start=1):
        made = json.loads((folder / "fine_tuned_teachers" / "mood" / str(place) / "config.json").read_text())
        teacher = json.loads((folder / "teachers" / str(number) / "config.json").read_text())
        assert (made["dropout"], made["seed"], made["epochs"]) == (teacher["dropout"], teacher["seed"], 2)
    assert (folder / "export" / "1" / "saved_model.pb").is_file()
    student = json.loads((folder / "student" / "seed_3" / "config.json").read_text())
    layers = {
        name: json.loads((folder / name / "model" / "model.json").read_text())["backbone"]["num_layers"]
        for name in ("teachers/1", "fine_tuned_teachers/mood/1", "multi_task/seed_3", "student/seed_4")
    }
    assert list(layers.values()) == [2, 2, 1, 1]
    assert student["soft_targets"].keys() == {"mood", "mood/test", "similarity", "similarity/test"}
    assert student["distill_variance_weighting"]
    seconds = json.loads((folder / "logs" / "seconds.json").read_text())
    assert len(seconds) == 16 + len(["_sha256"])

    written = _written(folder)
    assert run_recipe(config) == outcome
    assert _written(folder) == written
    assert plan(config).splitlines()[-1].split() == ["all", "145", "0", "to", "do"]


def _weights_of(run):
    return sum(array.size for array in load_file(run / "model" / "weights.safetensors").values())


def test_the_report_has_what_an_answer_costs(config):
    run_recipe(config)
    folder = config.base.output_dir
    report = json.loads((folder / "report" / "report.json").read_text())
    assert report["cost"]["length"] == 32
    costs = {row["name"]: row for row in report["cost"]["rows"]}
    assert list(costs) == [
        *("mood: ensemble of 2", "mood: student", "all 3 tasks: ensembles", "all 3 tasks: student"),
    ]
    tuned = {task: folder / "fine_tuned_teachers" / task for task in ("mood", "similarity")}
    kept = json.loads((folder / "selection.json").read_text())["kept"]
    of_mood = sum(_weights_of(tuned["mood"] / str(place)) for place in (1, 2))
    of_similarity = sum(_weights_of(tuned["similarity"] / str(place)) for place in (1, 2))
    of_entailment = sum(_weights_of(folder / "teachers" / str(number)) for number in kept)
    student = _weights_of(folder / "student" / "seed_3")
    assert [row["parameters"] for row in costs.values()] == [
        *(of_mood, student, of_mood + of_similarity + of_entailment, student),
    ]
    # Blocks of width 16 and feed-forward width 32 over 32 word pieces: 2 in a teacher, 1 in the student.
    block, pooler = 8 * 32 * 16**2 + 4 * 32**2 * 16 + 4 * 32 * 16 * 32, 2 * 16**2
    # Linear heads read the first position; the last block has keys and values of all.
    last = 4 * 32 * 16**2 + 4 * 16**2 + 4 * 32 * 16 + 4 * 16 * 32
    mood, entailment, similarity = (2 * 16 * outputs for outputs in (2, 3, 1))
    assert [row["flops"] for row in costs.values()] == [
        2 * (block + last + pooler + mood),
        last + pooler + mood,
        2 * (3 * (block + last + pooler) + mood + entailment + similarity),
        last + pooler + mood + entailment + similarity,
    ]
    assert "What an answer to 32 word pieces costs." in (folder / "report" / "index.html").read_text()


def test_the_ensemble_is_the_mean_of_its_fine_tuned_teachers(config):
    results = {model.name: model for model in run_recipe(config).results}
    base = config.base
    (task,) = [task for task in config.base.data.selected_tasks() if task.name == "mood"]
    teachers = [base.output_dir / "fine_tuned_teachers" / "mood" / str(place) for place in (1, 2)]
    alone = [predict_with_runs([run], [task], [], base.data.task_data())["mood"] for run in teachers]
    mean = (alone[0].predictions.astype(np.float64) + alone[1].predictions) / 2
    expected = compute_metrics(task, mean, np.asarray(alone[0].encoded.labels))
    assert results["ensemble of 2"].runs[0].metrics["mood"] == expected
    trained = [
        predict_with_runs([run], [task], ["train"], base.data.task_data())["mood/train"].predictions for run in teachers
    ]
    stored = np.load(base.output_dir / "soft_targets" / "mood" / "predictions.npy")
    np.testing.assert_allclose(stored, (trained[0] + trained[1]) / 2, atol=1e-6)


def test_the_report_shows_what_plain_python_makes_of_the_files(config):
    run_recipe(config)
    folder = config.base.output_dir
    report = json.loads((folder / "report" / "report.json").read_text())
    scores = {}
    for role in ("multi_task", "student"):
        for seed in (3, 4):
            metrics = json.loads((folder / role / f"seed_{seed}" / "metrics" / "validation.json").read_text())
            del metrics["_sha256"]
            scores[role, seed] = [sum(values.values()) / len(values) for values in metrics.values()]
    differences = [np.mean(scores["student", seed]) - np.mean(scores["multi_task", seed]) for seed in (3, 4)]
    (found,) = [
        d for d in report["differences"] if (d["label"], d["task"]) == ("distilled student - multi-task", "average")
    ]
    assert (found["mean"], found["n"]) == (pytest.approx(np.mean(differences)), 2)
    assert found["high"] - found["mean"] == pytest.approx(12.7062 * np.std(differences, ddof=1) / np.sqrt(2), rel=1e-4)

    lines = (folder.parent / "tasks" / "mood_validation.tsv").read_text().splitlines()[1:]
    gold = np.array([["bad", "good"].index(line.split("\t")[1]) for line in lines])
    stored = {name: np.load(folder / "predictions" / name / "mood.npy") for name in ("ensemble", *STUDENTS)}
    (reliability,) = [r for r in report["reliability"] if (r["model"], r["task"]) == ("distilled student", "mood")]
    nlls = [-np.log(stored[name][np.arange(40), gold].astype(float)).mean() for name in STUDENTS]
    assert reliability["nll"] == pytest.approx(nlls, rel=1e-5)
    assert sum(of["count"] for of in reliability["bins"]) == 80
    (fidelity,) = [f for f in report["fidelity"] if f["task"] == "mood"]
    same = [(stored[name].argmax(1) == stored["ensemble"].argmax(1)).mean() for name in STUDENTS]
    assert fidelity["agreement"] == pytest.approx(same)
    assert fidelity["has_teacher"]
    assert [task["has_teacher"] for task in report["tasks"]] == [True, False, True]
    assert "--teacher_tasks=mood,similarity\n" in report["flags"]
    assert {"encoder", "soft targets of mood", "data of entailment"} <= set(report["fingerprints"])


def test_soft_targets_of_other_teachers_are_made_anew(config):
    run_recipe(config)
    store = config.base.output_dir / "soft_targets" / "mood"
    before = (store / "manifest.json").read_text()
    manifest = json.loads(before)
    assert len(manifest["teachers"]) == 2
    other = dataclasses.replace(config, top_k=1)
    with pytest.raises(UserError, match=r"holds a run that differs .*soft_targets"):
        run_recipe(other)
    assert len(json.loads((store / "manifest.json").read_text())["teachers"]) == 1


def test_other_settings_are_refused(config):
    with pytest.raises(UserError, match="holds a run that differs"):
        run_recipe(dataclasses.replace(config, base=config.base.replace(epochs=2)))


def test_student_and_baseline_are_fine_tuned_alike_and_compared(config):
    tuned = dataclasses.replace(config, fine_tune_student=True, seeds=(3,))
    results = {model.name: model for model in run_recipe(tuned).results}
    assert list(results)[-4:] == [
        *("multi-task", "multi-task, fine-tuned", "distilled student", "distilled student, fine-tuned")
    ]
    folder = config.base.output_dir
    for task in ("mood", "entailment", "similarity"):
        student, baseline = (
            json.loads((folder / f"fine_tuned_{model}" / task / "seed_3" / "config.json").read_text())
            for model in ("student", "multi_task")
        )
        assert [name for name in student if student[name] != baseline[name]] == ["backbone_weights", "_sha256"]
        metrics = results["multi-task, fine-tuned"].runs[0].metrics[task]
        run = folder / "fine_tuned_multi_task" / task / "seed_3" / "metrics" / "validation.json"
        assert metrics == json.loads(run.read_text())[task]
    report = json.loads((folder / "report" / "report.json").read_text())
    names = {difference["label"] for difference in report["differences"]}
    assert "distilled student, fine-tuned - multi-task, fine-tuned" in names
