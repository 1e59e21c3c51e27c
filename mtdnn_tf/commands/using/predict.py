"""Writes predictions, one row per example, or a GLUE submission."""

from __future__ import annotations

from pathlib import Path

from absl import flags, logging

from mtdnn_tf.commands.program import Command
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.glue_submission import write_submission
from mtdnn_tf.evaluation.gold_labels import majority_predictions
from mtdnn_tf.evaluation.predictions import write_predictions
from mtdnn_tf.evaluation.runs import predict_with_runs
from mtdnn_tf.flags import data, inference
from mtdnn_tf.flags.paths import define_data_path, define_path
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.tasks.task import INPUT, TRAIN
from mtdnn_tf.text_tables import check_format

_RUN = define_path("run", "Folder of a trained run.")
_SPLIT = flags.DEFINE_list("split", [], "Splits to predict, comma-separated; each task's development splits if empty.")
_INPUT = define_data_path("input", "File of texts, or folder or pattern of such files, with the columns of one task.")
_OUTPUT = define_path("output", "A .tsv or .jsonl file for one task and split; a folder for several.")
_GLUE_SUBMISSION = define_path("glue_submission", "Zip file with predictions of all test splits for GLUE's server.")
_GLUE_MAJORITY = flags.DEFINE_list(
    "glue_majority",
    [],
    "Comma-separated tasks that --glue_submission predicts with their most frequent training label.",
)


def main() -> None:
    how = inference.inference_settings()
    if not _OUTPUT.value and not _GLUE_SUBMISSION.value:
        raise UserError("--output or --glue_submission must be given")
    if bool(_INPUT.value) + bool(_SPLIT.value) + bool(_GLUE_SUBMISSION.value) > 1:
        raise UserError("at most one of --split, --input and --glue_submission may be given")
    if _GLUE_MAJORITY.value and not _GLUE_SUBMISSION.value:
        raise UserError("--glue_majority needs --glue_submission")
    majority = select_tasks(_GLUE_MAJORITY.value, []) if _GLUE_MAJORITY.value else []
    tasks, task_data = data.run_inputs([_RUN.value], needs_files=not _INPUT.value)
    splits = _SPLIT.value
    if _INPUT.value:
        tasks, splits = [data.task_of_input(tasks, _INPUT.value)], [INPUT]
    # Tasks outside GLUE are not part of the submission.
    splits_of = {
        task.name: splits or list(task.submission if _GLUE_SUBMISSION.value else task.evaluation_splits)
        for task in tasks
    }
    if _GLUE_SUBMISSION.value:
        left_out = {task.name for task in majority}
        tasks = [task for task in tasks if splits_of[task.name] and task.name not in left_out]
    else:
        # Splits that are neither trained nor evaluated on may hide their gold labels, which predictions do not need.
        tasks = [task.without_labels({*_SPLIT.value} - {TRAIN, *task.evaluation_splits}) for task in tasks]
    output = _OUTPUT.value or Path()
    if output.suffix:
        check_format(output, "predictions")
        if (count := sum(map(len, splits_of.values()))) > 1:
            raise UserError(f"--output {output}: must be a folder for {count} tasks and splits")
    results = [majority_predictions(task, split, task_data.source) for task in majority for split in task.submission]
    if tasks:
        predictions = predict_with_runs([_RUN.value], tasks, splits_of, task_data, how)
        results += [predicted.rows() for predicted in predictions.values()]
    if _GLUE_SUBMISSION.value:
        write_submission(_GLUE_SUBMISSION.value, results)
        logging.info("%s: %d files", _GLUE_SUBMISSION.value, len(results))
        return
    for rows in results:
        path = output if output.suffix else output / f"{rows.task.name}-{rows.split}.tsv"
        write_predictions(path, rows)
        logging.info("%s: %d rows", path, len(rows.example_ids))


COMMAND = Command(main, required=("run",))
