"""Writes the BUILD files: one target per Python file, with the deps that its imports name.

  python -m tools.update_build_files            rewrites the files that are not up to date
  python -m tools.update_build_files --check    lists them, changes nothing, and exits with 1 if there are any

Imports do not say everything. What a BUILD file has above its first target (a comment, `package`, `filegroup`,
`exports_files`) is kept, and so is every attribute of a target except `name`, `srcs` and `deps`: set a test's `size` or
a target's `data` there. The size of a new test is "small"; a new folder gets the `package` of the folder above it.

Needs no package: `python tools/update_build_files.py` is the same, and starts sooner.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
BEGINNING = "# Generated from here on"
MARKER = f"{BEGINNING} by `python -m tools.update_build_files`, which keeps attributes such as `size` and `data`."
# Rules by the file that defines them.
RULES = {"@rules_python//python:defs.bzl": ("py_binary", "py_library"), "//tests:pytest_test.bzl": ("pytest_test",)}
# The packages whose name on PyPI is not that of their import, with dashes.
PACKAGES = {
    "absl": "absl-py",
    "google": "protobuf",
    "grpc": "grpcio",
    "jinja2": "Jinja2",
    "official": "tf-models-official",
    "sklearn": "scikit-learn",
    "tensorflow_serving": "tensorflow-serving-api",
    "yaml": "PyYAML",
}


class _Kept(NamedTuple):
    """The hand-written parts of a BUILD file, as source text: attributes by target and name."""

    comment: str
    header: str
    attributes: dict[str, dict[str, str]]


class _Project:
    """The Python files of a project, in all packages of the root folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        tops = [path.parent for path in root.glob("[!.]*/__init__.py")]
        self.tops = {top.name for top in tops}
        self.modules = {path.relative_to(root) for top in tops for path in top.rglob("*.py")}
        # A package comes before a module of the same name, as in imports.
        self.names = {_name(module): module for module in sorted(self.modules, reverse=True)}

    def build_file(self, folder: Path) -> str:
        """Returns the text of a folder's BUILD file."""
        path = folder / "BUILD"
        kept = self._kept(path) if (self.root / path).exists() else self._new(folder)
        modules = sorted((module for module in self.modules if module.parent == folder), key=lambda module: module.stem)
        if {folder / "__init__.py", folder / f"{folder.name}.py"} <= set(modules):
            path = folder / f"{folder.name}.py"
            raise SystemExit(f"error: {path}: must not have its folder's name, which is the target of __init__.py")
        targets = [self._target(module, kept.attributes) for module in modules]
        rules = {target.partition("(")[0] for target in targets}
        loads = [[file, *sorted(rules & set(names))] for file, names in RULES.items() if rules & set(names)]
        lines = "\n".join("load({})".format(", ".join(f'"{name}"' for name in names)) for names in loads)
        return "\n\n".join(filter(None, [kept.comment, lines, kept.header, MARKER if targets else "", *targets])) + "\n"

    def _kept(self, path: Path) -> _Kept:
        text = self._source(path)
        lines, attributes = text.splitlines(), {}
        end, generated = len(lines), {number for number, line in enumerate(lines) if line.startswith(BEGINNING)}
        for statement in _parse(text, path).body:
            call = statement.value if isinstance(statement, ast.Expr) else None
            rule = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
            if isinstance(call, ast.Call) and any(rule in rules for rules in RULES.values()):
                values = {str(item.arg): str(ast.get_source_segment(text, item.value)) for item in call.keywords}
                attributes[values.get("name", "").strip("\"'")] = values
                end = min(end, statement.lineno - 1)
            elif attributes:
                raise SystemExit(f"error: {path}:{statement.lineno}: must be above the first target, to be kept")
            elif isinstance(call, ast.Call) and rule == "load" and ast.literal_eval(call.args[0]) in RULES:
                generated.update(range(statement.lineno - 1, call.end_lineno or statement.lineno))
        kept = [line for number, line in enumerate(lines[:end]) if number not in generated]
        length = next((number for number, line in enumerate(kept) if not line.startswith("#")), len(kept))
        return _Kept("\n".join(kept[:length]), "\n".join(kept[length:]).strip(), attributes)

    def _new(self, folder: Path) -> _Kept:
        init = folder / "__init__.py"
        documentation = ast.get_docstring(self._program(init)) if init in self.modules else None
        default = f"{folder.as_posix()}."
        if folder.parts[0] == "tests":
            below = Path(*folder.parts[1:])
            tested = [Path(top, below) for top in sorted(self.tops) if (self.root / top / below).is_dir()]
            default = f"Tests of {next((path for path in tested if path != folder), below).as_posix()}."
        comment = f"# {(documentation or default).splitlines()[0]}"
        above = next((path / "BUILD" for path in folder.parents if (self.root / path / "BUILD").exists()), None)
        text = self._source(above) if above else ""
        calls = [ast.get_source_segment(text, statement) or "" for statement in ast.parse(text).body]
        return _Kept(comment, next((call for call in calls if call.startswith("package(")), ""), {})

    def _target(self, module: Path, attributes: dict[str, dict[str, str]]) -> str:
        name = module.parent.name if module.name == "__init__.py" else module.stem
        if module.stem.endswith("_test"):
            rule, values = "pytest_test", {"size": '"small"'}
        else:
            runs = module.parts[0] != "tests" and '\nif __name__ == "__main__":' in self._source(module)
            rule, values = "py_binary" if runs else "py_library", {}
        values.update(attributes.get(name, {}))
        values.update({"name": f'"{name}"', "srcs": f'["{module.name}"]', "deps": _list(*self._deps(module))})
        first = [key for key in ("name", "size", "srcs") if key in values]
        order = [*first, *sorted(values.keys() - {*first, "deps"}), *(["deps"] if values["deps"] else [])]
        return "\n".join([f"{rule}(", *(f"    {key} = {values[key]}," for key in order), ")"])

    def _deps(self, module: Path) -> tuple[list[str], list[str]]:
        """Returns the labels of the project's modules that a module imports, and the names of packages."""
        names = self._imports(self._program(module), module.parent.parts)
        # Importing a module runs its package's __init__.py, and importing that runs the one above.
        package = module.parent.parent if module.name == "__init__.py" else module.parent
        found = {package / "__init__.py", *(self.names[name] for name in names & self.names.keys())}
        if module.stem.endswith("_test"):
            found |= {folder / "conftest.py" for folder in module.parents}
        labels = {_label(path, module.parent) for path in found & self.modules - {module}}
        tops = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - self.tops
        packages = {PACKAGES.get(top, top.replace("_", "-")) for top in tops}
        return sorted(labels, key=lambda label: label.replace(":", "!")), sorted(packages, key=str.casefold)

    def _imports(self, program: ast.Module, package: tuple[str, ...]) -> set[str]:
        """Returns the modules that a program names: in imports anywhere, and in strings that are run."""
        names: set[str] = set()
        for node in ast.walk(program):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) + 1 - node.level] if node.level else ()
                base = ".".join([*above, *filter(None, [node.module])])
                parts = [f"{base}.{alias.name}" for alias in node.names]
                names.update(part if part in self.names else base for part in parts)
            elif isinstance(node, ast.JoinedStr) and re.fullmatch(r"f.([\w.]+)\.{\w+}.", ast.unparse(node)):
                parent = ast.unparse(node)[2:].partition(".{")[0]  # As in f"tools.{name}": any module of tools.
                names.update(name for name in self.names if name.rpartition(".")[0] == parent)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                names.update(self._names_in(node.value))
        return names

    def _names_in(self, text: str) -> Iterable[str]:
        """Returns the modules that a string names, as in [sys.executable, "-m", "tools.train"], or as a program."""
        if "." in text and text in self.names:
            return [text]
        try:
            return self._imports(ast.parse(textwrap.dedent(text)), ()) if "import " in text else []
        except (SyntaxError, ValueError):
            return []

    def _source(self, path: Path) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def _program(self, module: Path) -> ast.Module:
        return _parse(self._source(module), module)


def _parse(text: str, path: Path) -> ast.Module:
    try:
        return ast.parse(text)
    except SyntaxError as error:
        raise SystemExit(f"error: {path}:{error.lineno}: {error.msg}") from None


def _name(module: Path) -> str:
    return ".".join(module.parent.parts if module.name == "__init__.py" else module.with_suffix("").parts)


def _label(module: Path, folder: Path) -> str:
    is_package, name = module.name == "__init__.py", module.stem
    if module.parent == folder:
        return f":{folder.name if is_package else name}"
    return f"//{module.parent.as_posix()}{'' if is_package else f':{name}'}"


def _list(labels: list[str], packages: list[str]) -> str:
    if len(labels) == 1 and not packages:
        return f'["{labels[0]}"]'
    items = [*(f'"{label}",' for label in labels), *(f"# pip: {package}" for package in packages)]
    return "\n".join(["[", *(f"        {item}" for item in items), "    ]"]) if items else ""


def outdated(root: Path) -> dict[Path, str]:
    """Finds the BUILD files that are not up to date.

    Args:
        root: The project's root folder.

    Returns:
        The text that each must have, by its path from the root.

    Raises:
        SystemExit: A file cannot be parsed, or its targets cannot be told apart; the message is one line.
    """
    project = _Project(root)
    builds = {path.relative_to(root) for top in project.tops for path in (root / top).rglob("BUILD")}
    paths = sorted(builds | {module.parent / "BUILD" for module in project.modules})
    texts = {path: project.build_file(path.parent) for path in paths}
    present = {path: (root / path).read_text(encoding="utf-8") for path in texts if (root / path).exists()}
    return {path: text for path, text in texts.items() if present.get(path) != text}


def main(arguments: list[str] | None = None, root: Path = ROOT) -> None:
    """Rewrites the BUILD files that are not up to date, or lists them and exits with 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a file is not up to date")
    check = parser.parse_args(arguments).check
    if sys.version_info < (3, 10):  # Without the names of the standard library's modules.
        raise SystemExit(f"error: Python must be 3.10 or later, got {sys.version.split()[0]}")
    found = outdated(root)
    if check and found:
        raise SystemExit(
            "\n".join(f"error: {path}: not up to date; run python -m tools.update_build_files" for path in found)
        )
    for path, text in found.items():
        (root / path).write_text(text, encoding="utf-8")
        print(f"{path}: written")


if __name__ == "__main__":
    main()
