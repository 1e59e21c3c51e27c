"""The flags that each program of the project knows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from tests.docs.commands import Command
from tests.docs.pages import ROOT
from tests.tools.binaries import Binaries

_HELP_LINE = re.compile(r"^\s+(?:-\w,\s*)?--(\[no\])?(\w+):", re.MULTILINE)
_PLACEHOLDERS = ("tools.NAME", "tests/a/b_test.py")
# What absl itself defines, and does not list in --helpfull.
_ABSL = {"flagfile", "undefok", "help", "helpfull"}


class KnownFlags:
    """The flags of all binaries, as their --helpfull lists them; of other modules, as they pass them to argparse.

    Args:
        binaries: Runs the binaries.
    """

    def __init__(self, binaries: Binaries) -> None:
        names = [path.stem for path in sorted((ROOT / "tools").glob("[!_]*.py")) if ".run()\n" in path.read_text()]
        self._flags = {f"tools.{name}": _listed(binaries.run(name, "--helpfull").stdout) for name in names}

    def of(self, program: str) -> set[str] | None:
        """Returns the names of a program's flags, with those of `--noNAME`; None if there is no such program.

        Args:
            program: A module, a shell script of the project, or "" for the flags of all programs.
        """
        if not program:
            programs = [*self._flags, "benchmarks.run", "tests.promises", "tests.promises.audit"]
            programs += ["tests.tools.kill_trials", "tools/run_tests.sh"]
            return {flag for name in programs for flag in self.of(name) or ()}
        if program in self._flags:
            return self._flags[program]
        if program.endswith(".sh"):
            script = ROOT / program
            return set(re.findall(r"--(\w+)", script.read_text(encoding="utf-8"))) if script.is_file() else None
        path = ROOT.joinpath(*program.split("."))
        path = path / "__main__.py" if path.is_dir() else path.with_suffix(".py")
        return _argparse_flags(path.read_text(encoding="utf-8")) if path.is_file() else None

    @property
    def programs(self) -> list[str]:
        """Names of the binaries' modules."""
        return list(self._flags)


def _exists(program: str) -> bool:
    """Returns whether a file of the project is there; placeholders and programs of others count as there."""
    is_ours = re.split("[./]", program)[0] in ("tools", "benchmarks", "tests")
    return not is_ours or program in _PLACEHOLDERS or (ROOT / program).exists()


def _listed(helpfull: str) -> set[str]:
    flags = set(_ABSL)
    for negated, name in _HELP_LINE.findall(helpfull):
        flags |= {name, f"no{name}"} if negated else {name}
    return flags


def _argparse_flags(source: str) -> set[str]:
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    added = [call.args[0] for call in calls if ast.unparse(call.func).endswith(".add_argument") and call.args]
    return {str(flag.value).lstrip("-") for flag in added if isinstance(flag, ast.Constant)}


def mistakes(commands: Iterable[Command], known: KnownFlags) -> list[str]:
    """Returns what is wrong with commands, each with page and line.

    A program must exist, and so must its flags, the tests that pytest is to run, and the presets of --flagfile.
    """
    found = []
    for command in commands:
        page = command.place.rpartition(":")[0]
        if command.program == "pytest":
            paths = [(word.partition("::")[0], line) for word, line in command.arguments if word.startswith("tests/")]
            found += [f"{page}:{line}: no test {path}" for path, line in paths if not (ROOT / path).exists()]
            continue
        flags = known.of(command.program)
        if flags is None and not _exists(command.program):
            found.append(f"{command.place}: no program {command.program}")
        if flags is None:
            continue
        for flag, line in command.flags:
            if flag not in flags:
                found.append(f"{page}:{line}: no flag --{flag}" + f" of {command.program}" * bool(command.program))
        for argument, line in command.arguments:
            name, _, value = argument.partition("=")
            if name == "--flagfile" and value.startswith("flags/") and not (ROOT / value).is_file():
                found.append(f"{page}:{line}: no preset {value}")
    return found
