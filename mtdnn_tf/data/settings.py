"""Data settings of a run: where its tasks and data are, kept in the run folder for the commands that use the run."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from mtdnn_tf.checked_json import read_checked_json, write_checked_json
from mtdnn_tf.data.sources import SOURCES, DataSource, reads_data_dir
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.task import Task

RUN_DATA = "data.json"
_REMEDY = "run the same tools.train command again, or delete it and give --task_file or --data_dir"


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """Where tasks and data are; each field is the flag of the same name.

    Attributes:
        task_file: The user's task files.
        data_source: "files" or "tfds".
        data_dir: Folder of the data.
        cache_dir: Folder of encoded data.
        max_sequence_length: Longest input, in word pieces.
    """

    task_file: tuple[Path, ...]
    data_source: str
    data_dir: Path
    cache_dir: Path
    max_sequence_length: int

    @property
    def source(self) -> DataSource:
        """Where examples come from."""
        return DataSource(self.data_source, self.data_dir)


def write_run_data(run: Path, settings: DataSettings, tasks: Sequence[Task]) -> None:
    """Writes the data settings of a run, with absolute paths, to its folder.

    Args:
        run: The run's folder.
        settings: The settings of its training.
        tasks: Its tasks; `data_dir` is left out if none of them is read from it.
    """
    values = dataclasses.asdict(settings)
    values["task_file"] = [str(path.resolve()) for path in settings.task_file]
    for name in ("data_dir", "cache_dir"):
        values[name] = str(values[name].resolve())
    if not any(reads_data_dir(task, settings.source) for task in tasks):
        del values["data_dir"]
    # The file of a run that has ended is left as it is, unless the data is in another place or it is damaged.
    with contextlib.suppress(UserError, OSError):
        if read_checked_json(run / RUN_DATA, _REMEDY) == values:
            return
    write_checked_json(run / RUN_DATA, values)


def read_run_data(run: Path) -> dict[str, Any]:
    """Returns the data settings of a run by the names of `DataSettings`; empty if its folder has none.

    Model folders, releases and runs of earlier versions have none.

    Raises:
        UserError: They are damaged.
    """
    path = run / RUN_DATA
    if not path.is_file():
        return {}
    values = read_checked_json(path, _REMEDY)
    expected = {field.name for field in dataclasses.fields(DataSettings)}
    paths = values.get("task_file")
    is_valid = (
        values.keys() | {"data_dir"} == expected
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
    """Returns the data settings that runs share, by the names of `DataSettings`.

    A run that records no settings agrees with any other. The cache is that of the first run whose cache exists.

    Args:
        runs: Folders of trained runs.
        given: Names of settings that are known and need not be shared; they are left out.

    Raises:
        UserError: Two runs record different values of a setting.
    """
    common: dict[str, Any] = {}
    first: dict[str, Path] = {}
    for run in runs:
        for name, value in read_run_data(run).items():
            if name in given or (name == "cache_dir" and (name in common or not value.is_dir())):
                continue
            if common.setdefault(name, value) != value:
                raise UserError(
                    f"--{name} is needed: run {first[name]} was trained with {_shown(common[name])}, run {run} with "
                    f"{_shown(value)}"
                )
            first.setdefault(name, run)
    return common


def merged_settings(defaults: DataSettings, known: Mapping[str, Any], given: Mapping[str, Any]) -> DataSettings:
    """Returns settings of which each is the one given, else the one known, else the default."""
    return dataclasses.replace(defaults, **{**known, **given})


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)
