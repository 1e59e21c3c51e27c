"""SNLI (Bowman et al. 2015) and SciTail (Khot et al. 2018), on which MT-DNN shows domain adaptation; ANLI.

SNLI and SciTail do not number their rows, so ids are hashes of the texts. ANLI 1.0 (Nie et al. 2020, arXiv 1910.14599)
names its own, and is three data sets, a round each.
"""

from __future__ import annotations

from mtdnn_tf.tasks.task import TRAIN, SplitFile, Task, TfdsData

SNLI = Task(
    name="snli",
    kind="classification",
    text=("premise", "hypothesis"),
    labels=("entailment", "neutral", "contradiction"),
    metrics=("accuracy",),
    files={
        TRAIN: SplitFile("snli_1.0/snli_1.0_train.jsonl", label="gold_label", text=("sentence1", "sentence2")),
        "validation": SplitFile("snli_1.0/snli_1.0_dev.jsonl", label="gold_label", text=("sentence1", "sentence2")),
        "test": SplitFile("snli_1.0/snli_1.0_test.jsonl", label="gold_label", text=("sentence1", "sentence2")),
    },
    tfds=TfdsData("snli", text=("premise", "hypothesis"), id=None),
    # Annotators did not agree: "-" in the files, -1 in TensorFlow Datasets.
    skip_labels=("-", "-1"),
    id="hash",
)

_SCITAIL_COLUMNS = ("premise", "hypothesis", "label")

SCITAIL = Task(
    name="scitail",
    kind="classification",
    text=("premise", "hypothesis"),
    labels=("entails", "neutral"),
    metrics=("accuracy",),
    files={
        TRAIN: SplitFile("SciTailV1.1/tsv_format/scitail_1.0_train.tsv", columns=_SCITAIL_COLUMNS),
        "validation": SplitFile("SciTailV1.1/tsv_format/scitail_1.0_dev.tsv", columns=_SCITAIL_COLUMNS),
        "test": SplitFile("SciTailV1.1/tsv_format/scitail_1.0_test.tsv", columns=_SCITAIL_COLUMNS),
    },
    tfds=TfdsData("sci_tail", text=("premise", "hypothesis"), id=None),
    id="hash",
)


def _anli(number: int) -> Task:
    """Returns the task of a round."""
    return Task(
        name=f"anli_r{number}",
        kind="classification",
        text=("context", "hypothesis"),
        labels=("entailment", "neutral", "contradiction"),
        metrics=("accuracy",),
        files={
            TRAIN: SplitFile(f"anli_v1.0/R{number}/train.jsonl"),
            "validation": SplitFile(f"anli_v1.0/R{number}/dev.jsonl"),
            "test": SplitFile(f"anli_v1.0/R{number}/test.jsonl"),
        },
        tfds=TfdsData(
            f"anli/r{number}",
            text=("context", "hypothesis"),
            labels=(("e", "entailment"), ("n", "neutral"), ("c", "contradiction")),
            id="uid",
        ),
        file_labels=("e", "n", "c"),
        id="uid",
    )


ANLI_R1, ANLI_R2, ANLI_R3 = _anli(1), _anli(2), _anli(3)

NLI_TASKS = (SNLI, SCITAIL, ANLI_R1, ANLI_R2, ANLI_R3)
