"""Names of a served model's signatures, which its tasks must not share."""

from __future__ import annotations

from collections.abc import Sequence

from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.task import Task

ALL_TASKS = "serving_default"
TOKENS = "tokens"
EMBED = "embed"


def examples_signature(task: Task) -> str:
    """Returns the name of the signature that answers a task by TF Serving's Classify or Regress."""
    return f"{task.name}_{task.kind_object.examples_api}"


def signature_names(tasks: Sequence[Task]) -> list[str]:
    """Returns the names of a model's signatures in the order of its tasks; refuses two of one name."""
    owner = {ALL_TASKS: "all tasks", TOKENS: "token ids", EMBED: "the encoder's vector"}
    for task in tasks:
        if task.head_labels:  # Not served: a client asks the other task.
            continue
        for name, what in ((task.name, "texts"), (examples_signature(task), "serialized examples")):
            if name in owner:
                raise UserError(
                    f"task name {task.name!r}: its signature {name!r} for {what} is taken by the signature of "
                    f"{owner[name]}; rename the task, or leave it out of `tasks`"
                )
            owner[name] = f"task {task.name}"
    return list(owner)
