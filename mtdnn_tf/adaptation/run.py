"""Adapts encoders to a new task by trainings on more and more of its labels."""

from __future__ import annotations

import dataclasses
import logging

from mtdnn_tf.adaptation.config import PLAIN, PLAIN_FOLDER, AdaptationConfig, check_starts
from mtdnn_tf.adaptation.figure import adaptation_figure
from mtdnn_tf.adaptation.results import AdaptationResults, AdaptedRun, csv_results, markdown_results
from mtdnn_tf.evaluation.gold_labels import majority_predictions
from mtdnn_tf.evaluation.measures.average import average, result_name
from mtdnn_tf.evaluation.measures.metrics import compute_metrics
from mtdnn_tf.files import new_file, write_text
from mtdnn_tf.json_files import write_checked_json
from mtdnn_tf.locks import locked_folder
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.report.plotting import Style, to_png
from mtdnn_tf.text_tables import aligned_table
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.preparation import training_size
from mtdnn_tf.training.run import check_trained, is_trained, train

JSON, CSV, TABLE, FIGURE = "results.json", "results.csv", "results.md", "adaptation.png"
_log = logging.getLogger("absl")


def adaptation_trainings(config: AdaptationConfig) -> list[tuple[AdaptedRun, TrainingConfig]]:
    """Returns the trainings, without metrics, in the order that they run: by subset, size and start.

    Encodes the training data, since the number of rows decides the number of epochs, which is the same for every start.
    """
    base = config.base
    check_starts(config)
    tokenizer = find_backbone(base.encoder.backbone).tokenizer()
    trainings = []
    for subset_seed in config.subset_seeds:
        for fraction in sorted(config.fractions):
            seed = base.optimization.seed + subset_seed
            part = base.replace(train_fraction=fraction, subset_seed=subset_seed, seed=seed, evaluation="end")
            size = training_size(part, tokenizer)
            epochs = max(base.optimization.epochs, -(-config.min_steps // size.steps_per_epoch))
            for start, init_from in config.all_starts.items():
                folder = base.output_dir / (PLAIN_FOLDER if start == PLAIN else start) / f"fraction_{fraction!r}"
                output_dir = folder / f"subset_{subset_seed}"
                settings = part.replace(output_dir=output_dir, init_from=init_from, epochs=epochs)
                steps = epochs * size.steps_per_epoch
                run = AdaptedRun(start, fraction, subset_seed, size.examples, epochs, steps)
                trainings.append((run, settings))
    return trainings


def plan(config: AdaptationConfig) -> str:
    """Returns a table of the trainings, their examples and steps, and which are done; only encodes training data."""
    rows = [["training", "examples", "epochs", "steps", ""]]
    trainings = adaptation_trainings(config)
    left = 0
    for run, settings in trainings:
        name = settings.output_dir.relative_to(config.base.output_dir).as_posix()
        done = is_trained(settings.output_dir)
        rows.append([name, str(run.examples), str(run.epochs), str(run.steps), "done" if done else ""])
        left += 0 if done else run.steps
    rows.append(["all", "", "", str(sum(run.steps for run, _ in trainings)), f"{left} to do"])
    return aligned_table(rows)


def run_adaptation(config: AdaptationConfig) -> AdaptationResults:
    """Runs every training that is not done, and writes results.json, results.csv, results.md and adaptation.png.

    Raises:
        UserError: An option is not accepted, a training's folder holds a training of other settings, or another
            process adapts in the folder.
    """
    folder, runs = config.base.output_dir, []
    with locked_folder(folder, f"`output_dir` {folder}"):
        trainings = adaptation_trainings(config)
        for number, (run, settings) in enumerate(trainings, start=1):
            if is_trained(settings.output_dir):
                metrics = check_trained(settings)
            else:
                _log.info("%s: training %d of %d", settings.output_dir, number, len(trainings))
                metrics = train(settings)
            runs.append(dataclasses.replace(run, metrics=metrics))
        results = AdaptationResults(
            task=config.task.name,
            metrics=tuple(config.task.metrics),
            starts={name: run or config.base.encoder.backbone for name, run in config.all_starts.items()},
            majority=_majority_score(config),
            runs=tuple(runs),
        )
        write_checked_json(folder / JSON, results.to_json())
        write_text(folder / CSV, csv_results(results))
        write_text(folder / TABLE, markdown_results(results))
        style = Style()
        with new_file(folder / FIGURE) as temporary:
            temporary.write_bytes(to_png(adaptation_figure(results, style), style))
        _log.info("%s: %s, %s, %s and %s written", folder, JSON, CSV, TABLE, FIGURE)
        return results


def _majority_score(config: AdaptationConfig) -> float | None:
    """Returns the score of the most frequent label; None for a kind of task without one."""
    task, base = config.task, config.base
    if not task.kind_object.has_one_label:
        return None
    data = base.data.encoded(find_backbone(base.encoder.backbone).tokenizer())
    metrics = {}
    for split in task.evaluation_splits:
        answers = majority_predictions(task, split, data.source).values
        metrics[result_name(task, split)] = compute_metrics(task, answers, data.split(task, split).labels)
    found = average(metrics)
    return None if found is None else found.score
