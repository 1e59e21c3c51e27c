"""Scoring in shards: several processes predict a part each, and what they give is put together bit for bit."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.streaming.disk_arrays import row_blocks
from mtdnn_tf.data.subset import Part
from mtdnn_tf.errors import UserError, shortened
from mtdnn_tf.evaluation.ensembles.merged_outputs import merged_predictions
from mtdnn_tf.evaluation.ensembles.scoring import Scoring
from mtdnn_tf.evaluation.ensembles.shard import Shard
from mtdnn_tf.evaluation.ensembles.shard_parts import ShardParts
from mtdnn_tf.evaluation.measures.average import result_name
from mtdnn_tf.evaluation.predictor import Predictor, num_head_outputs
from mtdnn_tf.evaluation.runs import (
    RunPredictions,
    check_runs,
    counted_runs,
    part_of_split,
    rows_of_part,
    rows_of_run,
    without_tokens,
)
from mtdnn_tf.files import new_folder, read_array
from mtdnn_tf.interruption import Interrupted
from mtdnn_tf.json_files import check_schema, fingerprint
from mtdnn_tf.locks import locked_path
from mtdnn_tf.manifests import read_manifest, write_manifest
from mtdnn_tf.modeling.checkpoints.model_folder import load_model, model_fingerprint, read_tokenizer
from mtdnn_tf.tasks.task import TRAIN, Task

# No task's name begins so: soft targets and shards of one --output_dir are never taken for each other.
_FOLDER = "_shards"
_SCHEMA = 1
# Of a teacher by its number.
_ROWS, _OUTPUTS = "rows_{}.npy", "outputs_{}.npy"
# Beside the shard until it is complete.
_PARTS = "parts_{}_{}"

_log = logging.getLogger("absl")


class Shards:
    """The shards of a scoring.

    A shard's folder holds, per teacher, row numbers and the outputs of the head for each row. The merge computes what
    depends on several rows, such as the softmax over a query's candidates, and the average.
    """

    def __init__(self, scoring: Scoring) -> None:
        self._scoring = scoring
        self._pairs = [(task, split) for task in scoring.scored_tasks for split in scoring.splits[task.name]]
        check_runs(scoring.runs, scoring.scored_tasks, scoring.data.max_sequence_length)

    def write(self, shard: Shard) -> list[str]:
        """Writes one of several parts of the teachers' predictions, for `merge`; returns the names of the tasks.

        Splits whose shard is already written are skipped, and an interrupted shard continues after its last complete
        part. A shard does not depend on weights or average.

        Raises:
            UserError: As of `score`, or another process writes this shard.
        """
        # Before the first prediction: it may take hours.
        self._scoring.check_folds()
        with contextlib.ExitStack() as held:
            todo = []
            for pair in self._pairs:
                folder = self._folder(*pair, shard)
                held.enter_context(locked_path(folder, f"--shard {shard} in {folder.parent}"))
                if not self._is_written(*pair, shard):
                    todo.append(pair)
            try:
                self._predict(shard, todo)
            except Interrupted as stop:
                raise stop.at(f"in shard {shard}") from None
        return [task.name for task in self._scoring.scored_tasks]

    def merge(self, count: int) -> list[str]:
        """Writes what `score` would from the shards that other processes wrote; returns the names of the tasks.

        Raises:
            UserError: As of `score`, or a shard is missing, damaged or of another scoring.
        """
        shards = [Shard(index, count) for index in range(count)]

        def merged() -> dict[str, RunPredictions]:
            for pair in self._pairs:
                self._check_complete(*pair, shards)
            return {result_name(*pair): self._merged(*pair, shards) for pair in self._pairs}

        return self._scoring.write(merged)

    def _merged(self, task: Task, split: str, shards: Sequence[Shard]) -> RunPredictions:
        """Returns what the shards have of all rows, in temporary files beside them."""
        folder = self._folder(task, split)
        for shard in shards:
            self._read(task, split, shard)
        # Tokens are not needed.
        all_rows = without_tokens(self._encoded_data[0].rows(task, split))
        scored = part_of_split(all_rows, self._scoring.train_part)
        counted = counted_runs(scored, self._scoring.folds)
        predicted = RunPredictions(scored, [], counted, folder)
        for number, run in enumerate(self._scoring.runs):
            parts = self._parts_of(number, [self._folder(task, split, shard) for shard in shards])
            of_run = None if counted is None else counted[number]
            predicted.by_run.append(merged_predictions(scored, of_run, parts, folder, run.name))
        return predicted

    def _parts_of(self, number: int, folders: Sequence[Path]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yields a teacher's row numbers and outputs of each shard; one at a time, as each file takes a descriptor."""
        for folder in folders:
            remedy = "run mtdnn score --merge_shards again"
            rows, outputs = (
                read_array(folder / name.format(number), remedy, mapped=True) for name in (_ROWS, _OUTPUTS)
            )
            yield rows, outputs

    @functools.cached_property
    def _encoded_data(self) -> list[EncodedData]:
        """The data as each teacher encodes it."""
        return [self._scoring.data.encoded(*read_tokenizer(run)) for run in self._scoring.runs]

    @functools.cached_property
    def _teachers(self) -> list[str]:
        return [model_fingerprint(run) for run in self._scoring.runs]

    def _folder(self, task: Task, split: str, shard: Shard | None = None) -> Path:
        """Returns the folder of one shard of a split, or of all of them."""
        folder = self._scoring.output_dir / _FOLDER / f"{task.name}-{split}"
        return folder if shard is None else folder / f"{shard.index}_of_{shard.count}"

    def _predict(self, shard: Shard, todo: Sequence[tuple[Task, str]]) -> None:
        arrays: dict[str, dict[str, np.ndarray]] = {result_name(*pair): {} for pair in todo}
        for number, run in enumerate(self._scoring.runs if todo else ()):
            # Not loaded if all that it is asked for was predicted before an interruption.
            predictor = functools.cache(functools.partial(self._predictor, run))
            for task, split in todo:
                files = arrays[result_name(task, split)]
                found = self._predict_rows((task, split), number, predictor, shard)
                files[_ROWS.format(number)], files[_OUTPUTS.format(number)] = found
                if number == len(self._scoring.runs) - 1:
                    self._store(task, split, shard, files)
                    self._parts(task, split, shard).remove()

    def _predict_rows(
        self, pair: tuple[Task, str], number: int, predictor: Callable[[], Predictor], shard: Shard
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the rows that a teacher predicts for a shard, by number in the scored part, and its outputs."""
        data, batch_size = self._encoded_data[number], self._scoring.inference.batch_size
        all_rows = data.rows(*pair)
        taken = rows_of_part(all_rows, self._scoring.train_part)
        scored = part_of_split(without_tokens(all_rows), self._scoring.train_part)
        rows = rows_of_run(scored, self._scoring.folds, number)
        needed = rows[shard.needed(len(rows), batch_size)]
        if not len(needed):
            return needed, np.empty((0, num_head_outputs(pair[0])), np.float32)
        encoded, places = data.part(*pair, all_rows, taken[needed])
        own = needed[shard.order(encoded.lengths_of(places), len(rows), batch_size)]

        def predict(wanted: np.ndarray) -> np.ndarray:
            return predictor().head_outputs(encoded, places[np.searchsorted(needed, wanted)])

        return own, self._parts(*pair, shard).outputs(number, own, predict)

    def _parts(self, task: Task, split: str, shard: Shard) -> ShardParts:
        folder = self._folder(task, split) / _PARTS.format(shard.index, shard.count)
        return ShardParts(folder, self._identity(task, split, shard), self._scoring.inference.batch_size)

    def _predictor(self, run: Path) -> Predictor:
        tf.keras.backend.clear_session()
        with self._scoring.inference.scope():
            return Predictor(load_model(run).model, self._scoring.inference)

    def _store(self, task: Task, split: str, shard: Shard, files: Mapping[str, np.ndarray]) -> None:
        rows = [len(files[_ROWS.format(number)]) for number in range(len(self._scoring.runs))]
        with new_folder(self._folder(task, split, shard)) as temporary:
            for name, array in files.items():
                np.save(temporary / name, array, allow_pickle=False)
            made_by = {"runs": [run.name for run in self._scoring.runs], "rows": rows}
            write_manifest(temporary, {"schema": _SCHEMA, **self._identity(task, split, shard), **made_by})
        _log.info("%s %s: shard %s: %s rows of each teacher", task.name, split, shard, ", ".join(map(str, rows)))

    def _identity(self, task: Task, split: str, shard: Shard) -> dict[str, Any]:
        """Returns the fields that must agree between a shard and the merge, the cause of others before them."""
        inputs = [encoded.made_from(task, split) for encoded in self._encoded_data]
        return {
            "task": task.name,
            "kind": task.kind,
            "label_names": list(task.labels),
            "head": task.head_task,
            "split": split,
            "shard": str(shard),
            "data": fingerprint(inputs[0]["source"]),
            "part": dataclasses.asdict(self._scoring.train_part or Part()) if split == TRAIN else None,
            "batch_size": self._scoring.inference.batch_size,
            "compiled": self._scoring.inference.strategy is not None,
            "teachers": self._teachers,
            "folds": [list(fold) if fold and split == TRAIN else None for fold in self._scoring.folds],
            "encodings": [fingerprint(given) for given in inputs],
        }

    def _is_written(self, task: Task, split: str, shard: Shard) -> bool:
        folder = self._folder(task, split, shard)
        if not folder.exists():
            return False
        try:
            self._read(task, split, shard)
        except UserError as error:
            _log.info("scored again: %s", error)
            return False
        _log.info("%s %s: shard %s is in %s", task.name, split, shard, folder)
        return True

    def _check_complete(self, task: Task, split: str, shards: Sequence[Shard]) -> None:
        missing = [shard for shard in shards if not self._folder(task, split, shard).is_dir()]
        if not missing:
            return
        folder = self._folder(task, split)
        counts = {path.name.partition("_of_")[2] for path in folder.glob("*_of_*") if path.is_dir()}
        others = sorted(counts - {str(len(shards))})
        there = f" (shards there are of {', '.join(others)})" if others else ""
        raise UserError(
            f"{folder}: {len(missing)} of {len(shards)} shards are missing{there}: "
            f"{shortened(', '.join(map(str, missing)))}; run mtdnn score --shard={missing[0]} with the same flags"
        )

    def _read(self, task: Task, split: str, shard: Shard) -> list[tuple[np.ndarray, np.ndarray]]:
        """Returns each teacher's row numbers and outputs as a shard's folder has them."""
        folder = self._folder(task, split, shard)
        remedy = f"run mtdnn score --shard={shard} again"
        files = [(_ROWS.format(number), _OUTPUTS.format(number)) for number in range(len(self._scoring.runs))]
        manifest = read_manifest(folder, remedy, [name for pair in files for name in pair])
        check_schema(manifest.get("schema"), _SCHEMA, folder, remedy)
        for field, expected in self._identity(task, split, shard).items():
            if manifest.get(field) != expected:
                given, now = (shortened(json.dumps(value)) for value in (manifest.get(field), expected))
                raise UserError(f"{folder}: of other {field}: {given} in the shard, {now} asked for; {remedy}")
        stored = []
        for pair in files:
            rows, outputs = (read_array(folder / name, remedy, mapped=True) for name in pair)
            shape = (len(rows), num_head_outputs(task))
            if rows.dtype != np.int64 or rows.ndim != 1:
                raise UserError(f"{folder / pair[0]}: must be int64 [rows]; {remedy}")
            if outputs.dtype != np.float32 or outputs.shape != shape or not _are_finite(outputs):
                raise UserError(f"{folder / pair[1]}: must be finite float32 {list(shape)}; {remedy}")
            stored.append((rows, outputs))
        return stored


def _are_finite(outputs: np.ndarray) -> bool:
    return all(np.isfinite(outputs[block]).all() for block in row_blocks(len(outputs)))
