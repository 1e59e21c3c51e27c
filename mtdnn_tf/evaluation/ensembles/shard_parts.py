"""What the teachers of a shard have predicted so far, so that an interrupted shard continues."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_folder, read_array
from mtdnn_tf.manifests import read_manifest, write_manifest

# A minute or two of work.
_BATCHES_PER_PART = 256
_ROWS, _OUTPUTS = "rows.npy", "outputs.npy"
_REMEDY = "it is predicted again"
_log = logging.getLogger("absl")


class ShardParts:
    """Parts of a shard of one split: a folder for each that is complete.

    Args:
        folder: Where they are.
        identity: What decides the outputs, as JSON values. Parts of something else are predicted again.
        batch_size: Rows per batch. A part has whole batches, as the last bits of outputs depend on them.
    """

    def __init__(self, folder: Path, identity: dict[str, Any], batch_size: int) -> None:
        self._folder = folder
        self._identity = identity
        self._size = batch_size * _BATCHES_PER_PART

    def outputs(self, teacher: int, rows: np.ndarray, predict: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Returns what `predict` does for all rows, int64 [rows], of which it is given those of missing parts."""
        outputs, known = [], 0
        for start in range(0, max(1, len(rows)), self._size):
            folder, own = self._folder / f"{teacher}_{start}", rows[start : start + self._size]
            found = self._read(folder, own)
            if found is None:
                found = predict(own)
                self._write(folder, own, found)
            else:
                known += len(own)
            outputs.append(found)
        if known:
            _log.info("%s: %d of %d rows of teacher %d were predicted before", self._folder, known, len(rows), teacher)
        return np.concatenate(outputs)

    def remove(self) -> None:
        """Removes all parts."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self, folder: Path, rows: np.ndarray) -> np.ndarray | None:
        """Returns the outputs of a part; None if it is missing, damaged or of something else."""
        if not folder.exists():
            return None
        try:
            manifest = read_manifest(folder, _REMEDY, (_ROWS, _OUTPUTS))
            stored, outputs = (read_array(folder / name, _REMEDY) for name in (_ROWS, _OUTPUTS))
        except UserError as error:
            _log.info("%s", error)
            return None
        is_own = manifest.get("identity") == self._identity and np.array_equal(stored, rows)
        return outputs if is_own and len(outputs) == len(rows) else None

    def _write(self, folder: Path, rows: np.ndarray, outputs: np.ndarray) -> None:
        with new_folder(folder) as temporary:
            np.save(temporary / _ROWS, rows, allow_pickle=False)
            np.save(temporary / _OUTPUTS, outputs, allow_pickle=False)
            write_manifest(temporary, {"identity": self._identity})
