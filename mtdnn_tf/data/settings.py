"""Data settings of a run: where its tasks and data are, kept in the run folder for the commands that use the run."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from mtdnn_tf.data.encoding import EncodedData, TaskData
from mtdnn_tf.data.sources.source import FILES, SOURCES, DataSource
from mtdnn_tf.data.tokenizer import Tokenizer
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import user_path
from mtdnn_tf.json_files import read_checked_json, write_checked_json
from mtdnn_tf.options import Options, option, shown
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.tasks.signature_names import signature_names
from mtdnn_tf.tasks.task import Task

RUN_DATA = "data.json"
_REMEDY = "run the same mtdnn train command again, or delete it and give `task_file` or `data_dir`"


def _cache_home() -> Path:
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if given.is_absolute():
        return given
    try:
        return user_path("~/.cache")
    except UserError:  # `DataSettings.check_cache` refuses it, when the cache is needed.
        return Path("~/.cache")


@dataclasses.dataclass(frozen=True)
class DataSettings(Options):
    """Which tasks, and where their data are."""

    tasks: tuple[str, ...] = option(
        (), "Comma-separated names of tasks.", unset="all tasks of the run, or of the task files"
    )
    task_file: tuple[Path, ...] = option(
        (),
        "YAML file that declares tasks; may be repeated.",
        is_repeated=True,
        is_kept_by_runs=True,
        decides_weights=False,
    )
    data_source: str = option(
        FILES,
        "Whether data are read from GLUE's own files and task files, or from TensorFlow Datasets.",
        choices=SOURCES,
        is_kept_by_runs=True,
    )
    data_dir: Path = option(
        Path("glue_data"),
        "Folder of GLUE's own files, or of prepared TensorFlow Datasets; for a run without `--task_file`, also of the "
        "files of its other tasks.",
        is_kept_by_runs=True,
        decides_weights=False,
    )
    cache_dir: Path = option(
        _cache_home() / "mtdnn_tf",
        "Folder of encoded data.",
        unset="`mtdnn_tf` in `$XDG_CACHE_HOME` or `~/.cache`",
        is_kept_by_runs=True,
        decides_weights=False,
    )
    max_sequence_length: int = option(512, "Maximum number of word pieces per input.", is_kept_by_runs=True)

    @property
    def source(self) -> DataSource:
        """Where examples come from."""
        return DataSource(self.data_source, self.data_dir)

    def check_cache(self) -> None:
        """Raises UserError if the default cache is in a home folder that is not known."""
        if self.cache_dir.parts[:1] == ("~",):
            raise UserError("`cache_dir` must be given: the home folder is not known, got none")

    def task_data(self, max_sequence_length: int | None = None) -> TaskData:
        """Returns the data for models that encode it to their own lengths, or to a given one."""
        return TaskData(self.source, self.cache_dir, max_sequence_length)

    def encoded(self, tokenizer: Tokenizer) -> EncodedData:
        """Returns the data, encoded by a tokenizer."""
        return EncodedData(self.source, tokenizer, self.max_sequence_length, self.cache_dir)

    def selected_tasks(self) -> list[Task]:
        """Returns the tasks that the names and task files stand for, if a model of them can be served."""
        tasks = select_tasks(self.tasks, self.task_file)
        signature_names(tasks)
        return tasks


# What commands that take a run use of it if no flag gives it.
_WRITTEN = {name for name, declared in DataSettings.declared().items() if declared.is_kept_by_runs}


def write_run_data(run: Path, settings: DataSettings, tasks: Sequence[Task]) -> None:
    """Writes the data settings of a run to its folder, with absolute paths, `data_dir` only if its tasks use it."""
    values = {name: value for name, value in settings.values().items() if name in _WRITTEN}
    values["task_file"] = [str(path.resolve()) for path in settings.task_file]
    for name in ("data_dir", "cache_dir"):
        values[name] = str(values[name].resolve())
    if not any(settings.source.reads_data_dir(task) for task in tasks):
        del values["data_dir"]
    # The file of a run that has ended is left as it is, unless the data is in another place or it is damaged.
    with contextlib.suppress(UserError, OSError):
        if read_checked_json(run / RUN_DATA, _REMEDY) == values:
            return
    write_checked_json(run / RUN_DATA, values)


def read_run_data(run: Path) -> dict[str, Any]:
    """Returns the data settings of a run by name; model folders, releases and runs of earlier versions have none."""
    path = run / RUN_DATA
    if not path.is_file():
        return {}
    values = read_checked_json(path, _REMEDY)
    paths = values.get("task_file")
    is_valid = (
        values.keys() | {"data_dir"} == _WRITTEN
        and isinstance(paths, list)
        and all(isinstance(item, str) for item in (*paths, values.get("data_dir", ""), values["cache_dir"]))
        and values["data_source"] in SOURCES
        and type(values["max_sequence_length"]) is int
    )
    if not is_valid or paths is None:
        raise UserError(f"{path}: not the data settings of a run; {_REMEDY}")
    values["task_file"] = tuple(map(Path, paths))
    for name in values.keys() & {"data_dir", "cache_dir"}:
        values[name] = Path(values[name])
    return values


def common_run_data(runs: Sequence[Path], given: Collection[str] = ()) -> dict[str, Any]:
    """Returns the data settings that runs share, by name, without the `given` ones, which need not be shared.

    A run that records no settings agrees with any other. The cache is that of the first run whose cache exists.
    """
    common: dict[str, Any] = {}
    first: dict[str, Path] = {}
    for run in runs:
        for name, value in read_run_data(run).items():
            if name in given or (name == "cache_dir" and (name in common or not value.is_dir())):
                continue
            if common.setdefault(name, value) != value:
                others = f"run {first[name]} was trained with {shown(common[name])}"
                raise UserError(f"`{name}` must be given: {others}, run {run} with {shown(value)}")
            first.setdefault(name, run)
    return common
