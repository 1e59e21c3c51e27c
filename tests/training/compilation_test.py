import dataclasses
from pathlib import Path

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.training.config import TrainingConfig

CONFIG = TrainingConfig(Path("run"), Path("data"), Path("cache"))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"tpu": "grpc://h:1"}, "--tpu goes with --strategy=tpu, --tpu=grpc://h:1 with --strategy=off given"),
        ({"steps_per_execution": 2}, "--steps_per_execution goes with --jit_compile or --strategy=tpu"),
        ({"steps_per_execution": 0, "jit_compile": True}, "takes a whole number from 1, 0 given"),
        ({"jit_compile": True, "strategy": "mirrored"}, "goes with --strategy=off or tpu, --strategy=mirrored given"),
        ({"jit_compile": True, "optimizer": "lazyadam"}, "--jit_compile goes with --optimizer=adamax or adamw"),
        ({"strategy": "tpu", "optimizer": "lamb"}, "--strategy=tpu goes with --optimizer=adamax or adamw, lamb given"),
        ({"strategy": "tpu", "precision": "mixed_float16"}, "float32 or mixed_bfloat16, mixed_float16 given"),
        ({"jit_compile": True, "steps_per_execution": 3}, "takes a multiple of --steps_per_execution 3, 500 given"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(changes, line):
    with pytest.raises(UserError) as caught:
        dataclasses.replace(CONFIG, **changes)
    assert line in str(caught.value)


def test_what_decides_the_weights_is_part_of_a_run_and_where_the_tpu_is_not():
    compiled = dataclasses.replace(CONFIG, jit_compile=True, steps_per_execution=4, checkpoint_interval=8)
    assert compiled.is_compiled
    assert not CONFIG.is_compiled
    assert compiled.decisive_fields()["jit_compile"] is True
    assert compiled.decisive_fields()["steps_per_execution"] == 4
    tpu = dataclasses.replace(CONFIG, strategy="tpu", tpu="grpc://h:1")
    assert tpu.is_compiled
    assert tpu.decisive_fields() == dataclasses.replace(CONFIG, strategy="tpu").decisive_fields()
    # A run folder of a version without the fields is one of the ordinary step.
    assert TrainingConfig.default_fields()["jit_compile"] is False
    assert TrainingConfig.default_fields()["steps_per_execution"] == 1
    assert "--tpu=grpc://h:1\n" in tpu.to_flagfile()
    assert "--nojit_compile\n" in tpu.to_flagfile()
