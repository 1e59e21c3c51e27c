import hashlib

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_folder
from mtdnn_tf.manifests import read_manifest, write_manifest


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
