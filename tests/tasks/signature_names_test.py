from __future__ import annotations

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.signature_names import signature_names
from mtdnn_tf.tasks.task import Task
from tests.serving.examples import DIAGNOSTIC, PAIR, RANKED, SCORED, SINGLE


def _named(name: str, kind: str = "regression") -> Task:
    labels = ("no", "yes") if kind == "classification" else ()
    metric = "accuracy" if kind == "classification" else "pearson"
    return Task(name=name, kind=kind, text=("text",), labels=labels, metrics=(metric,))


@pytest.mark.parametrize(
    ("tasks", "taken"),
    [
        ([_named("tokens")], "token ids"),
        ([_named("embed")], "the encoder's vector"),
        ([_named("serving_default")], "all tasks"),
        ([_named("mood", "classification"), _named("mood_classify")], "task mood"),
        ([_named("mood_regress"), _named("mood")], "task mood_regress"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(task.name for task in value),
)
def test_tasks_whose_signatures_would_share_a_name_are_refused(tasks, taken):
    with pytest.raises(UserError, match=f"taken by the signature of {taken}; rename the task"):
        signature_names(tasks)


def test_signatures_are_named_in_the_order_of_the_tasks():
    assert signature_names([SINGLE, PAIR, DIAGNOSTIC, SCORED, RANKED]) == [
        *("serving_default", "tokens", "embed"),
        *("single", "single_classify", "pair", "pair_classify", "diagnostic", "diagnostic_classify"),
        *("scored", "scored_regress", "ranked", "ranked_regress"),
    ]
    assert signature_names([_named("mood", "classification"), _named("mood_regress")])[-1] == "mood_regress_regress"
