"""The files of continuous integration and pre-commit agree with the project's set-up."""

from __future__ import annotations

import re
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
MINORS = range(6, 21)


def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def _accepted_minors() -> list[int]:
    """Returns the minor versions of Python 3 that the set-up accepts."""
    (found,) = re.findall(
        r"\(3, (\d+)\) <= sys\.version_info\[:2\] <= \(3, (\d+)\)", _text("tools/setup_environment.sh")
    )
    return list(range(int(found[0]), int(found[1]) + 1))


def test_the_set_up_accepts_what_the_package_requires():
    (requires,) = re.findall(r'^requires-python = "(.*)"$', _text("pyproject.toml"), re.MULTILINE)
    assert _accepted_minors() == [minor for minor in MINORS if f"3.{minor}.0" in SpecifierSet(requires)]


def test_messages_and_fallbacks_of_the_set_up_name_the_accepted_versions():
    accepted, script = _accepted_minors(), _text("tools/setup_environment.sh")
    assert set(re.findall(r"must be Python (3\.\d+) to (3\.\d+)", script)) == {
        (f"3.{accepted[0]}", f"3.{accepted[-1]}")
    }
    (fallbacks,) = re.findall(r"candidates\+=\((.*)\)", script)
    assert fallbacks.split() == [f"python3.{minor}" for minor in reversed(accepted)]


def test_requirements_pin_every_package_once_per_python():
    lines = _text("requirements.txt").splitlines() + _text("tests/requirements.txt").splitlines()
    requirements = [Requirement(line.partition("#")[0]) for line in lines if line.partition("#")[0].strip()]
    assert [str(item) for item in requirements if not re.fullmatch(r"==[\w.]+", str(item.specifier))] == []
    for minor in _accepted_minors():
        version = {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.0"}
        chosen = [item.name for item in requirements if item.marker is None or item.marker.evaluate(version)]
        assert sorted(chosen) == sorted(set(chosen)), f"Python 3.{minor}"
        assert {"tensorflow", "tensorflow-text", "tf-keras", "scipy", "numpy", "pytest"} <= set(chosen)


def test_extras_have_what_the_tests_need():
    (block,) = re.findall(
        r"^\[project\.optional-dependencies\]\n(.*?)\n\n", _text("pyproject.toml"), re.MULTILINE | re.DOTALL
    )
    extras = {Requirement(item).name for item in re.findall(r'"([^"]+)"', block)}
    pinned = [line for line in _text("tests/requirements.txt").splitlines() if not line.startswith("#")]
    assert {Requirement(line).name for line in pinned} <= extras


def test_the_workflow_runs_the_gate_on_accepted_versions():
    workflow = yaml.safe_load(_text(".github/workflows/ci.yml"))
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    versions = job["strategy"]["matrix"]["python-version"]
    assert {version for version in versions if isinstance(version, str)} == set(versions)
    assert {int(version.removeprefix("3.")) for version in versions} <= set(_accepted_minors())
    # One job for each set of dependencies in requirements.txt.
    assert {int(version.removeprefix("3.")) >= 12 for version in versions} == {True, False}
    assert "bash .ci/run" in [step.get("run") for step in job["steps"]]
    assert 0 < job["timeout-minutes"] <= 90
    actions = [step["uses"] for step in job["steps"] if "uses" in step]
    assert [action for action in actions if not re.fullmatch(r"actions/[a-z-]+@v\d+", action)] == []
    cached = next(
        step["with"]["cache-dependency-path"] for step in job["steps"] if "setup-python" in step.get("uses", "")
    )
    assert [name for name in cached.split() if not (ROOT / name).is_file()] == []


def test_pre_commit_runs_the_checks_of_the_gate():
    (repository,) = yaml.safe_load(_text(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    entries = {tuple(hook["entry"].split()[:2]) for hook in repository["hooks"]}
    gate = _text("tools/run_tests.sh")
    for program, subcommand in (("ruff", "check"), ("ruff", "format"), ("mypy", "")):
        assert (f".venv/bin/{program}", *filter(None, [subcommand])) in entries
        assert f'"$bin/{program}"{subcommand and " " + subcommand}' in gate
    tools = {entry[0].removeprefix(".venv/bin/") for entry in entries}
    assert tools == set(re.findall(r'^  "\$bin/(\w+)"', gate, re.MULTILINE))
    assert tools <= {line.partition("==")[0] for line in _text("tests/requirements.txt").splitlines()}
