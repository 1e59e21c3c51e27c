"""Fine-tuning from the encoder of another run: per task after multi-task training, and with few examples."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.training.run import train
from tests.helpers import write_tasks
from tests.small_models import trained_run


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Returns the settings of a finished multi-task run."""
    folder = tmp_path_factory.mktemp("adaptation")
    changes = {"output_dir": folder / "multi_task", "learning_rate": 0.01, "evaluation": "never"}
    return trained_run(folder, data_dir=folder, **changes)


def _weights(run):
    return load_file(run / "model" / "weights.safetensors")


def test_the_encoder_is_the_other_runs_and_the_heads_are_new(config, tmp_path):
    # A learning rate of almost nothing leaves what training starts from.
    changes = {"tasks": ("mood", "similarity"), "learning_rate": 1e-30, "evaluation": "never", "seed": 5}
    adapted = config.replace(output_dir=tmp_path / "a", init_from=str(config.output_dir), **changes)
    fresh = config.replace(output_dir=tmp_path / "b", **changes)
    train(adapted)
    train(fresh)
    multi_task, first, second = (_weights(run.output_dir) for run in (config, adapted, fresh))
    for name, array in first.items():
        expected = (multi_task if name.startswith("backbone.") else second)[name]
        np.testing.assert_allclose(array, expected, rtol=0, atol=1e-20)
    assert np.abs(first["heads.mood.0"] - multi_task["heads.mood.0"]).max() > 1e-3
    assert {name.split(".")[1] for name in first if name.startswith("heads.")} == {"mood", "similarity"}


def test_few_examples_of_a_task_of_another_domain(config, tmp_path, caplog):
    caplog.set_level("INFO", logger="absl")
    few = config.replace(
        output_dir=tmp_path / "few",
        task_file=(write_tasks(tmp_path / "tasks", rows=80),),
        tasks=("entailment",),
        init_from=str(config.output_dir),
        train_fraction=0.1,
        subset_seed=3,
    )
    train(few)
    assert "8 examples, 1 steps an epoch" in caplog.text
    identity = json.loads((few.output_dir / "config.json").read_text())
    assert (identity["train_fraction"], identity["subset_seed"]) == (0.1, 3)
    with pytest.raises(UserError, match="subset_seed: 3 before, 4 now"):
        train(few.replace(subset_seed=4))
    assert [task.name for task in load_model(few.output_dir).tasks] == ["entailment"]


def test_a_sampler_is_part_of_what_a_run_is_and_older_runs_go_on(config, tmp_path):
    sampled = config.replace(output_dir=tmp_path / "sampled", sampler="power", task_weights=("mood:2",))
    train(sampled)
    with pytest.raises(UserError, match=r"sampler: power before, uniform now; task_weights: \['mood:2'\] before, \[\]"):
        train(sampled.replace(sampler="uniform", task_weights=()))
    with pytest.raises(UserError, match="unknown task of `task_weights` 'moo'; did you mean 'mood'"):
        train(config.replace(output_dir=tmp_path / "unknown", task_weights=("moo:2",)))
    assert not (tmp_path / "unknown").exists()
    path = config.output_dir / "config.json"
    fields = json.loads(path.read_text())
    del fields["sampler_power"], fields["task_weights"], fields["subset_seed"], fields["_sha256"]
    path.write_text(json.dumps(fields))
    assert train(config) == {}
