from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.json_values import from_json, to_json


class _Pair(NamedTuple):
    first: float
    second: object


@dataclasses.dataclass
class _Record:
    name: str
    pairs: list[_Pair]


def test_results_become_plain_json_without_nan():
    record = _Record("é", [_Pair(math.nan, None), _Pair(0.5, {1: (np.float32(0.25), np.int64(3), -math.inf, True)})])
    assert to_json(record) == {
        "name": "é",
        "pairs": [{"first": None, "second": None}, {"first": 0.5, "second": {"1": [0.25, 3, None, True]}}],
    }
    json.dumps(to_json(record), allow_nan=False)
    assert to_json(np.array([[1.0, np.nan]])) == [[1.0, None]]


def test_what_json_has_not_is_refused():
    with pytest.raises(TypeError, match="no JSON value: set"):
        to_json({"a": {1}})


@dataclasses.dataclass(frozen=True)
class _Leaf:
    value: float | None


@dataclasses.dataclass(frozen=True)
class _Tree:
    leaves: Mapping[str, Sequence[_Leaf | None]]
    pairs: tuple[tuple[str, int], ...] = ()
    other: _Leaf | None = None

    def __post_init__(self) -> None:
        if not self.leaves:
            raise UserError("leaves must not be empty")


def test_nested_values_go_both_ways():
    tree = _Tree({"a": (_Leaf(1), None), "b": ()}, (("x", 2),), _Leaf(math.inf))
    stored = to_json(tree)
    assert stored == {"leaves": {"a": [{"value": 1}, None], "b": []}, "pairs": [["x", 2]], "other": {"value": None}}
    assert from_json(stored, _Tree, "x") == dataclasses.replace(tree, other=_Leaf(None))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], r"x must be an object, got \[\]"),
        ({}, "x: field 'leaves' is missing"),
        ({"leaves": {}}, "x: leaves must not be empty"),
        ({"leaves": {"a": 1}}, "x.leaves.a must be a list, got 1"),
        ({"leaves": {"a": [{"value": "1"}]}}, r"x.leaves.a\[0\].value must be a finite number, got '1'"),
        ({"leaves": {"a": [{"value": True}]}}, "must be a finite number, got True"),
        ({"leaves": {"a": []}, "pairs": [["x"]]}, r"x.pairs\[0\] must be a list of 2, got \['x'\]"),
        ({"leaves": {"a": []}, "pears": []}, "x: unknown field 'pears'; did you mean 'pairs'"),
        ({"leaves": "z" * 500}, r"x.leaves must be an object, got 'z{59}\.\.\.$"),
    ],
)
def test_what_does_not_fit_is_refused(value, message):
    with pytest.raises(UserError, match=message):
        from_json(value, _Tree, "x")
