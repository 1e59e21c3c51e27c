import json

import pytest

from mtdnn_tf.checked_json import read_checked_json, write_checked_json
from mtdnn_tf.errors import UserError

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
    with pytest.raises(UserError, match="an object of JSON is needed; again"):
        read_checked_json(tmp_path / "a.json", "again")
