"""Logs of a training for MLflow."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from mtdnn_tf.files import write_text

_RUN = "mlflow_run_id"


class MlflowLogger:
    """A training as a run of MLflow, on the server and in the experiment that MLflow's own settings name.

    Args:
        folder: Keeps the id of the run, so that a continued training goes on in it.
        title: The run's name.
        options: Shown as parameters.
    """

    def __init__(self, folder: Path, title: str, options: Mapping[str, object]) -> None:
        # Takes a second to import, and is an extra.
        import mlflow

        self._mlflow = mlflow
        known = folder / _RUN
        if not known.is_file():
            # A run of the user's own that is active stays so.
            with mlflow.start_run(run_name=title, nested=mlflow.active_run() is not None) as run:
                mlflow.log_params(dict(options))
            write_text(known, run.info.run_id)
        self._id = known.read_text(encoding="utf-8")
        mlflow.MlflowClient().update_run(self._id, status="RUNNING")

    def log(self, part: str, epoch: int, values: Mapping[str, float]) -> None:
        """Logs values after a number of epochs, which is their step."""
        finite = {f"{part}/{name}": value for name, value in values.items() if math.isfinite(value)}
        self._mlflow.log_metrics(finite, step=epoch, run_id=self._id)

    def close(self) -> None:
        """Marks the run as ended."""
        self._mlflow.MlflowClient().set_terminated(self._id)
