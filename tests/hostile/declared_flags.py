"""The flags that a command declares, and values at random for each type of flag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree

from hypothesis import strategies as st

_NUMBERS: tuple[str, ...] = (
    "0",
    "1",
    "2",
    "3",
    "16",
    "-1",
    "0.5",
    "0.1",
    "1e-5",
    "1e25",
    "1e400",
    "1e-400",
    "nan",
    "inf",
    "-inf",
)
_NUMBERS += ("1_0", "", "x", "9" * 18, "9" * 30, "9" * 5000, "0x2", " 1", "1.", "+1", "\u0663", "-9223372036854775809")
_WORDS: tuple[str, ...] = (
    "",
    ",",
    ",,",
    "a,b",
    '"',
    'a,"b',
    '"a,b"',
    "train",
    "validation",
    "test",
    "mood",
    "mood,mood",
    "mrpc",
    "mood:2",
)
_WORDS += (
    "mood:nan",
    "rte",
    "all",
    "auto",
    "tiny",
    "0",
    "1",
    "0.5,0.5",
    "1,1",
    "0/2",
    "9" * 30,
    "nan",
    "a\nb",
    "\x1b[2J",
)
_WORDS += (
    "\ud800",
    "\u00e9",
    "x" * 5000,
    "%s",
    "{}",
    "--",
    "~nobody-at-all/x",
    " x",
    "x ",
    "a=b",
    "a:b",
    ":",
    "grpc://x",
)
# {tasks} is a copy of small tasks, {run} a trained run, {bert} an encoder, {null} a link to /dev/null; {none}, {out} and
# {cache} do not exist. None is outside the test's folder, so that no flag can write elsewhere.
_PATHS: tuple[str, ...] = (
    "{none}",
    "{tasks}",
    "{run}",
    "{run}/model",
    "{run},{run}",
    "{bert}",
    "{null}",
    "{out}/a/b",
    "{out}/\u00e9 x",
)
_PATHS += ("{tasks}/tasks.yaml", "{tasks}/tasks.yaml/x", "{tasks}/mood_train.tsv", "{tasks}/mood.parquet", "/proc/x")
_PATHS += ("{tasks}/mood.jsonl.gz", "{tasks}/mood_*.tsv", "{tasks}/teacher.parquet", "{tasks}/report.json", "../x", ".")
_BOOLEANS = ("true", "false", "maybe", "", "2", "TRUE", "None")
_LIST = "comma separated list of strings"


class DeclaredFlag(NamedTuple):
    """A flag of a command.

    Attributes:
        name: Its name.
        type: absl's name of its type, such as "int".
        default: Its default as a command line has it; empty for none.
        choices: Accepted values; empty for any.
    """

    name: str
    type: str = "string"
    default: str = ""
    choices: tuple[str, ...] = ()


# No flag, and flags of absl or of no command.
OTHER_WORDS = ("word", "--", "-x", "--=", "--noepochs", "--epochs", "--tasks", "--nodeterministic=1")
FURTHER_FLAGS = (DeclaredFlag("flagfile"), DeclaredFlag("epoch", "int"), DeclaredFlag("n"), DeclaredFlag("a.b"))


def read_flags(xml: str) -> list[DeclaredFlag]:
    """Returns the project's flags in what a command's --helpxml prints."""
    flags = []
    for found in ElementTree.fromstring(xml.encode()).iter("flag"):
        fields = {name: found.findtext(name) or "" for name in ("name", "type", "default", "key", "file")}
        if fields["key"] or fields["file"].startswith("mtdnn_tf."):
            choices = tuple(choice.text or "" for choice in found.iter("enum_value"))
            flags.append(DeclaredFlag(fields["name"], fields["type"], fields["default"], choices))
    return flags


def values_of(flag: DeclaredFlag) -> st.SearchStrategy[str]:
    """Returns the strategy of a flag's values: accepted ones, those at limits, of other types, and files."""
    if flag.type == "bool":
        return st.sampled_from(_BOOLEANS)
    if flag.type in ("int", "float"):
        return st.sampled_from((*[flag.default] * bool(flag.default), *_NUMBERS))
    texts = st.sampled_from((*_WORDS, *_PATHS, *_NUMBERS))
    if flag.type == _LIST:
        usual = [flag.default] * bool(flag.default)
        several = st.lists(st.sampled_from((*usual, *_WORDS, *_PATHS)), min_size=1, max_size=3).map(",".join)
        return st.one_of(texts, several, *map(st.just, usual))
    return st.one_of(st.sampled_from(flag.choices), texts) if flag.choices else texts


def arguments_of(flag: DeclaredFlag) -> st.SearchStrategy[str]:
    """Returns the strategy of the arguments that give a flag."""
    given = values_of(flag).map(lambda value: f"--{flag.name}={value}")
    if flag.type != "bool":
        return given
    return st.one_of(st.sampled_from((f"--{flag.name}", f"--no{flag.name}", f"--no{flag.name}=1")), given)


@st.composite
def flag_sets(draw: st.DrawFn, flags: Sequence[DeclaredFlag]) -> list[str]:
    """Draws the arguments of a training from its flags."""
    given = ["--output_dir=out", "--tasks=mrpc", "--backbone=tiny"]
    for _ in range(draw(st.integers(1, 6))):
        pool = FURTHER_FLAGS if draw(st.integers(0, 19)) == 0 else flags
        given.append(draw(arguments_of(draw(st.sampled_from(list(pool))))))
    if draw(st.integers(0, 19)) == 0:
        given.append(draw(st.sampled_from(OTHER_WORDS)))
    return given
