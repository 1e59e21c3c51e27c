"""`mtdnn` lists its commands at once, and runs each as `python -m tools.NAME` does."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from mtdnn_tf import __version__
from mtdnn_tf.__main__ import main

ROOT = Path(__file__).parents[1]


def _mtdnn(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", ["mtdnn", *arguments])
    main()
    return capsys.readouterr().out


def test_the_version_is_that_of_the_package(capsys, monkeypatch):
    assert _mtdnn(capsys, monkeypatch, "--version") == f"mtdnn_tf {__version__}\n"


@pytest.mark.parametrize("arguments", [(), ("--help",), ("help",)])
def test_help_lists_each_command_with_what_it_does(capsys, monkeypatch, arguments):
    printed = _mtdnn(capsys, monkeypatch, *arguments)
    listed = [line.split()[0] for line in printed.partition("commands:\n")[2].splitlines() if line.startswith("  ")]
    programs = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "tools").glob("*.py")}
    assert sorted(listed) == sorted(name for name, text in programs.items() if "COMMAND.run()" in text)
    first = str(ast.get_docstring(ast.parse((ROOT / "mtdnn_tf/commands/making/train.py").read_text()))).splitlines()[0]
    assert f"  train               {first}\n" in printed
    assert f"{ROOT}/mtdnn_tf/presets" in printed


def test_help_imports_neither_tensorflow_nor_numpy():
    code = (
        "import sys; from mtdnn_tf.__main__ import main; main(); assert not {'tensorflow', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True)


def test_an_unknown_command_is_refused_in_one_line(capsys, monkeypatch):
    with pytest.raises(SystemExit) as stop:
        _mtdnn(capsys, monkeypatch, "trian")
    assert stop.value.code == 1
    error = capsys.readouterr().err
    assert error.startswith("error: the command must be one of adapt,") and error.endswith(", got trian\n")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("module", "extra", "arguments"),
    [
        (
            "apache_beam",
            "beam",
            ["beam_score", "--tasks=rte", "--teachers=a", "--output_dir=b"],
        ),
        (
            "apache_beam",
            "beam",
            ["beam_predict", "--tasks=rte", "--model=a", "--output_dir=b", "--split=test"],
        ),
        ("uvicorn", "serve", ["serve", "--model=m:export"]),
        ("matplotlib", "report", ["report", "--from=a", "--output_dir=b"]),
        ("tensorflow_datasets", "datasets", ["encode", "--tasks=rte", "--backbone=tiny", "--data_source=tfds"]),
    ],
)
def test_a_command_without_its_extra_names_it(module, extra, arguments):
    code = f"import sys; sys.modules['{module}'] = None; from mtdnn_tf.__main__ import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert f"error: mtdnn {arguments[0]} needs {module}: pip install 'mtdnn_tf[{extra}]'\n" in result.stderr


@pytest.mark.parametrize("program", [["mtdnn_tf", "verify"], ["tools.verify"]])
def test_a_command_lists_its_flags_and_ends_well(program):
    command = [sys.executable, "-m", *program, "--help"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0
    assert result.stdout.startswith("Verifies all checksums below a folder")
    assert "--folder: Folder to verify" in result.stdout
