"""The command that tests the guarantees counts pytest's trials; a run without trials is a failure."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.promises import __main__ as command_line
from tests.promises import outcome as outcomes
from tests.promises.catalogue import PROMISES, Promise, select
from tests.promises.counts import read_counts
from tests.promises.outcome import ROOT, Outcome, outcome_file, read_outcome, try_promise
from tests.promises.table import BEGIN, END, read_rows, table, write_page
from tests.tools.kill_trials import Trials, to_json

# Four tests that pass, of 1, 5, 0 and 1 trials; one each that fails, that is skipped, and whose fixture fails.
TESTS = """
import pytest
def test_one():
    pass
def test_five(record_property):
    record_property("trials", 2)
    record_property("trials", 3)
    record_property("note", "memory +0.5 % | as told")
def test_that_counts_others(record_property):
    record_property("trials", 0)
@pytest.mark.slow
def test_slow():
    pass
def test_that_fails(record_property):
    record_property("trials", 7)
    assert False
def test_that_is_skipped():
    pytest.skip("not on this machine")
@pytest.fixture
def broken():
    raise OSError("no disk")
def test_of_a_broken_fixture(broken):
    pass
"""


def _try(folder: Path, promise: Promise) -> Outcome:
    report = folder / "made.report"
    command = promise.command(report, quick=False)
    assert command is not None
    tried = try_promise(promise, command, report, folder, quick=False)
    assert read_outcome(outcome_file(promise, folder, quick=False)) == tried
    return tried


def _promise(folder: Path, tests: str, slow: bool = False) -> Promise:
    (folder / "made_test.py").write_text(tests, encoding="utf-8")
    return Promise("made", "It holds", "tests", (str(folder / "made_test.py"), "-c", "pyproject.toml"), slow)


def test_trials_and_failures_are_those_of_pytest(tmp_path):
    tried = _try(tmp_path, _promise(tmp_path, TESTS, slow=True))
    assert (tried.trials, tried.failures, tried.skipped) == (1 + 5 + 0 + 1 + 7 + 1, 2, 1)
    assert [problem.rpartition("::")[2] for problem in tried.problems] == [
        "test_that_fails",
        "test_of_a_broken_fixture",
    ]
    assert tried.notes == ["memory +0.5 % | as told"]
    assert "no disk" in (tmp_path / "made.log").read_text()
    assert re.fullmatch(r"[0-9a-f]{7,}\+?|unknown", tried.commit)


def test_tests_that_cannot_be_read_have_failed(tmp_path):
    tried = _try(tmp_path, _promise(tmp_path, "def ("))
    assert (tried.trials, tried.failures) == (0, 1)
    assert tried.problems[0].endswith(": not collected")


class _Command(Promise):
    """A promise whose command is a short Python program."""

    def command(self, report: Path, quick: bool) -> list[str]:
        return [sys.executable, "-c", self.arguments[0].replace("REPORT", repr(str(report)))]


_COUNTED = '<testcase classname="a" name="test"><properties><property name="trials" value="0"/></properties></testcase>'
NONE_COUNTED = f"<testsuites>{_COUNTED}</testsuites>"
SKIPPED = '<testsuites><testcase classname="a" name="test"><skipped/></testcase></testsuites>'
PASSED = '<testsuites><testsuite><testcase classname="a" name="test"></testcase></testsuite></testsuites>'


@pytest.mark.parametrize(
    ("report", "end", "trials", "problem"),
    [
        (PASSED, "", 1, None),
        (PASSED, "raise SystemExit(1)", 1, "status 1"),
        (NONE_COUNTED, "", 0, "no trial was made"),
        (SKIPPED, "", 0, "no trial was made"),
        ("<testsuites/>", "raise SystemExit(5)", 0, "status 5"),
        (None, "", 0, "no report of trials"),
        (PASSED[:40], "", 0, "no report of trials"),
        (None, "import os; os.kill(os.getpid(), 9)", 0, "status -9"),
        ('{"trials": 3}', "", 0, "no report of trials"),
    ],
)  # fmt: skip
def test_a_command_that_fails_has_failed_whatever_it_reports(tmp_path, report, end, trials, problem):
    writes = "" if report is None else f"open(REPORT, 'w').write({report!r})"
    # What an earlier command left counts for nothing.
    (tmp_path / "made.report").write_text(PASSED)
    tried = _try(tmp_path, _Command("made", "It holds", "tests", (f"{writes}\n{end}",)))
    assert (tried.trials, tried.failures) == (trials, int(problem is not None))
    assert problem is None or problem in tried.problems[0]


def test_a_command_that_does_not_end_is_ended_with_its_processes(tmp_path, monkeypatch):
    monkeypatch.setattr(outcomes, "_HOURS", 2 / 3600)
    sleeping = (
        "import subprocess; child = subprocess.Popen(['sleep', '100']); print(child.pid, flush=True); child.wait()"
    )
    tried = _try(tmp_path, _Command("made", "It holds", "tests", (sleeping,)))
    assert (tried.trials, tried.failures) == (0, 1)
    child = Path("/proc") / (tmp_path / "made.log").read_text().strip() / "stat"
    assert not child.exists() or child.read_text().rpartition(")")[2].split()[0] == "Z"


def test_kill_trials_are_the_processes_that_it_ended(tmp_path):
    report = tmp_path / "report"
    single = Trials("single", outcomes.signal.SIGKILL, dead=3, moments={"encoding": 2, "any": 1}, runs=1)
    report.write_text(to_json([single]), encoding="utf-8")
    assert read_counts(report)[:2] == (3, 0)
    assert read_counts(report).notes == ["any 1, encoding 2: 1 compared"]
    report.write_text(to_json([Trials("single", outcomes.signal.SIGKILL, dead=3, failures=["a: other weights"])]))
    assert read_counts(report)[:2] == (0, 1)  # Nothing was compared.


def _outcome(name: str, **changes: object) -> Outcome:
    values = {"trials": 1200, "failures": 0, "skipped": 0, "seconds": 61.4, "date": "2026-11-24", "commit": "abc1234"}
    return Outcome(**{"name": name, **values, "quick": False, "problems": [], "notes": [], **changes})  # type: ignore[arg-type]


def test_the_table_has_a_line_for_every_promise():
    kept = {"damage": "old", "disk": "| disk | Full | 1,000 commands (1 skipped) | **2** | 2026-11-01, 123abcd, 5 s |"}
    outcomes = [
        _outcome("damage", skipped=2, notes=["a|b"]),
        _outcome("golden", failures=3, quick=True, trials=20),
    ]
    found = table({outcome.name: outcome for outcome in outcomes}, kept)
    rows = {row.split(" | ")[0].strip("| "): row for row in found.splitlines() if row.startswith("| ")}
    assert [*rows] == ["guarantee", *(promise.name for promise in PROMISES)]
    assert rows["damage"].endswith("(a/b) | 1,200 damaged files (2 skipped) | 0 | 2026-11-24, abc1234, 61 s |")
    assert rows["golden"].endswith("| 20 tests | **3** | 2026-11-24, abc1234, quick, 61 s |")
    assert rows["disk"] == kept["disk"]
    assert rows["kill-single"].endswith("|  |  | **not tested** |")
    assert f": 3 of {len(PROMISES)} guarantees tested, 2,220 trials, 5 failures, 1 in a quick form.\n" in found


def test_rows_of_a_page_are_kept_and_those_whose_code_has_changed_are_listed(tmp_path, monkeypatch, capsys):
    repository, page = tmp_path / "repository", tmp_path / "page.md"
    commits = {}
    for number, file in enumerate(("code.py", "a_test.py", "other.py")):
        repository.mkdir(exist_ok=True)
        (repository / file).write_text(str(number))
        for command in (
            ["init", "-q"],
            ["add", "."],
            ["-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "m"],
        ):
            subprocess.run(["git", *command], cwd=repository, check=True)
        command = ["git", "rev-parse", "--short", "HEAD"]
        commits[file] = subprocess.run(
            command, cwd=repository, capture_output=True, text=True, check=True
        ).stdout.strip()
    promises = [
        Promise(name, "It holds", "tests", ("./a_test.py::test", "-k", "b"), code=("code.py",))
        for name in ("first", "second", "third", "fourth")
    ]
    for module in ("catalogue", "table"):
        monkeypatch.setattr(f"tests.promises.{module}.PROMISES", promises)
    monkeypatch.setattr(outcomes, "ROOT", repository)
    rows = {
        name: f"| {name} | It holds | 1 tests | 0 | 2026-11-24, {commit}, 5 s |"
        for name, commit in zip(("first", "second", "third"), (commits["code.py"], commits["a_test.py"], "0000000+"))
    }
    page.write_text(f"{BEGIN}\n{table({}, rows)}{END}\n")
    assert read_rows(page) == rows
    assert command_line.main(["--outdated", f"--page={page}"]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"first: tested at {commits['code.py']}; 1 commit(s) have changed its code since",
        "third: tested at 0000000, which is no commit of this repository",
        "fourth: not tested",
    ]


def test_the_table_replaces_what_stands_between_the_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# A\n{BEGIN}\nold\n{END}\nrest\n")
    write_page(page, "new\n")
    write_page(page, "newer\n")
    assert page.read_text() == f"# A\n{BEGIN}\nnewer\n{END}\nrest\n"
    for content in ("", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{END}\n{END}\n"):
        page.write_text(content)
        with pytest.raises(ValueError, match=r"page\.md: must have one line"):
            write_page(page, "new\n")
        assert page.read_text() == content


def test_promises_are_chosen_by_name_and_group():
    assert [promise.name for promise in select(["golden", "damage"])] == ["damage", "golden"]
    assert len(select(["kill"])) == 10
    assert select([]) == list(PROMISES)
    with pytest.raises(ValueError, match="got 'kil'"):
        select(["kil"])


def test_what_was_tried_at_this_commit_is_kept_and_the_rest_is_tried(tmp_path, monkeypatch, capsys):
    promises = [
        _Command("made", "It holds", "tests", (f"open(REPORT, 'w').write({PASSED!r})",)),
        _Command("failing", "It does not", "tests", ("raise SystemExit(3)",)),
    ]
    for module in ("catalogue", "table", "__main__"):
        monkeypatch.setattr(f"tests.promises.{module}.PROMISES", promises)
    monkeypatch.setattr(outcomes, "current_commit", lambda: "abc1234")
    monkeypatch.setattr(command_line, "current_commit", lambda: "abc1234")
    page = tmp_path / "page.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    flags = [f"--output={tmp_path / 'kept'}"]
    assert command_line.main([*flags, "--only=made", f"--page={page}"]) == 0
    assert "| failing | It does not |  |  | **not tested** |" in page.read_text()
    capsys.readouterr()
    assert command_line.main(flags) == 1
    printed = capsys.readouterr().out
    assert "1 of 2: made: passed at this commit" in printed
    assert "2 of 2: failing: ... 0 tests, 1 failures" in printed
    assert command_line.main([*flags, "--only=made", "--table"]) == 0
    monkeypatch.setattr(command_line, "current_commit", lambda: "another")
    assert command_line.main([*flags, "--only=made"]) == 0
    assert "1 of 1: made: ... 1 tests, 0 failures" in capsys.readouterr().out


def test_a_wrong_name_is_refused_in_one_line():
    command = [sys.executable, "-m", "tests.promises", "--only=kil"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert re.fullmatch(r"error: --only must be a comma-separated list of kill, .*; got 'kil'\n", result.stderr)


def test_the_table_of_the_page_is_that_of_the_catalogue_and_every_test_file_exists():
    page = (ROOT / outcomes.PAGE).read_text(encoding="utf-8")
    tried = {argument for promise in PROMISES for argument in promise.arguments if argument.startswith("tests/")}
    files = {argument.partition("::")[0] for argument in tried}
    assert [name for name in files if not (ROOT / name).exists()] == []
    assert page.count(BEGIN) == page.count(END) == 1
    generated = [row.split(" | ") for row in page.partition(BEGIN)[2].partition(END)[0].splitlines()[5:]]
    assert [cells[0].strip("| ") for cells in generated] == [promise.name for promise in PROMISES]
    for promise, (_, text, trials, *_rest) in zip(PROMISES, generated):
        assert text.startswith(promise.text)
        assert not trials or promise.trial in trials
