from __future__ import annotations

import dataclasses
import math

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.json_values import to_json_value
from mtdnn_tf.report.json_fields import from_json_value


@dataclasses.dataclass(frozen=True)
class _Leaf:
    value: float | None


_CLASSES = {"_Leaf": _Leaf}


def test_nested_values_go_both_ways():
    stored = to_json_value({"a": [_Leaf(1), _Leaf(math.inf)], "b": ()})
    assert stored == {"a": [{"value": 1}, {"value": None}], "b": []}
    back = from_json_value(stored, "Mapping[str, Sequence[_Leaf]]", _CLASSES, "x")
    assert back == {"a": (_Leaf(1.0), _Leaf(None)), "b": ()}


@pytest.mark.parametrize("annotation", ["Sequence[_Leaf | None]", "Mapping[str, _Leaf] | None", "int | None"])
def test_none_is_taken_where_it_is_allowed(annotation):
    value = {"Sequence[_Leaf | None]": [None]}.get(annotation)
    assert from_json_value(value, annotation, _CLASSES, "x") == ((None,) if value else None)


def test_a_long_value_is_cut_in_the_error():
    with pytest.raises(UserError, match=r"x: a list is needed, 'z+\.\.\. given$") as error:
        from_json_value("z" * 500, "Sequence[int]", {}, "x")
    assert len(str(error.value)) < 120
