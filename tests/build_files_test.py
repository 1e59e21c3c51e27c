"""Tests that the BUILD files are up to date, and tests of the tool that writes them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tools.update_build_files import MARKER, main, outdated

ROOT = Path(__file__).parents[1]
# What pytest_test.bzl adds to the lists of a target: Bazel refuses duplicates.
ADDED = {"pytest_test": {"//:pyproject.toml", "//tests:run_pytest", "//tests:run_pytest.py"}}
# One string, which is no Python: the tool reads programs in strings too.
TREE = '''
=== BUILD
package(default_visibility = ["//:__subpackages__"])
=== zoo/__init__.py
"""Animals and where they live."""
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from zoo.alone import Hermit
=== zoo/animals.py
import collections.abc, os.path
import yaml
from zoo import names, plants
from google.protobuf import text_format
=== zoo/names.py
import zoo.inner
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from zoo.animals import Animal
    import tf_keras.layers
def later():
    from zoo.inner.cages import cage
    import sklearn, Zebra
=== zoo/alone.py
"""Imports nothing, but says so: import zoo."""
=== zoo/inner/__init__.py
from zoo.inner import keys
=== zoo/inner/cages.py
from . import keys, unknown
from .. import animals as beasts
from ..names import later
=== zoo/inner/keys.py
from zoo.inner.cages import cage
if __name__ == "__main__":
    print(cage)
=== tests/BUILD
package(default_testonly = True)
=== tests/__init__.py
import zoo
hermit = zoo.Hermit()
=== tests/conftest.py
=== tests/helpers.py
if __name__ == "__main__":
    print("a helper is no tool")
=== tests/zoo/__init__.py
=== tests/zoo/conftest.py
from tests import helpers
=== tests/zoo/zoo_test.py
from tests.helpers import something
command = ["-m", "zoo.inner.keys", "zoo", "zoo.unknown"]
def test(name):
    run("""
        import numpy
        from zoo.names import later
    """)
=== tests/other/__init__.py
=== tests/zoo/any_test.py
import zoo.names.later
module = f"zoo.inner.{name}"
sentence = f"zoo.{name} is a module"
'''

pytestmark = pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 does not list its standard library")
_NEEDS_BUILD_FILES = pytest.mark.skipif(not (ROOT / "BUILD").exists(), reason="Bazel gives tests no BUILD files")


@pytest.fixture(name="root")
def _small_project(tmp_path: Path) -> Path:
    for file in TREE.split("\n=== ")[1:]:
        name, _, text = file.partition("\n")
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    return tmp_path


def _calls(text: str) -> dict[str, ast.Call]:
    """Returns the calls of a BUILD file by the name that they give."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    names = {keyword.value: call for call in calls for keyword in call.keywords if keyword.arg == "name"}
    return {ast.literal_eval(name): call for name, call in names.items()}


@_NEEDS_BUILD_FILES
def test_files_are_up_to_date():
    # Without any package, as the tool promises.
    command = [sys.executable, "-I", "-S", str(ROOT / "tools" / "update_build_files.py"), "--check"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (found.returncode, found.stdout, found.stderr) == (0, "", "")


@_NEEDS_BUILD_FILES
def test_no_list_has_a_duplicate():
    paths = [ROOT / "BUILD", *ROOT.glob("[!.]*/**/BUILD")]
    assert len(paths) > 30
    for path in paths:
        calls = _calls(path.read_text(encoding="utf-8"))
        lists = [
            (name, call, node) for name, call in calls.items() for node in ast.walk(call) if isinstance(node, ast.List)
        ]
        for name, call, node in lists:
            given = [*ast.literal_eval(node), *ADDED.get(ast.unparse(call.func), ())]
            assert len(set(given)) == len(given), f"{path}: {name}: {given}"


@pytest.mark.parametrize(
    ("target", "rule", "deps", "packages"),
    [
        ("zoo:zoo", "py_library", [], []),
        ("zoo:alone", "py_library", [":zoo"], []),
        ("zoo:animals", "py_library", [":names", ":zoo"], ["protobuf", "PyYAML"]),
        (
            "zoo:names",
            "py_library",
            [":zoo", "//zoo/inner", "//zoo/inner:cages"],
            ["scikit-learn", "Zebra"],
        ),
        ("zoo/inner:inner", "py_library", [":keys", "//zoo"], []),
        ("zoo/inner:cages", "py_library", [":inner", ":keys", "//zoo:animals", "//zoo:names"], []),
        ("zoo/inner:keys", "py_binary", [":cages", ":inner"], []),
        ("tests:tests", "py_library", ["//zoo", "//zoo:alone"], []),
        ("tests:helpers", "py_library", [":tests"], []),
        ("tests/zoo:zoo", "py_library", ["//tests"], []),
        ("tests/zoo:conftest", "py_library", [":zoo", "//tests:helpers"], []),
        (
            "tests/zoo:zoo_test",
            "pytest_test",
            [":conftest", ":zoo", "//tests:conftest", "//tests:helpers", "//zoo:names", "//zoo/inner:keys"],
            ["numpy"],
        ),
        (
            "tests/zoo:any_test",
            "pytest_test",
            [":conftest", ":zoo", "//tests:conftest", "//zoo/inner:cages", "//zoo/inner:keys"],
            [],
        ),
    ],
)
def test_deps_are_the_imports(root: Path, target: str, rule: str, deps: list[str], packages: list[str]):
    folder, _, name = target.partition(":")
    text = outdated(root)[Path(folder, "BUILD")]
    call = _calls(text)[name]
    found = [ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg == "deps"]
    assert (ast.unparse(call.func), found) == (rule, [deps] if deps or packages else [])
    assert re.findall(r"# pip: (.*)", ast.get_source_segment(text, call) or "") == packages


def test_text_of_a_new_file(root: Path):
    assert (
        outdated(root)[Path("zoo/inner/BUILD")]
        == f"""\
# zoo/inner.

load("@rules_python//python:defs.bzl", "py_binary", "py_library")

package(default_visibility = ["//:__subpackages__"])

{MARKER}

py_library(
    name = "inner",
    srcs = ["__init__.py"],
    deps = [
        ":keys",
        "//zoo",
    ],
)

py_library(
    name = "cages",
    srcs = ["cages.py"],
    deps = [
        ":inner",
        ":keys",
        "//zoo:animals",
        "//zoo:names",
    ],
)

py_binary(
    name = "keys",
    srcs = ["keys.py"],
    deps = [
        ":cages",
        ":inner",
    ],
)
"""
    )
    assert outdated(root)[Path("zoo/BUILD")].startswith("# Animals and where they live.\n\nload(")
    assert outdated(root)[Path("tests/other/BUILD")].startswith("# tests/other.\n")
    lines = outdated(root)[Path("tests/zoo/BUILD")].splitlines()
    assert lines[0] == "# tests/zoo."
    assert lines[2:6] == [
        'load("@rules_python//python:defs.bzl", "py_library")',
        'load("//tests:pytest_test.bzl", "pytest_test")',
        "",
        "package(default_testonly = True)",
    ]
    assert lines[lines.index('    name = "any_test",') + 1] == '    size = "small",'


def test_what_is_written_by_hand_is_kept(root: Path):
    main([], root)
    path = root / "tests" / "zoo" / "BUILD"
    text = path.read_text()
    header = 'load("//:mine.bzl", "mine")\n\nfilegroup(\n    name = "cages",  # Empty.\n    srcs = glob(["*.cage"]),\n)'
    text = text.replace("# tests/zoo.", "# Mine.\n# And yours.").replace(MARKER, f"{header}\n\n{MARKER}")
    name = '    name = "zoo_test",\n    size = '
    sources = '    srcs = ["zoo_test.py"],'
    facts = f'"large",\n{sources}\n    data = [\n        ":cages",  # Opened.\n    ],\n    tags = ["exclusive"],'
    edited = text.replace(f'{name}"small",\n{sources}', f"{name}{facts}")
    path.write_text(edited)
    assert edited.count("exclusive") == edited.count("Opened") == edited.count("filegroup") == 1
    assert outdated(root) == {}
    # As a merge may leave it: an older marker, a target too many, a dep too few, another order of loads.
    damaged = edited.replace(MARKER, f"{MARKER} Or so.").replace('"//zoo/inner:keys",', "")
    damaged = damaged.replace('"py_library")', '"py_test")') + '\npytest_test(name = "gone_test", size = "large")\n'
    path.write_text(damaged)
    main([], root)
    assert path.read_text() == edited


def test_check_lists_files_and_changes_nothing(root: Path, capsys):
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with pytest.raises(SystemExit) as stopped:
        main(["--check"], root)
    advice = "not up to date; run python -m tools.update_build_files"
    paths = ["tests/BUILD", "tests/other/BUILD", "tests/zoo/BUILD", "zoo/BUILD", "zoo/inner/BUILD"]
    assert str(stopped.value).splitlines() == [f"error: {path}: {advice}" for path in paths]
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    main([], root)
    assert capsys.readouterr().out.splitlines() == [f"{path}: written" for path in paths]
    main(["--check"], root)
    main([], root)
    assert capsys.readouterr().out == ""
    (root / "zoo" / "inner" / "cages.py").unlink()
    main([], root)
    assert capsys.readouterr().out.splitlines() == [f"{path}: written" for path in paths[2:]]
    assert "cages" not in "".join(path.read_text() for path in root.rglob("BUILD"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("zoo/animals.py", "import os\nimport\n", r"zoo/animals\.py:2: .*"),
        ("zoo/BUILD", "<<<<<<< HEAD\n", r"zoo/BUILD:1: .*"),
        (
            "zoo/BUILD",
            f'{MARKER}\npy_library(name = "a")\n\nexports_files(["b"])\n',
            r"zoo/BUILD:4: must be above the targets.*",
        ),
        ("zoo/zoo.py", "", r"zoo/zoo\.py: must not have its folder's name.*"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(root: Path, name: str, text: str, message: str):
    (root / name).write_text(text)
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with pytest.raises(SystemExit) as stopped:
        main([], root)
    assert re.fullmatch(f"error: {message}", str(stopped.value))
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
