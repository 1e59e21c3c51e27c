from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks import registry

_TASK_FILE = """
tasks:
  {name}:
    kind: regression
    text: [a]
    label: score
    files: {{train: train.tsv}}
"""


def _write_task_file(folder: Path, name: str, file: str = "tasks.yaml") -> Path:
    path = folder / file
    path.write_text(_TASK_FILE.format(name=name))
    return path


def test_all_tasks_are_known_in_order():
    names = "cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli, ax, ax_b, snli, scitail"
    assert ", ".join(registry.task_names()) == names
    assert [registry.get_task(name).name for name in registry.task_names()] == registry.task_names()


def test_unknown_task_is_refused_with_the_nearest_name():
    with pytest.raises(
        UserError, match=r"^unknown task 'rtee'; did you mean 'rte'\? Accepted: ax, ax_b, cola, .*wnli$"
    ):
        registry.get_task("rtee")


def test_a_name_is_registered_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "_TASKS", dict(registry._TASKS))
    task = dataclasses.replace(registry.get_task("rte"), name="rte_again")
    assert registry.register(task) is task
    assert registry.get_task("rte_again") is task
    with pytest.raises(UserError, match="'rte_again' is registered already"):
        registry.register(task)


def test_tasks_are_selected_in_the_order_given(tmp_path: Path):
    path = _write_task_file(tmp_path, "mine")
    assert [task.name for task in registry.select_tasks(["rte", "mine", "cola"], [path])] == [
        "rte",
        "mine",
        "cola",
    ]


def test_without_names_the_task_files_tasks_are_selected(tmp_path: Path):
    paths = [_write_task_file(tmp_path, name, f"{name}.yaml") for name in ("second", "first")]
    assert [task.name for task in registry.select_tasks([], paths)] == ["second", "first"]


def test_a_users_task_may_not_shadow_another(tmp_path: Path):
    with pytest.raises(UserError, match=r"tasks.yaml: task 'rte' is one of mtdnn_tf's own"):
        registry.select_tasks([], [_write_task_file(tmp_path, "rte")])
    twice = [_write_task_file(tmp_path, "mine", file) for file in ("a.yaml", "b.yaml")]
    with pytest.raises(UserError, match=r"b.yaml: task 'mine' is declared in another task file too"):
        registry.select_tasks([], twice)


def test_bad_selections_are_refused():
    with pytest.raises(UserError, match="no task given"):
        registry.select_tasks([], [])
    with pytest.raises(UserError, match="'rte' is given twice"):
        registry.select_tasks(["rte", "cola", "rte"], [])
    with pytest.raises(UserError, match="did you mean 'mnli'"):
        registry.select_tasks(["mnlii"], [])


def test_a_users_task_is_not_registered(tmp_path: Path):
    registry.select_tasks([], [_write_task_file(tmp_path, "mine")])
    assert "mine" not in registry.task_names()
