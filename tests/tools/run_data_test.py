"""Commands that take a run know its tasks and data, in any working directory."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mtdnn_tf.data.settings import RUN_DATA
from mtdnn_tf.json_files import read_checked_json, write_checked_json
from tests.tools.binaries import ROOT, Binaries, Result
from tests.tools.conftest import Trained

RUN = Path("runs") / "examples"


@pytest.fixture(scope="module")
def examples(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of docs/examples, and a run of all their tasks that was trained there by relative paths."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "docs" / "examples", folder / "examples")
    task_files = sorted(path.name for path in (folder / "examples").glob("*.yaml"))
    flags = (*(f"--task_file=examples/{name}" for name in task_files), "--cache_dir=cache", f"--output_dir={RUN}")
    trained = binaries.run("train", *flags, "--backbone=tiny", "--epochs=1", "--evaluation=end", folder=folder)
    assert trained.status == 0, trained.stderr
    return folder


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """Another working directory."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def _succeeds(result: Result) -> Result:
    assert result.status == 0, result.stderr
    return result


def _metrics(path: Path) -> dict[str, object]:
    values = json.loads(path.read_text(encoding="utf-8"))
    return {name: value for name, value in values.items() if not name.startswith("_")}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def test_every_command_works_with_nothing_but_the_run(binaries, examples, elsewhere):
    run = examples / RUN
    _succeeds(binaries.run("evaluate", f"--run={run}", "--output=metrics.json", folder=elsewhere))
    metrics = _metrics(elsewhere / "metrics.json")
    assert metrics == _metrics(run / "metrics" / "validation.json")
    assert metrics.keys() == {"intent", "answers", "closeness", "topics"}

    _succeeds(binaries.run("predict", f"--run={run}", "--output=predicted", folder=elsewhere))
    predicted = {path.name: _rows(path) for path in (elsewhere / "predicted").iterdir()}
    assert predicted.keys() == {f"{task}-validation.tsv" for task in metrics}
    gold = _rows(examples / "examples" / "intent_validation.tsv")
    assert [row["id"] for row in predicted["intent-validation.tsv"]] == [row["message"] for row in gold]

    _succeeds(binaries.run("score", f"--teachers={run}", "--output_dir=soft", folder=elsewhere))
    assert {path.name for path in (elsewhere / "soft").iterdir()} == metrics.keys()
    _succeeds(binaries.run("export", f"--run={run}", "--export_dir=export", folder=elsewhere))
    assert (elsewhere / "export" / "1" / "saved_model.pb").is_file()
    cost = _succeeds(binaries.run("cost", f"--runs={run},{run}", f"--student={run}", "--repeats=1", folder=elsewhere))
    assert "2.00" in cost.stdout.splitlines()[-1]
    # The cache is the run's, too: nothing is encoded twice.
    assert {path.name for path in elsewhere.iterdir()} == {"metrics.json", "predicted", "soft", "export"}


def test_tasks_and_splits_are_named_without_their_task_files(binaries, examples, elsewhere):
    run = f"--run={examples / RUN}"
    _succeeds(binaries.run("evaluate", run, "--tasks=intent", "--output=metrics.json", folder=elsewhere))
    assert _metrics(elsewhere / "metrics.json").keys() == {"intent"}
    split = ("--tasks=intent", "--split=unlabelled", "--output=intent.tsv")
    _succeeds(binaries.run("predict", run, *split, folder=elsewhere))
    unlabelled = _rows(examples / "examples" / "intent_unlabelled.tsv")
    assert [row["id"] for row in _rows(elsewhere / "intent.tsv")] == [row["message"] for row in unlabelled]


def test_an_adaptation_takes_the_data_of_the_run_that_it_starts_from(binaries, examples, elsewhere):
    flags = (f"--init_from={examples / RUN}", "--tasks=intent", "--backbone=tiny", "--output_dir=adapted")
    plan = _succeeds(binaries.run("adapt", *flags, "--fractions=1", "--dry_run", folder=elsewhere))
    rows = len(_rows(examples / "examples" / "intent_train.tsv"))
    assert f" {rows} " in plan.stdout.replace("|", " "), plan.stdout


def test_texts_need_no_task_where_the_run_has_one(binaries, examples, elsewhere):
    shared = ("--tasks=intent", "--task_file=examples/classification.yaml", "--cache_dir=cache", "--output_dir=one")
    flags = (*shared, "--backbone=tiny", "--epochs=1", "--evaluation=never")
    _succeeds(binaries.run("train", *flags, folder=examples))
    (elsewhere / "texts.jsonl").write_text('{"utterance": "hello"}\n', encoding="utf-8")
    texts = (f"--run={examples / 'one'}", "--input=texts.jsonl", "--output=answers.jsonl")
    _succeeds(binaries.run("predict", *texts, folder=elsewhere))
    answer = json.loads((elsewhere / "answers.jsonl").read_text(encoding="utf-8"))
    assert answer["probabilities"].keys() == {"greet", "buy", "leave"}


def test_a_run_may_be_moved_and_its_model_folder_names_no_place(binaries, examples, elsewhere):
    shutil.copytree(examples / RUN, elsewhere / "moved")
    _succeeds(binaries.run("evaluate", "--run=moved", "--output=metrics.json", folder=elsewhere))
    assert _metrics(elsewhere / "metrics.json") == _metrics(elsewhere / "moved" / "metrics" / "validation.json")
    for path in (elsewhere / "moved" / "model").iterdir():
        assert str(examples).encode() not in path.read_bytes(), path
    # Nor does a release, which is made from the run folder.
    _succeeds(binaries.run("export", "--run=moved", "--release=release", folder=elsewhere))
    assert not list((elsewhere / "release").rglob(RUN_DATA))
    data = (f"--data_dir={examples / 'examples'}", "--cache_dir=cache", "--output=again.json")
    _succeeds(binaries.run("evaluate", "--run=moved/model", *data, folder=elsewhere))
    assert _metrics(elsewhere / "again.json") == _metrics(elsewhere / "metrics.json")


def test_a_run_of_an_earlier_version_learns_its_data_by_the_same_training(binaries, trained: Trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained.runs[0], run)
    (run / RUN_DATA).unlink()
    flags = (f"--run={run}", "--tasks=mood", f"--cache_dir={tmp_path / 'cache'}")
    assert binaries.run("evaluate", *flags).status == 1
    _succeeds(binaries.run("train", f"--flagfile={run / 'config.flags'}", f"--output_dir={run}"))
    assert (run / RUN_DATA).read_bytes() == (trained.runs[0] / RUN_DATA).read_bytes()
    _succeeds(binaries.run("evaluate", *flags))


def _set(name: str, value: object) -> Callable[[Path], None]:
    def change(run: Path) -> None:
        write_checked_json(run / RUN_DATA, {**read_checked_json(run / RUN_DATA, ""), name: value})

    return change


def _edit(run: Path) -> None:
    path = run / RUN_DATA
    path.write_text(path.read_text(encoding="utf-8").replace('"files"', '"tfds"'), encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_set("task_file", ["/moved/tasks.yaml"]),
         ["--task_file must be given: run ", "one was trained with ", "tasks.yaml, run ", " with /moved/tasks.yaml"]),
        (_set("data_source", "tfds"), ["--data_source must be given: run ", "with files, run ", " with tfds"]),
        (_set("max_sequence_length", "32"), [f"{RUN_DATA}: not the data settings of a run; run the same mtdnn train"]),
        (_set("further", "x"), [f"{RUN_DATA}: not the data settings of a run; run the same mtdnn train"]),
        (_edit, [f"{RUN_DATA}: checksum does not match", "run the same mtdnn train command again"]),
    ],
    ids=["task files differ", "sources differ", "no number", "unknown setting", "edited"],
)  # fmt: skip
def test_runs_of_different_or_damaged_settings_are_refused(binaries, trained: Trained, tmp_path, change, words):
    other, out = tmp_path / "other", tmp_path / "out"
    shutil.copytree(trained.runs[1], other)
    change(other)
    runs = f"{trained.runs[0]},{other}"
    commands = (
        ("evaluate", f"--runs={runs}", f"--output={out}"),
        ("score", f"--teachers={runs}", f"--output_dir={out}"),
    )
    for command in commands:
        result = binaries.run(*command)
        assert result.status == 1 and result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
        assert all(word in result.stderr for word in words), result.stderr
    assert not out.exists()


def test_a_task_file_that_was_moved_is_named_with_its_flags(binaries, trained: Trained, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(trained.runs[0], run)
    _set("task_file", ["/moved/tasks.yaml"])(run)
    result = binaries.run("evaluate", f"--run={run}")
    assert result.status == 1 and result.stderr.count("\n") == 1
    assert "/moved/tasks.yaml: no such file" in result.stderr
    assert "--task_file must name it, or --data_dir the folder" in result.stderr
    for flag in (trained.flags[0], f"--data_dir={trained.folder / 'tasks'}"):
        _succeeds(binaries.run("evaluate", f"--run={run}", flag))
