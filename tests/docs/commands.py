"""The commands in a block of shell code, and in inline code: which program each runs, with which arguments."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import NamedTuple

from tests.docs.pages import Block, Page, PageError

_HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")
_SPAN = re.compile(r"`([^`]+)`")
_FLAG = re.compile(r"--(\w+)")


class Command(NamedTuple):
    """A command of this project.

    Attributes:
        place: Page and line, as in docs/train.md:4.
        program: A module such as tools.train, a script such as tools/quickstart.sh, or "" for flags without a program.
        arguments: Its arguments, and for each its line on the page.
        in_background: Whether `&` ends the command.
    """

    place: str
    program: str
    arguments: list[tuple[str, int]]
    in_background: bool = False

    @property
    def flags(self) -> list[tuple[str, int]]:
        """Names of the flags given, and the line of each."""
        found = [(_FLAG.match(argument), line) for argument, line in self.arguments]
        return [(match[1], line) for match, line in found if match]


def _words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(lexer)


def _is_operator(word: str) -> bool:
    return bool(word) and not set(word) - set(";&|()<>")


def _statements(block: Block) -> Iterator[list[tuple[str, int]]]:
    """Yields the words of every logical line, each with its line on the page. Here-documents are left out."""
    lines = block.code.splitlines()
    at = 0
    while at < len(lines):
        first, text = at, lines[at]
        words = None
        while words is None:
            at += 1
            try:
                if text.endswith("\\"):
                    raise ValueError("the line goes on")
                words = _words(text)
            except ValueError:
                if at == len(lines):
                    raise PageError(f"{block.page}:{block.line + first}: a quote or a line is not closed") from None
                text = f"{text[:-1]} {lines[at]}" if text.endswith("\\") else f"{text}\n{lines[at]}"
        placed, line = [], first
        for word in words:
            # Words of a statement stand in order; a word that was quoted differently counts to the line before it.
            line = next((n for n in range(line, at) if word in lines[n]), line)
            placed.append((word, block.line + line))
        yield placed
        heredoc = _HEREDOC.search(text)
        if heredoc:
            at = next((n + 1 for n in range(at, len(lines)) if lines[n].strip() == heredoc[1]), len(lines))


def commands_of(block: Block) -> list[Command]:
    """Returns the commands of this project in a block of shell code."""
    found = []
    for statement in _statements(block):
        words = [word for word, _ in statement]
        ends = [at for at, word in enumerate(words) if _is_operator(word)] + [len(words)]
        for at in range(1, len(words)):
            program = _program(words, at)
            if program:
                end = next(end for end in ends if end > at)
                place = f"{block.page}:{statement[at][1]}"
                background = words[end : end + 1] == ["&"]
                found.append(Command(place, program, statement[at + 1 : end], background))
    return found


def _program(words: list[str], at: int) -> str:
    """Returns the module or script that a command runs if words[at] names one, else ""."""
    before, word = words[at - 1], words[at]
    if before == "-m" and at >= 2 and re.search(r"python|PYTHON", words[at - 2]):
        return word
    return word if before == "bash" and word.endswith(".sh") else ""


def inline_commands(page: Page) -> list[Command]:
    """Returns the commands and flags in a page's inline code."""
    found = []
    for number, text in enumerate(page.prose.splitlines(), start=1):
        for span in _SPAN.findall(text):
            words = span.split()
            program = next((word for word in words if re.match(r"(tools|benchmarks|tests)[./][\w./]+$", word)), "")
            if program or (words and words[0].startswith("--")):
                after = words[words.index(program) + 1 :] if program else words
                place = f"{page.path}:{number}"
                found.append(Command(place, program, [(word, number) for word in after]))
    return found
