"""SNLI (Bowman et al. 2015) and SciTail (Khot et al. 2018), on which MT-DNN shows domain adaptation.

Neither numbers its rows, so ids are hashes of the texts.
"""

from __future__ import annotations

from mtdnn_tf.tasks.task import CLASSIFICATION, TRAIN, SplitFile, Task, TfdsData

SNLI = Task(
    name="snli",
    kind=CLASSIFICATION,
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
    kind=CLASSIFICATION,
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

NLI_TASKS = (SNLI, SCITAIL)
