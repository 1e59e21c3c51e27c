"""What a model's outputs say of each task, by the names that an export gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# Of one task's own signature, or after a task's name and "_" in the signature that answers all at once.
_OUTPUT = re.compile(r"(?:(?P<task>.+)_)?(?P<what>label|probabilities|label_names|score|applicable)", re.DOTALL)


def is_answer(outputs: Sequence[str]) -> bool:
    """Returns whether a signature's outputs are those of one task."""
    return "score" in outputs or {"label", "probabilities", "label_names"} <= set(outputs)


def answers_of_row(outputs: Mapping[str, Sequence[Any]], row: int, task: str) -> dict[str, dict[str, Any]]:
    """Returns what is said of each task that takes a row's texts.

    Args:
        outputs: A value per row, by output.
        row: The row's number.
        task: The task that outputs without a task's name belong to.

    Returns:
        By task `label` and `probabilities` by label, or `score`; other outputs of the signature under their own names.
    """
    found: dict[str, dict[str, Any]] = {}
    for name, values in outputs.items():
        parts = _OUTPUT.fullmatch(name)
        what, of = (parts["what"], parts["task"] or task) if parts else (name, task)
        found.setdefault(of, {})[what] = values[row]
    return {of: _answer(values) for of, values in sorted(found.items()) if values.pop("applicable", True)}


def _answer(values: dict[str, Any]) -> dict[str, Any]:
    names, shares = values.pop("label_names", None), values.get("probabilities")
    if names is not None and shares is not None:
        values["probabilities"] = dict(zip(names, shares))
    return values


def readable(answers: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Returns a line for each task: its name, its label or score, and the probability of every label."""
    table = [(task, _short(answer), _rest(answer)) for task, answer in answers.items()]
    widths = [max((len(cells[k]) for cells in table), default=0) for k in (0, 1)]
    return [f"{task:{widths[0]}}  {short:{widths[1]}}  {rest}".rstrip() for task, short, rest in table]


def _short(answer: Mapping[str, Any]) -> str:
    if "label" in answer:
        return str(answer["label"])
    return f"{answer['score']:.3f}" if isinstance(answer.get("score"), float) else ""


def _rest(answer: Mapping[str, Any]) -> str:
    shares = answer.get("probabilities")
    if isinstance(shares, Mapping):
        return "  ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items())
    return "  ".join(f"{name} {value}" for name, value in answer.items() if name not in ("label", "score"))
