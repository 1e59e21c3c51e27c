"""Bad input at random: valid files and flags, mutated by hypothesis."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# What a hand, an editor, another program or an attacker may leave in a file.
JUNK: list[bytes] = [
    *(
        text.encode()
        for text in ("", "\t", "\n", "\r", "\r\n", " ", '"', "'", ",", ":", ": ", "- ", "{", "}", "[", "]")
    ),
    *(
        text.encode()
        for text in ("#", "&a ", "*a", "!!python/object/apply:os.system [id]", "!!int ", "<<: ", "---\n", "%")
    ),
    *(
        text.encode()
        for text in ("null", "true", "~", "NaN", "-Infinity", "1e999", "-1", "0x10", "1_000", "0.5", "é", "٣")
    ),
    *(text.encode() for text in ("../../x", "/etc/passwd", "\\u0000", "\\ud800", "\x00", "\x1b[2J", "\x7f", "\ufeff")),
    *(
        text.encode()
        for text in ("\u2028", "\x85", "\u202etxet", "e\u0301\u0301", "\U0001f469\u200d\U0001f467", "\ufffe")
    ),
    *(b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"),
    *(b"9" * 5000, b"9" * 400, b"[" * 3000, b'{"a":' * 3000, b"x" * 100_000, b"1" * 100_000 + b"x", b"\t" * 2000),
]

# Every case is the same on every machine and in every run.
SEEDED = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


@st.composite
def mutated(draw: st.DrawFn, valid: Sequence[bytes]) -> bytes:
    """Draws one of some valid files with up to three mutations."""
    content = draw(st.sampled_from(list(valid)))
    for _ in range(draw(st.sampled_from((0, 1, 1, 1, 2, 3)))):
        start = draw(st.integers(0, len(content)))
        stop = min(len(content), start + draw(st.integers(0, 40)))
        kind = draw(st.sampled_from(("insert", "replace", "delete", "double", "cut", "swap lines", "flip")))
        if kind == "insert":
            content = content[:start] + draw(st.sampled_from(JUNK)) + content[start:]
        elif kind == "replace":
            content = content[:start] + draw(st.sampled_from(JUNK)) + content[stop:]
        elif kind == "delete":
            content = content[:start] + content[stop:]
        elif kind == "double":
            content = content[:stop] + content[start:]
        elif kind == "cut":
            content = content[:start]
        elif kind == "flip" and start < len(content):
            content = content[:start] + bytes([content[start] ^ (1 << draw(st.integers(0, 7)))]) + content[start + 1 :]
        elif kind == "swap lines":
            lines = content.split(b"\n")
            first, second = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
            lines[first], lines[second] = lines[second], lines[first]
            content = b"\n".join(lines)
    return content


TEXTS = st.one_of(
    st.sampled_from(
        ["", "a", "good", "bad", "train", "validation", "hash", "row", "yes", "1", "nan", "x" * 300, "../x"]
    ),
    st.text(max_size=20),
)
_SCALARS = st.one_of(TEXTS, st.none(), st.booleans(), st.integers(), st.floats())
VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)


@st.composite
def task_declarations(draw: st.DrawFn) -> bytes:
    """Draws a task file whose fields are each as they should be, of another value, left out, or unknown."""
    fields = {
        "kind": st.sampled_from(["classification", "regression", "ranking"]),
        "text": st.sampled_from([["a"], ["a", "b"], ["a", "a"], ["a", "b", "c"], []]),
        "label": st.sampled_from(["label", "a"]),
        "labels": st.sampled_from([["bad", "good"], ["bad"], ["x", "y", "z"], ["x", "x"]]),
        "metrics": st.sampled_from([["accuracy"], ["f1"], ["pearson"], ["mrr"], []]),
        "head": st.sampled_from(["auto", "linear", "san"]),
        "dropout": st.sampled_from([0, 0.1, 1, -1, "nan", "inf"]),
        "id": st.sampled_from(["row", "hash", "a", "id"]),
        "group": st.sampled_from(["query", "label"]),
        "evaluation_splits": st.sampled_from([["validation"], ["train"], ["none"]]),
        "files": st.sampled_from([{"train": "t.tsv"}, {"train": "t.tsv", "validation": "v.csv"}, {"../x": "t.tsv"}]),
    }
    declared: dict[str, object] = {}
    usually = {
        "kind": "classification",
        "text": ["a"],
        "label": "label",
        "labels": ["bad", "good"],
        "files": {"train": "t.tsv"},
    }
    for name, usual in fields.items():
        choice = draw(st.integers(0, 39))
        if choice < 3:
            declared[name] = draw(st.one_of(usual, VALUES))
        elif choice > 4 and name in usually:
            declared[name] = usually[name]
    if draw(st.integers(0, 19)) == 0:
        declared[draw(TEXTS)] = draw(VALUES)
    task = draw(st.sampled_from(["task"] * 9 + ["Task", "glue/x", "a" * 200, "mrpc", "1", ""]))
    # JSON is YAML.
    return json.dumps({"tasks": {task: declared}}).encode()
