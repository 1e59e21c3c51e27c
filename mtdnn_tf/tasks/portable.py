"""Tasks without the places of their files on one machine."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from mtdnn_tf.tasks.task import Task


def portable_task(task: Task) -> Task:
    """Returns a task whose files are relative to a data folder, as a published model lists them.

    Files of a user's task, whose paths are absolute, become relative to the folder that holds them all.
    """
    absolute = [path for path in (Path(file.path) for file in task.files.values()) if path.is_absolute()]
    if not absolute:
        return task
    folder = Path(os.path.commonpath([path.parent for path in absolute]))
    files = {
        split: dataclasses.replace(file, path=Path(file.path).relative_to(folder).as_posix())
        if Path(file.path).is_absolute()
        else file
        for split, file in task.files.items()
    }
    return dataclasses.replace(task, files=files)
