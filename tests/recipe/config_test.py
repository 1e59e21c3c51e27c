import dataclasses
from pathlib import Path
from typing import Any

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.heads import choose_heads
from mtdnn_tf.recipe.config import RecipeConfig, check_recipe
from mtdnn_tf.tasks.registry import get_task
from mtdnn_tf.training.config import TrainingConfig
from tests.helpers import write_tasks


@pytest.fixture
def config(tmp_path):
    base = TrainingConfig.build(
        output_dir=tmp_path / "out",
        data_dir=tmp_path,
        cache_dir=tmp_path / "cache",
        task_file=(write_tasks(tmp_path / "tasks"),),
        backbone="tiny",
        seed=7,
    )
    return RecipeConfig(base, dropouts=(0.1, 0.2), teacher_backbones=("tiny", "other"))


def test_the_grid_is_every_encoder_with_every_dropout(config):
    assert config.grid == [("tiny", 0.1), ("tiny", 0.2), ("other", 0.1), ("other", 0.2)]
    assert config.kept == 4
    assert dataclasses.replace(config, teacher_backbones=()).grid == [("tiny", 0.1), ("tiny", 0.2)]


def test_a_fine_tuning_is_of_the_base_but_for_what_is_given(config):
    assert config.fine_tuning == config.base
    tuned = dataclasses.replace(config, fine_tune_epochs=9, fine_tune_learning_rate=0.25).fine_tuning
    assert (tuned.optimization.epochs, tuned.optimization.learning_rate) == (9, 0.25)
    student = config.base.replace(student_layers=(1,), student_dim=8, transfer_splits=("test",))
    tuned = dataclasses.replace(config, base=student).fine_tuning
    kept = tuned.encoder.student_layers, tuned.encoder.student_dim, tuned.distillation.transfer_splits
    assert kept == (None, None, ())


def test_seeds_are_the_bases_if_none_are_given(config):
    assert config.all_seeds == (7,)
    assert dataclasses.replace(config, seeds=(1, 2)).all_seeds == (1, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dropouts": ()}, "`dropouts` must be one number per teacher"),
        ({"top_k": 5}, "`top_k` must be <= 4, the number of teachers, got 5"),
        ({"top_k": 0}, "`top_k` must be an integer >= 1, got 0"),
        ({"folds": 1}, "`teacher_folds` must be an integer >= 2, got 1"),
        ({"seeds": (1, 2, 1)}, "`seeds` must be different numbers, got 1,2,1"),
        ({"seeds": (-1,)}, "`seeds` must be integers >= 0 and <= 4294967295, got -1"),
        ({"dropouts": (0.1, 1.0)}, "`dropouts` must be numbers >= 0 and < 1, got 0.1,1.0"),
        ({"fine_tune_epochs": 0}, "`fine_tune_epochs` must be an integer >= 1, got 0"),
        ({"fine_tune_learning_rate": 2.0}, "`fine_tune_learning_rate` must be a number > 0 and < 1, got 2.0"),
    ],
)
def test_what_does_not_fit_is_refused(config, change, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(config, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"evaluation": "never"}, "`evaluation` must be every_epoch or end"),
        ({"soft_targets": (Path("x"),)}, "`soft_targets` must not be given: the recipe makes them"),
        ({"folds": 2, "held_out_fold": 0}, "the recipe's number of folds"),
        ({"keep_best_by": ("rte",), "evaluation": "every_epoch"}, "`keep_best_by` must be all in a recipe, got rte"),
    ],
)
def test_a_base_that_does_not_fit_is_refused(config, change, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(config, base=config.base.replace(**change))


def test_what_needs_the_tasks_or_the_encoder_is_refused_before_the_first_training(config):
    with pytest.raises(UserError, match="`teacher_tasks`: rte is not among `tasks`"):
        check_recipe(dataclasses.replace(config, teacher_tasks=("rte",)))
    with pytest.raises(UserError, match="`selection_tasks`: mnli, rte is not among `tasks`"):
        check_recipe(dataclasses.replace(config, selection_tasks=("mood", "mnli", "rte")))
    changes: list[tuple[dict[str, Any], str]] = [
        ({"transfer_splits": ("tests",)}, "split of `transfer_splits` 'tests'; did you mean 'test'"),
        ({"distill_variance_weighting": True}, "needs soft targets of a regression, got mood"),
        ({"student_layers": (3,)}, "tiny has 2 layers, got a count of 3"),
        ({"student_dim": 4}, "`student_dim` must be a multiple of 8, the width of a head of tiny, .* got 4"),
    ]
    for change, message in changes:
        base = config.base.replace(**change)
        with pytest.raises(UserError, match=message):
            check_recipe(dataclasses.replace(config, base=base, teacher_tasks=("mood",)))
    check_recipe(config)


def test_teachers_are_not_chosen_by_tasks_without_development_rows(config, tmp_path):
    path = tmp_path / "tasks" / "tasks.yaml"
    path.write_text(path.read_text().replace("validation: mood_validation.tsv, ", ""))
    check_recipe(dataclasses.replace(config, top_k=2))
    check_recipe(dataclasses.replace(config, top_k=4, selection_tasks=("mood",)))
    check_recipe(dataclasses.replace(config, top_k=2, selection_tasks=("mood", "similarity")))
    with pytest.raises(
        UserError, match="`top_k=2` of 4 teachers needs `selection_tasks` with a development split, got mood"
    ):
        check_recipe(dataclasses.replace(config, top_k=2, selection_tasks=("mood",)))
    with pytest.raises(UserError, match="compares models on development splits, and mood has none"):
        check_recipe(dataclasses.replace(config, base=config.base.replace(tasks=("mood",))))


@pytest.mark.parametrize("preset", ["paper_base", "paper_large"])
def test_the_papers_presets_have_san_for_all_classification_of_pairs(preset):
    lines = (Path(__file__).parents[2] / "flags" / "presets" / f"{preset}.flags").read_text().splitlines()
    flags = dict(line.lstrip("-").split("=", 1) for line in lines if line.startswith("--") and "=" in line)
    tasks = [get_task(name) for name in flags["tasks"].split(",")]
    heads = {
        task.name: task.head for task in choose_heads(tasks, {task.name: 2490 for task in tasks}, flags["pair_head"])
    }
    assert {name for name, head in heads.items() if head == "san"} == {"mnli", "qqp", "qnli", "rte", "mrpc"}
