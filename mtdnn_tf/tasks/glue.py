"""GLUE's tasks (Wang et al. 2018, arXiv 1804.07461), as its files and TensorFlow Datasets lay them out.

Ids are row numbers within a split's file, which TensorFlow Datasets calls `idx`, so what is joined by id does
not depend on the source. MRPC is the exception: TensorFlow Datasets makes it from other files than GLUE's,
and numbers its train and validation rows differently.
"""

from __future__ import annotations

import dataclasses

from mtdnn_tf.tasks.task import TRAIN, SplitFile, Task, TfdsData

# Head dropouts other than 0.1 are those of MT-DNN (Liu et al. 2019, arXiv 1901.11504).

COLA = Task(
    name="cola",
    kind="classification",
    text=("sentence",),
    labels=("unacceptable", "acceptable"),
    metrics=("matthews_correlation",),
    dropout=0.05,
    files={
        TRAIN: SplitFile("CoLA/train.tsv", columns=("source", "label", "star", "sentence")),
        "validation": SplitFile("CoLA/dev.tsv", columns=("source", "label", "star", "sentence")),
        "test": SplitFile("CoLA/test.tsv", label=None),
    },
    tfds=TfdsData("glue/cola", text=("sentence",)),
    file_labels=("0", "1"),
    submission={"test": "CoLA"},
    submission_rows={"test": 1063},
    submission_labels=("0", "1"),
)

SST2 = Task(
    name="sst2",
    kind="classification",
    text=("sentence",),
    labels=("negative", "positive"),
    metrics=("accuracy",),
    files={
        TRAIN: SplitFile("SST-2/train.tsv"),
        "validation": SplitFile("SST-2/dev.tsv"),
        "test": SplitFile("SST-2/test.tsv", label=None),
    },
    tfds=TfdsData("glue/sst2", text=("sentence",)),
    file_labels=("0", "1"),
    submission={"test": "SST-2"},
    submission_rows={"test": 1821},
    submission_labels=("0", "1"),
)

MRPC = Task(
    name="mrpc",
    kind="classification",
    text=("sentence1", "sentence2"),
    labels=("not_equivalent", "equivalent"),
    metrics=("accuracy", "f1"),
    files={
        TRAIN: SplitFile("MRPC/train.tsv", label="Quality", text=("#1 String", "#2 String")),
        "validation": SplitFile("MRPC/dev.tsv", label="Quality", text=("#1 String", "#2 String")),
        "test": SplitFile("MRPC/test.tsv", label=None, text=("#1 String", "#2 String")),
    },
    tfds=TfdsData("glue/mrpc", text=("sentence1", "sentence2")),
    file_labels=("0", "1"),
    submission={"test": "MRPC"},
    submission_rows={"test": 1725},
    submission_labels=("0", "1"),
)

STSB = Task(
    name="stsb",
    kind="regression",
    text=("sentence1", "sentence2"),
    metrics=("pearson", "spearman"),
    files={
        TRAIN: SplitFile("STS-B/train.tsv", label="score"),
        "validation": SplitFile("STS-B/dev.tsv", label="score"),
        # The benchmark's own test scores are public; GLUE's test file leaves them out.
        "test": SplitFile("STS-B/test.tsv", label="score", label_required=False),
    },
    tfds=TfdsData("glue/stsb", text=("sentence1", "sentence2")),
    submission={"test": "STS-B"},
    submission_rows={"test": 1379},
)

QQP = Task(
    name="qqp",
    kind="classification",
    text=("question1", "question2"),
    labels=("not_duplicate", "duplicate"),
    metrics=("accuracy", "f1"),
    files={
        # A few questions of the official files hold a line break, which leaves two incomplete rows.
        TRAIN: SplitFile("QQP/train.tsv", label="is_duplicate", skip_incomplete_rows=True),
        "validation": SplitFile("QQP/dev.tsv", label="is_duplicate", skip_incomplete_rows=True),
        "test": SplitFile("QQP/test.tsv", label=None),
    },
    tfds=TfdsData("glue/qqp", text=("question1", "question2")),
    file_labels=("0", "1"),
    submission={"test": "QQP"},
    submission_rows={"test": 390965},
    submission_labels=("0", "1"),
)

MNLI = Task(
    name="mnli",
    kind="classification",
    text=("premise", "hypothesis"),
    labels=("entailment", "neutral", "contradiction"),
    metrics=("accuracy",),
    dropout=0.3,
    files={
        TRAIN: SplitFile("MNLI/train.tsv", label="gold_label", text=("sentence1", "sentence2")),
        "validation_matched": SplitFile("MNLI/dev_matched.tsv", label="gold_label", text=("sentence1", "sentence2")),
        "validation_mismatched": SplitFile(
            "MNLI/dev_mismatched.tsv", label="gold_label", text=("sentence1", "sentence2")
        ),
        "test_matched": SplitFile("MNLI/test_matched.tsv", label=None, text=("sentence1", "sentence2")),
        "test_mismatched": SplitFile("MNLI/test_mismatched.tsv", label=None, text=("sentence1", "sentence2")),
    },
    tfds=TfdsData("glue/mnli", text=("premise", "hypothesis")),
    evaluation_splits=("validation_matched", "validation_mismatched"),
    submission={"test_matched": "MNLI-m", "test_mismatched": "MNLI-mm"},
    submission_rows={"test_matched": 9796, "test_mismatched": 9847},
)

QNLI = Task(
    name="qnli",
    kind="classification",
    text=("question", "sentence"),
    labels=("entailment", "not_entailment"),
    metrics=("accuracy",),
    files={
        TRAIN: SplitFile("QNLI/train.tsv"),
        "validation": SplitFile("QNLI/dev.tsv"),
        "test": SplitFile("QNLI/test.tsv", label=None),
    },
    tfds=TfdsData("glue/qnli", text=("question", "sentence")),
    submission={"test": "QNLI"},
    submission_rows={"test": 5463},
)

RTE = Task(
    name="rte",
    kind="classification",
    text=("sentence1", "sentence2"),
    labels=("entailment", "not_entailment"),
    metrics=("accuracy",),
    files={
        TRAIN: SplitFile("RTE/train.tsv"),
        "validation": SplitFile("RTE/dev.tsv"),
        "test": SplitFile("RTE/test.tsv", label=None),
    },
    tfds=TfdsData("glue/rte", text=("sentence1", "sentence2")),
    submission={"test": "RTE"},
    submission_rows={"test": 3000},
)

WNLI = Task(
    name="wnli",
    kind="classification",
    text=("sentence1", "sentence2"),
    labels=("entailment", "not_entailment"),
    metrics=("accuracy",),
    files={
        TRAIN: SplitFile("WNLI/train.tsv"),
        "validation": SplitFile("WNLI/dev.tsv"),
        "test": SplitFile("WNLI/test.tsv", label=None),
    },
    tfds=TfdsData("glue/wnli", text=("sentence1", "sentence2")),
    # 1 is entailment, the first label here and the second in TensorFlow Datasets.
    file_labels=("1", "0"),
    submission={"test": "WNLI"},
    submission_rows={"test": 146},
    submission_labels=("1", "0"),
)

AX = Task(
    name="ax",
    kind="classification",
    text=("premise", "hypothesis"),
    labels=("entailment", "neutral", "contradiction"),
    metrics=("matthews_correlation",),
    files={
        "test": SplitFile("AX/AX.tsv", label=None, text=("sentence1", "sentence2")),
        # The authors' own file, with gold labels and categories.
        "full": SplitFile(
            "AX/diagnostic-full.tsv", label="Label", text=("Premise", "Hypothesis"), label_required=False
        ),
    },
    tfds=TfdsData("glue/ax", text=("premise", "hypothesis")),
    evaluation_splits=(),
    head_of="mnli",
    submission={"test": "AX"},
    submission_rows={"test": 1104},
)

# The diagnostic set as SuperGLUE publishes it (Wang et al. 2019, arXiv 1905.00537), with gold labels of two classes.
AX_B = Task(
    name="ax_b",
    kind="classification",
    text=("sentence1", "sentence2"),
    labels=("entailment", "not_entailment"),
    metrics=("matthews_correlation",),
    files={"test": SplitFile("AX/ax_b.tsv")},
    tfds=TfdsData("super_glue/axb", text=("sentence1", "sentence2")),
    evaluation_splits=(),
    head_of="mnli",
    head_labels=(
        ("entailment", "entailment"),
        ("neutral", "not_entailment"),
        ("contradiction", "not_entailment"),
    ),
)

# What GLUE's score is the mean of; the diagnostic sets are no part of it.
GLUE_BENCHMARK = (COLA, SST2, MRPC, STSB, QQP, MNLI, QNLI, RTE, WNLI)
GLUE_TASKS = (*GLUE_BENCHMARK, AX, AX_B)


def _mnli_part(part: str) -> Task:
    """Returns MNLI's development and test rows from like or unlike genres, which have a config of their own in TFDS."""
    return dataclasses.replace(
        MNLI,
        name=f"mnli_{part}",
        files={split: MNLI.files[f"{split}_{part}"] for split in ("validation", "test")},
        tfds=TfdsData(f"glue/mnli_{part}", text=MNLI.text),
        evaluation_splits=("validation",),
        head_of=MNLI.name,
        submission={},
        submission_rows={},
    )


MNLI_MATCHED, MNLI_MISMATCHED = _mnli_part("matched"), _mnli_part("mismatched")
