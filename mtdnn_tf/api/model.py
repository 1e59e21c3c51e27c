"""A trained model in Python."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from mtdnn_tf.api.tables import Table, write_table
from mtdnn_tf.api.tasks import TaskDeclaration
from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources.source import FILES, DataSource
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.evaluation.development import development_splits
from mtdnn_tf.evaluation.predictor import InferenceSettings, Predictor
from mtdnn_tf.evaluation.runs import SplitPredictions
from mtdnn_tf.files import user_path
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel, load_model
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel
from mtdnn_tf.serving.export import (
    NO_BUDGET,
    SAVED_MODEL,
    Int8Budget,
    check_formats,
    computes_in_int8,
    export_model,
    export_version,
)
from mtdnn_tf.serving.reduced_weights import FLOAT32
from mtdnn_tf.serving.signatures import Steps
from mtdnn_tf.tasks.task import INPUT, Task
from mtdnn_tf.training.run import read_metrics

if TYPE_CHECKING:
    import pandas as pd


class Model:
    """A trained model of one or several tasks.

    Args:
        run: Folder of a trained run, a model folder or a release.

    Raises:
        UserError: The folder is missing, damaged or of another version.

    Example:
        >>> model = mtdnn_tf.load("runs/student")  # doctest: +SKIP
        >>> model.predict(["where is my parcel?"])["label"]  # doctest: +SKIP
    """

    def __init__(self, run: str | Path) -> None:
        self.folder = user_path(str(run))
        self._loaded: LoadedModel = load_model(self.folder)

    def __repr__(self) -> str:
        return f"Model({str(self.folder)!r}, tasks={list(self.tasks)})"

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of the model's tasks."""
        return tuple(task.name for task in self._loaded.tasks)

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Metrics of the run's development splits after the epoch that it kept, by task (and split, if it has several).

        That is the last epoch, or with `keep_best_by` the best one: its scores are then higher than on new texts.
        """
        return read_metrics(self.folder)

    @property
    def keras_model(self) -> MultiTaskModel:
        """The `tf.keras.Model`, whose heads are by task in its attribute `heads`."""
        return self._loaded.model

    @functools.cached_property
    def _predictor(self) -> Predictor:
        return Predictor(self._loaded.model, InferenceSettings())

    @functools.cached_property
    def _steps(self) -> Steps:
        return Steps(self._loaded, [])

    def predict(self, inputs: Sequence[Any] | Table, task: str | None = None) -> pd.DataFrame:
        """Answers a task for some texts.

        Args:
            inputs: Texts, pairs of texts, or a table with the task's text columns (and the `group` of a ranking).
            task: Name of the task; may be left out if the model has one.

        Returns:
            One row per input, in order: `label` and `probability_<label>` of a classification, `labels` and
            `probability_<label>` of multi-label, `score` of a regression, `probability` among the query's candidates of
            a ranking.

        Raises:
            UserError: There is no such task, or an input is not accepted.
        """
        import pandas as pd

        chosen = self._task(task)
        predicted = self._predicted(chosen, _as_table(inputs, chosen))
        answers = [_answer(chosen, values) for values in predicted.predictions] if predicted else []
        return pd.DataFrame(answers, columns=list(_answer(chosen, np.zeros(chosen.num_outputs))))

    def evaluate(self, data: Mapping[str, Table]) -> dict[str, dict[str, float]]:
        """Computes the metrics of tasks on labelled tables.

        Args:
            data: A table, or a file, by name of the task.

        Returns:
            Metrics by task.

        Raises:
            UserError: There is no such task, or a row lacks its label.
        """
        metrics = {}
        for name, table in data.items():
            if (predicted := self._predicted(self._task(name), table, has_label=True)) is None:
                raise UserError(f"`data` must have rows for task {name!r}, got none")
            metrics[name] = predicted.metrics()
        return metrics

    def embed(self, texts: Sequence[Any], batch_size: int = 64) -> np.ndarray:
        """Returns the pooled vector of each text or pair of texts, which linear heads read.

        Args:
            texts: Texts or pairs of texts.
            batch_size: Number of texts per batch.

        Returns:
            Float32 [texts, width of the encoder].
        """
        vectors = [np.zeros((0, self._loaded.model.backbone.config.hidden_dim), np.float32)]
        for start in range(0, len(texts), batch_size):
            pairs = [(text, "") if isinstance(text, str) else tuple(text) for text in texts[start : start + batch_size]]
            inputs = self._steps.any_inputs(*(tf.constant(list(column)) for column in zip(*pairs)))
            vectors.append(tf.cast(self._steps.encode(inputs)["pooled_output"], tf.float32).numpy())
        return np.concatenate(vectors)

    def export(
        self,
        folder: str | Path,
        tasks: Sequence[str] = (),
        weights: str = FLOAT32,
        formats: Sequence[str] = (SAVED_MODEL,),
        max_accuracy_loss: float = NO_BUDGET.max_accuracy_loss,
    ) -> Path:
        """Writes the model as a new version for TF Serving or other runtimes.

        Args:
            folder: Folder of the served model, which has one folder per version.
            tasks: Tasks to export; all by default.
            weights: Storage format of the encoder's large matrices; in "int8", ONNX and LiteRT compute.
            formats: Of "saved_model", "onnx" and "litert". Defaults to a SavedModel.
            max_accuracy_loss: What computing in int8 may lose of the average of development rows, in points.

        Returns:
            The version's folder.

        Raises:
            UserError: A task or format is not accepted, or int8 loses more.
        """
        version = export_version(user_path(str(folder)))
        check_formats(formats, weights)
        budget = NO_BUDGET
        if computes_in_int8(formats, weights):
            budget = Int8Budget(development_splits(self.folder, self._loaded, tasks), max_accuracy_loss)
        export_model(self._loaded, version, tasks, weights=weights, formats=formats, int8_budget=budget)
        return version

    def _task(self, name: str | None) -> Task:
        if name is None and len(self._loaded.tasks) != 1:
            raise UserError(f"`task` must be one of {', '.join(self.tasks)}, got none")
        if name is not None and name not in self.tasks:
            raise unknown_name("task", name, self.tasks)
        return self._loaded.task(name or self.tasks[0])

    def _predicted(self, task: Task, table: Table, has_label: bool = False) -> SplitPredictions | None:
        """Returns what the model predicts for a table, with its gold labels if it has them; None without rows."""
        loaded, label = self._loaded, _label_column(task) if has_label else None
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name).resolve()
            path = write_table(table, _declaration(task), INPUT, folder, has_label)
            if path.parent == folder and not path.stat().st_size:
                return None
            data = EncodedData(DataSource(FILES, folder), loaded.tokenizer, loaded.max_sequence_length, folder)
            encoded = data.split(task.with_input(path, label), INPUT)
            return SplitPredictions(encoded, self._predictor.predict(encoded))


def _answer(task: Task, values: np.ndarray) -> dict[str, Any]:
    """Returns the answer to a row by column."""
    fields = task.kind_object.answer_fields(task, values, values.tolist())
    probabilities = fields.pop("probabilities", {})
    return {**fields, **{f"probability_{label}": value for label, value in probabilities.items()}}


def _as_table(inputs: Any, task: Task) -> Table:
    """Returns texts, or pairs of texts, as the columns of a task; tables as they are."""
    if not isinstance(inputs, Sequence) or isinstance(inputs, str):
        return inputs
    if not task.is_pair:
        return {task.text[0]: list(inputs)}
    for number, pair in enumerate(inputs):
        if isinstance(pair, str) or len(pair) != 2:
            raise UserError(f"task {task.name}, row {number}: must be a pair of texts, got {pair!r}")
    return {name: [pair[i] for pair in inputs] for i, name in enumerate(task.text)}


def _label_column(task: Task) -> str:
    return next((file.label for file in task.files.values() if file.label), "label")


def _declaration(task: Task) -> TaskDeclaration:
    """Returns a task of a model as its declaration, to read tables by."""
    group = {"group": task.group} if task.group and task.group not in task.text else {}
    return TaskDeclaration(task.name, task.kind, task.text, _label_column(task), {"labels": task.labels, **group})
