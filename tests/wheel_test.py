"""The wheel has all files of the package and nothing else, and works where only it is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

import mtdnn_tf

ROOT = Path(__file__).parents[1]
TASKS = """
tasks:
  topic:
    {kind: classification, text: [message], label: topic, labels: [delivery, refund], files: {train: topics.csv}}
"""


def _example() -> str:
    """Returns README's example on the tiny encoder."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## From Python")[2]
    code = section.partition("```python\n")[2].partition("```")[0]
    assert code.count('backbone="demo"') == 1
    return code.replace('backbone="demo"', 'backbone="tiny"')


@pytest.fixture(name="wheel", scope="module")
def _wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "mtdnn_tf", source / "mtdnn_tf", ignore=ignored)
    for name in ("flags", "tools"):  # Which must not be installed.
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    _run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, source], folder)
    return next(folder.glob("*.whl"))


def _run(command: list[str | Path], folder: Path, status: int = 0) -> str:
    # Without the variables by which a parent process would show its own modules.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    result = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    assert result.returncode == status, result.stdout + result.stderr
    return result.stdout + result.stderr


def _environment(folder: Path, wheel: Path, *pip_flags: str) -> Path:
    """Returns the folder of programs of a new environment with the wheel."""
    _run([sys.executable, "-m", "venv", folder], folder.parent)
    _run([folder / "bin" / "pip", "install", "-q", *pip_flags, wheel], folder.parent)
    return folder / "bin"


def test_the_wheel_has_the_packages_files_and_no_others(wheel):
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
    folders = os.walk(ROOT / "mtdnn_tf", followlinks=True)
    present = {Path(folder, name) for folder, _, names in folders for name in names if "__pycache__" not in folder}
    assert files == {path.relative_to(ROOT).as_posix() for path in present if path.name != "BUILD"}
    assert wheel.name.startswith(f"mtdnn_tf-{mtdnn_tf.__version__}-py3-none-any")


def _check_works(programs: Path, folder: Path) -> None:
    assert _run([programs / "mtdnn", "--version"], folder) == f"mtdnn_tf {mtdnn_tf.__version__}\n"
    assert "  train " in _run([programs / "mtdnn"], folder)
    (folder / "my_data").mkdir()
    rows = "message,topic\nwhere is my parcel,delivery\nrepay me,refund\n"
    for name in ("topics.csv", "my_data/train.csv"):
        (folder / name).write_text(rows, encoding="utf-8")
    printed = _run([programs / "python", "-c", _example()], folder)
    assert "probability_delivery" in printed and "probability_refund" in printed
    (folder / "tasks.yaml").write_text(TASKS, encoding="utf-8")
    flags = ["--task_file=tasks.yaml", "--backbone=tiny", "--epochs=1", "--output_dir=run", "--cache_dir=cache"]
    _run([programs / "mtdnn", "train", *flags], folder)
    assert (folder / "run" / "model").is_dir()
    assert "`mtdnn train --help`" in _run([programs / "mtdnn", "train"], folder, status=1)
    code = "import flags, tools"
    assert "No module named 'flags'" in _run([programs / "python", "-c", code], folder, status=1)


def test_the_wheel_works_outside_the_checkout(wheel, tmp_path):
    programs = _environment(tmp_path / "environment", wheel, "--no-deps")
    # The packages that it needs are taken from the environment of the tests.
    site_packages = next((tmp_path / "environment" / "lib").glob("python*/site-packages"))
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    _check_works(programs, tmp_path)


@pytest.mark.slow
def test_the_wheel_works_with_what_it_declares_alone(wheel, tmp_path):
    programs = _environment(tmp_path / "environment", wheel)
    _check_works(programs, tmp_path)
    advice = "error: mtdnn serve needs prometheus_client: pip install 'mtdnn_tf[serve]'"
    assert advice in _run([programs / "mtdnn", "serve", "--model=m:export"], tmp_path, status=1)
