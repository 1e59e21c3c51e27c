import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.training.config import TrainingConfig

PATHS: dict[str, Any] = {"output_dir": Path("run"), "data_dir": Path("data"), "cache_dir": Path("cache")}


@pytest.mark.parametrize(
    "fields", [{"strategy": "mirrored"}, {"strategy": "tpu"}, {"jit_compile": True}, {"recompute_activations": True}]
)
def test_one_device_without_recomputation_shares_its_cores(fields):
    assert TrainingConfig(**PATHS).splits_over_cores
    assert TrainingConfig(**PATHS, gradient_accumulation=2).splits_over_cores
    config = TrainingConfig(**PATHS, **fields, parallel_parts=None)
    assert not config.splits_over_cores
    assert config.parts_on_this_machine() == 1


def test_parts_are_one_per_core_of_the_rows_of_a_micro_batch(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    parts = {
        (): 6,
        (("gradient_accumulation", 8),): 4,
        (("batch_tokens", 1100),): 2,
        (("parallel_parts", 3),): 3,
        (("batch_size", 1),): 1,
    }
    for fields, expected in parts.items():
        assert TrainingConfig(**{**PATHS, "parallel_parts": None, **dict(fields)}).parts_on_this_machine() == expected
    config = TrainingConfig(**PATHS, gradient_accumulation=2, parallel_parts=4)
    assert config.micro_batches_and_parts == (2, 4)
    # Recomputed activations take the parts one after the other, with the same rows in each.
    assert dataclasses.replace(config, recompute_activations=True).micro_batches_and_parts == (8, 1)


def test_defaults_are_the_papers():
    config = TrainingConfig(**PATHS)
    assert (config.optimizer, config.learning_rate, config.batch_size, config.epochs) == ("adamax", 5e-5, 32, 5)
    assert (config.warmup_ratio, config.dropout, config.max_sequence_length) == (0.1, 0.1, 512)
    assert (config.distill_weight, config.temperature, config.distill_loss) == (0.5, 1.0, "cross_entropy")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"output_dir": Path()}, "--output_dir takes a folder of its own"),
        ({"epochs": 0}, "--epochs takes a whole number from 1, 0 given"),
        ({"batch_size": -1}, "--batch_size"),
        ({"gradient_accumulation": 0}, "--gradient_accumulation takes a whole number from 1, 0 given"),
        ({"gradient_accumulation": 3}, "--gradient_accumulation takes a divisor of --batch_size 32, .* 3 given"),
        ({"parallel_parts": 0}, "--parallel_parts must be auto or an integer >= 1, got 0"),
        (
            {"parallel_parts": 2, "jit_compile": True},
            "--parallel_parts must be auto or 1 with --jit_compile or a --strat",
        ),
        ({"parallel_parts": 2, "strategy": "mirrored"}, "--parallel_parts must be auto or 1 with .*, got 2"),
        ({"precision": "float16"}, "unknown --precision 'float16'"),
        ({"layer_decay": 0.0}, "--layer_decay takes a number above 0, up to 1, 0.0 given"),
        ({"batch_tokens": 0}, "--batch_tokens takes a whole number from 1, 0 given"),
        ({"learning_rate": 0.0}, "--learning_rate takes a number above 0"),
        ({"learning_rate": float("nan")}, "--learning_rate"),
        ({"dropout": 1.0}, "--dropout takes a number from 0 to below 1"),
        ({"warmup_ratio": -0.1}, "--warmup_ratio"),
        ({"max_train_examples": 0}, "--max_train_examples"),
        ({"sampler": "proportionl"}, "did you mean 'proportional'"),
        ({"sampler_power": 0.5}, "--sampler_power goes with --sampler=power"),
        ({"task_weights": ("rte:-1",)}, "--task_weights"),
        ({"train_fraction": 0.0}, "--train_fraction takes a number above 0, up to 1, 0.0 given"),
        ({"train_fraction": 1.5}, "--train_fraction"),
        ({"subset_seed": -1}, "--subset_seed takes a whole number from 0"),
        ({"folds": 2}, "--folds and --held_out_fold go together, --folds alone given"),
        ({"held_out_fold": 0}, "go together, --held_out_fold alone given"),
        ({"folds": 1, "held_out_fold": 0}, "--folds takes a whole number from 2, 1 given"),
        ({"folds": 3, "held_out_fold": 3}, "--held_out_fold takes a whole number from 0 to 2, below --folds; 3 given"),
        ({"folds": 3, "held_out_fold": -1}, "--held_out_fold takes"),
        ({"evaluation": "always"}, "unknown --evaluation 'always'"),
        ({"transfer_splits": ("test", "test")}, "--transfer_splits takes different splits beside train, test,test"),
        ({"distill_weight": 2.0}, "--distill_weight takes a number from 0 to 1"),
    ],
)
def test_values_out_of_range_are_refused(fields, message):
    with pytest.raises(UserError, match=message):
        TrainingConfig(**{**PATHS, **fields})


def test_a_flagfile_has_every_field_that_is_set():
    config = TrainingConfig(**PATHS, tasks=("rte", "mrpc"), task_file=(Path("a"), Path("b")), deterministic=False)
    lines = config.to_flagfile().splitlines()
    assert {"--tasks=rte,mrpc", "--task_file=a", "--task_file=b", "--nodeterministic", "--epochs=5"} <= set(lines)
    assert not any("init_from" in line or "max_train_examples" in line or "fold" in line for line in lines)
    config = TrainingConfig(**PATHS, folds=3, held_out_fold=0)
    assert {"--folds=3", "--held_out_fold=0"} <= set(config.to_flagfile().splitlines())


def test_places_may_change_when_a_run_is_continued_and_settings_may_not():
    decisive = TrainingConfig(**PATHS).decisive_fields()
    assert not {"output_dir", "data_dir", "cache_dir", "checkpoint_interval"} & decisive.keys()
    assert {"seed", "epochs", "learning_rate", "dropout", "strategy", "distill_weight", "optimizer"} <= decisive.keys()
    assert {"folds", "held_out_fold"} <= decisive.keys()


def test_a_smaller_fraction_is_part_of_a_larger_and_the_subset_has_a_seed_of_its_own():
    def rows(**fields):
        return set(TrainingConfig(**PATHS, **fields).train_rows(549_367))

    tenth, hundredth, thousandth = (rows(train_fraction=fraction) for fraction in (0.1, 0.01, 0.001))
    assert (len(thousandth), len(hundredth), len(tenth)) == (549, 5_494, 54_937)
    assert thousandth < hundredth < tenth
    assert rows(max_train_examples=300) < thousandth
    assert rows(train_fraction=0.001, seed=5) == thousandth
    assert len(rows(train_fraction=0.001, subset_seed=5) & thousandth) < 20


def test_fields_that_an_older_run_had_not_are_their_defaults():
    assert TrainingConfig.default_fields() == TrainingConfig(**PATHS).decisive_fields()
