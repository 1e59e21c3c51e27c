"""Whatever a command line and the files that it names hold, it is accepted or refused in one line; nothing is left."""

from __future__ import annotations

import collections
import functools
import gzip
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.helpers import write_tasks
from tests.hostile.command_lines import BASES, CommandLine, command_lines, name_of, tool_of
from tests.hostile.declared_flags import DeclaredFlag, read_flags
from tests.hostile.strategies import SEEDED
from tests.hostile.table_files import parquet_bytes
from tests.tools.binaries import ROOT, Binaries, Result
from tests.tools.conftest import Trained

# A process that takes longer, on a machine that does other things too, hangs.
_SECONDS = 150.0
# Command lines of each command in the short run: those that draw figures or export cost the most when accepted.
_FEW = {command: {"report": 1, "export": 2, "evaluate": 2, "train": 2}.get(command, 3) for command in BASES}
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
    moods = pa.table({"sentence": ["the cat", "a dog"], "mood": ["good", "bad"]})
    (small / "mood.parquet").write_bytes(parquet_bytes(moods))
    shares = pa.table({"id": [*map(str, range(8))], "bad": [0.25] * 8, "good": [0.75] * 8})
    (small / "teacher.parquet").write_bytes(parquet_bytes(shares))
    with gzip.open(small / "mood.jsonl.gz", "wb") as packed:
        packed.write(b'{"sentence": "the cat", "mood": "good"}\n{"sentence": "a dog", "mood": "bad"}\n')
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
    b'{"sentence": "the cat", "mood": "good"}\n{"sentence": "a dog", "mood": "bad"}\n',
    b"id\tbad\tgood\n0\t0.5\t0.5\n1\t0.2\t0.8\n",
]


@functools.cache
def _flags(binaries: Binaries, tool: str) -> list[DeclaredFlag]:
    return read_flags(binaries.run(tool, "--helpxml").stdout)


def _prepare(place: Place, line: CommandLine, folder: Path) -> list[str]:
    """Makes the files of a command line in an empty folder, and its working directory; returns the arguments."""
    (folder / "here").mkdir()
    shutil.copytree(place.small, folder / "tasks")
    shutil.copytree(place.trained.runs[0], folder / "run")
    shutil.copytree(place.trained.folder / "bert", folder / "bert")
    (folder / "tasks" / "null").symlink_to("/dev/null")
    if line.file:
        (folder / "tasks" / line.file).write_bytes(line.content)
        declared = folder / "tasks" / "tasks.yaml"
        stem = line.file.partition(".")[0]
        declared.write_bytes(declared.read_bytes().replace(f"{stem}.tsv".encode(), line.file.encode()))
    places = {name: folder / name for name in ("tasks", "run", "bert", "out", "cache", "none")}
    places["null"] = folder / "tasks" / "null"
    arguments = list(line.arguments)
    for name, path in places.items():
        arguments = [argument.replace(f"{{{name}}}", str(path)) for argument in arguments]
    return arguments


def _run(place: Place, line: CommandLine, arguments: list[str], folder: Path) -> Result:
    running = place.binaries.start(line.binary, *arguments, folder=folder / "here")
    timer = threading.Timer(_SECONDS, running.send, [signal.SIGKILL])
    timer.start()
    try:
        return running.wait()
    finally:
        timer.cancel()


def _errors(text: str) -> list[str]:
    # Split at \n alone: what else would break a line is to be no part of one.
    return [line for line in text.split("\n") if line and not line[:1].isdigit()]  # Events begin with the time.


def _files(folder: Path) -> dict[Path, int]:
    """Returns when each file, folder and link was last changed, but those of the cache, which may be complete."""
    cache = folder / "cache"
    found = [path for path in folder.rglob("*") if cache not in (path, *path.parents)]
    return {path: 0 if path.is_dir() else path.lstat().st_mtime_ns for path in found}


def _visible() -> set[str]:
    return {path.name for path in ROOT.iterdir() if not path.name.startswith(".")}


def _check(place: Place, line: CommandLine) -> bool:
    """Runs a command line; returns whether it was accepted."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = _prepare(place, line, folder)
        before, visible = _files(folder), _visible()
        result = _run(place, line, arguments, folder)
        shown = f"{line.binary} {line.arguments} {line.file} {line.content!r}\n{result}"
        assert "Traceback" not in result.stderr + result.stdout, shown
        assert result.status in (0, 1), f"status {result.status}: {shown}"
        hidden = {path for path in folder.rglob("*") if path.name.startswith(".")} - {*before}
        assert not hidden, f"{hidden} left by {shown}"
        assert _visible() == visible, shown
        if result.status == 0:
            return True
        errors = _errors(result.stderr)
        assert len(errors) == 1, shown
        assert errors[0].startswith("error: "), shown
        assert errors[0].isprintable(), shown
        changed = dict(_files(folder).items() ^ before.items())
        assert not changed, f"{changed} by {shown}"
        return False


def _lines(place: Place, command: str) -> st.SearchStrategy[CommandLine]:
    return command_lines(command, _flags(place.binaries, tool_of(command)), CONTENTS)


def _try_some(place: Place, command: str, number: int, record_property: Record) -> None:
    @settings(_NOT_SHRUNK, max_examples=number)
    @given(_lines(place, command))
    def check(line: CommandLine) -> None:
        record_property("trials", 1)
        _OUTCOMES["accepted" if _check(place, line) else "refused"] += 1

    check()


@pytest.mark.parametrize("command", BASES)
def test_command_lines(place: Place, command: str, record_property: Record) -> None:
    declared = {flag.name for flag in _flags(place.binaries, tool_of(command))}
    assert {name_of(argument) for argument in BASES[command]} <= declared
    _try_some(place, command, _FEW[command], record_property)


def test_every_tool_has_a_command_here(record_property: Record) -> None:
    record_property("trials", 0)
    tools = {path.stem for path in (ROOT / "tools").glob("[!_]*.py") if ".run()\n" in path.read_text(encoding="utf-8")}
    assert {tool_of(command) for command in BASES} == tools


def test_some_were_accepted_and_most_refused(record_property: Record) -> None:
    record_property("trials", 0)
    if sum(_OUTCOMES.values()) < sum(_FEW.values()):
        pytest.skip("the command lines did not all run in this process")
    assert sum(_OUTCOMES.values()) >= 50
    assert _OUTCOMES["accepted"] >= 3, _OUTCOMES
    assert _OUTCOMES["refused"] >= 25, _OUTCOMES


@pytest.mark.slow
@pytest.mark.parametrize("command", BASES)
def test_more_command_lines(place: Place, command: str, record_property: Record) -> None:
    _try_some(place, command, 30, record_property)


@pytest.mark.slow
def test_a_process_of_its_own_says_the_same(place: Place, record_property: Record) -> None:
    """Every other command runs in a process that shares its start-up with others."""
    lines: list[CommandLine] = []

    @settings(_NOT_SHRUNK, max_examples=12)
    @given(st.sampled_from(sorted(BASES)).flatmap(functools.partial(_lines, place)))
    def collect(line: CommandLine) -> None:
        if all(character.isprintable() for argument in line.arguments for character in argument):
            lines.append(line)

    collect()
    for line in lines[:6]:
        with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as other:
            found = _run(place, line, _prepare(place, line, Path(name)), Path(name))
            arguments = _prepare(place, line, Path(other))
            environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
            result = subprocess.run(
                [sys.executable, "-m", ".".join(("tools", line.binary)), *arguments],
                cwd=Path(other) / "here", env={**environment, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
                check=False, timeout=_SECONDS,
            )  # fmt: skip
            record_property("trials", 1)
            assert result.returncode == found.status, (line, found, result)
            if found.status:
                # The name of the program is that of its file.
                said = [text.replace(other, name) for text in _errors(result.stderr)]
                assert [text.split("`")[0] for text in said] == [text.split("`")[0] for text in _errors(found.stderr)]
