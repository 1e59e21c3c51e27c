"""The code blocks of the pages run as they are written, made small by the tables in small.py."""

from __future__ import annotations

import pytest

from tests.docs.known_flags import KnownFlags
from tests.docs.pages import parse_page, read_pages
from tests.docs.running import PageRunner

PAGES = read_pages()
# Run in every gate: these sections need no other part of their page.
FAST = (
    ("docs/distil.md", ("Unlabelled data", "Teachers of any framework")),
    ("docs/llm_teachers.md", ("Language models as teachers", "Ensembles")),
    ("docs/report.md", ("In a program",)),
)


@pytest.fixture(name="runner", scope="module")
def _runner(known: KnownFlags, tmp_path_factory: pytest.TempPathFactory) -> PageRunner:
    return PageRunner(tmp_path_factory.mktemp("pages"), known, PAGES)


@pytest.mark.parametrize(("path", "sections"), FAST)
def test_sections_run(runner, path, sections):
    blocks = [block for block in PAGES[path].blocks if block.section in sections]
    assert {block.section for block in blocks if block.runs} == set(sections)
    runner.run_blocks(path, blocks)


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path, page in PAGES.items() if any(block.runs for block in page.blocks)])
def test_a_page_runs(runner, path):
    runner.run(path)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("echo before\nfalse | cat\necho after", "docs/a.md:3: exit status 1"),
        ("echo $NOT_SET", "docs/a.md:3: exit status 1"),
        ('python -c "print(1)" --output=none.json', "none.json was not written"),
    ],
)
def test_a_block_that_fails_is_found_with_page_and_line(runner, code, message):
    page = parse_page("docs/a.md", f"# A\n```sh\n{code}\n```\n")
    with pytest.raises(AssertionError, match=message):
        runner.run_blocks(page.path, page.blocks)


def test_blocks_share_a_folder_and_a_mark_leaves_one_out(runner):
    mark = "<!-- not tested: needs Docker -->\n"
    text = f"```sh\necho made > file\n```\n{mark}```sh\nfalse\n```\n```sh\ngrep made file\n```\n"
    folder = runner.run_blocks("docs/a.md", parse_page("docs/a.md", text).blocks)
    assert (folder / "file").read_text() == "made\n"
