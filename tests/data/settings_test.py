from pathlib import Path
from typing import Any

import pytest

from mtdnn_tf.data.settings import (
    RUN_DATA,
    DataSettings,
    common_run_data,
    read_run_data,
    write_run_data,
)
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.registry import get_task, select_tasks
from tests.helpers import write_tasks


def _settings(**fields: Any) -> DataSettings:
    return DataSettings(**{**DEFAULTS, **fields})


DEFAULTS: dict[str, Any] = {
    "task_file": (Path("tasks/tasks.yaml"),),
    "data_source": "files",
    "data_dir": Path("data"),
    "cache_dir": Path("cache"),
    "max_sequence_length": 32,
}


def test_paths_are_absolute_and_read_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run_data(tmp_path, _settings(), [get_task("rte")])
    monkeypatch.chdir("/")
    assert read_run_data(tmp_path) == {
        "task_file": (tmp_path / "tasks" / "tasks.yaml",),
        "data_source": "files",
        "data_dir": tmp_path / "data",
        "cache_dir": tmp_path / "cache",
        "max_sequence_length": 32,
    }
    assert read_run_data(tmp_path / "model") == {}


def test_settings_are_written_again_only_if_they_changed_or_are_damaged(tmp_path):
    path = tmp_path / RUN_DATA
    write_run_data(tmp_path, _settings(), [get_task("rte")])
    content, written = path.read_bytes(), path.stat().st_ino
    write_run_data(tmp_path, _settings(), [get_task("rte")])
    assert path.stat().st_ino == written
    path.write_bytes(content[:-9])
    write_run_data(tmp_path, _settings(), [get_task("rte")])
    assert path.read_bytes() == content
    write_run_data(tmp_path, _settings(data_dir=Path("moved")), [get_task("rte")])
    assert read_run_data(tmp_path)["data_dir"].name == "moved"


@pytest.mark.parametrize("source", ["files", "tfds"])
def test_a_data_folder_that_no_task_is_read_from_is_left_out(tmp_path, source):
    tasks = select_tasks([], [write_tasks(tmp_path / "tasks")])
    write_run_data(tmp_path, _settings(data_source=source), tasks)
    assert "data_dir" not in read_run_data(tmp_path)
    write_run_data(tmp_path, _settings(data_source=source), [*tasks, get_task("rte")])
    assert "data_dir" in read_run_data(tmp_path)


def _runs(folder: Path, *different: dict[str, Any]) -> list[Path]:
    for number, fields in enumerate(different):
        (folder / f"run{number}").mkdir()
        write_run_data(folder / f"run{number}", _settings(**fields), [get_task("rte")])
    return [folder / f"run{number}" for number in range(len(different))]


@pytest.mark.parametrize(
    "fields",
    [{"task_file": ()}, {"data_source": "tfds"}, {"data_dir": Path("other")}, {"max_sequence_length": 64}],
    ids=lambda fields: next(iter(fields)),
)
def test_runs_that_differ_need_the_flag(tmp_path, fields):
    (name,) = fields
    runs = _runs(tmp_path, {}, fields)
    with pytest.raises(UserError, match=f"`{name}` must be given: run .*run0 was trained with .*, run .*run1 with "):
        common_run_data(runs)
    assert name not in common_run_data(runs, {name})


def test_a_folder_without_settings_agrees_and_only_a_cache_that_exists_is_used(tmp_path):
    (tmp_path / "there").mkdir()
    runs = _runs(tmp_path, {"cache_dir": tmp_path / "gone"}, {"cache_dir": tmp_path / "there"}, {"cache_dir": tmp_path})
    common = common_run_data([tmp_path / "bare", *runs])
    assert common["cache_dir"] == tmp_path / "there"
    assert common["max_sequence_length"] == 32
    assert "cache_dir" not in common_run_data(runs[:1])
    assert common_run_data([tmp_path / "bare"]) == {}


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"task_file": 1}',
        '{"task_file": [], "data_source": "x", "cache_dir": "", "max_sequence_length": 1}',
    ],
)
def test_other_content_is_refused(tmp_path, content):
    (tmp_path / RUN_DATA).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=r"data.json: .*; run the same mtdnn train command again"):
        read_run_data(tmp_path)
