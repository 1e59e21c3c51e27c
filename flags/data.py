"""Flags that say which tasks there are and where their data lies."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from mtdnn_tf.data.settings import DataSettings, common_run_data, merged_settings
from mtdnn_tf.data.sources import FILES, SOURCES, DataSource
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.tasks.task import Task

_DEFAULTS = DataSettings(
    task_file=(),
    data_source=FILES,
    data_dir=Path("glue_data"),
    cache_dir=Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "mtdnn_tf",
    max_sequence_length=512,
)
# Without a default, a flag that is not given is None: commands that take a run then use the run's own setting.
_ELSE = "Default: that of the run, if the command takes one, else"
TASKS = flags.DEFINE_list("tasks", [], "Names of tasks, comma-separated. Default: all tasks of the run or task files.")
TASK_FILE = flags.DEFINE_multi_string(
    "task_file", None, f"YAML file that declares tasks; may be repeated. {_ELSE} none."
)
DATA_SOURCE = flags.DEFINE_enum(
    "data_source",
    None,
    SOURCES,
    f"GLUE's own files and task files, or TensorFlow Datasets. {_ELSE} {_DEFAULTS.data_source}.",
)
DATA_DIR = flags.DEFINE_string(
    "data_dir",
    None,
    "Folder of GLUE's own files, or of prepared TensorFlow Datasets; of a run without --task_file, also of the files "
    f"of its other tasks. {_ELSE} {_DEFAULTS.data_dir}.",
)
MAX_SEQUENCE_LENGTH = flags.DEFINE_integer(
    "max_sequence_length", None, f"Longest input, in word pieces. {_ELSE} {_DEFAULTS.max_sequence_length}."
)
CACHE_DIR = flags.DEFINE_string(
    "cache_dir", None, f"Folder of encoded data. {_ELSE} mtdnn_tf in $XDG_CACHE_HOME or ~/.cache."
)


def given() -> dict[str, Any]:
    """Returns the settings that the command line gives, by the names of `DataSettings`."""
    values = {
        "task_file": None if TASK_FILE.value is None else tuple(Path(path) for path in TASK_FILE.value),
        "data_source": DATA_SOURCE.value,
        "data_dir": None if DATA_DIR.value is None else Path(DATA_DIR.value),
        "cache_dir": None if CACHE_DIR.value is None else Path(CACHE_DIR.value),
        "max_sequence_length": MAX_SEQUENCE_LENGTH.value,
    }
    return {name: value for name, value in values.items() if value is not None}


def settings(runs: Sequence[Path] = (), ignored: Collection[str] = ()) -> DataSettings:
    """Returns the settings of the command line; those not given are the runs' own, else the defaults.

    Args:
        runs: Runs whose settings are taken; none by default.
        ignored: Names of settings that are not taken from the runs; none by default.

    Raises:
        UserError: The runs have different values of a setting that is not given.
    """
    chosen = given()
    return merged_settings(_DEFAULTS, common_run_data(runs, {*chosen, *ignored}), chosen)


def selected_tasks() -> list[Task]:
    """Returns the tasks of --tasks and --task_file."""
    return select_tasks(TASKS.value, settings().task_file)


def source() -> DataSource:
    """Returns the source of --data_source and --data_dir."""
    return settings().source
