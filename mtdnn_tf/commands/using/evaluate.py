"""Computes the metrics of a run, or of an ensemble of runs."""

from __future__ import annotations

from absl import flags

from mtdnn_tf.commands.program import Command
from mtdnn_tf.distillation.ensemble import check_weights
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.ensembles import ensemble_tables as tables
from mtdnn_tf.evaluation.measures.average import average
from mtdnn_tf.evaluation.measures.categories import category_metrics, category_table, read_categories
from mtdnn_tf.evaluation.results_table import text_table
from mtdnn_tf.evaluation.runs import predict_each_run
from mtdnn_tf.flags import data, inference
from mtdnn_tf.flags.ensemble import define_average, define_weights
from mtdnn_tf.flags.paths import define_path, define_paths
from mtdnn_tf.json_files import write_json
from mtdnn_tf.options import parse_list
from mtdnn_tf.training.best_epoch import read_kept_epoch

_RUN = define_path("run", "Folder of a trained run.")
_RUNS = define_paths("runs", "Comma-separated folders of runs whose predictions are averaged.")
_WEIGHTS = define_weights("run")
_AVERAGE = define_average()
_SPLIT = flags.DEFINE_list("split", [], "Comma-separated splits to evaluate; default: each task's development splits.")
_OUTPUT = define_path("output", "JSON file for the metrics.")
_BY_CATEGORY = flags.DEFINE_list(
    "by_category",
    [],
    "Comma-separated columns of the splits' files; metrics are also computed per value of each column.",
)
_LEAVE_ONE_OUT = flags.DEFINE_bool("leave_one_out", False, "Also print the metrics of --runs without each run.")
_DISAGREEMENT = flags.DEFINE_bool("disagreement", False, "Also print how much each pair of --runs disagrees.")


def main() -> None:
    how = inference.inference_settings()
    if bool(_RUN.value) == bool(_RUNS.value):
        raise UserError("exactly one of --run and --runs must be given")
    runs = _RUNS.value or [_RUN.value]
    weights = parse_list("weights", _WEIGHTS.value) or None
    check_weights(weights, len(runs))
    for flag in (_LEAVE_ONE_OUT, _DISAGREEMENT):
        if flag.value:
            tables.check_table_flags(flag.name, runs)
    tasks, task_data = data.run_inputs(runs)
    by_run = predict_each_run(runs, tasks, _SPLIT.value, task_data, how)
    predictions = {result: split.combined(weights, _AVERAGE.value) for result, split in by_run.items()}
    metrics = {result: predicted.metrics() for result, predicted in predictions.items()}
    by_category = {}
    for result, predicted in predictions.items() if _BY_CATEGORY.value else ():
        encoded = predicted.encoded
        categories = read_categories(encoded.task, encoded.split, task_data.source, _BY_CATEGORY.value)
        by_category[result] = category_metrics(predicted, categories)
    names = tables.run_names(runs)
    without = tables.leave_one_out(by_run, names, weights, _AVERAGE.value) if _LEAVE_ONE_OUT.value else {}
    disagreements = {
        result: tables.disagreement(split, names) for result, split in by_run.items() if _DISAGREEMENT.value
    }
    if _OUTPUT.value:
        over_tasks = average(metrics)
        more = {
            "average": over_tasks and {over_tasks.name: over_tasks.score},
            "by_category": {name: [category._asdict() for category in found] for name, found in by_category.items()},
            "leave_one_out": without,
            "disagreement": {result: found.to_json() for result, found in disagreements.items()},
        }
        # No task's name starts with _.
        content = {**metrics, **{f"_{name}": value for name, value in more.items() if value}}
        write_json(_OUTPUT.value, content)
    name = runs[0].name if len(runs) == 1 else f"ensemble of {len(runs)}"
    print(text_table({name: [metrics], **{of: [found] for of, found in without.items()}}, show_metrics=True), end="")
    if any(predicted.encoded.split in predicted.encoded.task.evaluation_splits for predicted in predictions.values()):
        for run, kept in ((run, read_kept_epoch(run)) for run in runs):
            if kept is not None:
                print(f"{run} keeps {kept}")
    if disagreements:
        print(f"\n{tables.disagreement_table(disagreements)}", end="")
    for result, found in by_category.items():
        print(f"\n{result}\n{category_table(found)}", end="")


COMMAND = Command(main)
