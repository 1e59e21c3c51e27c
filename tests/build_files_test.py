"""Checks the BUILD files where there is no Bazel: every file has its target, with the deps that its imports name."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("mtdnn_tf", "flags", "tools", "tests", "benchmarks")
MODULES = sorted(path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
# The packages whose name on PyPI is not that of their import.
PACKAGES = {
    "absl": "absl-py",
    "google": "protobuf",
    "grpc": "grpcio",
    "markupsafe": "MarkupSafe",
    "official": "tf-models-official",
    "sklearn": "scikit-learn",
    "tensorflow_serving": "tensorflow-serving-api",
    "yaml": "PyYAML",
}

pytestmark = pytest.mark.skipif(not (ROOT / "BUILD").exists(), reason="Bazel runs this, and checks more")


class Target(NamedTuple):
    kind: str
    arguments: dict[str, Any]
    deps: list[str]
    packages: list[str]


def _targets(folder: Path) -> dict[str, Target]:
    """Returns the Python targets of a folder by label; labels are written in full."""
    text = (ROOT / folder / "BUILD").read_text(encoding="utf-8")
    targets = {}
    for call in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)):
        kind = ast.unparse(call.func)
        if kind in ("py_library", "py_binary", "pytest_test"):
            arguments = {str(argument.arg): ast.literal_eval(argument.value) for argument in call.keywords}
            deps = [f"//{folder.as_posix()}{dep}" if dep[0] == ":" else dep for dep in arguments.get("deps", [])]
            deps = [dep if ":" in dep else f"{dep}:{dep.rpartition('/')[2]}" for dep in deps]
            packages = re.findall(r"# pip: (\S+)", "\n".join(text.splitlines()[call.lineno - 1 : call.end_lineno]))
            targets[f"//{folder.as_posix()}:{arguments['name']}"] = Target(kind, arguments, deps, packages)
    return targets


@pytest.fixture(name="targets", scope="module")
def _all_targets() -> dict[str, Target]:
    folders = sorted({module.parent for module in MODULES})
    return {label: target for folder in folders for label, target in _targets(folder).items()}


def _label(module: Path) -> str:
    folder = module.parent
    return f"//{folder.as_posix()}:{folder.name if module.name == '__init__.py' else module.stem}"


def _module(name: str) -> Path | None:
    path = Path(*name.split("."))
    return next((module for module in (path.with_suffix(".py"), path / "__init__.py") if module in MODULES), None)


def _imports(program: str) -> set[str]:
    """Returns the names that a program imports, and those imported by programs within its strings."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(program)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = [f"{node.module}.{alias.name}" for alias in node.names]
            names.update(part if _module(part) else str(node.module) for part in parts)
        elif isinstance(node, ast.JoinedStr) and re.match(r"f['\"]tools\.", ast.unparse(node)):
            names.update(".".join(("tools", tool.stem)) for tool in (ROOT / "tools").glob("[!_]*.py"))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if re.fullmatch(rf"({'|'.join(FOLDERS)})(\.\w+)+", node.value):
                names.add(node.value)  # As in [sys.executable, "-m", "tools.train"].
            elif "import " in node.value:
                try:
                    names |= _imports(node.value)
                except (SyntaxError, ValueError):
                    continue
    return names


def _imports_of(module: Path) -> set[str]:
    return _imports((ROOT / module).read_text(encoding="utf-8"))


def test_every_module_has_a_target_of_its_name_and_kind(targets):
    expected = set()
    for module in MODULES:
        runs = '\nif __name__ == "__main__":' in (ROOT / module).read_text(encoding="utf-8")
        kind = "py_binary" if runs and module.parts[0] != "tests" else "py_library"
        expected.add((_label(module), "pytest_test" if module.stem.endswith("_test") else kind, module.name))
    assert {(label, target.kind, *target.arguments["srcs"]) for label, target in targets.items()} ^ expected == set()
    tests = {label: target.arguments for label, target in targets.items() if target.kind == "pytest_test"}
    assert [label for label, arguments in tests.items() if "size" not in arguments] == []


def test_deps_are_the_imports(targets):
    for module in MODULES:
        # Importing a module runs its package's __init__.py, and importing that runs the one above.
        package = module.parent.parent if module.name == "__init__.py" else module.parent
        found = {package / "__init__.py"} & set(MODULES)
        found |= {path for path in map(_module, _imports_of(module)) if path} - {module}
        if module.stem.endswith("_test"):
            found |= {folder / "conftest.py" for folder in module.parents} & set(MODULES)
        assert sorted(targets[_label(module)].deps) == sorted(map(_label, found)), f"deps of {_label(module)}"


def test_no_list_has_duplicates(targets):
    for label, target in targets.items():
        lists = {name: list(value) for name, value in target.arguments.items() if isinstance(value, list)}
        lists["deps"] = target.deps
        if target.kind == "pytest_test":
            # What tests/pytest_test.bzl adds.
            lists["data"] = [*lists.get("data", []), "//:pyproject.toml"]
            lists["deps"] = [*lists["deps"], "//tests:run_pytest"]
        for name, values in lists.items():
            assert len(values) == len(set(values)), f"duplicates in {name} of {label}: {sorted(values)}"


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.9 does not list its standard library")
def test_comments_name_the_packages(targets):
    for module in MODULES:
        tops = {name.partition(".")[0] for name in _imports_of(module)} - sys.stdlib_module_names - set(FOLDERS)
        packages = {PACKAGES.get(top, top.replace("_", "-")) for top in tops}
        assert set(targets[_label(module)].packages) == packages, f"packages of {_label(module)}"
