import subprocess
import sys
from pathlib import Path

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_file, new_folder
from mtdnn_tf.locks import lock_beside, locked, locked_folder, locked_path


class _Killed(BaseException):
    """Ends a writer as a signal would: nothing is tidied up."""


def _left_by_a_killed_writer(write, path, monkeypatch):
    """Returns the temporary file or folder that remains of what is written at a path."""
    with monkeypatch.context() as patched:
        patched.setattr("pathlib.Path.unlink", lambda *_, **__: None)
        patched.setattr("shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(_Killed), write(path) as temporary:
            raise _Killed
    return temporary


def test_a_locked_folder_is_freed_of_what_killed_writers_of_its_files_left(tmp_path, monkeypatch):
    left = [
        _left_by_a_killed_writer(new_file, tmp_path / name, monkeypatch)
        for name in ("config.flags", "config.json", "metrics/epoch_001.json", "results.md")
    ]
    other = [
        _left_by_a_killed_writer(new_file, tmp_path / "elsewhere" / "config.json", monkeypatch),
        tmp_path / ".config.settings",
        tmp_path / ".notes.txt.original",
        tmp_path / "config.json.original",
        tmp_path / ".hidden",
    ]
    for path in other:
        path.touch()
    assert all(path.exists() for path in left + other)
    with locked_folder(tmp_path, "the folder", ["metrics"]):
        assert not any(path.exists() for path in left)
        assert all(path.exists() for path in other)
        with pytest.raises(UserError, match="the folder: in use by process"), locked_folder(tmp_path, "the folder"):
            pass
    assert not (tmp_path / ".lock").exists()


def test_a_locked_path_is_freed_of_what_killed_writers_of_it_left(tmp_path, monkeypatch):
    left = [_left_by_a_killed_writer(new_folder, tmp_path / "1", monkeypatch) for _ in range(2)]
    other = _left_by_a_killed_writer(new_folder, tmp_path / "11", monkeypatch)
    (left[0] / "file").touch()
    with locked_path(tmp_path / "1", "version 1"):
        assert not any(path.exists() for path in left)
        assert other.is_dir()
    assert not lock_beside(tmp_path / "1").exists()


def test_who_does_not_hold_the_lock_removes_nothing(tmp_path, monkeypatch):
    left = _left_by_a_killed_writer(new_file, tmp_path / "config.json", monkeypatch)
    with (
        locked(tmp_path / ".lock", "the folder"),
        pytest.raises(UserError, match="in use"),
        locked_folder(tmp_path, "the folder"),
    ):
        pass
    assert left.exists()


def test_another_host_that_shares_the_folder_is_named(tmp_path):
    code = f"""
from mtdnn_tf.locks import locked
from pathlib import Path
with locked(Path({str(tmp_path / ".lock")!r}), "the folder"):
    print("locked", flush=True)
    input()
"""
    # A name space of its own for the name of the host, and for the numbers of processes.
    command = ["unshare", "--uts", "--pid", "--fork", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh"]
    with subprocess.Popen(
        [*command, sys.executable, "-c", code],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin and other.stdout and other.stderr
        if other.stdout.readline() != "locked\n":
            pytest.skip(f"a host of another name is made by root alone: {other.stderr.read()}")
        with (
            pytest.raises(UserError, match=r"the folder: in use by process \d+ of elsewhere \("),
            locked(tmp_path / ".lock", "the folder"),
        ):
            pass
        other.stdin.close()
    assert not (tmp_path / ".lock").exists()
    with locked(tmp_path / ".lock", "the folder"):
        pass
