from pathlib import Path

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.run_tasks import tasks_of_run
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import save_model
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.tasks.registry import get_task, select_tasks
from tests.helpers import write_tasks


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of MNLI and of two of the three tasks of a task file."""
    folder = tmp_path_factory.mktemp("run")
    pretrained = find_backbone("tiny")
    tasks = select_tasks(["mood", "mnli", "similarity"], [write_tasks(folder / "tasks")])
    model = build_multi_task_model(pretrained, tasks)
    save_model(model, tasks, pretrained.tokenizer(), 32, folder / "model")
    return folder


def _files(run: Path, names: list[str], task_files: list[Path]) -> dict[str, str]:
    return {task.name: task.files["train"].path for task in tasks_of_run(run, names, task_files)}


def test_all_tasks_of_the_run_are_read_where_the_task_file_says(run):
    place = str(run / "tasks" / "mood_train.tsv")
    found = _files(run, [], [run / "tasks" / "tasks.yaml"])
    assert list(found) == ["mood", "mnli", "similarity"]
    assert (found["mood"], found["mnli"]) == (place, get_task("mnli").files["train"].path)
    assert _files(run, ["mood"], [run / "tasks" / "tasks.yaml"]) == {"mood": place}
    # Without a task file, relative to the data folder.
    assert _files(run, ["mood"], []) == {"mood": "mood_train.tsv"}


def test_a_heads_other_tasks_may_be_named_and_need_no_task_file(run, tmp_path):
    assert [task.name for task in tasks_of_run(run, ["ax_b", "mnli"], [tmp_path / "moved.yaml"])] == ["ax_b", "mnli"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["mod"], r"unknown task of run .* 'mod'; did you mean 'mood'\? Accepted: ax, .*mnli, .*mood, similarity"),
        (["entailment"], "unknown task of run .* 'entailment'"),
        (["rte"], "unknown task of run .* 'rte'"),
        (["mood", "mood"], "--tasks must name each task once, got mood,mood"),
    ],
)
def test_tasks_that_the_run_does_not_have_are_refused(run, names, message):
    with pytest.raises(UserError, match=message):
        tasks_of_run(run, names, [run / "tasks" / "tasks.yaml"])


def test_task_files_without_the_task_are_refused(run, tmp_path):
    with pytest.raises(UserError, match=r"moved.yaml: no such file; .*--task_file must name it, or --data_dir"):
        tasks_of_run(run, [], [tmp_path / "moved.yaml"])
    path = write_tasks(tmp_path / "tasks")
    path.write_text(path.read_text(encoding="utf-8").replace("mood:\n", "moods:\n", 1), encoding="utf-8")
    with pytest.raises(
        UserError, match=r"task 'mood' of run .* is not declared; --task_file must name .*, got tasks moods"
    ):
        tasks_of_run(run, ["mood"], [path])
