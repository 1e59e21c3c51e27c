"""What a model's outputs say of each task, by the names that an export gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from mtdnn_tf.text_tables import aligned_table

# Of one task's own signature, or after a task's name and "_" in the signature that answers all at once.
_OUTPUT = re.compile(r"(?:(?P<task>.+)_)?(?P<what>label|probabilities|label_names|score|applicable)", re.DOTALL)


def is_answer(outputs: Sequence[str]) -> bool:
    """Returns whether a signature's outputs are those of one task."""
    return "score" in outputs or {"label", "probabilities", "label_names"} <= set(outputs)


def answers_of_row(outputs: Mapping[str, Sequence[Any]], row: int, task: str) -> dict[str, dict[str, Any]]:
    """Returns the answers to a row's texts by task; outputs without a task's name belong to `task`.

    An answer has `label` and `probabilities` by label, or `score`, and other outputs under their own names.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, values in outputs.items():
        parts = _OUTPUT.fullmatch(name)
        what, of = (parts["what"], parts["task"] or task) if parts else (name, task)
        found.setdefault(of, {})[what] = values[row]
    answers = {of: answer for of, answer in sorted(found.items()) if answer.pop("applicable", True)}
    for answer in answers.values():
        names = answer.pop("label_names", None)
        if names is not None and "probabilities" in answer:
            answer["probabilities"] = dict(zip(names, answer["probabilities"]))
    return answers


def readable(answers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Returns a line per task: its name, its label or score, and the probability of every label."""
    table = []
    for task, answer in answers.items():
        score = answer.get("score")
        short = str(answer["label"]) if "label" in answer else f"{score:.3f}" if isinstance(score, float) else ""
        shares = answer.get("probabilities")
        if isinstance(shares, Mapping):
            rest = [f"{name} {100 * share:.1f} %" for name, share in shares.items()]
        else:
            rest = [f"{name} {value}" for name, value in answer.items() if name not in ("label", "score")]
        table.append((task, short, "  ".join(rest)))
    return aligned_table(table, num_text_columns=3).split("\n")[:-1]
