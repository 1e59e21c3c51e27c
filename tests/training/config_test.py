import os
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.training.config import TrainingConfig

PATHS: dict[str, Any] = {"output_dir": Path("run"), "data_dir": Path("data"), "cache_dir": Path("cache")}


@pytest.mark.parametrize(
    "fields", [{"strategy": "mirrored"}, {"strategy": "tpu"}, {"jit_compile": True}, {"recompute_activations": True}]
)
def test_one_device_without_recomputation_shares_its_cores(fields):
    assert TrainingConfig.build(**PATHS).splits_over_cores
    assert TrainingConfig.build(**PATHS, gradient_accumulation=2).splits_over_cores
    config = TrainingConfig.build(**PATHS, **fields)
    assert not config.splits_over_cores
    assert config.parts_on_this_machine() == 1


def test_parts_are_one_per_core_of_the_rows_of_a_micro_batch(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 1)
    parts = {
        (): 6,
        (("gradient_accumulation", 8),): 4,
        (("batch_tokens", 1100),): 2,
        (("parallel_parts", 3),): 3,
        (("batch_size", 1),): 1,
    }
    for fields, expected in parts.items():
        assert TrainingConfig.build(**PATHS, **dict(fields)).parts_on_this_machine() == expected
    config = TrainingConfig.build(**PATHS, gradient_accumulation=2, parallel_parts=4)
    assert config.micro_batches_and_parts == (2, 4)
    # Recomputed activations take the parts one after the other, with the same rows in each.
    assert config.replace(recompute_activations=True).micro_batches_and_parts == (8, 1)


def test_operations_of_several_threads_leave_nothing_for_parts(monkeypatch):
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 0)
    assert TrainingConfig.build(**PATHS).parts_on_this_machine() == 1


def test_defaults_are_the_papers():
    config = TrainingConfig.build(**PATHS)
    values = config.values()
    assert [values[name] for name in ("optimizer", "learning_rate", "batch_size", "epochs")] == ["adamax", 5e-5, 32, 5]
    assert [values[name] for name in ("warmup_ratio", "dropout", "max_sequence_length")] == [0.1, 0.1, 512]
    assert (config.distillation.first_weight, values["temperature"], values["distill_loss"]) == (
        0.5,
        1,
        "cross_entropy",
    )


def test_the_weight_of_the_distilled_loss_is_that_of_its_schedule_unless_it_is_given():
    linear = TrainingConfig.build(**PATHS, distill_schedule="linear")
    assert (linear.distillation.first_weight, linear.decisive_fields()["distill_weight"]) == (1.0, 1.0)
    assert linear.replace(distill_weight=0.25).decisive_fields()["distill_weight"] == 0.25


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"output_dir": Path()}, "`output_dir` must be a folder of its own"),
        ({"epochs": 0}, "`epochs` must be an integer >= 1, got 0"),
        ({"batch_size": -1}, "`batch_size` must be an integer >= 1, got -1"),
        ({"gradient_accumulation": 0}, "`gradient_accumulation` must be an integer >= 1, got 0"),
        ({"gradient_accumulation": 3}, "`gradient_accumulation` must divide `batch_size` 32, .* got 3"),
        ({"parallel_parts": 0}, "`parallel_parts` must be an integer >= 1 and <= 1024, got 0"),
        (
            {"parallel_parts": 2, "jit_compile": True},
            "`parallel_parts` must be auto or 1 with `jit",
        ),
        ({"parallel_parts": 2, "strategy": "mirrored"}, "`parallel_parts` must be auto or 1 with .*, got 2"),
        ({"precision": "float16"}, "unknown `precision` 'float16'"),
        ({"layer_decay": 0.0}, "`layer_decay` must be a number > 0 and <= 1, got 0.0"),
        ({"batch_tokens": 0}, "`batch_tokens` must be an integer >= 1, got 0"),
        ({"learning_rate": 0.0}, "`learning_rate` must be a number > 0 and < 1, got 0.0"),
        ({"learning_rate": float("nan")}, "`learning_rate` must .* got nan"),
        ({"dropout": 1.0}, "`dropout` must be a number >= 0 and < 1, got 1.0"),
        ({"warmup_ratio": -0.1}, "`warmup_ratio`"),
        ({"seed": 2**32}, "`seed` must be an integer >= 0 and <= 4294967295, got 4294967296"),
        ({"max_train_examples": 0}, "`max_train_examples`"),
        ({"sampler": "proportionl"}, "did you mean 'proportional'"),
        ({"sampler_power": 0.5}, "`sampler_power` needs `sampler=power`"),
        ({"task_weights": ("rte:-1",)}, "`task_weights`"),
        ({"train_fraction": 1.5}, "`train_fraction` must be a number > 0 and <= 1, got 1.5"),
        ({"subset_seed": -1}, "`subset_seed` must be an integer >= 0"),
        ({"folds": 2}, "`folds` and `held_out_fold` must be given together, got only `folds`"),
        ({"held_out_fold": 0}, "must be given together, got only `held_out_fold`"),
        ({"folds": 1, "held_out_fold": 0}, "`folds` must be an integer >= 2, got 1"),
        ({"folds": 3, "held_out_fold": 3}, "`held_out_fold` must be an integer from 0 to 2, got 3"),
        ({"folds": 3, "held_out_fold": -1}, "`held_out_fold` must be"),
        ({"evaluation": "always"}, "unknown `evaluation` 'always'"),
        ({"student_layers": (1, 1)}, "`student_layers`"),
        ({"student_dim": 1}, "`student_dim` must be an integer >= 2, got 1"),
        (
            {"transfer_splits": ("test", "test")},
            "`transfer_splits` must be different splits other than train, got test,t",
        ),
        ({"distill_weight": 2.0}, "`distill_weight` must be a number >= 0 and <= 1, got 2.0"),
        ({"temperature": 0.0}, "`temperature` must be a number >= 0.01 and <= 1000, got 0"),
        ({"temperature": 1e25}, "`temperature` must be a number >= 0.01 and <= 1000, got 1e.25"),
        ({"distill_loss": "ce"}, "unknown `distill_loss` 'ce'"),
        ({"strategy": "tup"}, "unknown `strategy` 'tup'; did you mean 'tpu'"),
        ({"tpu": "grpc://h:1"}, "`tpu=grpc://h:1` needs `strategy=tpu`, got `strategy=off`"),
        ({"steps_per_execution": 2}, "`steps_per_execution=2` needs `jit_compile` or `strategy=tpu`"),
        ({"steps_per_execution": 0, "jit_compile": True}, "`steps_per_execution` must be an integer >= 1, got 0"),
        ({"jit_compile": True, "strategy": "mirrored"}, "needs `strategy=off` or tpu, got `strategy=mirrored`"),
        (
            {"jit_compile": True, "optimizer": "lazyadam"},
            "`jit_compile` needs `optimizer=adamax or adamw`, got lazyadam",
        ),
        ({"strategy": "tpu", "optimizer": "lamb"}, "`strategy=tpu` needs `optimizer=adamax or adamw`, got lamb"),
        ({"strategy": "tpu", "precision": "mixed_float16"}, "float32 or mixed_bfloat16`, got mixed_float16"),
        ({"jit_compile": True, "steps_per_execution": 3}, "must be a multiple of `steps_per_execution` 3, got 500"),
    ],
)
def test_values_out_of_range_are_refused(fields, message):
    with pytest.raises(UserError, match=message):
        TrainingConfig.build(**{**PATHS, **fields})


def test_a_flagfile_has_every_field_that_is_set():
    config = TrainingConfig.build(**PATHS, tasks=("rte", "mrpc"), task_file=(Path("a"), Path("b")), deterministic=False)
    lines = config.to_flagfile().splitlines()
    assert {"--tasks=rte,mrpc", "--task_file=a", "--task_file=b", "--nodeterministic", "--epochs=5"} <= set(lines)
    assert not any("init_from" in line or "max_train_examples" in line or "fold" in line for line in lines)
    config = TrainingConfig.build(**PATHS, folds=3, held_out_fold=0)
    assert {"--folds=3", "--held_out_fold=0"} <= set(config.to_flagfile().splitlines())


def test_places_may_change_when_a_run_is_continued_and_settings_may_not():
    decisive = TrainingConfig.build(**PATHS).decisive_fields()
    assert not {"output_dir", "data_dir", "cache_dir", "checkpoint_interval"} & decisive.keys()
    assert {"seed", "epochs", "learning_rate", "dropout", "strategy", "distill_weight", "optimizer"} <= decisive.keys()
    assert {"folds", "held_out_fold"} <= decisive.keys()


def test_a_smaller_fraction_is_part_of_a_larger_and_the_subset_has_a_seed_of_its_own():
    def rows(**fields):
        return set(TrainingConfig.build(**PATHS, **fields).part.rows(549_367))

    tenth, hundredth, thousandth = (rows(train_fraction=fraction) for fraction in (0.1, 0.01, 0.001))
    assert (len(thousandth), len(hundredth), len(tenth)) == (549, 5_494, 54_937)
    assert thousandth < hundredth < tenth
    assert rows(max_train_examples=300) < thousandth
    assert rows(train_fraction=0.001, seed=5) == thousandth
    assert len(rows(train_fraction=0.001, subset_seed=5) & thousandth) < 20


def test_fields_that_an_older_run_had_not_are_their_defaults():
    assert TrainingConfig.default_fields() == TrainingConfig.build(**PATHS).decisive_fields()


def test_what_decides_the_weights_is_part_of_a_run_and_where_the_tpu_is_not():
    config = TrainingConfig.build(**PATHS)
    compiled = config.replace(jit_compile=True, steps_per_execution=4, checkpoint_interval=8)
    assert compiled.runtime.is_compiled
    assert not config.runtime.is_compiled
    assert compiled.decisive_fields()["jit_compile"] is True
    assert compiled.decisive_fields()["steps_per_execution"] == 4
    tpu = config.replace(strategy="tpu", tpu="grpc://h:1")
    assert tpu.runtime.is_compiled
    assert tpu.decisive_fields() == config.replace(strategy="tpu").decisive_fields()
    # A run folder of a version without the fields is one of the ordinary step.
    assert TrainingConfig.default_fields()["jit_compile"] is False
    assert TrainingConfig.default_fields()["steps_per_execution"] == 1
    assert "--tpu=grpc://h:1\n" in tpu.to_flagfile()
    assert "--nojit_compile\n" in tpu.to_flagfile()
