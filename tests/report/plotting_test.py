from __future__ import annotations

import pytest

from mtdnn_tf.report.data import Model
from mtdnn_tf.report.plotting import DARK, LIGHT, label, legend_label, looks
from mtdnn_tf.report.roles import ROLES


def _luminance(colour: str) -> float:
    """Returns WCAG 2's relative luminance."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(a: str, b: str) -> float:
    low, high = sorted((_luminance(a), _luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_colours_differ_and_stand_out_from_the_paper(theme):
    models = [Model(role, role, []) for role in ROLES] + [Model(f"teacher {i}", "teacher", []) for i in range(4)]
    colours = [look.colour for look in looks(models, theme).values()]
    assert len(set(colours)) == len(models) == 11
    # WCAG 2.2, 1.4.11 for graphics, and 1.4.3 for text.
    assert min(_contrast(colour, theme.paper) for colour in colours) >= 3
    assert _contrast(theme.ink, theme.paper) >= 4.5


def test_a_model_keeps_its_colour_whatever_else_is_there():
    student = Model("student", "student", [])
    others = [Model("a", "teacher", []), Model("b", "teacher", [])]
    assert looks([student], LIGHT)["student"].colour == looks([*others, student], LIGHT)["student"].colour


def test_long_names_are_broken_and_cut():
    assert label("natural language inference", 12) == "natural\nlanguage…"
    assert label("x" * 30, 10) == "x" * 10 + "\n" + "x" * 9 + "…"
    assert label("rte", 10) == "rte"
    assert not legend_label("_hidden").startswith("_")
