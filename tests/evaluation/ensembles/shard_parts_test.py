from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mtdnn_tf.evaluation.ensembles import shard_parts
from mtdnn_tf.evaluation.ensembles.shard_parts import ShardParts
from mtdnn_tf.manifests import MANIFEST, write_manifest

_ROWS = np.array([7, 3, 9, 1, 0, 4, 2], np.int64)
_IDENTITY = {"teachers": ["a", "b"]}


@pytest.fixture(autouse=True)
def _two_batches_per_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_parts, "_BATCHES_PER_PART", 2)


class _Teacher:
    """Gives each row its outputs, and fails after some calls."""

    def __init__(self, calls: int = 100) -> None:
        self.given: list[list[int]] = []
        self._calls = calls

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        if len(self.given) == self._calls:
            raise InterruptedError
        self.given.append(rows.tolist())
        return np.stack([rows, rows + 0.5], axis=1).astype(np.float32)


def _outputs(folder: Path, teacher: _Teacher, identity: dict | None = None, number: int = 0) -> np.ndarray:
    return ShardParts(folder, identity or _IDENTITY, batch_size=1).outputs(number, _ROWS, teacher)


def test_an_interrupted_shard_continues_with_the_next_part(tmp_path):
    first, second = _Teacher(calls=2), _Teacher()
    with pytest.raises(InterruptedError):
        _outputs(tmp_path / "parts", first)
    found = _outputs(tmp_path / "parts", second)
    assert (first.given, second.given) == ([[7, 3], [9, 1]], [[0, 4], [2]])
    np.testing.assert_array_equal(found, _Teacher()(_ROWS))
    assert found.dtype == np.float32
    assert _outputs(tmp_path / "parts", _Teacher(calls=0)).tolist() == found.tolist()
    # Another teacher's outputs are its own.
    other = _Teacher()
    _outputs(tmp_path / "parts", other, number=1)
    assert [row for rows in other.given for row in rows] == _ROWS.tolist()
    ShardParts(tmp_path / "parts", _IDENTITY, 1).remove()
    assert not list(tmp_path.iterdir())


def test_parts_of_something_else_are_predicted_again(tmp_path):
    _outputs(tmp_path, _Teacher())
    teacher = _Teacher()
    _outputs(tmp_path, teacher, {"teachers": ["b", "a"]})
    assert len(teacher.given) == 4


@pytest.mark.parametrize("name", ["rows.npy", "outputs.npy", MANIFEST])
def test_a_damaged_part_is_predicted_again(tmp_path, name):
    expected = _outputs(tmp_path, _Teacher())
    path = tmp_path / "0_2" / name
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    teacher = _Teacher()
    assert _outputs(tmp_path, teacher).tolist() == expected.tolist()
    assert teacher.given == [[9, 1]]


def test_a_part_of_other_rows_is_predicted_again(tmp_path):
    _outputs(tmp_path, _Teacher())
    np.save(tmp_path / "0_0" / "rows.npy", np.array([3, 7], np.int64))
    content = json.loads((tmp_path / "0_0" / MANIFEST).read_text())
    write_manifest(tmp_path / "0_0", {"identity": content["identity"]})
    teacher = _Teacher()
    _outputs(tmp_path, teacher)
    assert teacher.given == [[7, 3]]


def test_a_shard_without_rows(tmp_path):
    found = ShardParts(tmp_path, _IDENTITY, 1).outputs(0, _ROWS[:0], _Teacher())
    assert found.shape == (0, 2)
