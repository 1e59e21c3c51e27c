"""Every flag, program, preset and link of the pages exists; what is not run says why, and is listed here."""

from __future__ import annotations

import re

import pytest

from tests.docs.commands import commands_of, inline_commands
from tests.docs.known_flags import mistakes
from tests.docs.pages import REASONS, ROOT, PageError, parse_page, read_pages
from tools.update_option_tables import GROUPS, with_tables

# Blocks that are not run, by page: the first program of each, and why.
NOT_TESTED = [
    ("README.md", "pip", "tests/wheel_test.py does it"),
    ("docs/beam.md", "tools.beam_score", "tests/beam does it"),
    ("docs/beam.md", "tools.beam_predict", "tests/beam does it"),
    ("docs/beam.md", "benchmarks.beam_cost", "tests/benchmarks does it"),
    ("docs/evidence_plan.md", "benchmarks.evidence", "takes an hour"),
    ("docs/large.md", "benchmarks.encoding_memory", "takes an hour"),
    ("docs/performance.md", "benchmarks.run", "needs PyTorch"),
    ("docs/performance.md", "benchmarks.families", "needs PyTorch"),
    ("docs/results.md", "benchmarks.quickstart", "takes an hour"),
    ("docs/results.md", "benchmarks.reference_pytorch", "needs PyTorch"),
    ("docs/results.md", "benchmarks.reference_encoder_outputs", "needs PyTorch"),
    ("docs/scale.md", "tools.train", "needs several machines"),
    ("docs/scale.md", "tools.train", "needs a TPU"),
    ("docs/serve.md", "docker", "needs Docker"),
    ("docs/serve.md", "hf", "needs an account"),
]


def test_the_flags_of_all_binaries_are_known(known):
    tools = {path.stem for path in (ROOT / "tools").glob("[!_]*.py")} - {
        "cli",
        "update_build_files",
        "update_option_tables",
    }
    assert known.programs == [f"tools.{name}" for name in sorted(tools)]
    assert known.of("tools.train") >= {"output_dir", "epochs", "flagfile", "deterministic", "nodeterministic"}
    assert "epochs" not in known.of("tools.verify")
    assert known.of("benchmarks.ablations") >= {"glue", "rows"}


def test_commands_of_the_pages_exist_with_their_flags(known):
    pages = read_pages().values()
    blocks = [block for page in pages for block in page.blocks if block.is_shell]
    in_blocks = [command for block in blocks for command in commands_of(block)]
    assert len(in_blocks) > 40
    assert mistakes(in_blocks, known) == []
    assert mistakes([command for page in pages for command in inline_commands(page)], known) == []


def test_the_tables_of_options_are_those_of_the_declarations():
    pages = {name: page.text for name, page in read_pages().items()}
    assert [name for name, text in pages.items() if with_tables(text) != text] == []
    shown = {name for text in pages.values() for name in re.findall(r"^\| `--(\w+)` \|", text, re.MULTILINE)}
    assert {name for group in GROUPS.values() for name in group.declared()} <= shown
    with pytest.raises(SystemExit, match=r"got epoch$"):
        with_tables("<!-- options: epoch -->\n")


def test_what_is_not_run_is_listed(known):
    found = []
    for page in read_pages().values():
        for block in page.blocks:
            if block.reason:
                commands = commands_of(block)
                found.append((page.path, commands[0].program if commands else block.code.split()[0], block.reason))
    assert found == NOT_TESTED


MADE_UP = """\
# A page
Use `--epoch=1` or `tools.train --tasks=rte`, see `tools.trian`.
```sh
# A comment with --no_flag
FIRST=1 .venv/bin/python -m tools.train --tasks=rte \\
  --learning_rat=1 --nodeterministic &
for i in 0 1; do python -m tools.score --shard=$i/2 --output_dir="a b" ; done | tee --append x
python - <<'END'
python -m tools.train --in_python
END
bash tools/run_tests.sh --slow --fast
```
"""


def test_a_misspelled_flag_is_found_with_page_and_line(known):
    page = parse_page("docs/made_up.md", MADE_UP)
    (block,) = page.blocks
    train, score, tests = commands_of(block)
    assert (train.program, train.in_background, score.program, score.in_background) == (
        "tools.train",
        True,
        "tools.score",
        False,
    )
    assert [argument for argument, _ in score.arguments] == ["--shard=$i/2", "--output_dir=a b"]
    assert mistakes([train, score, tests], known) == [
        "docs/made_up.md:6: no flag --learning_rat of tools.train",
        "docs/made_up.md:11: no flag --fast of tools/run_tests.sh",
    ]
    assert mistakes(inline_commands(page), known) == [
        "docs/made_up.md:2: no flag --epoch",
        "docs/made_up.md:2: no program tools.trian",
    ]
    lost = parse_page("p.md", "```sh\npython -m tools.trian --a=1\npython -m pytest tests/none_test.py\n```\n")
    preset = parse_page("p.md", "```sh\npython -m tools.train --flagfile=flags/presets/none.flags\n```\n")
    found = [*mistakes(commands_of(lost.blocks[0]), known), *mistakes(commands_of(preset.blocks[0]), known)]
    assert found == [
        "p.md:2: no program tools.trian",
        "p.md:3: no test tests/none_test.py",
        "p.md:2: no preset flags/presets/none.flags",
    ]


def test_comments_for_the_tests_are_read():
    page = parse_page(
        "docs/a.md",
        "The commands continue those of [b](b.md) and [c.md](../c.md).\n## One\n"
        "<!-- not tested: needs Docker -->\n```sh\ndocker run\n```\n<!-- file: a.yaml -->\n```yaml\na: 1\n```\n",
    )
    assert page.continues == ["docs/b.md", "c.md"]
    docker, file = page.blocks
    assert (docker.reason, docker.line, docker.section, docker.runs) == ("needs Docker", 5, "One", False)
    assert (file.file, file.code, file.runs) == ("a.yaml", "a: 1\n", False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- not tested: too hard -->\n```sh\na\n```\n", f"a.md:2: reason must be one of {', '.join(REASONS)}"),
        ("<!-- not tested: needs Docker -->\n\n```sh\na\n```\n", "a.md:2: a comment for the tests must be directly"),
        ("<!-- not tested: needs Docker -->\n", "a.md:1: a comment for the tests must be directly above"),
        ("# A\n```sh\na\n", "a.md:2: the code block is not closed"),
    ],
)
def test_wrong_marks_are_refused_with_page_and_line(text, message):
    with pytest.raises(PageError, match=re.escape(message)):
        parse_page("a.md", text)


def test_the_index_lists_every_page():
    pages = read_pages()
    listed = set(re.findall(r"\]\(([\w.]+\.md)\)", pages["docs/index.md"].text))
    assert {f"docs/{name}" for name in listed} | {"docs/index.md"} == {
        path for path in pages if path.startswith("docs/")
    }


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_to_files_and_headings():
    broken = []
    for page in read_pages().values():
        for target in re.findall(r"\]\(([^)\s]+)\)", page.prose):
            path, _, anchor = target.partition("#")
            file = (ROOT / page.path).parent / path if path else ROOT / page.path
            if "://" in target:
                continue
            if not file.exists() or (anchor and anchor not in _anchors(file.read_text(encoding="utf-8"))):
                broken.append(f"{page.path}: {target}")
    assert broken == []
