"""Programs in unusual environments: help, results and refusals are the same, and there is never a traceback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import write_huggingface_folder, write_tasks
from tests.tools.binaries import ROOT, Binaries

TOOLS = sorted(
    path.stem
    for path in (ROOT / "tools").glob("*.py")
    if path.stem not in ("__init__", "cli") and not path.stem.startswith("update_")
)
_ASCII: dict[str, str | None] = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
_UNKNOWN_USER = """
import pwd


def getpwuid(uid):
    raise KeyError(f"getpwuid(): uid not found: {uid}")


pwd.getpwuid = getpwuid
"""
_KERAS = {"backend": "jax", "floatx": "float16", "epsilon": 0.01, "image_data_format": "channels_first"}
ENVIRONMENTS: dict[str, dict[str, str | None]] = {
    "output in ASCII": {"PYTHONIOENCODING": "ascii"},
    "locale C": {"LC_ALL": "C", "LANG": "C"},
    "file names in ASCII": _ASCII,
    "unknown user without HOME": {"HOME": None, "PYTHONPATH": "{folder}/user"},
    "KERAS_BACKEND": {"KERAS_BACKEND": "torch"},
    "keras.json": {"KERAS_HOME": "{folder}/keras"},
    "TF_CONFIG": {"TF_CONFIG": "not JSON"},
    "TMPDIR": {"TMPDIR": "/proc"},
    "threads": {"OMP_NUM_THREADS": "many", "TF_NUM_INTRAOP_THREADS": "many", "TF_NUM_INTEROP_THREADS": "many"},
    "caches": {"XDG_CACHE_HOME": "", "MPLCONFIGDIR": "/proc/none", "MPLBACKEND": "none"},
    "log level": {"TF_CPP_MIN_LOG_LEVEL": "many", "PYTHONWARNINGS": "nonsense"},
}


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("environment")
    write_tasks(folder / "tasks")
    write_huggingface_folder(folder / "bert")
    for name, text in (("user/sitecustomize.py", _UNKNOWN_USER), ("keras/keras.json", json.dumps(_KERAS))):
        (folder / name).parent.mkdir()
        (folder / name).write_text(text)
    return folder


@pytest.fixture(name="server", scope="module", params=ENVIRONMENTS)
def _server(folder, request) -> Iterator[tuple[str, Binaries]]:
    variables = ENVIRONMENTS[request.param]
    server = Binaries({name: value and value.format(folder=folder) for name, value in variables.items()})
    yield request.param, server
    server.close()


def _train(folder: Path, run: Path) -> list[str]:
    return [
        *(f"--task_file={folder / 'tasks' / 'tasks.yaml'}", f"--backbone={folder / 'bert'}", f"--output_dir={run}"),
        *(f"--cache_dir={folder / 'cache'}", "--tasks=mood", "--max_sequence_length=32", "--epochs=1"),
        *("--batch_size=8", "--learning_rate=0.01", "--evaluation=end"),
    ]


@pytest.fixture(name="expected", scope="module")
def _expected(folder, binaries) -> str:
    found = binaries.run("train", *_train(folder, folder / "expected"))
    assert found.status == 0, found.stderr
    return (folder / "expected" / "metrics" / "validation.json").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("tool", TOOLS)
def test_help_is_the_same_everywhere(server, tool):
    found = server[1].run(tool, "--help")
    assert found.status == 1  # absl's status for help.
    assert f"tools/{tool}.py:" in found.stdout and "--" in found.stdout
    assert "Traceback" not in found.stderr


@pytest.mark.slow
def test_a_run_ends_with_the_same_metrics_everywhere(server, folder, expected):
    name, binaries = server
    run = folder / name.replace(" ", "_")
    found = binaries.run("train", *_train(folder, run))
    assert (found.status, "Traceback" in found.stderr) == (0, False), found.stderr
    assert (run / "metrics" / "validation.json").read_text() == expected
    assert not list(ROOT.glob("~*")) and not (ROOT / "mtdnn_tf" / "mtdnn_tf").exists()


@pytest.mark.slow
def test_texts_that_are_not_ascii_are_printed_or_refused(server, folder, tmp_path):
    name, binaries = server
    found = binaries.run("query", "--model=none", "--server=http://127.0.0.1:9", "--retries=0", "--text_a=schön")
    assert found.status == 1 and found.stderr.startswith("error: ") and found.stderr.count("\n") == 1
    assert ("must be UTF-8" in found.stderr) == (name == "file names in ASCII"), found.stderr
    report = tmp_path / "report"
    plan = binaries.run("recipe", *_train(folder, report), "--dry_run", "--seeds=1", "--teachers=1")
    assert "Traceback" not in plan.stderr


def test_an_unknown_home_is_refused_only_where_it_is_needed(folder):
    variables = ENVIRONMENTS["unknown user without HOME"]
    binaries = Binaries({name: value and value.format(folder=folder) for name, value in variables.items()})
    try:
        flags = [flag for flag in _train(folder, folder / "homeless") if not flag.startswith("--cache_dir")]
        assert binaries.run("train", *flags).stderr == (
            "error: --cache_dir must be given: the home folder is not known, got none\n"
        )
        found = binaries.run("verify", "--folder=~/runs")
        assert "the home folder is not known; give the path without ~" in found.stderr and found.status == 1
    finally:
        binaries.close()


def test_home_is_expanded_and_an_empty_path_refused(binaries, tmp_path):
    home = {"HOME": str(tmp_path)}
    (tmp_path / "runs").mkdir()
    found = binaries.start("verify", "--folder=~/runs", environment=home).wait()
    assert (found.status, found.stderr.startswith(f"error: {tmp_path}/runs: nothing to verify")) == (1, True)
    for tool, flag in (("verify", "--folder="), ("evaluate", "--run="), ("encode", "--cache_dir=")):
        found = binaries.run(tool, flag)
        assert found.status == 1 and "must be a path, got nothing" in found.stderr, found.stderr
    found = binaries.run("verify", "--folder=~nobody-at-all/runs")
    assert "the home folder is not known" in found.stderr
