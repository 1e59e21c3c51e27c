import dataclasses
import json
from pathlib import Path

import pytest

from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.recipe.selection import is_selected, kept_teachers, select_teachers
from mtdnn_tf.training.config import TrainingConfig
from tests.helpers import write_tasks

METRICS = {
    1: {"mood": {"accuracy": 0.5, "f1": 0.7}, "entailment": {"accuracy": 0.9}, "similarity": {"pearson": 0.1}},
    2: {"mood": {"accuracy": 0.8, "f1": 0.8}, "entailment": {"accuracy": 0.6}, "similarity": {"pearson": 0.1}},
    3: {"mood": {"accuracy": 0.8, "f1": 0.8}, "entailment": {"accuracy": 0.6}, "similarity": {"pearson": 0.9}},
}


@pytest.mark.parametrize(
    ("tasks", "top_k", "kept", "scores"),
    [
        ((), 2, [3, 1], {"1": 1.6 / 3, "2": 0.5, "3": 2.3 / 3}),
        (("mood", "entailment"), 2, [1, 2], {"1": 0.75, "2": 0.7, "3": 0.7}),
        (("mood",), None, [2, 3, 1], {"1": 0.6, "2": 0.8, "3": 0.8}),
    ],
)
def test_the_best_by_the_named_tasks_are_kept(tmp_path: Path, tasks, top_k, kept, scores):
    base = TrainingConfig.build(output_dir=tmp_path / "out", task_file=(write_tasks(tmp_path / "tasks"),))
    config = RecipeConfig(base, top_k=top_k, selection_tasks=tasks)
    assert not is_selected(config)
    assert select_teachers(config, METRICS) == kept
    assert is_selected(config)
    assert not is_selected(dataclasses.replace(config, top_k=1))
    assert not is_selected(dataclasses.replace(config, selection_tasks=("entailment",)))
    assert kept_teachers(config) == kept
    written = json.loads((tmp_path / "out" / "selection.json").read_text())
    assert written["scores"] == pytest.approx(scores)
    assert written["tasks"] == (list(tasks) or ["mood", "entailment", "similarity"])
