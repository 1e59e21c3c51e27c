"""What a development split can tell at all, said before an epoch is trained."""

from __future__ import annotations

import logging

import numpy as np

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.distillation.candidate_lists import labelled_rows
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.task import RANKING, REGRESSION

_log = logging.getLogger("absl")


def check_gold_labels(encoded: EncodedSplit) -> None:
    """Refuses a split without gold labels, and logs one line where all are alike.

    Args:
        encoded: A development split.

    Raises:
        UserError: No row can be compared with a gold label.
    """
    task, queries = encoded.task, None if encoded.queries is None else np.asarray(encoded.queries)
    where = f"task {task.name}, split {encoded.split}"
    labels = np.asarray(encoded.labels)
    labelled = labels[labelled_rows(task.kind, labels, queries)]
    if not len(labelled):
        raise UserError(
            f"{where}: none of its {len(encoded)} rows has a gold label that it can be evaluated with; label it, "
            "leave its file out of the task file, or give --evaluation=never"
        )
    if task.kind == RANKING or len(np.unique(labelled)) > 1:
        return
    value = f"{labelled[0]:g}" if task.kind == REGRESSION else repr(task.labels[labelled[0]])
    _log.warning("%s: all of its %d gold labels are %s; its metrics tell little", where, len(labelled), value)
