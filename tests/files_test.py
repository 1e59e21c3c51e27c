import errno
import hashlib
import json

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import (
    fingerprint,
    new_file,
    new_folder,
    read_json,
    read_manifest,
    sha256_of_file,
    write_json,
    write_manifest,
    write_text,
)


def _folder(path):
    with new_folder(path) as temporary:
        (temporary / "part").mkdir()
        (temporary / "part" / "data").write_bytes(b"0123456789")
        (temporary / "empty").write_bytes(b"")
        write_manifest(temporary, {"made_from": {"seed": 1}})
    return path


def test_a_manifest_gives_back_what_was_written(tmp_path):
    manifest = read_manifest(_folder(tmp_path / "a"), "make it again")
    assert manifest["made_from"] == {"seed": 1}
    assert manifest["files"] == {
        "empty": hashlib.sha256(b"").hexdigest(),
        "part/data": hashlib.sha256(b"0123456789").hexdigest(),
    }


@pytest.mark.parametrize("name", ["part/data", "manifest.json"])
def test_every_cut_and_every_flipped_bit_is_refused(tmp_path, name, record_property):
    folder = _folder(tmp_path / "a")
    content = (folder / name).read_bytes()
    for place in range(len(content)):
        for damaged in (content[:place], content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]):
            (folder / name).write_bytes(damaged)
            with pytest.raises(UserError, match=r"make it again|delete and rebuild it"):
                read_manifest(folder, "make it again")
            record_property("trials", 1)


def test_a_missing_file_is_refused(tmp_path):
    folder = _folder(tmp_path / "a")
    (folder / "part" / "data").unlink()
    with pytest.raises(UserError, match="part/data: missing; make it again"):
        read_manifest(folder, "make it again")
    (folder / "manifest.json").unlink()
    with pytest.raises(UserError, match=r"manifest\.json is missing"):
        read_manifest(folder, "make it again")


def test_a_folder_appears_when_complete_or_not_at_all(tmp_path):
    with pytest.raises(RuntimeError), new_folder(tmp_path / "a") as temporary:
        (temporary / "half").write_text("x")
        assert not (tmp_path / "a").exists()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    _folder(tmp_path / "a")
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


def test_sha256_of_a_file(tmp_path):
    content = bytes(range(256)) * 10_000
    (tmp_path / "a").write_bytes(content)
    assert sha256_of_file(tmp_path / "a") == hashlib.sha256(content).hexdigest()
