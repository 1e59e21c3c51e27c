"""What a kind of task decides: labels, outputs, losses, answers, metrics, soft targets and served outputs.

TensorFlow, SciPy and scikit-learn are imported where they are used: reading a task file needs none of them.
"""

from __future__ import annotations

import abc
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.kinds.answers import smoothed_votes
from mtdnn_tf.kinds.label_index import label_index
from mtdnn_tf.kinds.values import (
    CORRELATIONS,
    ID_COLUMN,
    LOGITS,
    PROBABILITIES,
    SMALLEST_LOGIT,
    TARGET_VALUES,
    Confidences,
    LabelledPredictions,
    Metric,
    Queries,
)

if TYPE_CHECKING:
    import tensorflow as tf

    from mtdnn_tf.tasks.task import Task

_log = logging.getLogger("absl")


class Kind(abc.ABC):
    """A kind of task.

    In all methods `predictions` are float [rows, num_outputs], and `labels` are gold labels as `label_array` returns
    them.
    """

    name: str  # What `kind:` of a task file is.
    metrics: ClassVar[Mapping[str, Metric]]  # By metric name.
    default_metrics: tuple[str, ...]  # Of a task file that names none.
    gold_measures: ClassVar[Mapping[str, Metric]] = {}  # Of a teacher against gold labels, beside the task's metrics.
    accepted_labels: tuple[int, float, str]  # Least and largest number of labels, and what a message calls these.
    default_labels: tuple[str, ...] = ()  # Of a task file that names none.
    has_queries = False  # Whether rows are candidates of queries, which batches and subsets keep together.
    takes_lists = False  # Whether a label is a list: JSONL holds an array, and an empty cell is an empty list.
    has_one_label = False  # Whether a row has exactly one label, as a SAN head, a majority and `class_weights` need.
    # Whether gold labels and outputs are scores: soft targets have no temperature, and the variance of teachers may
    # weight examples.
    predicts_scores = False
    target_values: tuple[str, ...] = (PROBABILITIES, LOGITS)  # What tables of teachers may hold, of `TARGET_VALUES`.
    answer_column = "label"  # Of one answer per row, in a table of a teacher's answers.
    disagreement_measure = "share of examples with different labels"  # What the mean of `differences` is.
    hub_task = "text-classification"  # What model hubs call it: huggingface.co/tasks.
    examples_api = "regress"  # TF Serving's API for serialized examples, or "classify".
    activation = "linear"  # From logits to what each row shows: "linear", "softmax" or "sigmoid".

    # === Declaration ===

    def check(self, task: Task) -> None:
        """Refuses fields of a task that do not go with this kind."""
        least, most, accepted = self.accepted_labels
        if not least <= len(task.labels) <= most or len(set(task.labels)) < len(task.labels):
            raise task.refused(f"labels must be {accepted}, got {list(task.labels)}")
        if task.group is not None and not self.has_queries:
            raise task.refused(f"group needs kind ranking, got kind {self.name}")
        if task.class_weights and not self.has_one_label:
            raise task.refused(f"class_weights needs kind classification, got kind {self.name}")
        if task.weight is not None and self.has_queries:
            raise task.refused(f"weight needs a kind whose rows are learned one by one, got kind {self.name}")
        if not task.metrics:
            raise task.refused(f"metrics must be one or more of {', '.join(self.metrics)}, got none")
        for metric in task.metrics:
            if metric not in self.metrics:
                raise unknown_name(f"metric of {self.name} task {task.name}", metric, self.metrics)

    def num_outputs(self, task: Task) -> int:
        """Returns the width of the head's output."""
        return 1

    # === Labels ===

    def read_label(self, task: Task, cell: str, column: str, where: str) -> Any:
        """Returns the label that a cell of a data file spells, by default the index of a label's name or number."""
        spellings = task.file_labels or task.labels
        index = label_index(cell, spellings) if not task.file_labels or cell in spellings else None
        if index is None:
            raise unknown_name(f"label of task {task.name}", cell, spellings, where)
        return index

    def label_array(self, task: Task, labels: Sequence[Any]) -> np.ndarray:
        """Returns gold labels, as `read_label` returns them, as int32 or float32 [rows, ...]; None as -1 or nan."""
        none, dtype = (math.nan, np.float32) if self.predicts_scores else (-1, np.int32)
        return np.array([none if label is None else label for label in labels], dtype)

    def are_labels(self, task: Task, labels: np.ndarray) -> bool:
        """Returns whether an array may come from `label_array`."""
        return self.predicts_scores or bool(labels.min(initial=0) >= -1 and labels.max(initial=0) < len(task.labels))

    def labelled(self, labels: np.ndarray, queries: Queries = None) -> np.ndarray:
        """Returns which rows have a gold label, bool [rows]."""
        first = labels[:, 0] if labels.ndim > 1 else labels
        return np.asarray(np.isfinite(first) if self.predicts_scores else first >= 0)

    def gold(self, task: Task, labels: np.ndarray, queries: Queries = None) -> tuple[np.ndarray, np.ndarray]:
        """Returns what `gold_loss` reads, [rows] or [rows, numbers], and which rows have it, bool [rows]."""
        return labels, self.labelled(labels, queries)

    def label_text(self, task: Task, label: Any) -> str:
        """Returns a row of `label_array` as a message shows it."""
        return repr(task.labels[label])

    def training_faults(self, task: Task, labels: np.ndarray, queries: Queries) -> list[str]:
        """Returns what keeps a task from learning from `labelled` rows; by default, labels that none has."""
        names = self.absent_labels(task, labels)
        return [f"no training row has the label {', '.join(map(repr, names))}"] if names else []

    def absent_labels(self, task: Task, labels: np.ndarray) -> list[str]:
        """Returns the names of the labels that no `labelled` row has."""
        absent = set(range(len(task.labels))) - set(np.unique(labels).tolist())
        return [task.labels[label] for label in sorted(absent)]

    # === Losses ===

    @abc.abstractmethod
    def gold_loss(self, task: Task, logits: tf.Tensor, gold: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
        """Returns the loss against the gold labels (1901.11504 eq. 6 to 9).

        Args:
            task: The task.
            logits: Float32 [batch, num_outputs].
            gold: What `gold` returns, float32 [batch, numbers, or more]; any numbers without a gold label.
            queries: Whose query each row belongs to, int32 [batch]; all candidates of a query are in the batch.

        Returns:
            Float32 [batch]; the rows of a query sum to the loss of its list.
        """

    def distilled_loss(
        self,
        logits: tf.Tensor,
        teacher: tf.Tensor,
        queries: tf.Tensor,
        loss: str = "cross_entropy",
        temperature: float = 1.0,
    ) -> tf.Tensor:
        """Returns the loss against the soft targets (1904.09482 sec. 3), as `gold_loss` does against gold labels.

        Args:
            logits: Float32 [batch, num_outputs].
            teacher: What `to_logits` returns of the soft targets, [batch, num_outputs]; any numbers without a teacher.
            queries: Whose query each row belongs to, int32 [batch].
            loss: One of `DISTILL_LOSSES`.
            temperature: Divides logits of student and teacher, but not scores; the loss is multiplied by its square.
        """
        if self.predicts_scores:
            return self.distance(loss, logits, teacher, queries)
        return self.distance(loss, logits / temperature, teacher / temperature, queries) * temperature**2

    @abc.abstractmethod
    def distance(self, loss: str, logits: tf.Tensor, teacher: tf.Tensor, queries: tf.Tensor) -> tf.Tensor:
        """Returns one of `DISTILL_LOSSES` at temperature 1, for the arguments of `distilled_loss`."""

    # === Predictions ===

    def row_outputs(self, logits: tf.Tensor) -> tf.Tensor:
        """Returns the `activation` of logits [batch, num_outputs]."""
        import tensorflow as tf

        functions = {"linear": lambda values: values, "softmax": tf.nn.softmax, "sigmoid": tf.sigmoid}
        return functions[self.activation](logits)

    def predictions(self, task: Task, outputs: np.ndarray, queries: Queries) -> np.ndarray:
        """Returns the predictions of a task from the `row_outputs` of the head that answers it, for whole queries."""
        return outputs

    @abc.abstractmethod
    def answers(self, predictions: np.ndarray, queries: Queries = None) -> np.ndarray:
        """Returns what predictions decide: labels [rows], scores [rows], or the best candidates [queries]."""

    @abc.abstractmethod
    def answer_fields(self, task: Task, values: np.ndarray, shown: Sequence[float]) -> dict[str, Any]:
        """Returns a row's answer for a file, from its predictions [num_outputs] and the same rounded (`shown`).

        Values are text, a list, a number, or numbers by label.
        """

    # === Metrics ===

    def measure(self, task: Task, predictions: np.ndarray, labels: np.ndarray, queries: Queries) -> dict[str, float]:
        """Returns the task's metrics over labelled rows, one or more."""
        answers = self.answers(predictions)
        correlations = [name for name in task.metrics if name in CORRELATIONS]
        named = {"gold labels": labels, "predictions": answers} if correlations else {}
        alike = [what for what, values in named.items() if np.all(values == values[0])]
        for what in alike:
            undefined = f"{' and '.join(correlations)} is undefined, and 0 by definition"
            _log.warning("task %s: all %d %s are alike; %s", task.name, len(labels), what, undefined)
        zeros = correlations if alike else []
        return {name: 0.0 if name in zeros else self.metrics[name](labels, answers) for name in task.metrics}

    def confidences(self, predictions: np.ndarray, labels: np.ndarray, queries: Queries = None) -> Confidences | None:
        """Returns how probable the answers for labelled rows are and whether they are right; None for scores."""
        return None

    def agreement(self, student: np.ndarray, teacher: np.ndarray, queries: Queries) -> float | None:
        """Returns how often two models answer alike (Stanton et al. 2021, arXiv 2106.05945)."""
        return float(np.mean(~self.differences(student, teacher, queries)))

    def differences(self, first: np.ndarray, second: np.ndarray, queries: Queries) -> np.ndarray:
        """Returns which `answers` of two models differ, bool, or by how much scores do."""
        return np.asarray(self.answers(first, queries) != self.answers(second, queries))

    def divergence(self, student: np.ndarray, teacher: np.ndarray, queries: Queries) -> float | None:
        """Returns the mean KL(teacher || student), in nats; None for scores."""
        return None

    def entropy(self, predictions: np.ndarray, queries: Queries = None) -> np.ndarray | None:
        """Returns the entropy of each row's prediction, or of its query's, in nats, float64 [rows]; None for scores."""
        return None

    # === Soft targets ===

    def to_logits(self, predictions: np.ndarray) -> np.ndarray:
        """Returns the logits of averaged predictions, of the same shape and type; scores as they are."""
        return predictions

    def from_logits(self, logits: np.ndarray, queries: Queries) -> np.ndarray:
        """Returns the predictions that logits stand for, float64; scores as they are."""
        return logits

    def check_values(self, task: Task, values: str) -> None:
        """Refuses values that tables of a task's teachers may not hold."""
        if values not in TARGET_VALUES:
            raise unknown_name("`values`", values, TARGET_VALUES)
        if values not in self.target_values:
            accepted = " or ".join(self.target_values)
            raise UserError(f"`values` must be {accepted} for {self.name} task {task.name}, got {values}")

    def target_columns(self, task: Task, values: str) -> tuple[str, ...]:
        """Returns the columns beside `id` of a table with one row per example, by what it holds."""
        if ID_COLUMN in task.labels:
            raise task.refused(f"a label is named {ID_COLUMN!r}, as the column of the ids; rename it")
        return task.labels

    def check_targets(self, read: np.ndarray, queries: Queries, where: Callable[[int], str]) -> np.ndarray:
        """Returns predictions of a file, probabilities divided by sums that are not quite 1; refuses other numbers.

        `where` returns the place of a row, for messages.
        """
        return read

    def alternatives(self, task: Task) -> int:
        """Returns the number of labels of which each row, or each label of a row, has exactly one."""
        return len(task.labels)

    def read_answer(self, task: Task, cell: str, where: str) -> np.ndarray:
        """Returns a teacher's answer as numbers, float64 [num_outputs]: 1 for its labels, 0 for others; or a score."""
        label = self.read_label(task, cell, self.answer_column, where)
        return np.isin(np.arange(len(task.labels)), label).astype(np.float64)

    def from_votes(self, task: Task, votes: np.ndarray, answers: np.ndarray, smoothing: float) -> np.ndarray:
        """Returns predictions from sums of answers [rows, num_outputs] and the number of answers [rows]."""
        return smoothed_votes(votes, answers, self.alternatives(task), smoothing)

    def with_floor(self, predictions: np.ndarray, queries: Queries) -> np.ndarray:
        """Returns predictions whose probabilities are 1e-6 or more, as float64; scores as they are."""
        return self.from_logits(np.clip(self.to_logits(predictions), SMALLEST_LOGIT, -SMALLEST_LOGIT), queries)

    @abc.abstractmethod
    def labelled_predictions(
        self, predictions: Sequence[np.ndarray], labels: np.ndarray, queries: Queries = None
    ) -> LabelledPredictions:
        """Returns teachers' predictions, one array per teacher, for the rows that have gold labels."""

    # === Serving ===

    def answer_tensors(self, task: Task, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the outputs of the task's signature, by name, for logits [batch, num_outputs]."""
        return {"score": logits[:, 0]}

    def example_outputs(self, answer: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Returns `answer_tensors` under the names of `examples_api`."""
        import tensorflow as tf

        if self.examples_api == "regress":
            return {tf.saved_model.REGRESS_OUTPUTS: answer["score"]}
        return {
            tf.saved_model.CLASSIFY_OUTPUT_CLASSES: answer["label_names"],
            tf.saved_model.CLASSIFY_OUTPUT_SCORES: answer["probabilities"],
        }
