from __future__ import annotations

import pytest

from mtdnn_tf.beam.range_folders import RangeFolders
from mtdnn_tf.manifests import MANIFEST


def _write(folders: RangeFolders, number: int, rows: int) -> None:
    with folders.new(number, rows) as temporary:
        (temporary / "file").write_text("x" * rows)


def test_ranges_of_the_same_work_are_done(tmp_path):
    folders = RangeFolders(tmp_path, "one", ("file",))
    for number in (3, 1):
        _write(folders, number, rows=number)
    assert [folders.rows(number) for number in range(4)] == [0, 1, 0, 3]
    assert [path.name for path in folders.done(3)] == ["range-00001"]
    other = RangeFolders(tmp_path, "another", ("file",))
    assert (other.done(4), other.written()) == ([], 2)
    assert not RangeFolders(tmp_path, "one", ("file", "file2")).done(4)


@pytest.mark.parametrize("name", ["file", MANIFEST])
def test_a_damaged_range_is_not_done(tmp_path, name):
    folders = RangeFolders(tmp_path, "one", ("file",))
    _write(folders, 0, rows=2)
    path = tmp_path / "range-00000" / name
    path.write_bytes(path.read_bytes()[:-1])
    assert folders.rows(0) == 0 and not folders.done(1)


def test_a_range_that_fails_is_not_done(tmp_path):
    folders = RangeFolders(tmp_path, "one", ("file",))
    with pytest.raises(ValueError, match="stop"), folders.new(0, 2):
        raise ValueError("stop")
    assert not list(tmp_path.iterdir())


def test_ranges_are_moved_and_taken_back_by_the_same_work(tmp_path):
    folders, store = RangeFolders(tmp_path / "on_the_way" / "ranges", "one", ("file",)), tmp_path / "store"
    store.mkdir()
    (store / "older").touch()
    for number in range(3):
        _write(folders, number, rows=1)
    folders.move_to(store, 2)
    assert sorted(path.name for path in store.iterdir()) == ["range-00000", "range-00001"]
    (store / MANIFEST).touch()
    other = RangeFolders(tmp_path / "on_the_way" / "ranges", "another", ("file",))
    other.take_back(store, 2)
    assert not other.folder.exists() and (store / MANIFEST).exists()
    folders.take_back(store, 2)
    assert [path.name for path in folders.done(2)] == ["range-00000", "range-00001"]
    assert not store.exists() and not (folders.folder / MANIFEST).exists()
