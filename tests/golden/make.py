"""Makes the golden files: small artefacts of one version, and the numbers that every later version reads from them.

Run by hand, `python -m tests.golden.make FOLDER`, for a new version, whose folder stands beside the old ones for good.
The texts are of the tests' own grammar. What it writes is not the same byte by byte on every machine.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.encoding import EncodedData, TaskData
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.distillation.soft_targets import read_soft_targets
from mtdnn_tf.evaluation.ensembles.scoring import Scoring, score
from mtdnn_tf.evaluation.runs import predict_with_runs
from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.report.write import write_report
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.training import run as training_run
from mtdnn_tf.training.config import TrainingConfig
from tests.helpers import VOCABULARY, write_huggingface_folder, write_tasks
from tests.report.example_data import full_report

SENTENCES = ["the red cat sees a bird.", "a big dog not likes the house", ""]
ROWS = 12


class _StopError(Exception):
    pass


def training_config(folder: Path, run: Path) -> TrainingConfig:
    """Returns the settings of the golden training, whose data and encoder stand in a folder."""
    return TrainingConfig.build(
        output_dir=run,
        data_dir=folder,
        cache_dir=folder / "cache",
        task_file=(folder / "tasks" / "tasks.yaml",),
        backbone=str(folder / "bert"),
        max_sequence_length=32,
        epochs=2,
        batch_size=8,
        learning_rate=0.01,
        evaluation="never",
        checkpoint_interval=5,
        keep_checkpoints=1,
    )


def first_numbers(values: Any) -> list[float]:
    """Returns an array's first numbers as JSON has them."""
    return [float(value) for value in np.asarray(values).ravel()[:6]]


def interrupted_run(folder: Path, run: Path) -> None:
    """Trains, and stops before the model is written; its last checkpoint, of step 12 of 12, stands."""
    save_model = training_run.save_model

    def stop(*_: Any) -> str:
        raise _StopError

    training_run.save_model = stop  # type: ignore[assignment]
    try:
        training_run.train(training_config(folder, run))
    except _StopError:
        pass
    finally:
        training_run.save_model = save_model
    for name in ("logs", "config.flags", "data.json"):  # Of this machine and moment.
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def main(target: Path) -> None:
    """Writes every artefact and its numbers."""
    folder = target
    folder.mkdir(parents=True)
    write_tasks(folder / "tasks", ROWS)
    write_huggingface_folder(folder / "bert")
    tasks = select_tasks([], [folder / "tasks" / "tasks.yaml"])
    source = DataSource("files", folder)
    expected: dict[str, Any] = {"tensorflow": tf.__version__}

    tokenizer = WordPieceTokenizer(VOCABULARY, lowercase=True)
    encoded = EncodedData(source, tokenizer, 32, folder / "encoded").split(tasks[0], "train")
    expected["encoded"] = {
        "key": encoded.manifest["key"],
        "ids": list(encoded.example_ids),
        "first": encoded.token_ids[:20].tolist(),
    }

    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        interrupted_run(folder, folder / "run")
        shutil.copytree(folder / "run", scratch / "run")
        training_run.train(training_config(folder, scratch / "run"))
        shutil.copytree(scratch / "run" / "model", folder / "model")
        shutil.rmtree(folder / "cache")
        loaded = load_model(folder / "model")
        expected["weights"] = {
            "backbone": first_numbers(loaded.model.backbone.named["embeddings.word_embeddings.weight"]),
            "heads": {name: first_numbers(head.get_weights()[0]) for name, head in loaded.model.heads.items()},
        }
        predictions = predict_with_runs([folder / "model"], tasks, ["test"], TaskData(source, scratch / "cache"))
        expected["predictions"] = {name: first_numbers(split.predictions) for name, split in predictions.items()}
        score(
            Scoring(
                [folder / "model"], tasks[:1], "train", TaskData(source, scratch / "cache"), folder / "soft_targets"
            )
        )
        expected["soft_targets"] = first_numbers(read_soft_targets(folder / "soft_targets" / "mood").predictions)
        export_model(loaded, folder / "export" / "1")
        serve = tf.saved_model.load(str(folder / "export" / "1")).signatures["mood"]
        expected["export"] = first_numbers(serve(text_a=tf.constant(SENTENCES))["probabilities"])
        write_report(full_report(3), scratch / "report")
        shutil.copyfile(scratch / "report" / "report.json", folder / "report.json")
    for path in (folder / "export" / "1" / "saved_model.pb", folder / "report.json"):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()
    (folder / "expected.json").write_text(json.dumps(expected, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
