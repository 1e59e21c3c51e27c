from __future__ import annotations

import re

import pytest

from mtdnn_tf.data.demo_draws import Draws
from mtdnn_tf.data.demo_entailment import ANSWERS, CONTRADICTION, ENTAILMENT, NEUTRAL, Scene, answer, entailment_pair

_PREMISE = Scene(
    number=3, at_least=False, who=(0, 1), colour=(0, 0), action=(0, 0), denied=False, place=(0, 0), time=None
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"place": None, "who": (0, None)}, ENTAILMENT),
        ({"place": (0, None), "action": (0, None)}, ENTAILMENT),
        ({"number": 2, "at_least": True}, ENTAILMENT),
        ({"number": 4, "at_least": True}, CONTRADICTION),
        ({"number": 2}, CONTRADICTION),
        ({"time": (0, 1)}, NEUTRAL),
        ({"time": (0, 1), "colour": (0, 2)}, CONTRADICTION),
        ({"who": (0, 0)}, CONTRADICTION),
        ({"place": (1, None)}, CONTRADICTION),
        ({"denied": True}, CONTRADICTION),
        ({"denied": True, "action": (0, None)}, CONTRADICTION),
        ({"denied": True, "action": (2, 0)}, ENTAILMENT),
    ],
)
def test_the_answer_follows_from_the_slots(change, expected):
    assert answer(_PREMISE, _PREMISE._replace(**change)) == expected


def test_what_is_more_special_than_the_premise_is_left_open_even_if_denied():
    premise = _PREMISE._replace(action=(0, None))
    assert answer(premise, premise._replace(action=(0, 2))) == NEUTRAL
    assert answer(premise, premise._replace(action=(0, 2), denied=True)) == NEUTRAL


_INVERSE = {"taller": "shorter", "older": "younger", "faster": "slower", "stronger": "weaker", "richer": "poorer"}
_COMPARED = re.compile(r"The (.*) is (\w+) than the (.*)\.")


@pytest.mark.parametrize("label", range(len(ANSWERS)))
def test_comparisons_have_the_answer_that_logic_gives(label):
    order = {short: (tall, True) for tall, short in _INVERSE.items()}
    order.update({tall: (tall, False) for tall in _INVERSE})
    draws = Draws("comparisons", label)
    seen = 0
    for _ in range(4000):
        premise, hypothesis = (_COMPARED.fullmatch(text) for text in entailment_pair(draws, label))
        if not premise or not hypothesis:
            continue
        seen += 1
        facts = []
        for first, word, second in (premise.groups(), hypothesis.groups()):
            scale, turned = order[word]
            facts.append((scale, second, first) if turned else (scale, first, second))
        (scale, more, less), stated = facts
        logical = {(scale, more, less): ENTAILMENT, (scale, less, more): CONTRADICTION}.get(stated, NEUTRAL)
        assert logical == label
    assert seen > 100
