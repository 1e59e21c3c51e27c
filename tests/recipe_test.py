import dataclasses
import json

import numpy as np
import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.metrics import compute_metrics
from mtdnn_tf.evaluation.runs import predict_with_runs
from mtdnn_tf.recipe import RecipeConfig, run_recipe
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.training.config import TrainingConfig
from tests.helpers import write_huggingface_folder, write_tasks


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recipe")
    write_huggingface_folder(folder / "bert")
    base = TrainingConfig(
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
    return RecipeConfig(base, dropouts=(0.0, 0.2), teacher_tasks=("mood", "similarity"), single_task=True)


def _written(folder):
    return {
        path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and "report" not in path.parts
    }


def test_every_stage_is_run_once_and_the_table_has_every_model(config):
    results = run_recipe(config)
    folder = config.base.output_dir
    assert list(results) == [
        "single-task",
        "teacher 1 (dropout 0)",
        "teacher 2 (dropout 0.2)",
        "ensemble of 2",
        "multi-task",
        "distilled student",
    ]
    assert all(metrics.keys() == {"mood", "entailment", "similarity"} for metrics in results.values())
    assert json.loads((folder / "report" / "results.json").read_text()) == results
    assert {path.name for path in (folder / "soft_targets").iterdir()} == {
        *("mood", "mood-test", "similarity", "similarity-test"),
    }
    assert (folder / "export" / "1" / "saved_model.pb").is_file()
    student = json.loads((folder / "student" / "config.json").read_text())
    layers = {
        name: json.loads((folder / name / "model" / "model.json").read_text())["backbone"]["num_layers"]
        for name in ("single_task/mood", "teachers/1", "multi_task", "student")
    }
    assert layers == {"single_task/mood": 2, "teachers/1": 2, "multi_task": 1, "student": 1}
    assert student["soft_targets"].keys() == {"mood", "mood/test", "similarity", "similarity/test"}
    assert student["distill_variance_weighting"]

    written = _written(folder)
    assert run_recipe(config) == results
    assert _written(folder) == written


def test_the_ensemble_is_the_mean_of_its_teachers(config):
    results = run_recipe(config)
    base = config.base
    tasks = select_tasks(["entailment"], base.task_file)
    teachers = [base.output_dir / "teachers" / str(number) for number in (1, 2)]
    alone = [predict_with_runs([run], tasks, [], base.source, base.cache_dir)[0]["entailment"] for run in teachers]
    mean = (alone[0].predictions.astype(np.float64) + alone[1].predictions) / 2
    assert results["ensemble of 2"]["entailment"] == compute_metrics(
        tasks[0], mean, np.asarray(alone[0].encoded.labels)
    )


def test_settings_that_do_not_fit_are_refused(config):
    with pytest.raises(UserError, match="--teacher_tasks: rte is not among --tasks"):
        run_recipe(dataclasses.replace(config, teacher_tasks=("rte",)))
    for change, message in (
        ({"transfer_splits": ("tests",)}, "split of --transfer_splits 'tests'; did you mean 'test'"),
        ({"tasks": ("mood", "entailment")}, "weights examples of regression; soft targets of mood given"),
    ):
        base = dataclasses.replace(config.base, **change)
        with pytest.raises(UserError, match=message):
            run_recipe(dataclasses.replace(config, base=base, teacher_tasks=("mood",)))
    with pytest.raises(UserError, match="--dropouts takes one number a teacher"):
        dataclasses.replace(config, dropouts=())
    with pytest.raises(UserError, match="bert has 2 layers; a count of 3 given"):
        run_recipe(dataclasses.replace(config, base=dataclasses.replace(config.base, student_layers=(3,))))
    with pytest.raises(UserError, match="holds a run that differs"):
        run_recipe(dataclasses.replace(config, base=dataclasses.replace(config.base, epochs=2)))
