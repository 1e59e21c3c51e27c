"""How the commands of the pages are made small: the only places where they do not run as written.

A stand-in for `python` records each command and adds flags to it, of those that the program knows.
"""

from __future__ import annotations

import re
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tests.docs.known_flags import KnownFlags
from tests.docs.pages import ROOT

# Put after a command's own flags, so that these count.
INSTEAD_OF_THE_PAGE: dict[str, str] = {
    "backbone": "tiny",
    "epochs": "1",
    "fine_tune_epochs": "1",
    "seeds": "0",
    "dropouts": "0.1,0.2",
    "subset_seeds": "0,1",
    "min_steps": "2",
    "repeats": "1",
    "rows": "16",
    "student_epochs": "1",
    "train_examples": "40",
    "unlabelled_examples": "40",
    "validation_examples": "20",
    "test_examples": "20",
}
# The same, for one program; the benchmark passes flags on to the recipe.
OF_PROGRAM: dict[str, dict[str, str]] = {
    # What the tiny encoder loses by int8 is chance.
    "benchmarks.price": {"max_accuracy_loss": "100"},
    "benchmarks.server_load": {"clients": "2", "seconds": "1", "rounds": "1"},
    "benchmarks.learning": {"seeds": "1", "train_examples": "16", "backbone": "tiny", "epochs": "1"},
}
# Replaces a flag that a command gives: the tiny encoder has two layers and two heads of width 8, and what it loses by
# int8 is chance.
WHERE_THE_PAGE_GIVES_IT: dict[str, str] = {"student_layers": "1", "student_dim": "8", "max_accuracy_loss": "100"}
# Put before a command's own flags: in place of the program's default, if the page gives none.
INSTEAD_OF_THE_DEFAULT: dict[str, dict[str, str]] = {
    "tools.serve": {"port": "8501", "grpc_port": "8500"},
    "tools.query": {"server": "http://127.0.0.1:8501"},
}
# Replaced by ports that are free, in blocks and in these defaults.
PORTS = ("8500", "8501", "8600", "8601")
# Scripts that do nothing here, and why.
EMPTY_SCRIPTS: dict[str, str] = {
    "tools/setup_environment.sh": "the tests run in the environment that it makes",
    "tools/run_tests.sh": "it runs this test",
}
# Flags by which a command says what it writes.
OUTPUTS = ("output_dir", "export_dir", "output", "release", "to", "export_to", "prepare_tfds", "glue_submission")
# The gate runs the tests that a page names: here they are collected.
_COLLECT = 'pytest) exec {python} -m pytest -p no:cacheprovider "${{@:3}}" --collect-only -q ;;'


class Recorded(NamedTuple):
    """A command that ran: the folder that it ran in, and the arguments of python."""

    folder: Path
    arguments: list[str]

    @property
    def outputs(self) -> list[Path]:
        """The files and folders that it should have written."""
        pairs = [argument[2:].partition("=") for argument in self.arguments if argument.startswith("--")]
        if any(name == "dry_run" for name, _, _ in pairs):
            return []
        return [self.folder / value for name, _, value in pairs if name in OUTPUTS]


def write_python(path: Path, python: str, known: KnownFlags, ports: Mapping[str, str], records: Path) -> None:
    """Writes the stand-in for python.

    Args:
        path: The file to write.
        python: The interpreter that it calls.
        known: The flags of the programs.
        ports: Free ports by those of `PORTS`.
        records: Folder for a file per command.
    """
    cases = [_COLLECT.format(python=shlex.quote(python))]
    for program in [*known.programs, *_benchmarks()]:
        flags = known.of(program) or set()
        defaults = INSTEAD_OF_THE_DEFAULT.get(program, {})
        before = [f"--{name}={with_ports(value, ports)}" for name, value in defaults.items()]
        small = {name: value for name, value in INSTEAD_OF_THE_PAGE.items() if name in flags}
        after = [f"--{name}={value}" for name, value in {**small, **OF_PROGRAM.get(program, {})}.items()]
        words = [shlex.join([python, "-m", program, *before]), '"${arguments[@]}"', shlex.join(after)]
        cases.append(f"{program}) exec {' '.join(words)} ;;")
    given = WHERE_THE_PAGE_GIVES_IT.items()
    replaced = [f'arguments=("${{arguments[@]/#--{name}=*/--{name}={value}}}")' for name, value in given]
    script = [
        "#!/usr/bin/env bash",
        f'printf "%s\\0" "$PWD" "$@" > {shlex.quote(str(records))}/$$',
        'arguments=("${@:3}")',
        *replaced,
        'if [ "${1:-}" = -m ]; then case "$2" in',
        *cases,
        "esac; fi",
        f'exec {shlex.quote(python)} "$@"',
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(script) + "\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def with_ports(text: str, ports: Mapping[str, str]) -> str:
    """Returns text with the ports of `PORTS` replaced."""
    return re.sub(rf"\b({'|'.join(PORTS)})\b", lambda match: ports[match[0]], text)


def take_records(records: Path) -> list[Recorded]:
    """Returns the commands recorded since the last call."""
    found = []
    for path in sorted(records.iterdir()):
        folder, *arguments = path.read_text(encoding="utf-8").split("\0")[:-1]
        found.append(Recorded(Path(folder), arguments))
        path.unlink()
    return found


def write_project(folder: Path) -> None:
    """Fills a folder as a clone of the project: links, a copy of docs/, and `EMPTY_SCRIPTS`."""
    for path in ROOT.iterdir():
        if path.name not in ("docs", "tools", "runs") and not path.name.startswith("."):
            (folder / path.name).symlink_to(path)
    (folder / "tools").mkdir()
    for path in (ROOT / "tools").iterdir():
        target = folder / "tools" / path.name
        if f"tools/{path.name}" in EMPTY_SCRIPTS:
            target.write_text("", encoding="utf-8")
        elif path.name != "__pycache__":
            target.symlink_to(path)


def _benchmarks() -> list[str]:
    return [f"benchmarks.{path.stem}" for path in sorted((ROOT / "benchmarks").glob("[!_]*.py"))]
