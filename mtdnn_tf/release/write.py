"""Writes a release: serving files, encoder, heads and metrics of a model in one folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from mtdnn_tf.errors import UserError
from mtdnn_tf.files import new_folder, write_text
from mtdnn_tf.json_files import to_json, write_json
from mtdnn_tf.locks import locked_path
from mtdnn_tf.modeling.backbone import POOLER
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.conversion import convert, output_difference
from mtdnn_tf.modeling.checkpoints.keras_nlp_preset import ACTIVATION
from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.release import layout
from mtdnn_tf.release.front_matter import UNKNOWN_LICENSE, front_matter
from mtdnn_tf.release.heads import write_heads
from mtdnn_tf.release.model_card import licence_notes, model_card
from mtdnn_tf.release.provenance import Provenance, ReleaseMetrics, read_provenance, release_metrics
from mtdnn_tf.release.verify import Verified, verify_release
from mtdnn_tf.serving.export import export_model, served_tasks
from mtdnn_tf.tasks.task import Task


def check_release_folder(folder: Path) -> None:
    """Raises UserError if a release's folder exists."""
    if folder.exists() or folder.is_symlink():
        raise UserError(f"--release={folder}: must not exist")


def write_release(
    run: Path,
    folder: Path,
    metrics_file: Path | None,
    names: Sequence[str],
    license: str = UNKNOWN_LICENSE,
    datasets: Sequence[str] = (),
    **options: Any,
) -> Verified:
    """Writes and verifies the release of a finished run in a new folder, then makes it visible.

    Args:
        run: Folder of the run.
        folder: Folder of the release.
        metrics_file: A recipe's report.json or results.json; None for the run's own metrics.
        names: Names of the tasks; all if empty.
        license: As in `front_matter`.
        datasets: As in `front_matter`.
        **options: `batch_sizes`, `model_name` and `weights` of `export_model`; no other part has such weights.

    Raises:
        UserError: The run is not finished, or the folder exists.
    """
    check_release_folder(folder)
    provenance = read_provenance(run)
    metrics = release_metrics(run, metrics_file)
    loaded = load_model(run)
    tasks = served_tasks(loaded, names)
    used = {task.head_task for task in tasks}
    # A task may use the head of a task that is not released.
    kept = [task for task in loaded.tasks if task in tasks or task.name in used]
    heads = {name: head for name, head in loaded.model.heads.items() if name in used}
    pretrained = find_backbone(str(run))
    config = pretrained.config
    # KerasNLP's encoders are BERT's, and always have a pooler.
    has_preset = config.is_bert and config.pooling == POOLER and config.activation in (ACTIVATION, "gelu")
    difference = output_difference(pretrained, ACTIVATION) if has_preset and config.activation != ACTIVATION else None
    with locked_path(folder, f"--release={folder}"), new_folder(folder) as temporary:
        export_model(loaded, temporary / layout.SERVING / layout.VERSION, names, **options)
        convert(pretrained, temporary / layout.HUGGING_FACE, "huggingface")
        if has_preset:
            convert(pretrained, temporary / layout.KERAS_NLP, "keras_nlp", accept_approximate_gelu=True)
        write_heads(heads, temporary / layout.HEADS)
        description = {
            "schema": layout.SCHEMA,
            "model_fingerprint": loaded.fingerprint,
            "max_sequence_length": loaded.max_sequence_length,
            "tensorflow": tf.__version__,
            "has_preset": has_preset,
            "preset_difference": difference,
        }
        _write_facts(temporary, kept, tasks, metrics, provenance, description)
        card = front_matter(options["model_name"], tasks, metrics, license, datasets)
        card += model_card(tasks, provenance, metrics, config, **description, **options)
        write_text(temporary / layout.CARD, card)
        write_text(temporary / layout.LICENCES, licence_notes(tasks, provenance))
        layout.write_checksums(temporary)
        verified = verify_release(temporary)
        check_release_folder(folder)  # Another process may have written it meanwhile.
    return verified


def _write_facts(
    folder: Path,
    kept: Sequence[Task],
    tasks: Sequence[Task],
    metrics: ReleaseMetrics,
    provenance: Provenance,
    description: Mapping[str, Any],
) -> None:
    """Writes what programs read of a release: tasks, labels, metrics and configuration."""
    for name, value in (
        (layout.TASKS, kept),
        (layout.LABELS, {task.name: task.labels for task in tasks}),
        (layout.METRICS, metrics),
        (layout.IDENTITY, provenance.identity),
        (layout.DESCRIPTION, description),
    ):
        write_json(folder / name, to_json(value))
    write_text(folder / layout.FLAGS, provenance.flags)
