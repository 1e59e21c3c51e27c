import dataclasses
import json
import math
from typing import NamedTuple

import numpy as np
import pytest

from mtdnn_tf.evaluation.json_values import to_json_value


class _Pair(NamedTuple):
    first: float
    second: object


@dataclasses.dataclass
class _Record:
    name: str
    pairs: list[_Pair]


def test_results_become_plain_json_without_nan():
    record = _Record("é", [_Pair(math.nan, None), _Pair(0.5, {1: (np.float32(0.25), np.int64(3), -math.inf, True)})])
    assert to_json_value(record) == {
        "name": "é",
        "pairs": [{"first": None, "second": None}, {"first": 0.5, "second": {"1": [0.25, 3, None, True]}}],
    }
    json.dumps(to_json_value(record), allow_nan=False)
    assert to_json_value(np.array([[1.0, np.nan]])) == [[1.0, None]]


def test_what_json_has_not_is_refused():
    with pytest.raises(TypeError, match="no JSON value: set"):
        to_json_value({"a": {1}})
