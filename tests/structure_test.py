"""The package changes no objects of other libraries, uses their private names in one module, and stays small."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PACKAGE = PROJECT / "mtdnn_tf"
MODULES = sorted(PACKAGE.rglob("*.py"))
SIZED = [*MODULES, *sorted((PROJECT / "flags").glob("*.py")), *sorted((PROJECT / "tools").glob("*.py"))]
MAX_MODULE_LINES = 300
MAX_FUNCTION_LINES = 60
MAX_MODULES_PER_FOLDER = 14
PRIVATE_NAMES = PACKAGE / "private_names.py"
# Documented as public though they begin with an underscore: of tuples with names, and os._exit.
PUBLIC = {"_asdict", "_fields", "_make", "_replace", "_exit"}
OWN = {"self", "cls"}
# Whose assignment to an object would replace what its class does.
REPLACED = {"call", "build", "update_step", "train_step", "apply_gradients", "__call__", "__class__", "__dict__"}


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in PUBLIC


def _is_own(node: ast.expr) -> bool:
    """Tells whether a value is the object itself, or its base class by super()."""
    is_super = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
    return is_super or (isinstance(node, ast.Name) and node.id in OWN)


def _private_definitions(tree: ast.AST) -> set[str]:
    """Returns the private names that a module defines: attributes of self, of classes, and functions."""
    names = {node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_own(node.value):
            names.add(node.attr)
    return names


def _targets(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Assign):
        return list(node.targets)
    return [node.target] if isinstance(node, (ast.AnnAssign, ast.AugAssign)) else []


def _sets_past_class(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "__setattr__"):
        return False
    # A frozen dataclass sets its own fields so.
    return not _is_own(node.func.value) and not (node.args and _is_own(node.args[0]))


def findings(source: str, allows_private: bool = False) -> list[str]:
    """Returns what a module must not do, each with its line."""
    tree = ast.parse(source)
    own = _private_definitions(tree)
    found = []
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        for target in _targets(node):
            if isinstance(target, ast.Attribute) and target.attr in REPLACED:
                found.append(f"{line}: assigns {target.attr}")
        if _sets_past_class(node):
            found.append(f"{line}: sets an attribute of another object past its class")
        if allows_private:
            continue
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if any(name.startswith(("tensorflow.python", "keras.src", "keras_nlp.src")) for name in names):
            found.append(f"{line}: imports {names[0]}")
        if isinstance(node, ast.Attribute):
            if node.attr == "__internal__":
                found.append(f"{line}: uses __internal__")
            if _is_private(node.attr) and not _is_own(node.value) and node.attr not in own:
                found.append(f"{line}: uses {node.attr}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_uses_others_objects_as_they_are(path):
    assert findings(path.read_text(encoding="utf-8"), path == PRIVATE_NAMES) == []


@pytest.mark.parametrize(
    "source",
    [
        "layer.__class__ = Other",
        "layer.call = other",
        "object.__setattr__(optimizer, '_rate', 1)",
        "from tensorflow.python.framework import ops",
        "layers = model._flatten_layers()",
        "layer = tf.keras.__internal__.layers.BaseRandomLayer",
    ],
)
def test_what_is_refused_is_found(source):
    assert len(findings(source)) == 1


@pytest.mark.parametrize("path", SIZED, ids=lambda path: str(path.relative_to(PROJECT)))
def test_modules_and_functions_are_short(path):
    source = path.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= MAX_MODULE_LINES
    functions = [
        node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    lines = {node.name: (node.end_lineno or 0) - node.lineno + 1 for node in functions}
    assert {name: count for name, count in lines.items() if count > MAX_FUNCTION_LINES} == {}


def test_folders_of_the_package_have_few_modules():
    counts = Counter(path.parent.relative_to(PROJECT) for path in MODULES if path.name != "__init__.py")
    assert {folder: count for folder, count in counts.items() if count > MAX_MODULES_PER_FOLDER} == {}
