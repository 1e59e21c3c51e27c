"""What a task is."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from mtdnn_tf.errors import UserError, shortened, unknown_name
from mtdnn_tf.json_files import OMITTED
from mtdnn_tf.kinds.base import Kind
from mtdnn_tf.kinds.registry import kind_named

AUTO = "auto"
LINEAR = "linear"
SAN = "san"
HEADS = (AUTO, LINEAR, SAN)
TRAIN = "train"
INPUT = "input"


def is_split_name(name: str) -> bool:
    """Returns whether a split may have this name, which becomes part of folders' names."""
    return name.isidentifier() and name.isascii() and len(name) <= 100


@dataclasses.dataclass(frozen=True)
class SplitFile:
    """File of one split's rows, and how to read it.

    Attributes:
        path: The file, relative to the data folder or absolute; its ending tells the format (.tsv, .csv,
            .jsonl).
        columns: Column names in order if the file has no header row; None if its first row names them.
        label: Column of the gold label or score; None if the file has none.
        skip_incomplete_rows: Whether a row with missing columns, or without a label that is required, is
            skipped and counted instead of refused.
        text: Column names of the texts where they differ from the task's; empty if they do not.
        label_required: Whether every row has a label. If not, an empty label, or a file without the label's
            column, means that there is no gold label.
    """

    path: str
    columns: tuple[str, ...] | None = None
    label: str | None = "label"
    skip_incomplete_rows: bool = False
    text: tuple[str, ...] = ()
    label_required: bool = True


@dataclasses.dataclass(frozen=True)
class TfdsData:
    """Data set of a task in TensorFlow Datasets.

    Attributes:
        name: What `tfds.load` takes, such as "glue/rte".
        text: Features of the texts.
        label: Feature of the gold label or score.
        labels: The task's label name for each of TFDS's own, where they differ, as (TFDS's, the task's)
            pairs.
        id: Feature that numbers or names the rows within a split; None if there is none, and ids are hashes
            of the texts.
    """

    name: str
    text: tuple[str, ...]
    label: str = "label"
    labels: tuple[tuple[str, str], ...] = ()
    id: str | None = "idx"

    def __post_init__(self) -> None:
        # TensorFlow Datasets downloads the code of a name with a colon, and runs it.
        if not re.fullmatch(r"[a-z0-9_]+(/[A-Za-z0-9_.-]+)?", self.name):
            raise UserError(f"name of a data set of TensorFlow Datasets {shortened(self.name)!r} is not accepted")


@dataclasses.dataclass(frozen=True)
class Task:
    """One language-understanding task: its texts, its labels, its head and how it is judged.

    Attributes:
        name: Lower-case name; a head, a signature and a metric file carry it.
        kind: Name of one of `kinds.registry.KINDS`, such as "classification".
        text: Column names of the one or two texts.
        labels: Label names in the order of the head's outputs; of a ranking the two that say whether a candidate is
            relevant to its query, "yes" last; empty for regression.
        metrics: Names of the task's metrics; the task's score is their mean.
        head: "linear", "san" for the classification of pairs, or "auto" for what the training chooses.
        dropout: Dropout rate before the head's output layer.
        files: Split name to file, in GLUE's own layout or as the user's task file says.
        tfds: Its data set in TensorFlow Datasets, if it has one.
        file_labels: The spelling of each label in `files`, in the order of `labels`; empty if spelled by
            name.
        skip_labels: Spellings in files or TFDS of "no gold label agreed on": such rows are skipped and
            counted.
        id: Column of the example's id in `files`; "row" for the row's number, "hash" for a hash of its texts.
        evaluation_splits: Splits that development metrics are computed on.
        head_of: Name of the task whose head answers this one; None for a head of its own.
        group: Of a ranking, the column that tells the query of each candidate; None for the first text itself.
        head_labels: The task's label for each label of the other task's head, as (head's, task's) pairs in the
            order of the head's outputs; probabilities of labels that fall together are summed. Empty if the
            labels are the same.
        submission: File name without ending by split in GLUE's submission; empty if it has none.
        submission_labels: The spelling of each label in GLUE's submission, in the order of `labels`; empty:
            by name.
        submission_rows: Number of rows by split that GLUE's server takes; empty if it is not known.
        class_weights: Factor of the gold loss for each label, in the order of `labels`, or "balanced"; empty for none.
    """

    name: str
    kind: str
    text: tuple[str, ...]
    labels: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    head: str = AUTO
    dropout: float = 0.1
    files: Mapping[str, SplitFile] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    tfds: TfdsData | None = None
    file_labels: tuple[str, ...] = ()
    skip_labels: tuple[str, ...] = ()
    id: str = "row"
    evaluation_splits: tuple[str, ...] = ("validation",)
    head_of: str | None = None
    group: str | None = None
    head_labels: tuple[tuple[str, str], ...] = ()
    submission: Mapping[str, str] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    submission_labels: tuple[str, ...] = ()
    submission_rows: Mapping[str, int] = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    class_weights: tuple[float, ...] | str = dataclasses.field(default=(), metadata={OMITTED: True})

    def __post_init__(self) -> None:
        # Folders and files are named by tasks and splits.
        if not re.fullmatch(r"[a-z][a-z0-9_]{,99}", self.name):
            raise UserError(
                f"task name {shortened(self.name)!r} is not accepted: lower-case letters, digits and _, starting with "
                "a letter, up to 100"
            )
        for split in self.files:
            if not is_split_name(split):
                raise UserError(
                    f"task {self.name}: split {split[:60]!r} is not accepted: letters, digits and _, not starting with "
                    "a digit"
                )
        for file in self.submission.values():
            if not re.fullmatch(r"[A-Za-z0-9_-]+", file):
                raise UserError(f"task {self.name}: submission takes names of letters, digits, - and _, {file!r} given")
        kind_named(str(self.kind), f"kind of task {self.name}")
        if self.head not in HEADS:
            raise unknown_name(f"head of task {self.name}", str(self.head), HEADS)
        if len(self.text) not in (1, 2):
            raise UserError(f"task {self.name}: text takes one or two columns, {len(self.text)} given")
        if self.head == SAN and not self.is_pair_classification:
            raise UserError(f"task {self.name}: head {SAN} takes two texts and labels (pair classification)")
        if not 0.0 <= self.dropout < 1.0:
            raise UserError(f"task {self.name}: dropout takes a number from 0 to below 1, {self.dropout} given")
        self.kind_object.check(self)
        for field in ("file_labels", "submission_labels"):
            spellings = getattr(self, field)
            if spellings and len(spellings) != len(self.labels):
                raise UserError(f"task {self.name}: {field} takes one spelling a label")

        if self.head_labels and (self.head_of is None or {own for _, own in self.head_labels} != set(self.labels)):
            raise UserError(f"task {self.name}: head_labels takes each of its labels, and goes with head_of")

    @property
    def kind_object(self) -> Kind:
        """What the task's kind decides."""
        return kind_named(self.kind)

    @property
    def is_pair(self) -> bool:
        """Whether an example has two texts."""
        return len(self.text) == 2

    @property
    def is_pair_classification(self) -> bool:
        """Whether two texts get one label."""
        return self.is_pair and self.kind_object.has_one_label

    @property
    def num_outputs(self) -> int:
        """Width of the head's output."""
        return self.kind_object.num_outputs(self)

    @property
    def head_task(self) -> str:
        """Name of the task whose head answers this one."""
        return self.head_of or self.name

    @property
    def labels_of_head(self) -> tuple[str, ...]:
        """Labels of the head that answers this task, in the order of its outputs."""
        return tuple(label for label, _ in self.head_labels) or self.labels


def input_task(task: Task, path: Path) -> Task:
    """Returns a task whose only split, "input", is a file of texts without gold labels.

    Args:
        task: The task whose text columns the file has.
        path: The file; .tsv, .csv or .jsonl.
    """
    return dataclasses.replace(
        task, files={INPUT: SplitFile(str(path.resolve()), label=None)}, tfds=None, id="row", submission={}
    )
