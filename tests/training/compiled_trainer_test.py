import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

# XLA's compiler is part of what is tested, and could crash. It optimizes nothing here, to be quick.
XLA_FLAGS = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"

STEPS = """
import dataclasses, json, sys
import numpy as np
import tensorflow as tf
from mtdnn_tf.data.batching.batch_layout import lay_out
from mtdnn_tf.distillation.options import DistillationOptions
from mtdnn_tf.modeling import heads
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.modeling.san_head import SanHead
from mtdnn_tf.training.trainer import CompiledTrainer
from mtdnn_tf.training.optimization.optimizers import build_optimizer, decay_rates, with_loss_scale
from mtdnn_tf.training.trainer import Trainer
from tests.training.trainer_test import TASKS, _batch

# Which of SAN's steps are kept is drawn, by XLA in another order.
heads.HEAD_LAYERS["san"] = lambda **given: SanHead(**given, prediction_dropout=0.0)


def steps(trainer_class, jit_compile, optimizer, micro_batches, head, precision, recompute, decay):
    tf.keras.utils.set_random_seed(1)
    tasks = [TASKS[0], dataclasses.replace(TASKS[1], head=head), TASKS[2]]
    network = build_multi_task_model(find_backbone("tiny"), tasks, 0.0, 3, precision, recompute)
    start = network.get_weights()
    trainer = trainer_class(network, tasks, DistillationOptions(0.4), 10, micro_batches)
    made = build_optimizer(optimizer, 0.002, network)
    decay_rates(made, network, decay)
    trainer.compile(optimizer=with_loss_scale(made, precision))
    step = tf.function(trainer.train_step, jit_compile=jit_compile)
    results = []
    for number in range(6):
        # Over the tasks; with soft targets and gold labels, with gold labels alone, with soft targets alone.
        batch = _batch(number % 3, seed=number, has_teacher=number < 4, has_gold=number not in (1, 2))
        if number > 3:
            batch["example_weight"] = np.array([0.25] * 4 + [0.0] * 2, np.float32)
        batch = lay_out(batch["query"], 1, micro_batches)[0].arrange(batch)
        results.append(step({name: tf.constant(values) for name, values in batch.items()}))
    results = [{name: float(value) for name, value in result.items()} for result in results]
    return start, network.get_weights(), results, step.experimental_get_tracing_count()


def difference(some, other):
    return max(float(np.abs(one - two).max()) for one, two in zip(some, other))


for settings in json.loads(sys.argv[1]):
    start, plain, expected, _ = steps(Trainer, False, *settings)
    _, compiled, results, traces = steps(CompiledTrainer, True, *settings)
    print(json.dumps({
        "moved": difference(plain, start),
        "difference": difference(plain, compiled),
        "results": max(
            abs(one[name] - two[name]) / max(abs(one[name]), 1) for one, two in zip(expected, results) for name in one
        ),
        "traces": traces,
    }), flush=True)
"""


def _run(program, *arguments, timeout=400):
    result = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        env={**os.environ, "XLA_FLAGS": XLA_FLAGS},
    )
    # A crash of the compiler's is a negative status.
    assert result.returncode == 0, f"status {result.returncode}: {result.stderr[-2000:]}"
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


# Optimizer, micro-batches, the second task's head, precision, recomputation of activations, layer decay.
CASES = [("adamax", 2, "linear", "float32", False, 1.0)]
SLOW_CASES = [
    ("adamw", 1, "linear", "float32", False, 1.0),
    ("adamax", 2, "san", "float32", False, 1.0),
    ("adamax", 1, "linear", "float32", True, 0.8),
    ("adamw", 1, "linear", "mixed_float16", False, 1.0),
    ("adamax", 1, "linear", "mixed_bfloat16", False, 1.0),
]


def _check(cases):
    found = _run(STEPS, json.dumps(cases))
    assert len(found) == len(cases)
    for case, numbers in zip(cases, found):
        # bfloat16 has 8 bits of precision, float16 has 11.
        tolerance = {"float32": 1e-5, "mixed_float16": 1e-2, "mixed_bfloat16": 3e-2}[case[3]]
        assert numbers["moved"] > 0.004, case
        assert numbers["difference"] < tolerance, (case, numbers)
        assert numbers["results"] < tolerance, (case, numbers)
        # All tasks share the program of a shape.
        assert numbers["traces"] == 1, case


def test_the_step_that_xla_compiles_makes_the_steps_of_the_ordinary_one():
    _check(CASES)


@pytest.mark.slow
def test_it_does_so_with_every_setting_that_goes_with_it():
    _check(SLOW_CASES)
