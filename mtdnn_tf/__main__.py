"""Distils an ensemble of language-understanding models into one multi-task model.

usage: mtdnn COMMAND --FLAG=VALUE ...; mtdnn COMMAND --help lists the flags of a command.
"""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

from mtdnn_tf import __version__

_COMMANDS = Path(__file__).parent / "commands"
# In an installed package; flags/presets in a checkout.
_PRESETS = Path(__file__).parent / "presets"
# What is installed only if it is asked for, by the name of its import.
_EXTRAS = {
    "httpx": "serve",
    "matplotlib": "report",
    "official": "gpu",
    "prometheus_client": "serve",
    "starlette": "serve",
    "tensorflow_datasets": "datasets",
    "uvicorn": "serve",
}


def main() -> None:
    """Runs the command that the first argument names."""
    modules = {path.stem: path for path in sorted(_COMMANDS.glob("*/[!_]*.py"))}
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help", "help"):
        print(_usage(modules))
    elif name == "--version":
        print(f"mtdnn_tf {__version__}")
    elif name not in modules:
        print(f"error: the command must be one of {', '.join(modules)}, got {name}", file=sys.stderr)
        sys.exit(1)
    else:
        sys.argv[:2] = [f"mtdnn {name}"]
        _run(modules[name])


def _usage(modules: dict[str, Path]) -> str:
    """Returns the commands, with the first line of each module; importing them would take seconds."""
    lines = [f"  {name:20}{_first_line(path)}" for name, path in modules.items()]
    presets = [f"ready settings for --flagfile: {_PRESETS}"] if _PRESETS.is_dir() else []
    return "\n".join([str(__doc__), "", "commands:", *lines, *presets])


def _first_line(path: Path) -> str:
    return str(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))).splitlines()[0]


def _run(path: Path) -> None:
    try:
        importlib.import_module(f"mtdnn_tf.commands.{path.parent.name}.{path.stem}").COMMAND.run()
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if (extra := _EXTRAS.get(package)) is None:
            raise
        print(f"error: {sys.argv[0]} needs {package}: pip install 'mtdnn_tf[{extra}]'", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
