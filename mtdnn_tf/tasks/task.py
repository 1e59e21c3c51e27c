"""What a task is."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from mtdnn_tf.errors import UserError, shortened, unknown_name
from mtdnn_tf.json_files import OMITTED
from mtdnn_tf.kinds.base import Kind
from mtdnn_tf.kinds.registry import KINDS
from mtdnn_tf.remote_files import is_remote

AUTO = "auto"
LINEAR = "linear"
SAN = "san"
HEADS = (AUTO, LINEAR, SAN)
TRAIN = "train"
INPUT = "input"
# Ids that are made and stand in no column: the number of the row, or a hash of its texts.
ROW_ID, HASH_ID = "row", "hash"
# Metadata of fields, which reader, checks, JSON and identity of runs derive from.
CHOICES = "choices"
PER_LABEL = "per_label"
DECIDES_WEIGHTS = "decides_weights"


@dataclasses.dataclass(frozen=True)
class SplitFile:
    """File or files of one split's rows, and how to read them."""

    # Relative to the data folder, absolute or a URL: a file, whose ending is its format (`file_formats`), a folder of
    # shards, a saved data set, or a pattern of shards.
    path: str
    columns: tuple[str, ...] | None = None  # Column names in order if the file has no header row.
    label: str | None = "label"  # Column of the gold label or score; None if the file has none.
    # Whether a row with missing columns, or without a label that is required, is skipped and counted, not refused.
    skip_incomplete_rows: bool = False
    text: tuple[str, ...] = ()  # Column names of the texts where they differ from the task's.
    # Whether every row has a label. If not, an empty label, or a file without the label's column, means none.
    label_required: bool = True
    # Whether cells of TSV are quoted as those of CSV are. Other formats have one way only.
    quoting: bool = dataclasses.field(default=False, metadata={OMITTED: True})


@dataclasses.dataclass(frozen=True)
class TfdsData:
    """Data set of a task in TensorFlow Datasets."""

    name: str  # What `tfds.load` takes, such as "glue/rte".
    text: tuple[str, ...]  # Features of the texts.
    label: str = "label"  # Feature of the gold label or score.
    labels: tuple[tuple[str, str], ...] = ()  # The task's label for each of TFDS's, where they differ: (TFDS's, own).
    id: str | None = "idx"  # Feature that numbers or names the rows of a split; None if ids are hashes of the texts.

    @property
    def features(self) -> tuple[str, ...]:
        """All of its features that are read."""
        return (*self.text, self.label, *([self.id] if self.id else []))

    def __post_init__(self) -> None:
        # TensorFlow Datasets downloads the code of a name with a colon, and runs it.
        if not re.fullmatch(r"[a-z0-9_]+(/[A-Za-z0-9_.-]+)?", self.name):
            raise UserError(f"name of a data set of TensorFlow Datasets {shortened(self.name)!r} is not accepted")


@dataclasses.dataclass(frozen=True)
class Task:
    """One language-understanding task: its texts, its labels, its head and how it is judged.

    Every field but the name is a key of a task file.
    """

    name: str  # Lower-case; of the task, its head, its signature and its results.
    kind: str = dataclasses.field(metadata={CHOICES: tuple(KINDS)})
    text: tuple[str, ...]  # Column names of the one or two texts.
    # In the order of the head's outputs; of a ranking the two that say whether a candidate is relevant to its query,
    # "yes" last; none for regression.
    labels: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()  # The task's score is their mean.
    # "san" classifies pairs; "auto" is what the training chooses.
    head: str = dataclasses.field(default=AUTO, metadata={CHOICES: HEADS, DECIDES_WEIGHTS: True})
    dropout: float = dataclasses.field(default=0.1, metadata={DECIDES_WEIGHTS: True})  # Before the output layer.
    files: Mapping[str, SplitFile] = dataclasses.field(default_factory=dict)  # By split.
    tfds: TfdsData | None = None
    # The spelling of each label in `files`; by name if empty.
    file_labels: tuple[str, ...] = dataclasses.field(default=(), metadata={PER_LABEL: True})
    # Spellings in files or TFDS of "no gold label agreed on": such rows are skipped and counted.
    skip_labels: tuple[str, ...] = ()
    id: str = ROW_ID  # Column of the example's id in `files`, or `ROW_ID` or `HASH_ID`.
    evaluation_splits: tuple[str, ...] = ("validation",)  # Splits that development metrics are computed on.
    head_of: str | None = None  # Name of the task whose head answers this one; None for a head of its own.
    group: str | None = None  # Of a ranking, the column of each candidate's query; None for the first text itself.
    # The task's label for each label of the other task's head, as (head's, task's) pairs in the order of the head's
    # outputs; probabilities of labels that fall together are summed. Empty if the labels are the same.
    head_labels: tuple[tuple[str, str], ...] = ()
    # Of GLUE's submission: file names without ending by split, spellings of the labels (by name if empty), and the
    # numbers of rows by split that its server takes, if known.
    submission: Mapping[str, str] = dataclasses.field(default_factory=dict)
    submission_labels: tuple[str, ...] = dataclasses.field(default=(), metadata={PER_LABEL: True})
    submission_rows: Mapping[str, int] = dataclasses.field(default_factory=dict)
    # Factor of the gold loss for each label, or "balanced"; empty for none.
    class_weights: tuple[float, ...] | str = dataclasses.field(
        default=(), metadata={PER_LABEL: True, OMITTED: True, DECIDES_WEIGHTS: True}
    )
    # Column of `files` with the factor of each row's loss; None for 1.
    weight: str | None = dataclasses.field(default=None, metadata={OMITTED: True, DECIDES_WEIGHTS: True})

    def __post_init__(self) -> None:
        # Folders and files are named by tasks and splits.
        if not re.fullmatch(r"[a-z][a-z0-9_]{,99}", self.name):
            accepted = "up to 100 lower-case letters, digits and _, starting with a letter"
            raise UserError(f"task name must be {accepted}, got {shortened(self.name)!r}")
        for split in self.files:
            if not (split.isidentifier() and split.isascii() and len(split) <= 100):
                accepted = "up to 100 letters, digits and _, not starting with a digit"
                raise self.refused(f"a split must be {accepted}, got {shortened(split)!r}")
        for file in self.submission.values():
            if not re.fullmatch(r"[A-Za-z0-9_-]+", file):
                raise self.refused(f"submission must be names of letters, digits, - and _, got {file!r}")
        for field in dataclasses.fields(self):
            value, choices = getattr(self, field.name), field.metadata.get(CHOICES)
            if choices and value not in choices:
                raise unknown_name(f"{field.name} of task {self.name}", value, choices)
            is_per_label = field.metadata.get(PER_LABEL) and not isinstance(value, str)
            if is_per_label and value and len(value) != len(self.labels):
                needed = f"one value for each of {len(self.labels)} labels"
                raise self.refused(f"{field.name} must have {needed}, got {len(value)}")
        if len(self.text) not in (1, 2):
            raise self.refused(f"text must be one or two columns, got {len(self.text)}")
        for split, split_file in self.files.items():
            if split_file.text and len(split_file.text) != len(self.text):
                needed = f"{len(self.text)} column(s)"
                raise self.refused(f"text of the {split} file must be {needed}, got {len(split_file.text)}")
        if self.weight is not None and self.tfds is not None:
            raise self.refused("weight is a column of files, and data of tfds have none; leave out one of them")
        if self.head == SAN and not self.is_pair_classification:
            raise self.refused(f"head {SAN} needs two texts and labels (pair classification)")
        if not 0.0 <= self.dropout < 1.0:
            raise self.refused(f"dropout must be a number from 0 to below 1, got {self.dropout}")
        self.kind_object.check(self)
        if self.head_labels and (self.head_of is None or {own for _, own in self.head_labels} != set(self.labels)):
            raise self.refused("head_labels must name each of its labels, and needs head_of")

    def refused(self, what: str) -> UserError:
        """Returns the error that says what of the task is not accepted."""
        return UserError(f"task {self.name}: {what}")

    @property
    def kind_object(self) -> Kind:
        """The task's kind."""
        return KINDS[self.kind]

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
    def id_column(self) -> str | None:
        """Column of the example's id in `files`; None for ids that are made."""
        return None if self.has_row_ids or self.has_hash_ids else self.id

    @property
    def has_row_ids(self) -> bool:
        """Whether ids in `files` are the rows' numbers."""
        return self.id == ROW_ID

    @property
    def has_hash_ids(self) -> bool:
        """Whether ids in `files` are hashes of the texts, numbered where texts are repeated."""
        return self.id == HASH_ID

    @property
    def head_task(self) -> str:
        """Name of the task whose head answers this one."""
        return self.head_of or self.name

    @property
    def labels_of_head(self) -> tuple[str, ...]:
        """Labels of the head that answers this task, in the order of its outputs."""
        return tuple(label for label, _ in self.head_labels) or self.labels

    def differences(self, trained: Task) -> list[str]:
        """Returns what has another meaning than in a task of a trained run: the same task, or that of its head.

        Files, and what only trainings and metrics read, may differ.
        """
        is_same = self.name == trained.name
        pairs: dict[str, tuple[Any, Any]] = {
            "kind": (trained.kind, self.kind),
            "labels": (trained.labels_of_head, self.labels_of_head),
        }
        # A diagnostic set has its own names for the texts of its head's task.
        if is_same or len(self.text) != len(trained.text) or sorted(self.text) == sorted(trained.text):
            pairs["text"] = (trained.text, self.text)
        if is_same and self.kind_object.has_queries:
            pairs["group"] = (trained.group or trained.text[0], self.group or self.text[0])
        if is_same and TRAIN in self.files and TRAIN in trained.files:
            pairs["label"] = (trained.files[TRAIN].label, self.files[TRAIN].label)
        if is_same and sorted(self.file_labels) == sorted(trained.file_labels):
            pairs["file_labels"] = (trained.file_labels, self.file_labels)
        differing = [(name, before, now) for name, (before, now) in pairs.items() if before != now]
        return [f"{name} {_shown(now)} instead of {_shown(before)}" for name, before, now in differing]

    def portable(self) -> Task:
        """Returns the task with files relative to a data folder, as a published model lists them.

        Absolute paths, as in a user's task, and URLs become relative to the folder that holds all of them.
        """
        local = {split: Path(file.path) for split, file in self.files.items() if Path(file.path).is_absolute()}
        remote = {split: Path(file.path) for split, file in self.files.items() if is_remote(file.path)}
        files = dict(self.files)
        for paths in filter(None, (local, remote)):
            folder = os.path.commonpath([path.parent for path in paths.values()])
            for split, path in paths.items():
                files[split] = dataclasses.replace(files[split], path=path.relative_to(folder).as_posix())
        return dataclasses.replace(self, files=files)

    def without_labels(self, splits: Collection[str]) -> Task:
        """Returns the task without gold labels in files of some splits, unless labels decide which rows are read."""
        if self.skip_labels:
            return self
        files = {
            split: dataclasses.replace(file, label=None) if split in splits else file
            for split, file in self.files.items()
        }
        return dataclasses.replace(self, files=files)

    def with_input(self, path: Path, label: str | None = None) -> Task:
        """Returns the task with the only split "input", a file of texts, and of gold labels if `label` is given.

        A TSV file is quoted if the task's own are.
        """
        quoting = any(file.quoting for file in self.files.values())
        files = {INPUT: SplitFile(str(path.resolve()), label=label, quoting=quoting)}
        return dataclasses.replace(self, files=files, tfds=None, id=ROW_ID, submission={}, weight=None)


def _shown(value: Any) -> str:
    return f"[{', '.join(value)}]" if isinstance(value, tuple) else str(value)
