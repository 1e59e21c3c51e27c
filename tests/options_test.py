from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from mtdnn_tf.errors import UserError
from mtdnn_tf.options import Options, option, options_table, parse_list


@dataclasses.dataclass(frozen=True)
class _Steps(Options):
    rate: float = option(0.5, "Rate.", above=0, at_most=1)
    sizes: tuple[int, ...] = option((4, 8), "Sizes.", at_least=1)
    limit: int | None = option(None, "Limit.", name="step_limit", unset="none", decides_weights=False)
    not_an_option: int = 3


@dataclasses.dataclass(frozen=True)
class _Run(Options):
    folder: Path = option(Path("x"), "Folder.", decides_weights=False)
    files: tuple[Path, ...] = option((), "Files.", is_repeated=True, decides_weights=False)
    kind: str = option("a", "Kind of run.", choices=("a", "b"))
    fast: bool = option(True, "Fast.")
    steps: _Steps = _Steps()


@dataclasses.dataclass(frozen=True)
class _Job(Options):
    base: _Run
    count: int = option(1, "Count.", at_least=1)


def test_options_of_groups_are_built_and_replaced_by_name():
    run = _Run.build(step_limit=7, kind="b")
    assert run == _Run(kind="b", steps=_Steps(limit=7))
    changed = run.replace(rate=0.25, folder=Path("y"))
    assert changed == _Run(Path("y"), kind="b", steps=_Steps(0.25, limit=7))
    assert _Job(run).replace(rate=1.0, count=2) == _Job(run.replace(rate=1.0), 2)
    assert _Job.build(base=run, count=3) == _Job(run, 3)
    with pytest.raises(TypeError, match="_Run has no options not_an_option, typo"):
        _Run.build(not_an_option=1, typo=2)
    with pytest.raises(TypeError, match="_Run has no options typo"):
        run.replace(typo=2)


def test_values_flagfile_and_identity_have_the_names_of_flags():
    run = _Run.build(files=(Path("a"), Path("b")), fast=False)
    assert list(run.values()) == ["folder", "files", "kind", "fast", "rate", "sizes", "step_limit"]
    assert run.to_flagfile() == "--folder=x\n--files=a\n--files=b\n--kind=a\n--nofast\n--rate=0.5\n--sizes=4,8\n"
    assert run.replace(step_limit=2).to_flagfile().endswith("--step_limit=2\n")
    assert run.decisive_fields() == {"kind": "a", "fast": False, "rate": 0.5, "sizes": [4, 8]}
    assert _Job(run).to_flagfile() == "--count=1\n"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rate": 0.0}, "`rate` must be a number > 0 and <= 1, got 0.0"),
        ({"rate": float("nan")}, "`rate` must be a number > 0 and <= 1, got nan"),
        ({"sizes": (1, 0)}, "`sizes` must be integers >= 1, got 1,0"),
        ({"sizes": (1, 2**31)}, "`sizes` must be integers <= 2147483647, got 1,2147483648"),
        ({"step_limit": 10**30}, f"`step_limit` must be an integer <= 2147483647, got {10**30}"),
        ({"rate": "0.5"}, "`rate` must be a number, got '0.5'"),
        ({"rate": True}, "`rate` must be a number, got True"),
        ({"sizes": [1, 2]}, "`sizes` must be integers, got [1, 2]"),
        ({"folder": "x"}, "`folder` must be a path, got 'x'"),
        ({"kind": "c"}, "unknown `kind` 'c'. Accepted: a, b"),
    ],
)
def test_values_that_are_not_accepted_are_refused_by_name(values, message):
    with pytest.raises(UserError) as caught:
        _Run.build(**values)
    assert str(caught.value) == message


def test_lists_are_parsed():
    declared = _Run.declared()["sizes"]
    assert declared.parse(["1", "2"]) == (1, 2)
    assert parse_list("weights", ["0.5", "1"]) == (0.5, 1.0)
    with pytest.raises(UserError, match="`sizes` must be comma-separated integers, got 1,two"):
        declared.parse(["1", "two"])
    with pytest.raises(UserError, match="`sizes` must be comma-separated integers <= 2147483647, got 2147483648"):
        declared.parse(["2147483648"])


def test_the_table_has_name_default_help_and_choices():
    assert options_table(_Run.declared().values()).splitlines()[2:] == [
        "| `--folder` | x | Folder |",
        "| `--files` | none | Files |",
        "| `--kind` | a | Kind of run (`a`, `b`) |",
        "| `--fast` | true | Fast |",
        "| `--rate` | 0.5 | Rate |",
        "| `--sizes` | 4,8 | Sizes |",
        "| `--step_limit` | none | Limit |",
    ]
