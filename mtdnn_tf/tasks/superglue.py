"""SuperGLUE's tasks (Wang et al. 2019, arXiv 1905.00537) that are one label for one pair of texts.

The others are not of this kind: COPA, MultiRC and ReCoRD choose among candidates, WiC and WSC ask about marked
words of a text.
"""

from __future__ import annotations

from mtdnn_tf.tasks.task import TRAIN, SplitFile, Task, TfdsData


def _files(folder: str) -> dict[str, SplitFile]:
    """Returns the files of a task that has all splits."""
    return {
        TRAIN: SplitFile(f"{folder}/train.jsonl"),
        "validation": SplitFile(f"{folder}/val.jsonl"),
        "test": SplitFile(f"{folder}/test.jsonl", label=None),
    }


BOOLQ = Task(
    name="boolq",
    kind="classification",
    text=("question", "passage"),
    # As JSON spells them.
    labels=("false", "true"),
    metrics=("accuracy",),
    files=_files("BoolQ"),
    tfds=TfdsData("super_glue/boolq", text=("question", "passage"), labels=(("False", "false"), ("True", "true"))),
    id="idx",
)

CB = Task(
    name="cb",
    kind="classification",
    text=("premise", "hypothesis"),
    labels=("entailment", "neutral", "contradiction"),
    metrics=("accuracy", "f1_macro"),
    files=_files("CB"),
    tfds=TfdsData("super_glue/cb", text=("premise", "hypothesis")),
    id="idx",
)

RTE = Task(
    name="superglue_rte",
    kind="classification",
    text=("premise", "hypothesis"),
    labels=("entailment", "not_entailment"),
    metrics=("accuracy",),
    files=_files("RTE"),
    tfds=TfdsData("super_glue/rte", text=("premise", "hypothesis")),
    id="idx",
)

# The diagnostic sets, which RTE's head answers.

AXB = Task(
    name="axb",
    kind="classification",
    text=("sentence1", "sentence2"),
    labels=RTE.labels,
    metrics=("matthews_correlation",),
    files={"test": SplitFile("AX-b/AX-b.jsonl", label_required=False)},
    tfds=TfdsData("super_glue/axb", text=("sentence1", "sentence2")),
    id="idx",
    evaluation_splits=(),
    head_of=RTE.name,
)

AXG = Task(
    name="axg",
    kind="classification",
    text=("premise", "hypothesis"),
    labels=RTE.labels,
    metrics=("accuracy",),
    files={"test": SplitFile("AX-g/AX-g.jsonl", label_required=False)},
    tfds=TfdsData("super_glue/axg", text=("premise", "hypothesis")),
    id="idx",
    evaluation_splits=(),
    head_of=RTE.name,
)

SUPERGLUE_TASKS = (BOOLQ, CB, RTE, AXB, AXG)
