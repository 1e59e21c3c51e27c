from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.json_files import (
    fingerprint,
    from_json,
    read_checked_json,
    read_json,
    to_json,
    write_checked_json,
    write_json,
)

VALUE = {"mood": {"accuracy": 0.875, "f1": 1.0}, "é": [1, None, "text"], "weights": "0" * 64}


def test_a_value_is_read_back_and_others_read_json_with_one_name_more(tmp_path):
    write_checked_json(tmp_path / "a.json", VALUE)
    assert read_checked_json(tmp_path / "a.json", "again") == VALUE
    plain = json.loads((tmp_path / "a.json").read_text())
    assert {name: value for name, value in plain.items() if name != "_sha256"} == VALUE


def test_every_cut_and_every_flipped_bit_is_refused(tmp_path, record_property):
    path = tmp_path / "a.json"
    write_checked_json(path, VALUE)
    content = path.read_bytes()
    for place in range(len(content)):
        flipped = [content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :] for bit in range(8)]
        for damaged in (content[:place], *flipped):
            path.write_bytes(damaged)
            with pytest.raises(UserError, match=r"a\.json: .*(again|rebuild it)"):
                read_checked_json(path, "make it again")
            record_property("trials", 1)


def test_files_of_version_0_1_are_read(tmp_path):
    for text in ('{"mood": {"accuracy": 0.5}}', "{}", '{\n  "seed": 1\n}\n'):
        (tmp_path / "a.json").write_text(text)
        assert read_checked_json(tmp_path / "a.json", "again") == json.loads(text)
    (tmp_path / "a.json").write_text("[1]")
    with pytest.raises(UserError, match=r"must be a JSON object, got \[1\]; again"):
        read_checked_json(tmp_path / "a.json", "again")


def test_json_is_read_back_and_numbers_that_are_none_are_refused(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1, 2.5, None, "é"]})
    assert read_json(tmp_path / "a.json") == json.loads((tmp_path / "a.json").read_text()) == {"a": [1, 2.5, None, "é"]}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "b.json", float("nan"))
    assert not (tmp_path / "b.json").exists()
    (tmp_path / "c.json").write_text('{"a":')
    for name in ("b.json", "c.json"):
        with pytest.raises(UserError, match=name):
            read_json(tmp_path / name)


def test_fingerprints_see_values_and_not_the_order_of_keys():
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


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
