import errno
import hashlib

import pytest

from mtdnn_tf.files import new_file, new_folder, sha256_of_file, write_text


def test_a_folder_appears_when_complete_or_not_at_all(tmp_path):
    with pytest.raises(RuntimeError), new_folder(tmp_path / "a") as temporary:
        (temporary / "half").write_text("x")
        assert not (tmp_path / "a").exists()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    write_text(tmp_path / "a" / "old", "x")
    with new_folder(tmp_path / "a") as temporary:
        (temporary / "other").write_text("x")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["other"]


def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "a.txt", "new \ud800")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_errors_of_writing_name_what_was_to_be_written(tmp_path):
    for writer in (new_file, new_folder):
        with pytest.raises(OSError, match="No space left") as caught, writer(tmp_path / "a") as temporary:
            raise OSError(errno.ENOSPC, "No space left on device", str(temporary))
        assert caught.value.filename == str(tmp_path / "a")
        with pytest.raises(OSError, match="No space left") as caught, writer(tmp_path / "a"):
            raise OSError(errno.ENOSPC, "No space left on device")
        assert caught.value.filename == str(tmp_path / "a")
        with pytest.raises(FileNotFoundError) as caught, writer(tmp_path / "a"):
            (tmp_path / "another").read_bytes()
        assert caught.value.filename == str(tmp_path / "another")
    assert list(tmp_path.iterdir()) == []


def test_sha256_of_a_file(tmp_path):
    content = bytes(range(256)) * 10_000
    (tmp_path / "a").write_bytes(content)
    assert sha256_of_file(tmp_path / "a") == hashlib.sha256(content).hexdigest()
