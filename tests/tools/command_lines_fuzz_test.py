"""Whatever a command line and the files that it names hold, it is accepted or refused in one line; nothing is left."""

from __future__ import annotations

import collections
import gzip
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.helpers import write_tasks
from tests.hostile.command_lines import BASES, CommandLine, command_lines
from tests.hostile.strategies import SEEDED
from tests.tools.binaries import ROOT, Binaries, Result
from tests.tools.conftest import Trained

# A process that takes longer, on a machine that does other things too, hangs.
_SECONDS = 150.0
# Command lines of each tool in the short run: those that draw figures or export cost the most when accepted.
_FEW = {tool: {"report": 1, "export": 2, "evaluate": 2, "train": 2}.get(tool, 3) for tool in BASES}
_FEW.update(dict.fromkeys(("verify", "verify_release", "demo_corpus", "cost", "soft_targets", "serve", "query"), 4))
_OUTCOMES: collections.Counter[str] = collections.Counter()
# Whole processes are not shrunk: each costs seconds.
_NOT_SHRUNK = settings(SEEDED, phases=(Phase.generate,))
Record = Callable[[str, object], None]


class Place(NamedTuple):
    """Where a command runs: `small` holds files that are copied for each."""

    binaries: Binaries
    trained: Trained
    small: Path


@pytest.fixture(scope="module")
def place(binaries: Binaries, trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Place:
    small = tmp_path_factory.mktemp("small") / "tasks"
    write_tasks(small, rows=8)
    rows = "".join(f"{row}\t0.{row + 1}\t0.{9 - row - 1}\n" for row in range(8))
    (small / "teacher.tsv").write_text(f"id\tbad\tgood\n{rows}", encoding="utf-8")
    (small / "RTE").mkdir()
    for split in ("train", "dev", "test"):
        label = "" if split == "test" else "\tlabel"
        row = "0\ta\tb\n" if split == "test" else "0\ta\tb\tentailment\n"
        (small / "RTE" / f"{split}.tsv").write_text(f"index\tsentence1\tsentence2{label}\n{row}", encoding="utf-8")
    with gzip.open(ROOT / "tests" / "golden" / "v1" / "report.json.gz") as report:
        (small / "report.json").write_bytes(report.read())
    return Place(binaries, trained, small)


CONTENTS = [
    b"sentence\tmood\nthe cat\tgood\na dog\tbad\na bird\tgood\n",
    b"sentence,mood\nthe cat,good\na dog,bad\n",
    b"id\tbad\tgood\n0\t0.5\t0.5\n1\t0.2\t0.8\n",
]


def _filled(argument: str, folder: Path, trained: Trained) -> str:
    places = {
        "run": trained.runs[0],
        "bert": trained.folder / "bert",
        **{name: folder / name for name in ("tasks", "out", "cache", "none")},
    }
    for name, path in places.items():
        argument = argument.replace(f"{{{name}}}", str(path))
    return argument


def _files(folder: Path) -> set[str]:
    """Returns all files but those of the cache, which may be complete, and its folders."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if (folder / "cache") not in path.parents}


def _run(place: Place, line: CommandLine, folder: Path) -> Result:
    shutil.copytree(place.small, folder / "tasks")
    if line.file:
        (folder / "tasks" / line.file).write_bytes(line.content)
    arguments = [_filled(argument, folder, place.trained) for argument in line.arguments]
    running = place.binaries.start(line.binary, *arguments)
    timer = threading.Timer(_SECONDS, running.send, [signal.SIGKILL])
    timer.start()
    try:
        return running.wait()
    finally:
        timer.cancel()


def _errors(text: str) -> list[str]:
    # Split at \n alone: what else would break a line is to be no part of one.
    return [line for line in text.split("\n") if line and not line[:1].isdigit()]  # Events begin with the time.


def _check(place: Place, line: CommandLine) -> bool:
    """Runs a command line; returns whether it was accepted."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        visible = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}
        result = _run(place, line, folder)
        shown = f"{line.binary} {line.arguments} {line.file} {line.content!r}\n{result}"
        assert "Traceback" not in result.stderr + result.stdout, shown
        assert result.status in (0, 1), f"status {result.status}: {shown}"
        assert not [path for path in folder.rglob("*") if path.name.startswith(".")], shown
        assert {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} == visible, shown
        if result.status == 0:
            return True
        errors = _errors(result.stderr)
        assert len(errors) == 1, shown
        assert errors[0].startswith("error: "), shown
        assert errors[0].isprintable(), shown
        left = _files(folder) - {f"tasks/{path}" for path in _files(place.small)} - {"tasks", "cache"}
        assert not left, f"{left} left by {shown}"
        return False


def _lines(tool: str) -> st.SearchStrategy[CommandLine]:
    return command_lines(tool, CONTENTS)


def _try_some(place: Place, tool: str, number: int, record_property: Record) -> None:
    @settings(_NOT_SHRUNK, max_examples=number)
    @given(_lines(tool))
    def check(line: CommandLine) -> None:
        record_property("trials", 1)
        _OUTCOMES["accepted" if _check(place, line) else "refused"] += 1

    check()


@pytest.mark.parametrize("tool", BASES)
def test_command_lines(place: Place, tool: str, record_property: Record) -> None:
    _try_some(place, tool, _FEW[tool], record_property)


def test_some_were_accepted_and_most_refused(record_property: Record) -> None:
    record_property("trials", 0)
    if sum(_OUTCOMES.values()) < sum(_FEW.values()):
        pytest.skip("the command lines did not all run in this process")
    assert sum(_OUTCOMES.values()) >= 50
    assert _OUTCOMES["accepted"] >= 3, _OUTCOMES
    assert _OUTCOMES["refused"] >= 25, _OUTCOMES


@pytest.mark.slow
@pytest.mark.parametrize("tool", BASES)
def test_more_command_lines(place: Place, tool: str, record_property: Record) -> None:
    _try_some(place, tool, 30, record_property)


@pytest.mark.slow
def test_a_process_of_its_own_says_the_same(place: Place, record_property: Record) -> None:
    """Every other command runs in a process that shares its start-up with others."""
    lines: list[CommandLine] = []

    @settings(_NOT_SHRUNK, max_examples=12)
    @given(st.sampled_from(sorted(BASES)).flatmap(_lines))
    def collect(line: CommandLine) -> None:
        if all(character.isprintable() for argument in line.arguments for character in argument):
            lines.append(line)

    collect()
    for line in lines[:6]:
        with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as other:
            found = _run(place, line, Path(name))
            shutil.copytree(place.small, Path(other) / "tasks")
            if line.file:
                (Path(other) / "tasks" / line.file).write_bytes(line.content)
            arguments = [_filled(argument, Path(other), place.trained) for argument in line.arguments]
            environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
            result = subprocess.run(
                [sys.executable, "-m", ".".join(("tools", line.binary)), *arguments],
                cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=_SECONDS,
            )  # fmt: skip
            record_property("trials", 1)
            assert result.returncode == found.status, (line, found, result)
            if found.status:
                # The name of the program is that of its file.
                said = [text.replace(other, name) for text in _errors(result.stderr)]
                assert [text.split("`")[0] for text in said] == [text.split("`")[0] for text in _errors(found.stderr)]


@pytest.fixture(autouse=True, scope="module")
def _nothing_changes_the_run(place: Place) -> Iterator[None]:
    run = place.trained.runs[0]
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    yield
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before
