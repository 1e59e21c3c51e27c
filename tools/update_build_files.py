"""Writes the BUILD files: one target per Python file, with the deps that its imports name.

  python -m tools.update_build_files            rewrites the files that are not up to date
  python -m tools.update_build_files --check    lists them, changes nothing, and exits with 1 if there are any

Imports do not say everything. What a BUILD file has above the line "Generated from here on" is kept, and so is every
attribute of a target except `name`, `srcs` and `deps`: set a test's `size` or a target's `data` there.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
BEGINNING = "# Generated from here on"
MARKER = f"{BEGINNING} by `python -m tools.update_build_files`, which keeps attributes such as `size` and `data`."
_RULES = {"@rules_python//python:defs.bzl": ("py_binary", "py_library"), "//tests:pytest_test.bzl": ("pytest_test",)}
_LOADS = re.compile(r'^load\("(?:@rules_python//python:defs|//tests:pytest_test)\.bzl".*\)\n', re.MULTILINE)
# The packages whose name on PyPI is not that of their import, with dashes.
_PACKAGES = {
    "absl": "absl-py",
    "google": "protobuf",
    "grpc": "grpcio",
    "jinja2": "Jinja2",
    "official": "tf-models-official",
    "sklearn": "scikit-learn",
    "tensorflow_serving": "tensorflow-serving-api",
    "yaml": "PyYAML",
}


class _Project:
    """The Python files of a project, in all packages of the root folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        tops = [path.parent for path in root.glob("[!.]*/__init__.py")]
        self.tops = {top.name for top in tops}
        self.modules = {path.relative_to(root) for top in tops for path in top.rglob("*.py")}
        # A package comes before a module of the same name, as in imports.
        self.names = {_name(module): module for module in sorted(self.modules, reverse=True)}

    def parsed(self, path: Path) -> tuple[str, ast.Module]:
        """Returns the text of a file, and its syntax tree."""
        text = (self.root / path).read_text(encoding="utf-8")
        try:
            return text, ast.parse(text)
        except SyntaxError as error:
            raise SystemExit(f"error: {path}:{error.lineno}: {error.msg}") from None

    def build_file(self, folder: Path) -> str:
        """Returns the text of a folder's BUILD file."""
        modules = sorted((module for module in self.modules if module.parent == folder), key=lambda module: module.stem)
        if {folder / "__init__.py", folder / f"{folder.name}.py"} <= set(modules):
            raise SystemExit(f"error: {folder}/{folder.name}.py: must not have its folder's name, that of a target")
        if (self.root / folder / "BUILD").exists():
            text, program = self.parsed(folder / "BUILD")
        else:
            text, program = self._beginning(folder), ast.Module([], [])
        kept = text.partition(BEGINNING)[0]
        attributes = {}
        for statement in program.body:
            if statement.lineno <= len(kept.splitlines()):
                continue
            call = statement.value if isinstance(statement, ast.Expr) else None
            if not (isinstance(call, ast.Call) and any(ast.unparse(call.func) in rules for rules in _RULES.values())):
                raise SystemExit(f"error: {folder}/BUILD:{statement.lineno}: must be above the targets, to be kept")
            values = {str(item.arg): str(ast.get_source_segment(text, item.value)) for item in call.keywords}
            attributes[values.get("name", "").strip("\"'")] = values
        targets = [self._target(module, attributes) for module in modules]
        used = {target.partition("(")[0] for target in targets}
        loads = "".join(
            "load({})\n".format(", ".join(f'"{name}"' for name in (file, *sorted(used & set(rules)))))
            for file, rules in _RULES.items()
            if used & set(rules)
        )
        comment, rest = re.fullmatch(r"((?:#[^\n]*\n)*)(.*)", _LOADS.sub("", kept), re.DOTALL).groups()  # type: ignore[union-attr]
        parts = [comment.strip(), loads.strip(), rest.strip(), MARKER if targets else "", *targets]
        return "\n\n".join(filter(None, parts)) + "\n"

    def _beginning(self, folder: Path) -> str:
        """Returns a comment and the `package` of the folder above, for a folder without a BUILD file."""
        init = folder / "__init__.py"
        text = ast.get_docstring(self.parsed(init)[1]) if init in self.modules else ""
        above = next((path for path in folder.parents if (self.root / path / "BUILD").exists()), None)
        found = re.search(r"^package\(.*?\)$", self.parsed(above / "BUILD")[0], re.MULTILINE) if above else None
        return f"# {(text or f'{folder.as_posix()}.').splitlines()[0]}\n\n{found[0] if found else ''}\n"

    def _target(self, module: Path, attributes: dict[str, dict[str, str]]) -> str:
        name = module.parent.name if module.name == "__init__.py" else module.stem
        text, program = self.parsed(module)
        is_test = module.stem.endswith("_test")
        runs = module.parts[0] != "tests" and '\nif __name__ == "__main__":' in text
        values = {"size": '"small"'} if is_test else {}
        values.update(attributes.get(name, {}))
        values.update(name=f'"{name}"', srcs=f'["{module.name}"]', deps=self._deps(module, program))
        order = sorted(values.keys() - {"deps"}, key=lambda key: ({"name": 0, "size": 1, "srcs": 2}.get(key, 3), key))
        lines = [f"    {key} = {values[key]}," for key in (*order, "deps") if values[key]]
        return "\n".join([f"{'pytest_test' if is_test else 'py_binary' if runs else 'py_library'}(", *lines, ")"])

    def _deps(self, module: Path, program: ast.Module) -> str:
        """Returns the list of the project's modules that a module imports, with comments that name packages."""
        names = self._imports(program, module.parent.parts)
        # Importing a module runs its package's __init__.py, and importing that runs the one above.
        package = module.parent.parent if module.name == "__init__.py" else module.parent
        found = {package / "__init__.py", *(self.names[name] for name in names & self.names.keys())}
        if module.stem.endswith("_test"):
            found |= {folder / "conftest.py" for folder in module.parents}
        labels = {_label(path, module.parent) for path in found & self.modules - {module}}
        tops = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - self.tops
        packages = {_PACKAGES.get(top, top.replace("_", "-")) for top in tops}
        if len(labels) == 1 and not packages:
            return f'["{labels.pop()}"]'
        items = [f'"{label}",' for label in sorted(labels, key=lambda label: label.replace(":", "!"))]
        items += [f"# pip: {package}" for package in sorted(packages, key=str.casefold)]
        return "\n".join(["[", *(f"        {item}" for item in items), "    ]"]) if items else ""

    def _imports(self, program: ast.Module, package: tuple[str, ...]) -> set[str]:
        """Returns the modules that a program names: in imports anywhere, and in strings that are run."""
        names: set[str] = set()
        unread = set(map(id, _read_by_type_checkers(program)))
        used = {node.attr for node in ast.walk(program) if isinstance(node, ast.Attribute)}
        for node in ast.walk(program):
            if id(node) in unread:
                continue
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
                # What a package imports when it is used is in its imports for type checkers.
                for name in {alias.name for alias in node.names} & self.names.keys():
                    for lazy in _read_by_type_checkers(self.parsed(self.names[name])[1]):
                        if isinstance(lazy, ast.ImportFrom) and used & {alias.name for alias in lazy.names}:
                            names.add(str(lazy.module))
            elif isinstance(node, ast.ImportFrom):
                above = package[: len(package) + 1 - node.level] if node.level else ()
                base = ".".join([*above, *filter(None, [node.module])])
                parts = [f"{base}.{alias.name}" for alias in node.names]
                names.update(part if part in self.names else base for part in parts)
            elif isinstance(node, ast.JoinedStr) and re.fullmatch(r"f.[\w.]+(\.{[\w.]+})+.", ast.unparse(node)):
                parts = re.split(r"{[\w.]+}", ast.unparse(node)[2:-1])  # As in f"tools.{name}": any module of tools.
                pattern = r"\w+".join(map(re.escape, parts))
                names.update(name for name in self.names if re.fullmatch(pattern, name))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                if "." in node.value and node.value in self.names:  # As in [sys.executable, "-m", "tools.train"].
                    names.add(node.value)
                elif "import " in node.value:
                    names |= self._imports_of_text(node.value)
        return names

    def _imports_of_text(self, text: str) -> set[str]:
        try:
            return self._imports(ast.parse(textwrap.dedent(text)), ())
        except (SyntaxError, ValueError):
            return set()


def _read_by_type_checkers(program: ast.Module) -> list[ast.stmt]:
    blocks = [node for node in program.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    return [statement for block in blocks for statement in block.body]


def _name(module: Path) -> str:
    return ".".join(module.parent.parts if module.name == "__init__.py" else module.with_suffix("").parts)


def _label(module: Path, folder: Path) -> str:
    is_package = module.name == "__init__.py"
    if module.parent == folder:
        return f":{folder.name if is_package else module.stem}"
    return f"//{module.parent.as_posix()}{'' if is_package else f':{module.stem}'}"


def outdated(root: Path) -> dict[Path, str]:
    """Returns the text that each BUILD file must have, by its path from the root, of those that are not up to date."""
    project = _Project(root)
    builds = {path.relative_to(root) for top in project.tops for path in (root / top).rglob("BUILD")}
    texts = {path: project.build_file(path.parent) for path in builds | {m.parent / "BUILD" for m in project.modules}}
    present = {path: (root / path).read_text(encoding="utf-8") for path in texts if (root / path).exists()}
    return {path: text for path, text in sorted(texts.items()) if present.get(path) != text}


def update(
    outdated_files: Callable[[], dict[Path, str]], usage: str, tool: str, root: Path, arguments: list[str] | None = None
) -> None:
    """Rewrites generated files of a root folder, or lists them and exits with 1 if the argument is --check."""
    parser = argparse.ArgumentParser(description=usage, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a file is not up to date")
    check, found = parser.parse_args(arguments).check, outdated_files()
    if check and found:
        raise SystemExit("\n".join(f"error: {path}: not up to date; run python -m {tool}" for path in found))
    for path, text in found.items():
        (root / path).write_text(text, encoding="utf-8")
        print(f"{path}: written")


def main(arguments: list[str] | None = None, root: Path = ROOT) -> None:
    """Rewrites or lists the BUILD files that are not up to date."""
    if sys.version_info < (3, 10):  # Without the names of the standard library's modules.
        raise SystemExit(f"error: Python must be 3.10 or later, got {sys.version.split()[0]}")
    update(lambda: outdated(root), __doc__, "tools.update_build_files", root, arguments)


if __name__ == "__main__":
    main()
