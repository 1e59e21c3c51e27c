"""Logs of a training for Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mtdnn_tf.files import write_text

_RUN = "wandb_run_id"


class WandbLogger:
    """A training as a run of Weights & Biases, in the project and mode that its own settings name.

    Args:
        folder: Keeps the run's files and its id, so that a continued training goes on in it.
        title: The run's name.
        options: Shown as its configuration.
    """

    def __init__(self, folder: Path, title: str, options: Mapping[str, object]) -> None:
        # Takes a second to import, and is an extra.
        import wandb

        known = folder / _RUN
        begun = {"id": known.read_text(encoding="utf-8"), "resume": "allow"} if known.is_file() else {}
        folder.mkdir(parents=True, exist_ok=True)
        # A run of the user's own that is active stays so.
        self._run = wandb.init(dir=folder, name=title, config=dict(options), reinit="create_new", **begun)
        write_text(known, self._run.id)

    def log(self, part: str, epoch: int, values: Mapping[str, float]) -> None:
        """Logs values with the number of epochs, which charts may have as their axis."""
        self._run.log({"epoch": epoch, **{f"{part}/{name}": value for name, value in values.items()}})

    def close(self) -> None:
        """Ends the run."""
        self._run.finish()
