import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.kinds.registry import KINDS
from mtdnn_tf.kinds.values import DISTILL_LOSSES
from mtdnn_tf.tasks.task import Task

ROOT = Path(__file__).parents[2]
MODULES = {f"mtdnn_tf.kinds.{name}" for name in KINDS}


def _names(node: ast.AST) -> Iterator[str]:
    """Yields the kinds that an expression names."""
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and part.value in KINDS:
            yield str(part.value)


def branches(program: str) -> list[int]:
    """Returns the lines that compare or look up the name of a kind, match it, or import a kind's own module."""
    lines = []
    for node in ast.walk(ast.parse(program)):
        chosen: list[ast.AST] = []
        if isinstance(node, ast.Compare):
            chosen = [node]
        elif isinstance(node, ast.Dict):
            chosen = [key for key in node.keys if isinstance(key, ast.Constant)]
        elif isinstance(node, ast.Subscript):
            chosen = [node.slice]
        elif type(node).__name__ == "MatchValue":
            chosen = [node]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            # A constant that could be compared with.
            chosen = [node.value]
        imports = isinstance(node, ast.ImportFrom) and node.module in MODULES
        if imports or any(name for part in chosen for name in _names(part)):
            lines.append(int(getattr(node, "lineno", 0)))
    return lines


@pytest.mark.parametrize(
    "program",
    [
        'if task.kind == "ranking": pass',
        'if "regression" != kind: pass',
        'if task.kind in ("classification", "ranking"): pass',
        'KIND = "classification"',
        'table = {"ranking": 1}',
        'x = table["regression"]',
        "from mtdnn_tf.kinds.ranking import Ranking",
    ],
)
def test_a_branch_on_a_kind_is_found(program):
    assert branches(program) == [1]


def test_nothing_outside_the_kinds_branches_on_a_kind():
    paths = [path for top in ("mtdnn_tf", "tools", "flags") for path in (ROOT / top).rglob("*.py")]
    assert len(paths) > 150
    found = {
        str(path.relative_to(ROOT)): branches(path.read_text(encoding="utf-8"))
        for path in paths
        if path.parent != ROOT / "mtdnn_tf" / "kinds"
    }
    assert {path: lines for path, lines in found.items() if lines} == {}
    # A data declaration names its kind.
    assert branches('TASK = Task("mood", kind="classification")') == []


def test_an_unknown_kind_is_refused_with_the_closest_one():
    assert all(KINDS[name].name == name for name in KINDS)
    with pytest.raises(UserError, match=r"kind of task mood 'rankin'; did you mean 'ranking'\? Accepted: class"):
        Task("mood", "rankin", ("text",))


@pytest.mark.parametrize(
    ("kind", "imported", "most"),
    [
        ("classification", [[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]], 43.0),
        ("ranking", [[1.0], [0.0], [0.0], [0.0]], 36.0),
        ("multi_label", [[1.0, 0.0], [0.0, 0.0]], 191.0),
    ],
)
def test_hard_zeros_of_imported_teachers_make_a_bounded_error_of_logits(kind, imported, most):
    teacher = KINDS[kind].to_logits(np.array(imported))
    queries = tf.zeros(len(teacher), tf.int32)
    losses = {
        loss: KINDS[kind].distilled_loss(tf.zeros(teacher.shape), tf.constant(teacher, tf.float32), queries, loss)
        for loss in DISTILL_LOSSES
    }
    assert 1.0 < tf.reduce_max(losses["mse"]) < most
    floor = KINDS[kind].to_logits(np.clip(np.array(imported), 1e-6, 1 - 1e-6))
    clipped = KINDS[kind].distilled_loss(tf.zeros(teacher.shape), tf.constant(floor, tf.float32), queries, "mse")
    np.testing.assert_allclose(losses["mse"], clipped, rtol=1e-5)
    assert all(np.isfinite(values).all() for values in losses.values())
