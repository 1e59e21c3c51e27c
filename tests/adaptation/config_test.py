from __future__ import annotations

import dataclasses

import pytest

from mtdnn_tf.adaptation.config import AdaptationConfig, check_starts
from mtdnn_tf.errors import UserError
from mtdnn_tf.training.config import TrainingConfig
from tests.helpers import write_huggingface_folder, write_tasks


@pytest.fixture(name="config")
def _config(tmp_path):
    write_huggingface_folder(tmp_path / "bert")
    base = TrainingConfig.build(
        output_dir=tmp_path / "out",
        data_dir=tmp_path,
        cache_dir=tmp_path / "cache",
        tasks=("mood",),
        task_file=(write_tasks(tmp_path / "tasks"),),
        max_sequence_length=32,
        backbone=str(tmp_path / "bert"),
    )
    return AdaptationConfig(base, {"bert": str(tmp_path / "bert")})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"starts": {}}, "`starts` must name one or more runs"),
        ({"starts": {"a/b": "x"}}, "got 'a/b'"),
        ({"starts": {"plain_bert": "x"}}, "not be plain_bert"),
        ({"fractions": (0.1, 0.0)}, "`fractions` must be numbers > 0 and <= 1, got 0.1,0.0"),
        ({"fractions": (1.01,)}, "got 1.01"),
        ({"fractions": (float("nan"),)}, "got nan"),
        ({"fractions": ()}, "`fractions` must be one or more different numbers, got none"),
        ({"fractions": (0.1, 0.1)}, "different numbers, got 0.1,0.1"),
        ({"subset_seeds": ()}, "`subset_seeds` must be one or more different numbers, got none"),
        ({"subset_seeds": (1, 1)}, "got 1,1"),
        ({"subset_seeds": (-1,)}, "got -1"),
        ({"min_steps": 0}, "`min_steps` must be an integer >= 1, got 0"),
    ],
)
def test_settings_that_are_refused(config, change, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(config, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_fraction": 0.1}, "`train_fraction` is not accepted by an adaptation; `fractions`"),
        ({"max_train_examples": 9}, "`max_train_examples` is not accepted .* `fractions`"),
        ({"subset_seed": 3}, "`subset_seed` is not accepted .* `subset_seeds`"),
        ({"transfer_splits": ("test",)}, "`transfer_splits` is not accepted"),
        ({"keep_best_by": ("all",), "evaluation": "every_epoch"}, "`keep_best_by` is not accepted .* of the last step"),
        ({"evaluation": "never"}, "`evaluation` must be every_epoch or end"),
    ],
)
def test_settings_of_a_training_that_are_refused(config, change, message):
    with pytest.raises(UserError, match=message):
        dataclasses.replace(config, base=config.base.replace(**change))


def test_a_task_without_a_development_split_is_refused(config, tmp_path):
    path = tmp_path / "tasks" / "tasks.yaml"
    path.write_text(path.read_text().replace("validation: mood_validation.tsv, ", ""))
    with pytest.raises(UserError, match="task mood must have a development split, on which"):
        dataclasses.replace(config)


@pytest.mark.parametrize(
    ("tasks", "message"),
    [((), "one task, got 3: mood, entailment, similarity"), (("mod",), "did you mean"), (("ax",), "another's head")],
)
def test_one_task_with_a_head_of_its_own_is_needed(config, tasks, message):
    with pytest.raises(UserError, match=message):
        _ = dataclasses.replace(config, base=config.base.replace(tasks=tasks)).task


def test_encoders_are_looked_at_before_the_first_training(config, tmp_path):
    check_starts(config)
    with pytest.raises(UserError, match="unknown backbone"):
        check_starts(dataclasses.replace(config, starts={"none": str(tmp_path / "none")}))
    # The plain encoder has as many layers as are asked for, the run has not.
    write_huggingface_folder(tmp_path / "deep", layers=4)
    base = config.base.replace(backbone=str(tmp_path / "deep"), student_layers=(3,))
    with pytest.raises(UserError, match="count of 3"):
        check_starts(dataclasses.replace(config, base=base))
    with pytest.raises(UserError, match="`student_dim` must be a multiple of"):
        check_starts(dataclasses.replace(config, base=config.base.replace(student_dim=3)))
