"""Flags that say which tasks there are and where their data lies."""

from __future__ import annotations

import os
from pathlib import Path

from absl import flags

from mtdnn_tf.data.sources import DataSource
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.tasks.task import Task

TASKS = flags.DEFINE_list("tasks", [], "Names of tasks, by commas; all tasks of the task files if empty.")
TASK_FILE = flags.DEFINE_multi_string("task_file", [], "YAML file that declares tasks; may be repeated.")
DATA_SOURCE = flags.DEFINE_enum(
    "data_source", "files", ["files", "tfds"], "GLUE's own files and task files, or TensorFlow Datasets."
)
DATA_DIR = flags.DEFINE_string(
    "data_dir", "glue_data", "Folder of GLUE's own files, or of prepared TensorFlow Datasets."
)
MAX_SEQUENCE_LENGTH = flags.DEFINE_integer("max_sequence_length", 512, "Longest input, in word pieces.")
CACHE_DIR = flags.DEFINE_string(
    "cache_dir",
    str(Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "mtdnn_tf"),
    "Folder of encoded data.",
)


def task_files() -> tuple[Path, ...]:
    """Returns the paths of --task_file."""
    return tuple(Path(path) for path in TASK_FILE.value)


def selected_tasks() -> list[Task]:
    """Returns the tasks of --tasks and --task_file."""
    return select_tasks(TASKS.value, task_files())


def source() -> DataSource:
    """Returns the source of --data_source and --data_dir."""
    return DataSource(DATA_SOURCE.value, Path(DATA_DIR.value))
