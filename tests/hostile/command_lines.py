"""Command lines at random: valid ones of every tool, with up to three mutations of their flags and files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from tests.helpers import TASKS
from tests.hostile.declared_flags import FURTHER_FLAGS, OTHER_WORDS, DeclaredFlag, arguments_of
from tests.hostile.strategies import mutated
from tests.hostile.table_files import table_files

_DATA = ("--task_file={tasks}/tasks.yaml", "--cache_dir={cache}")
_TRAINING = (*_DATA, "--output_dir={out}", "--backbone=tiny", "--epochs=1", "--batch_size=8", "--evaluation=end")
# Of each tool a command that is accepted, or that is refused for what {none} and port 1 hold: nothing. For the places in
# braces see `declared_flags`.
BASES: dict[str, tuple[str, ...]] = {
    "train": (*_TRAINING, "--tasks=mood", "--max_sequence_length=16"),
    "score": (*_DATA, "--teachers={run}", "--tasks=mood", "--split=test", "--output_dir={out}"),
    "beam_score": (*_DATA, "--teachers={none}", "--tasks=mood", "--output_dir={out}"),
    "beam_predict": (*_DATA, "--model={none}", "--tasks=mood", "--split=test", "--output_dir={out}"),
    "evaluate": (*_DATA, "--run={run}", "--tasks=mood", "--output={out}/metrics.json"),
    "predict": (*_DATA, "--run={run}", "--tasks=mood", "--split=test", "--output={out}/mood.tsv"),
    "predict_file": ("--run={run}", "--tasks=mood", "--input={tasks}/mood_test.tsv", "--output={out}/mood.jsonl"),
    "export": ("--run={run}", "--export_dir={out}", "--tasks=mood", "--warmup_batch_sizes=1"),
    "verify": ("--folder={run}",),
    "verify_release": ("--release={run}",),
    "recipe": ("--dry_run", *_TRAINING, "--tasks=mood", "--max_sequence_length=16"),
    "adapt": ("--dry_run", *_TRAINING, "--tasks=mood", "--max_sequence_length=16", "--init_from={run}"),
    "encode": (*_DATA, "--tasks=mood", "--backbone=tiny", "--max_sequence_length=16"),
    "prepare": ("--tasks=rte", "--data_dir={tasks}", "--cache_dir={cache}", "--prepare_tfds={out}"),
    "soft_targets": (*_DATA, "--tasks=mood", "--import_from={tasks}/teacher.tsv", "--output_dir={out}"),
    "convert_checkpoint": ("--from={bert}", "--to={out}", "--format=google"),
    "cost": ("--runs={run}", "--student={run}", "--length=8", "--batch_size=1", "--repeats=1", "--output={out}/c.json"),
    "report": ("--from={tasks}/report.json", "--output_dir={out}"),
    "demo_corpus": ("--output_dir={out}", "--train_examples=9", "--validation_examples=9", "--test_examples=9"),
    "demo_answers": ("--model={none}",),
    "query": ("--server=http://127.0.0.1:1", "--model=m", "--text_a=a", "--retries=0"),
    "serve": ("--model={none}", "--port=1"),
}
# Tools of which there are two commands.
_TOOLS = {"prepare": "encode", "predict_file": "predict"}
# Not left out: without them the user's own cache would be written, an encoder downloaded, or hours trained.
_KEPT = ("cache_dir", "dry_run", "backbone", "epochs")
# What takes long when accepted is left as it is.
_LONG = {"epochs", "repeats", "retries", "dry_run"}
_LONG |= {f"{split}_examples" for split in ("train", "validation", "test", "unlabelled")}
# What is complete in the cache may stay, whatever comes of the command.
_CACHES = ("{cache}/\u00e9 x", "{tasks}/tasks.yaml", "/proc/x")
_KINDS = ("other value", "further flag", "file", "left out", "other value", "further flag", "file", "word")
_TABLES = ("mood_train", "mood_validation", "mood_test", "teacher")
_COLUMNS = (("sentence", "mood"), ("id", "bad", "good"), ("sentence",), ("sentence", "sentence"), ("id", "label"))


class CommandLine(NamedTuple):
    """A command line.

    Attributes:
        binary: The tool.
        arguments: Its flags, with places in braces.
        file: A file of the small tasks' folder that is written; empty for none. A table replaces that of its name.
        content: What it then holds.
    """

    binary: str
    arguments: tuple[str, ...]
    file: str = ""
    content: bytes = b""


def tool_of(command: str) -> str:
    """Returns the tool of a command of `BASES`."""
    return _TOOLS.get(command, command)


def name_of(argument: str) -> str:
    """Returns the name of the flag that an argument gives."""
    return argument.lstrip("-").partition("=")[0]


def _argument(flag: DeclaredFlag) -> st.SearchStrategy[str]:
    if flag.name == "cache_dir":
        return st.sampled_from(_CACHES).map(lambda place: f"--cache_dir={place}")
    return arguments_of(flag)


@st.composite
def command_lines(draw: st.DrawFn, command: str, flags: Sequence[DeclaredFlag], texts: Sequence[bytes]) -> CommandLine:
    """Draws a command line of a tool.

    Args:
        draw: Hypothesis's.
        command: One of `BASES`.
        flags: All flags of its tool.
        texts: Valid data files, to be mutated.
    """
    arguments, file, content = list(BASES[command]), "", b""
    drawn = {flag.name: flag for flag in flags if flag.name not in _LONG}
    for _ in range(draw(st.sampled_from((1, 1, 2, 3, 0)))):
        kind = draw(st.sampled_from(_KINDS))
        place = draw(st.integers(0, len(arguments) - 1))
        name = name_of(arguments[place])
        if kind == "other value" and name in drawn:
            arguments[place] = draw(_argument(drawn[name]))
        elif kind == "further flag":
            pool = FURTHER_FLAGS if draw(st.integers(0, 9)) == 0 else tuple(drawn.values())
            arguments.append(draw(_argument(draw(st.sampled_from(pool)))))
        elif kind == "left out" and name not in _KEPT:
            del arguments[place]
        elif kind == "word":
            arguments.insert(place, draw(st.sampled_from(OTHER_WORDS)))
        elif kind == "file":
            file, content = draw(_files(texts))
        if not arguments:
            break
    stem, ending = file.partition(".")[::2]
    if stem in _TABLES:
        arguments = [argument.replace(f"/{stem}.tsv", f"/{stem}.{ending}") for argument in arguments]
    return CommandLine(tool_of(command), tuple(arguments), file, content)


@st.composite
def _files(draw: st.DrawFn, texts: Sequence[bytes]) -> tuple[str, bytes]:
    """Draws the name and the content of a file of the small tasks' folder."""
    stem = draw(st.sampled_from((*_TABLES, "tasks")))
    if stem == "tasks":
        return "tasks.yaml", draw(mutated([TASKS.encode()]))
    ending, content = draw(table_files(texts, _COLUMNS))
    return f"{stem}{ending}", content
