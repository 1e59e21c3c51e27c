"""Where a model came from: what its run's folder tells."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtdnn_tf.checked_json import read_checked_json
from mtdnn_tf.errors import UserError
from mtdnn_tf.files import MANIFEST, read_json
from mtdnn_tf.release.layout import FLAGS, IDENTITY
from mtdnn_tf.training.run import METRICS


@dataclasses.dataclass(frozen=True)
class Provenance:
    """What a training was told, and what it read.

    Attributes:
        flags: The flagfile that repeats the run.
        identity: Everything that decides the run's weights; JSON values.
        teachers: Number of teachers whose predictions taught it, by soft targets' name; 0 where that is not known any
            more.
    """

    flags: str
    identity: Mapping[str, Any]
    teachers: Mapping[str, int]

    def flag(self, name: str) -> str | None:
        """Returns a flag's value, None if it is not given."""
        given = [line.partition("=")[2] for line in self.flags.splitlines() if line.startswith(f"--{name}=")]
        return given[-1] if given else None

    @property
    def encoder(self) -> str:
        """The last part of the name or folder of the encoder that the training started from."""
        started = self.flag("init_from") or self.flag("backbone") or "unknown"
        return started.rstrip("/").rpartition("/")[2]


def read_provenance(run: Path) -> Provenance:
    """Reads what a run's folder tells of it.

    Raises:
        UserError: The folder is not that of a run that tools.train has ended.
    """
    missing = [name for name in (FLAGS, IDENTITY, METRICS) if not (run / name).is_file()]
    if missing:
        raise UserError(
            f"--run={run}: {missing[0]} is missing; for a release the folder of a run that ended is accepted"
        )
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
