from __future__ import annotations

from pathlib import Path

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.yaml_values import YamlValue, read_yaml


def _read(folder: Path, content: str) -> YamlValue:
    path = folder / "a.yaml"
    path.write_text(content, encoding="utf-8", newline="")
    return read_yaml(path)


def test_scalars_are_the_text_of_the_file(tmp_path: Path):
    value = _read(tmp_path, "a: [yes, no, on, null, 1.0, 010, 2001-01-01, 'x: y', é]")
    assert value.fields()["a"].texts() == (
        "yes", "no", "on", "null", "1.0", "010", "2001-01-01", "x: y", "é"
    )  # fmt: skip


def test_values_know_their_lines(tmp_path: Path):
    fields = _read(tmp_path, "# comment\na: 1\nb:\n  c: [x,\n    y]\n").fields()
    assert fields["a"].where == f"{tmp_path}/a.yaml:2"
    items = fields["b"].fields()["c"].items()
    assert [item.where.rsplit(":", 1)[1] for item in items] == ["4", "5"]


def test_numbers(tmp_path: Path):
    assert _read(tmp_path, "a: 0.25").fields()["a"].number() == 0.25
    with pytest.raises(UserError, match=r"a.yaml:1: a of the file must be a number, got 'much'"):
        _read(tmp_path, "a: much").fields()["a"].number()


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        ("a: 1\na: 2\n", 2, "duplicate 'a' in the file"),
        ("[a, b]: 1\n", 1, "must be names, got a list"),
        ("a: [\n", 2, "not YAML"),
        ("a: 1\n---\nb: 1\n", 2, "not YAML"),
        ("a: 1\n\tb: 2\n", 2, "not YAML"),
        ("a: *b\n", 1, "not YAML"),
        ("- a\n", 1, "must be `name: value` pairs, got a list"),
    ],
)
def test_bad_yaml_is_refused_with_its_line(tmp_path: Path, content: str, line: int, message: str):
    with pytest.raises(UserError) as caught:
        _read(tmp_path, content).fields()
    assert str(caught.value).startswith(f"{tmp_path}/a.yaml:{line}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "# nothing\n", "\0", "[" * 20000])
def test_files_that_are_no_yaml_are_refused_in_one_line(tmp_path: Path, content: str):
    with pytest.raises(UserError) as caught:
        _read(tmp_path, content)
    assert str(caught.value).startswith(f"{tmp_path}/a.yaml")
    assert "\n" not in str(caught.value)


def test_unreadable_files_are_refused(tmp_path: Path):
    with pytest.raises(UserError, match=r"a.yaml: cannot be read"):
        read_yaml(tmp_path / "a.yaml")
    (tmp_path / "a.yaml").write_bytes(b"a: \xff")
    with pytest.raises(UserError, match="not UTF-8 at byte 3"):
        read_yaml(tmp_path / "a.yaml")


def test_no_object_is_made(tmp_path: Path):
    value = _read(tmp_path, "a: !!python/object/apply:os.mkdir [made]\n")
    with pytest.raises(UserError, match="must be printable text, got a list"):
        value.fields()["a"].text()


@pytest.mark.parametrize("content", ["a:", "a: ''", "a: []", "a: {}", "a: [[x]]", 'a: ["x\\ny"]', "a: [x, x]"])
def test_lists_take_different_texts(tmp_path: Path, content: str):
    with pytest.raises(UserError, match=r"a.yaml:1: "):
        _read(tmp_path, content).fields()["a"].texts()
