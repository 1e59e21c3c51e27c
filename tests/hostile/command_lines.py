"""Command lines at random: valid ones of every tool, with up to three mutations of their flags and files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from tests.helpers import TASKS
from tests.hostile.strategies import FLAGS, mutated

_DATA = ("--task_file={tasks}/tasks.yaml", "--cache_dir={cache}")
_TRAINING = (*_DATA, "--output_dir={out}", "--backbone=tiny", "--epochs=1", "--batch_size=8", "--evaluation=end")
# Of each tool a command that is accepted, or that is refused for what {none} and port 1 hold: nothing. {tasks} is a copy
# of small tasks, {run} a trained run, {bert} an encoder, {out} and {cache} folders that do not exist.
BASES: dict[str, tuple[str, ...]] = {
    "train": (*_TRAINING, "--tasks=mood", "--max_sequence_length=16"),
    "score": (*_DATA, "--teachers={run}", "--tasks=mood", "--split=test", "--output_dir={out}"),
    "evaluate": (*_DATA, "--run={run}", "--tasks=mood", "--output={out}/metrics.json"),
    "predict": (*_DATA, "--run={run}", "--tasks=mood", "--split=test", "--output={out}/mood.tsv"),
    "export": ("--run={run}", "--export_dir={out}", "--tasks=mood", "--warmup_batch_sizes=1"),
    "verify": ("--folder={run}",),
    "verify_release": ("--release={run}",),
    "recipe": ("--plan", *_TRAINING, "--tasks=mood", "--max_sequence_length=16"),
    "adapt": ("--plan", *_TRAINING, "--tasks=mood", "--max_sequence_length=16", "--init_from={run}"),
    "encode": (*_DATA, "--tasks=mood", "--backbone=tiny", "--max_sequence_length=16"),
    "prepare": ("--tasks=rte", "--data_dir={tasks}", "--cache_dir={cache}", "--prepare_tfds={out}"),
    "soft_targets": (*_DATA, "--tasks=mood", "--import_from={tasks}/teacher.tsv", "--output_dir={out}"),
    "convert_checkpoint": ("--from={bert}", "--to={out}", "--format=google"),
    "cost": ("--runs={run}", "--student={run}", "--length=8", "--batch_size=1", "--repeats=1", "--output={out}/c.json"),
    "report": ("--from={tasks}/report.json", "--output_dir={out}"),
    "demo_corpus": ("--output_dir={out}", "--train_examples=9", "--validation_examples=9", "--test_examples=9"),
    "query": ("--server=http://127.0.0.1:1", "--model=m", "--text_a=a", "--retries=0"),
    "serve": ("--model={none}", "--port=1"),
}
# Encoding and preparing are one tool.
BINARIES = {"prepare": "encode"}
# Not left out: without them the user's own cache would be written, an encoder downloaded, or hours trained.
_KEPT = ("cache_dir", "plan", "backbone", "epochs")
_WRITTEN = {
    *("output_dir", "output", "export_dir", "release", "to", "prepare_tfds", "cache_dir", "export_to"),
    "glue_submission",
}
_PLACES = ("{out}/a/b", "{tasks}", "{tasks}/tasks.yaml", "{tasks}/tasks.yaml/x", "/proc/x", "", "{out}/\u00e9 x")
# What is complete there may stay, whatever comes of the command. An empty name is the current folder.
_CACHES = ("{cache}/\u00e9 x", "{tasks}/tasks.yaml", "/proc/x")
_READ = (
    "{none}",
    "{tasks}",
    "{run}",
    "{run}/model",
    "{tasks}/tasks.yaml",
    "{tasks}/mood_train.tsv",
    "/dev/null",
    "{run},{run}",
)
_VALUES: tuple[str, ...] = (
    "",
    "0",
    "1",
    "2",
    "-1",
    "nan",
    "inf",
    "0.5",
    "x",
    "9" * 30,
    ",",
    "a,b",
    "mood",
    "mood,mood",
    "rte",
    "test",
    "true",
)
_VALUES += (
    "train",
    "validation",
    "google",
    '"',
    "a\nb",
    "\x1b[2J",
    "\ud800",
    "../x",
    "é",
    "x" * 5000,
    "%s",
    "--",
    "{}",
)
# Flags of a tool that its command above does not give.
_TRAINING_FLAGS = tuple(FLAGS)
_OWN: dict[str, tuple[str, ...]] = {
    "train": _TRAINING_FLAGS,
    "recipe": (
        *_TRAINING_FLAGS,
        "teacher_tasks",
        "dropouts",
        "top_k",
        "seeds",
        "teacher_folds",
        "transfer_splits",
        "single_task",
    ),
    "adapt": (*_TRAINING_FLAGS, "fractions", "starts", "subset_seeds", "learning_rates"),
    "score": ("weights", "fit_weights_on", "average", "data_dir", "data_source"),
    "evaluate": ("runs", "weights", "average", "split", "by_category", "leave_one_out", "disagreement", "data_source"),
    "predict": ("input", "glue_submission", "glue_majority", "data_dir"),
    "export": ("version", "model_name", "release", "release_metrics"),
    "encode": ("data_dir", "data_source", "prepare_tfds"),
    "prepare": ("data_source", "task_file", "backbone"),
    "soft_targets": ("teacher_names", "weights", "export_to", "soft_targets", "split", "values"),
    "convert_checkpoint": ("accept_approximate_gelu",),
    "cost": ("task",),
    "query": ("signature", "task", "text_b", "input", "columns", "output", "json", "batch_size"),
    "serve": ("threads", "name"),
}
# Flags of any tool; to the others they are unknown.
_MORE = (
    *("run", "runs", "teachers", "weights", "split", "average", "fit_weights_on", "by_category", "input", "version", "model_name"),
    *("warmup_batch_sizes", "glue_majority", "teacher_names", "values", "format", "from", "student", "task", "length", "leave_one_out"),
    *("disagreement", "teacher_tasks", "dropouts", "top_k", "seeds", "teacher_folds", "single_task", "fractions", "starts"),
    *(*sorted(_WRITTEN), "release_metrics", "accept_approximate_gelu", "server", "signature", "timeout", "threads", "port", "log_dir", "flagfile"),
)  # fmt: skip
_KINDS = ("other value", "further flag", "file", "left out", "other value", "further flag", "file", "word")
# What takes long when accepted is left as it is.
_LONG = {
    "epochs",
    "repeats",
    "train_examples",
    "validation_examples",
    "test_examples",
    "retries",
    "timeout",
    "port",
    "server",
}
FILES = ("tasks.yaml", "mood_train.tsv", "mood_validation.tsv", "mood_test.tsv", "teacher.tsv")


class CommandLine(NamedTuple):
    """A command line.

    Attributes:
        binary: The tool.
        arguments: Its flags, with places in braces.
        file: Of the small tasks' folder, the file that is replaced; empty for none.
        content: What it then holds.
    """

    binary: str
    arguments: tuple[str, ...]
    file: str = ""
    content: bytes = b""


def _name(argument: str) -> str:
    return argument.lstrip("-").partition("=")[0]


@st.composite
def _value(draw: st.DrawFn, name: str) -> str:
    """Draws a value of a flag: written places lie in the test's folder alone."""
    if name == "cache_dir":
        return draw(st.sampled_from(_CACHES))
    if name in _WRITTEN:
        return draw(st.sampled_from(_PLACES))
    return draw(st.sampled_from((*FLAGS.get(name, ()), *_READ, *_VALUES)))


@st.composite
def command_lines(draw: st.DrawFn, tool: str, contents: Sequence[bytes]) -> CommandLine:
    """Draws a command line of a tool.

    Args:
        draw: Hypothesis's.
        tool: One of `BASES`.
        contents: Valid data files, to be mutated.
    """
    arguments, file, content = list(BASES[tool]), "", b""
    for _ in range(draw(st.sampled_from((1, 1, 2, 3, 0)))):
        kind = draw(st.sampled_from(_KINDS))
        place = draw(st.integers(0, len(arguments) - 1))
        name = _name(arguments[place])
        if kind == "other value" and name not in _LONG:
            arguments[place] = f"--{name}={draw(_value(name))}"
        elif kind == "further flag":
            own, pool = _OWN.get(tool, ()), (*FLAGS, *_MORE)
            if own and draw(st.integers(0, 4)) > 0:
                pool = own
            name = draw(st.sampled_from(pool))
            if name not in _LONG:
                arguments.append(f"--{name}={draw(_value(name))}")
        elif kind == "left out" and name not in _KEPT:
            del arguments[place]
        elif kind == "word":
            arguments.insert(
                place,
                draw(st.sampled_from(("word", "--", "-x", "--=", "--noepochs", "--tasks", "--nodeterministic=1"))),
            )
        elif kind == "file":
            file = draw(st.sampled_from(FILES))
            content = draw(mutated([TASKS.encode()] if file == "tasks.yaml" else contents))
        if not arguments:
            break
    return CommandLine(BINARIES.get(tool, tool), tuple(arguments), file, content)
