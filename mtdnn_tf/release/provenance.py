"""The origin of a model, read from its run's folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtdnn_tf.errors import UserError
from mtdnn_tf.json_files import read_checked_json, read_json
from mtdnn_tf.manifests import MANIFEST
from mtdnn_tf.release.layout import FLAGS, IDENTITY
from mtdnn_tf.training.run import METRICS


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Configuration and inputs of a training.

    Attributes:
        flags: The flagfile that repeats the run.
        identity: Everything that decides the run's weights, as JSON values.
        teachers: Number of teachers by name of the soft targets; 0 if unknown.
    """

    flags: str
    identity: Mapping[str, Any]
    teachers: Mapping[str, int]

    def flag(self, name: str) -> str | None:
        """Returns the value of a flag, or None."""
        given = [line.partition("=")[2] for line in self.flags.splitlines() if line.startswith(f"--{name}=")]
        return given[-1] if given else None

    @property
    def encoder(self) -> str:
        """Name of the initial encoder, or last part of its folder."""
        started = self.flag("init_from") or self.flag("backbone") or "unknown"
        return started.rstrip("/").rpartition("/")[2]


def read_provenance(run: Path) -> Provenance:
    """Reads the provenance of a run from its folder.

    Raises:
        UserError: The folder is not a finished run of tools.train.
    """
    missing = [name for name in (FLAGS, IDENTITY, METRICS) if not (run / name).is_file()]
    if missing:
        raise UserError(f"--run={run}: {missing[0]} is missing; a release needs a finished run")
    flags, identity = (
        (run / FLAGS).read_text(encoding="utf-8"),
        read_checked_json(run / IDENTITY, "train the run again"),
    )
    folders = [line.partition("=")[2].split(",") for line in flags.splitlines() if line.startswith("--soft_targets=")]
    teachers = dict.fromkeys(identity.get("soft_targets", {}), 0)
    for folder in (Path(path) for paths in folders for path in paths):
        for name in teachers:
            manifest = folder / name.replace("/", "-") / MANIFEST
            if manifest.is_file():
                teachers[name] = len(read_json(manifest).get("teachers", ()))
    return Provenance(flags, identity, teachers)
