"""The pages of the documentation: their code blocks, and the comments that tell the tests about them.

Three things on a page are for the tests:

* `<!-- not tested: REASON -->` directly above a block: the block is checked but not run. REASON is one of `REASONS`.
* `<!-- file: NAME -->` directly above a block: the block is the content of a file that the page's commands read.
* "The commands continue those of [distil.md](distil.md)": the page's commands start with the files of that page's.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
REASONS = (
    "needs a TPU",
    "needs Docker",
    "needs PyTorch",
    "needs several machines",
    "takes an hour",
    "tests/wheel_test.py does it",
    "tests/beam does it",
    "tests/benchmarks does it",
    "needs an account",
)
_LANGUAGES = ("sh", "bash", "python")
_FENCE = re.compile(r"(\s*)(```+)(.*)")
_COMMENT = re.compile(r"<!-- (not tested|file): (.+?) -->")
_CONTINUES = re.compile(r"The\s+commands\s+continue\s+those\s+of\s+((?:\[[^]]+\]\([^)]+\)(?:, | and )?)+)")


class PageError(ValueError):
    """What is wrong on a page, with page and line."""


class Block(NamedTuple):
    """A fenced code block.

    Attributes:
        page: Path of the page from the root.
        line: Line of the first line of code, from 1.
        section: Heading above the block, without #.
        language: First word after the fence; "" if there is none.
        code: The lines between the fences.
        reason: Why the block is not run, or None.
        file: Name of the file whose content the block is, or None.
    """

    page: str
    line: int
    section: str
    language: str
    code: str
    reason: str | None = None
    file: str | None = None

    @property
    def place(self) -> str:
        """Page and line."""
        return f"{self.page}:{self.line}"

    @property
    def is_shell(self) -> bool:
        """Whether the block holds commands."""
        return self.language in ("sh", "bash")

    @property
    def runs(self) -> bool:
        """Whether a test runs the block."""
        return self.language in _LANGUAGES and self.reason is None


class Page(NamedTuple):
    """A page: its path from the root, its text, and its code blocks in order."""

    path: str
    text: str
    blocks: list[Block]

    @property
    def prose(self) -> str:
        """The text without code blocks, with as many lines."""
        lines = self.text.splitlines()
        for block in self.blocks:
            end = block.line + block.code.count("\n")
            lines[block.line - 2 : end] = [""] * (end - block.line + 2)
        return "\n".join(lines)

    @property
    def continues(self) -> list[str]:
        """Paths of the pages whose commands come before this page's."""
        found = _CONTINUES.search(self.text)
        targets = re.findall(r"\]\(([^)]+)\)", found[1]) if found else []
        return [posixpath.normpath(posixpath.join(posixpath.dirname(self.path), target)) for target in targets]


def parse_page(path: str, text: str) -> Page:
    """Returns a page with its code blocks.

    Args:
        path: Path of the page from the root.
        text: Content of the page.

    Raises:
        PageError: A fence is not closed, or a comment is wrong or is not above a block.
    """
    blocks: list[Block] = []
    lines = text.splitlines()
    section, comments, at = "", dict[str, str](), 0
    while at < len(lines):
        line, at = lines[at], at + 1
        fence, comment = _FENCE.fullmatch(line), _COMMENT.fullmatch(line.strip())
        if fence:
            end = next((n for n in range(at, len(lines)) if lines[n].strip() == fence[2]), None)
            if end is None:
                raise PageError(f"{path}:{at}: the code block is not closed")
            code = "\n".join(text_line[len(fence[1]) :] for text_line in lines[at:end]) + "\n"
            language = (fence[3].split() or [""])[0]
            reason = comments.get("not tested")
            if reason is not None and reason not in REASONS:
                raise PageError(f"{path}:{at}: reason must be one of {', '.join(REASONS)}, got {reason}")
            blocks.append(Block(path, at + 1, section, language, code, reason, comments.get("file")))
            comments, at = {}, end + 1
        elif comment:
            comments[comment[1]] = comment[2]
        elif comments:
            raise PageError(f"{path}:{at}: a comment for the tests must be directly above a code block")
        elif line.startswith("#"):
            section = line.lstrip("#").strip()
    if comments:
        raise PageError(f"{path}:{at}: a comment for the tests must be directly above a code block")
    return Page(path, text, blocks)


def read_pages() -> dict[str, Page]:
    """Returns README.md and the pages of docs/, by their paths from the root."""
    paths = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    names = [path.relative_to(ROOT).as_posix() for path in paths]
    return {name: parse_page(name, path.read_text(encoding="utf-8")) for name, path in zip(names, paths)}
