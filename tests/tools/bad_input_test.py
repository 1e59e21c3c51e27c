"""Every wrong input ends a binary with one line, a non-zero status, and nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from tests.helpers import write_huggingface_folder, write_tasks
from tests.tools.binaries import ROOT, Binaries, Result
from tests.tools.conftest import Trained

# Of each case: a name, the binary, its flags ({tasks} is a copy of the small task folder, {run} a trained run, {out} a
# folder that does not exist), what is done to the files before, and words of the line.
Change = Callable[[Path], None]


def _edit(name: str, old: str, new: str) -> Change:
    def change(folder: Path) -> None:
        path = folder / name
        content = path.read_text(encoding="utf-8")
        assert old in content
        path.write_text(content.replace(old, new, 1), encoding="utf-8")

    return change


def _append(name: str, content: bytes) -> Change:
    def change(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        with (folder / name).open("ab") as file:
            file.write(content)

    return change


def _keep_first_line(name: str) -> Change:
    def change(folder: Path) -> None:
        path = folder / name
        path.write_text(path.read_text(encoding="utf-8").split("\n")[0] + "\n", encoding="utf-8")

    return change


def _remove(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def _encoder_without_a_size(folder: Path) -> None:
    write_huggingface_folder(folder / "bert")
    path = folder / "bert" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    del config["hidden_size"]
    path.write_text(json.dumps(config), encoding="utf-8")


def _pickled_encoder(folder: Path) -> None:
    write_huggingface_folder(folder / "bert")
    (folder / "bert" / "model.safetensors").rename(folder / "bert" / "pytorch_model.bin")


def _google_encoder_without_checkpoint(folder: Path) -> None:
    write_huggingface_folder(folder / "bert")
    (folder / "bert" / "config.json").rename(folder / "bert" / "bert_config.json")


def _encoder_without_a_pooler(folder: Path) -> None:
    weights = write_huggingface_folder(folder / "bert")
    kept = {name: array for name, array in weights.items() if "pooler" not in name}
    save_file(kept, folder / "bert" / "model.safetensors")


def _encoder_of_max_pooling(folder: Path) -> None:
    write_huggingface_folder(folder / "bert")
    (folder / "bert" / "1_Pooling").mkdir()
    config = '{"word_embedding_dimension": 16, "pooling_mode_max_tokens": true}'
    (folder / "bert" / "1_Pooling" / "config.json").write_text(config, encoding="utf-8")


def _nothing(folder: Path) -> None:
    pass


TRAIN = "--task_file={tasks}/tasks.yaml --backbone=tiny --output_dir={out} --cache_dir={cache} --epochs=1"
CASES: list[tuple[str, str, str, Change, list[str]]] = [
    ("unknown task", "train", TRAIN + " --tasks=mod", _nothing, ["unknown task 'mod'", "did you mean 'mood'"]),
    ("development rows that are trained on", "train", TRAIN + " --tasks=mood --fail_on_leak",
     _edit("tasks.yaml", "validation: mood_validation.tsv", "validation: mood_train.tsv"),
     ["task mood, split validation: 40 of 40 rows (100.0%) have the texts of rows that are trained on", "--fail_on_leak"]),
    ("development rows that are trained on, encoded", "encode", "--task_file={tasks}/tasks.yaml --tasks=mood --backbone=tiny --cache_dir={cache} --fail_on_leak",
     _edit("tasks.yaml", "validation: mood_validation.tsv", "validation: mood_train.tsv"), ["40 of 40 rows"]),
    ("unknown flag", "train", TRAIN + " --epoch=3", _nothing, ["epoch"]),
    ("unknown flag value", "train", TRAIN + " --optimizer=adam", _nothing, ["optimizer", "adamax", "adam"]),
    ("flag of another type", "train", TRAIN + " --epochs=three", _nothing, ["--epochs=three"]),
    ("too many devices", "train", TRAIN + " --logical_cpus=257", _nothing, ["--logical_cpus must be an integer >= 1 and <= 256, got 257"]),
    ("an integer of too many digits", "train", TRAIN + " --parallel_parts=" + "9" * 5000, _nothing, ["--parallel_parts must be auto or an integer, got 999"]),
    ("an integer beyond 32 bits", "train", TRAIN + " --folds=2147483648 --held_out_fold=0", _nothing, ["--folds must be an integer <= 2147483647, got 2147483648"]),
    ("value out of range", "train", TRAIN + " --dropout=1.5", _nothing, ["--dropout must be", "got 1.5"]),
    ("distill weight", "train", TRAIN + " --distill_weight=2", _nothing, ["--distill_weight must be a number >= 0 and <= 1, got 2.0"]),
    ("word instead of a flag", "train", TRAIN + " mrpc", _nothing, ["without --", "mrpc"]),
    ("missing flagfile", "train", "--flagfile={tasks}/none.flags", _nothing, ["none.flags"]),
    ("too long sequences", "train", TRAIN + " --max_sequence_length=513", _nothing, ["8 to 512", "got 513"]),
    ("unknown encoder", "train", TRAIN + " --backbone=bert_base", _nothing, ["unknown backbone", "bert_base"]),
    ("folder without an encoder", "train", TRAIN + " --backbone={tasks}", _nothing, ["no layout recognised"]),
    ("unwritable output", "train", TRAIN + " --output_dir=/proc/run", _nothing, ["/proc"]),
    ("output is a file", "train", TRAIN + " --output_dir={tasks}/tasks.yaml", _nothing, ["tasks.yaml"]),
    ("missing task file", "train", TRAIN, _remove("tasks.yaml"), ["tasks.yaml"]),
    ("unknown key", "train", TRAIN, _edit("tasks.yaml", "metrics:", "metric:"), ["tasks.yaml:7", "'metric'", "metrics"]),
    ("unknown kind", "train", TRAIN, _edit("tasks.yaml", "kind: regr", "kind: progr"), ["tasks.yaml:17", "'progression'", "regression"]),
    ("no YAML", "train", TRAIN, _edit("tasks.yaml", "text: [", "text: [["), ["tasks.yaml"]),
    ("missing file", "train", TRAIN, _remove("mood_train.tsv"), ["mood_train.tsv"]),
    ("missing data folder", "train", TRAIN + " --tasks=rte --data_dir={tasks}/none", _nothing, ["none", "train.tsv"]),
    ("row with too few columns", "train", TRAIN, _append("mood_train.tsv", b"cat\n"), ["mood_train.tsv:42"]),
    ("undeclared label", "train", TRAIN, _append("mood_train.tsv", b"x\tgoood\n"), ["mood_train.tsv:42", "'goood'", "good"]),
    ("score that is NaN", "train", TRAIN, _append("similarity_train.tsv", b"x\ty\tnan\n"), ["similarity_train.tsv:42", "nan"]),
    ("score that is no number", "train", TRAIN, _append("similarity_train.tsv", b"x\ty\thigh\n"), ["tsv:42", "high"]),
    ("bytes that are no UTF-8", "train", TRAIN, _append("mood_train.tsv", b"\xff\xfe\tgood\n"), ["mood_train.tsv:42", "UTF-8"]),
    ("empty split", "train", TRAIN, _keep_first_line("mood_train.tsv"), ["mood_train.tsv"]),
    ("renamed column", "train", TRAIN, _edit("mood_train.tsv", "sentence", "sentense"), ["mood_train.tsv", "sentence"]),
    ("undeclared label in a development split", "train", TRAIN, _append("mood_validation.tsv", b"x\tgoood\n"),
     ["mood_validation.tsv:", "'goood'", "good"]),
    ("micro-batches that differ", "train", TRAIN + " --gradient_accumulation=3", _nothing,
     ["--gradient_accumulation must divide --batch_size", "got 3"]),
    ("unknown precision", "train", TRAIN + " --precision=float16", _nothing, ["precision", "mixed_float16", "float16"]),
    ("layer decay above 1", "train", TRAIN + " --layer_decay=1.1", _nothing, ["--layer_decay must be", "got 1.1"]),
    ("batches of no tokens", "train", TRAIN + " --batch_tokens=0", _nothing, ["--batch_tokens must be", "got 0"]),
    ("seed below 0", "train", TRAIN + " --seed=-1", _nothing, ["--seed must be", "got -1"]),
    ("empty folder name", "train", TRAIN + " --output_dir=", _nothing, ["output_dir", "must have a value"]),
    ("flagfile of other bytes", "train", "--flagfile={tasks}/bytes.flags", _append("bytes.flags", b"--seed=\xff\n"),
     ["--flagfile", "UTF-8"]),
    ("encoder config without a field", "train", TRAIN + " --backbone={tasks}/bert", _encoder_without_a_size,
     ["config.json", "hidden_size is missing"]),
    ("unknown pooling", "train", TRAIN + " --pooling=max", _nothing, ["pooling", "auto", "pooler", "cls", "mean"]),
    ("pooler that is not there", "train", TRAIN + " --backbone={tasks}/bert --pooling=pooler", _encoder_without_a_pooler,
     ["--pooling must be auto, cls or mean", "bert has no pooler, got pooler"]),
    ("pooling of another kind", "train", TRAIN + " --backbone={tasks}/bert", _encoder_of_max_pooling,
     ["1_Pooling/config.json", "pooling_mode_cls_token, pooling_mode_mean_tokens must be true", "got pooling_mode_max_tokens"]),
    ("layout without a pooler", "convert_checkpoint", "--from={tasks}/bert --to={out} --format=google", _encoder_without_a_pooler,
     ["--format=google must have BERT's pooler", "bert has none", "--format=huggingface"]),
    ("pickled encoder", "train", TRAIN + " --backbone={tasks}/bert", _pickled_encoder,
     ["pytorch_model.bin", "run code", "safe_serialization=True"]),
    ("Google encoder without checkpoint", "train", TRAIN + " --backbone={tasks}/bert", _google_encoder_without_checkpoint,
     ["bert_model.ckpt.index is missing"]),
    ("more layers than there are", "train", TRAIN + " --student_layers=3", _nothing, ["tiny has 2 layers", "count of 3"]),
    ("layer out of range", "train", TRAIN + " --student_layers=0,2", _nothing, ["tiny has 2 layers, 0 to 1", "got 0,2"]),
    ("layer twice", "train", TRAIN + " --student_layers=1,1", _nothing, ["--student_layers must be", "got 1,1"]),
    ("layers out of order", "train", TRAIN + " --student_layers=1,0", _nothing, ["--student_layers must be", "got 1,0"]),
    ("layers no numbers", "train", TRAIN + " --student_layers=all", _nothing, ["--student_layers must be comma-separated integers, got all"]),
    ("no layers", "train", TRAIN + " --student_layers=", _nothing, ["--student_layers must be", "got nothing"]),
    ("width that heads do not divide", "train", TRAIN + " --student_dim=12", _nothing,
     ["--student_dim must be a multiple of 8, the width of a head of tiny, and below its width 16, got 12"]),
    ("width no number", "train", TRAIN + " --student_dim=half", _nothing, ["student_dim", "half"]),
    ("recipe as wide as its teachers", "recipe", TRAIN + " --student_dim=16", _nothing, ["--student_dim must be", "got 16"]),
    ("recipe with too few layers", "recipe", TRAIN + " --student_layers=9", _nothing, ["tiny has 2 layers", "count of 9"]),
    ("convert random weights", "convert_checkpoint", "--from=tiny --to={out} --format=google", _nothing, ["random weights"]),
    ("convert to what stands", "convert_checkpoint", "--from={run} --to={tasks} --format=huggingface", _nothing, ["exists"]),
    ("convert to another format", "convert_checkpoint", "--from={run} --to={out} --format=onnx", _nothing, ["onnx", "keras_nlp"]),
    ("convert nothing", "convert_checkpoint", "--to={out} --format=google", _nothing, ["from", "must have a value"]),
    ("convert what is not there", "convert_checkpoint", "--from={tasks}/none --to={out} --format=google", _nothing,
     ["unknown backbone", "none"]),
    ("no files to encode", "encode", "--tasks=rte --data_dir={tasks} --cache_dir={out} --backbone=tiny",
     _nothing, ["no file of task rte"]),
    ("prepare for TFDS from TFDS", "encode", "--tasks=rte --data_source=tfds --data_dir={tasks} --prepare_tfds={out}",
     _nothing, ["--prepare_tfds", "--data_source=files", "got tfds"]),
    ("prepare no files", "encode", "--tasks=rte --data_dir={tasks} --prepare_tfds={out}", _nothing, ["no file of task rte"]),
    ("prepare what TFDS has not", "encode", "--task_file={tasks}/tasks.yaml --prepare_tfds={out}", _nothing,
     ["TensorFlow Datasets has none of mood, entailment, similarity"]),
    ("prepare a bad file", "encode", "--tasks=rte --data_dir={tasks} --prepare_tfds={out}",
     _append("RTE/dev.tsv", b"index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentails\n"), ["RTE/dev.tsv:2", "'entails'", "entailment"]),
    ("prepare into no folder", "encode", "--tasks=rte --data_dir={tasks} --prepare_tfds=", _nothing, ["--prepare_tfds=: must be a path, got nothing"]),
    ("prepare into a file", "encode", "--tasks=rte --data_dir={tasks} --prepare_tfds={tasks}/tasks.yaml",
     _append("RTE/dev.tsv", b"index\tsentence1\tsentence2\tlabel\n0\ta\tb\tentailment\n"), ["tasks.yaml", "directory"]),
    ("TFDS not prepared", "train", TRAIN + " --tasks=rte --data_source=tfds", _nothing, ["glue/rte", "tfds build"]),
    ("no soft targets", "train", TRAIN + " --soft_targets={tasks}", _nothing, ["no soft targets"]),
    ("evaluate nothing", "evaluate", "--data_dir={tasks}", _nothing, ["one of --run and --runs"]),
    ("evaluate no run", "evaluate", "--run={tasks} --data_dir={tasks}", _nothing, ["no trained model here"]),
    ("texts in another order", "evaluate", "--run={run} --task_file={tasks}/tasks.yaml --cache_dir={cache}",
     _edit("tasks.yaml", "[premise, hypothesis]", "[hypothesis, premise]"), ["text [hypothesis, premise] instead of [premise, hypothesis]"]),
    ("texts in another order, scored", "score", "--teachers={run} --task_file={tasks}/tasks.yaml --output_dir={out} --cache_dir={cache}",
     _edit("tasks.yaml", "[premise, hypothesis]", "[hypothesis, premise]"), ["text [hypothesis, premise] instead of"]),
    ("one text of two, in an ensemble", "evaluate", "--runs={run},{run} --task_file={tasks}/tasks.yaml --cache_dir={cache}",
     _edit("tasks.yaml", "[first, second]", "[first]"), ["task similarity", "text [first] instead of [first, second]"]),
    ("two texts for one", "predict", "--run={run} --tasks=mood --task_file={tasks}/tasks.yaml --output={out}.tsv --cache_dir={cache}",
     _edit("tasks.yaml", "[sentence]", "[sentence, extra]"), ["text [sentence, extra] instead of [sentence]"]),
    ("another label column", "evaluate", "--run={run} --task_file={tasks}/tasks.yaml --cache_dir={cache}",
     _edit("tasks.yaml", "label: score", "label: rating"), ["task similarity", "label rating instead of score"]),
    ("unknown split", "evaluate", "--run={run} --split=dev --cache_dir={cache}", _nothing, ["dev", "validation"]),
    ("task that the run does not have", "evaluate", "--run={run} --tasks=mod", _nothing,
     ["unknown task of run", "'mod'", "did you mean 'mood'? Accepted: entailment, mood, similarity"]),
    ("built-in task that no head answers", "predict", "--run={run} --tasks=rte --output={out}", _nothing,
     ["unknown task of run", "'rte'", "Accepted: entailment, mood, similarity"]),
    ("task of the run twice", "score", "--teachers={run} --tasks=mood,mood --output_dir={out}", _nothing,
     ["--tasks must name each task once, got mood,mood"]),
    ("task that the task file lacks", "evaluate", "--run={run} --tasks=mood --task_file={tasks}/tasks.yaml",
     _edit("tasks.yaml", "  mood:", "  moods:"),
     ["tasks.yaml: task 'mood' of run", "--task_file must name a task file that declares it", "got tasks moods, entailment, similarity"]),
    ("data of a model folder", "evaluate", "--run={run}/model --cache_dir={cache}", _nothing,
     ["glue_data/mood_validation.tsv: no such file", "--data_dir must name its folder", "--task_file"]),
    ("data that is not in the data folder", "score", "--teachers={run} --data_dir={tasks}/none --output_dir={out} --cache_dir={cache}",
     _nothing, ["none/mood_train.tsv: no such file", "--data_dir must name its folder"]),
    ("data that is not where the task file says", "evaluate", "--run={run} --task_file={tasks}/tasks.yaml --cache_dir={cache}",
     _remove("mood_validation.tsv"), ["mood_validation.tsv: no such file", "--task_file must name a task file"]),
    ("sequences longer than the run's", "evaluate", "--run={run} --max_sequence_length=33 --cache_dir={cache}", _nothing,
     ["--max_sequence_length must be 8 to 32", "got 33"]),
    ("too many weights", "evaluate", "--runs={run},{run} --weights=1,2,3 --cache_dir={cache}", _nothing, ["got 3 weights for 2 teachers"]),
    ("weights no numbers", "evaluate", "--runs={run} --weights=a --cache_dir={cache}", _nothing, ["--weights must be comma-separated numbers, got a"]),
    ("unknown category column", "evaluate", "--run={run} --tasks=mood --task_file={tasks}/tasks.yaml --by_category=sentense "
     "--cache_dir={cache} --output={out}", _nothing, ["mood_validation.tsv:1", "unknown column 'sentense'", "'sentence'"]),
    ("no submission of GLUE's tasks", "predict",
     "--run={run} --tasks=mood --task_file={tasks}/tasks.yaml --glue_submission={out} --cache_dir={cache}",
     _nothing, ["must have all files, missing", "CoLA.tsv", "AX.tsv"]),
    ("majority of a score", "predict", "--run={run} --glue_majority=stsb --glue_submission={out} --cache_dir={cache}",
     _nothing, ["task stsb", "needs a classification task"]),
    ("a fold of none", "train", TRAIN + " --held_out_fold=0", _nothing, ["--folds and --held_out_fold must be given together"]),
    ("a fold beyond the last", "train", TRAIN + " --folds=2 --held_out_fold=2", _nothing, ["--held_out_fold must be an integer from 0 to 1, got 2"]),
    ("weights given and fitted", "score",
     "--teachers={run} --output_dir={out} --weights=1 --fit_weights_on=validation --cache_dir={cache}",
     _nothing, ["--fit_weights_on", "--weights", "give one"]),
    ("weights fitted on a split there is not", "score",
     "--teachers={run} --output_dir={out} --fit_weights_on=dev --cache_dir={cache}",
     _nothing, ["split of --fit_weights_on for task mood 'dev'", "test, validation"]),
    ("a part of a split that is not trained on", "score",
     "--teachers={run} --output_dir={out} --split=test --max_train_examples=3 --cache_dir={cache}",
     _nothing, ["need --split=train", "got test"]),
    ("one run left out of one", "evaluate", "--run={run} --leave_one_out --cache_dir={cache}", _nothing,
     ["--leave_one_out needs two or more different --runs", "one"]),
    ("no TPU", "train", TRAIN + " --strategy=tpu", _nothing, ["no TPU is found at --tpu=local", "grpc://HOST:PORT"]),
    ("address without --strategy=tpu", "train", TRAIN + " --tpu=grpc://h:1", _nothing, ["--tpu=grpc://h:1 needs --strategy=tpu, got --strategy=off"]),
    ("scoring at an address alone", "score", "--teachers={run} --output_dir={out} --tpu=a", _nothing, ["--tpu=a needs --strategy=tpu"]),
    ("several steps of an uncompiled step", "train", TRAIN + " --steps_per_execution=4", _nothing, ["--jit_compile"]),
    ("no teachers", "score", "--teachers= --output_dir={out}", _nothing, ["--teachers"]),
    ("a shard beyond the last", "score", "--teachers={run} --output_dir={out} --shard=4/4", _nothing, ["--shard must be I/N", "got '4/4'"]),
    ("a shard of words", "score", "--teachers={run} --output_dir={out} --shard=first", _nothing, ["--shard must be I/N", "got 'first'"]),
    ("a shard of no workers", "score", "--teachers={run} --output_dir={out} --shard=tf_config", _nothing, ["--shard=tf_config", "TF_CONFIG, which is not set"]),
    ("a shard and a merge", "score", "--teachers={run} --output_dir={out} --shard=0/2 --merge_shards=2", _nothing, ["--shard", "--merge_shards", "not be given together"]),
    ("a number of examples to label without a measure", "score", "--teachers={run} --output_dir={out} --top=5", _nothing, ["--top needs --rank_by"]),
    ("an unknown measure", "score", "--teachers={run} --output_dir={out} --rank_by=margin", _nothing, ["--rank_by", "margin", "variance"]),
    ("disagreement of one teacher", "score",
     "--teachers={run} --output_dir={out} --rank_by=disagreement --task_file={tasks}/tasks.yaml --tasks=mood --cache_dir={cache}",
     _nothing, ["--rank_by=disagreement needs two or more teachers, got 1", "use entropy"]),
    ("a merge of nothing", "score", "--teachers={run} --output_dir={out} --merge_shards=0", _nothing, ["--merge_shards", "0"]),
    ("a merge of shards there are not", "score",
     "--teachers={run} --output_dir={out} --merge_shards=2 --cache_dir={cache} --task_file={tasks}/tasks.yaml --tasks=mood",
     _nothing, ["mood-train: 2 of 2 shards are missing: 0/2, 1/2", "run mtdnn score --shard=0/2"]),
    ("nothing to evaluate", "evaluate", "--run={run} --task_file={tasks}/tasks.yaml --tasks=mood --cache_dir={cache}",
     _edit("tasks.yaml", "validation: mood_validation.tsv, ", ""), ["nothing to predict: no development split of mood", "--split"]),
    ("nothing to predict", "predict", "--run={run} --task_file={tasks}/tasks.yaml --tasks=mood --cache_dir={cache} --output={out}",
     _edit("tasks.yaml", "validation: mood_validation.tsv, ", ""), ["nothing to predict: no development split of mood", "--split"]),
    ("predict without output", "predict", "--run={run} --split=test", _nothing, ["--output"]),
    ("predict a split and a file", "predict", "--run={run} --split=test --input={tasks}/mood_test.tsv --output={out}.tsv", _nothing,
     ["at most one of --split, --input and --glue_submission"]),
    ("predict a file of one of several tasks", "predict", "--run={run} --input={tasks}/mood_test.tsv --output={out}.tsv", _nothing,
     ["--tasks must name the one task that --input is for, got mood, entailment, similarity"]),
    ("predict a file without the column", "predict",
     "--run={run} --tasks=mood --task_file={tasks}/tasks.yaml --input={tasks}/similarity_test.tsv --output={out}.tsv "
     "--cache_dir={cache}", _nothing, ["similarity_test.tsv", "sentence"]),
    ("one file for two tasks", "predict",
     "--run={run} --task_file={tasks}/tasks.yaml --split=test --output={out}.tsv --cache_dir={cache}",
     _nothing, ["must be a folder for 3 tasks and splits"]),
    ("output of unknown form", "predict",
     "--run={run} --tasks=mood --task_file={tasks}/tasks.yaml --split=test --output={out}.xlsx --cache_dir={cache}",
     _nothing, [".xlsx"]),
    ("version exists", "export", "--run={run} --export_dir={exported} --version=1", _nothing, ["version 1 exists"]),
    ("a version of 19 digits", "export", "--run={run} --export_dir={out} --version=1" + "0" * 18, _nothing, ["<= 9999", "got 1000"]),
    ("warm-up of too many rows", "export", "--run={run} --export_dir={out} --warmup_batch_sizes=1,65537", _nothing,
     ["--warmup_batch_sizes must be integers <= 65536, got 1,65537"]),
    ("version 0", "export", "--run={run} --export_dir={out} --version=0", _nothing, [">= 1", "got 0"]),
    ("export of an unknown task", "export", "--run={run} --export_dir={out} --tasks=mod", _nothing, ["unknown task of the export 'mod'", "did you mean 'mood'"]),
    ("export of a task twice", "export", "--run={run} --export_dir={out} --tasks=mood,mood", _nothing, ["--tasks must name each task once, got mood,mood"]),
    ("warm-up sizes that fall", "export", "--run={run} --export_dir={out} --warmup_batch_sizes=8,1", _nothing, ["rising order, got 8,1"]),
    ("warm-up sizes of words", "export", "--run={run} --export_dir={out} --warmup_batch_sizes=1,many", _nothing, ["--warmup_batch_sizes must be comma-separated integers, got 1,many"]),
    ("export of unknown weights", "export", "--run={run} --export_dir={out} --weights=int4", _nothing, ["weights", "float32|float16|int8"]),
    ("export of an unknown format", "export", "--run={run} --export_dir={out} --format=onx", _nothing, ["unknown --format of the export 'onx'", "did you mean 'onnx'"]),
    ("export of no format", "export", "--run={run} --export_dir={out} --format=", _nothing, ["--format must be one or more of saved_model, onnx, litert, got none"]),
    ("ONNX of float16", "export", "--run={run} --export_dir={out} --format=onnx --weights=float16", _nothing, ["--format=onnx needs --weights=float32 or int8, got float16"]),
    ("loss of float32", "export", "--run={run} --export_dir={out} --max_accuracy_loss=1", _nothing, ["--max_accuracy_loss needs --weights=int8 and --format=onnx or litert"]),
    ("loss below 0", "export", "--run={run} --export_dir={out} --format=onnx --weights=int8 --max_accuracy_loss=-1", _nothing, ["--max_accuracy_loss", "-1"]),
    ("export to nowhere", "export", "--run={run}", _nothing, ["--export_dir or --release must be given"]),
    ("release that exists", "export", "--run={run} --export_dir={out} --release={tasks}", _nothing, ["--release=", "must not exist"]),
    ("metrics without a release", "export", "--run={run} --export_dir={out} --release_metrics=x.json", _nothing, ["--release_metrics needs --release"]),
    ("metrics that are none", "export", "--run={run} --release={out} --release_metrics={tasks}/report.json", _append("report.json", b"{}"), ["report.json", "must be a recipe's report.json or results.json"]),
    ("metrics of another recipe", "export", "--run={run} --release={out} --release_metrics={tasks}/results.json", _append("results.json", b'{"models": [{"name": "m", "runs": [{"seed": 1, "metrics": {}}]}]}'), ["no model has the metrics of", "got m"]),
    ("release of no run", "export", "--run={tasks} --release={out}", _nothing, ["config.flags is missing", "a release needs a finished run"]),
    ("no release", "verify_release", "--release={tasks}", _nothing, ["SHA256SUMS: missing", "mtdnn export --release"]),
    ("model name of two words", "export", "--run={run} --export_dir={out} --model_name=a/b", _nothing, ["--model_name must be letters", "got 'a/b'"]),
    ("task named as a signature", "train", TRAIN, _edit("tasks.yaml", "  mood:", "  embed:"), ["task name 'embed'", "the encoder's vector", "rename"]),
    ("task named as another's signature", "train", TRAIN, _edit("tasks.yaml", "  similarity:", "  mood_classify:"),
     ["task name 'mood_classify'", "taken by the signature of task mood", "leave it out of --tasks"]),
    ("recipe of a task named as a signature", "recipe", TRAIN, _edit("tasks.yaml", "  mood:", "  tokens:"), ["task name 'tokens'", "token ids"]),
    ("plan of a task named as a signature", "recipe", TRAIN + " --dry_run", _edit("tasks.yaml", "  mood:", "  serving_default:"),
     ["task name 'serving_default'", "all tasks"]),
    ("plan of a task named as another's signature", "recipe", TRAIN + " --dry_run", _edit("tasks.yaml", "  similarity:", "  mood_classify:"),
     ["task name 'mood_classify'", "taken by the signature of task mood"]),
    ("adapt to a task named as a signature", "adapt", TRAIN + " --init_from={run} --tasks=embed --dry_run",
     _edit("tasks.yaml", "  mood:", "  embed:"), ["task name 'embed'", "rename"]),
    ("recipe of a task it does not train", "recipe", TRAIN + " --teacher_tasks=rte", _nothing, ["--teacher_tasks: rte"]),
    ("recipe with an impossible teacher", "recipe", TRAIN + " --dropouts=0.1,1.5", _nothing, ["--dropouts must be numbers >= 0 and < 1, got 0.1,1.5"]),
    ("recipe without teachers", "recipe", TRAIN + " --dropouts=", _nothing, ["--dropouts"]),
    ("cost without a student", "cost", "--runs={run}", _nothing, ["student", "must have a value"]),
    ("cost of no run", "cost", "--runs={run} --student={tasks} --output={out}", _nothing, ["no trained model here"]),
    ("cost of an unknown task", "cost", "--runs={run} --student={run} --task=mod --output={out}", _nothing,
     ["unknown task of all runs 'mod'", "did you mean 'mood'"]),
    ("cost of too long sequences", "cost", "--runs={run} --student={run} --length=65 --output={out}", _nothing,
     ["1 to 64", "got 65"]),
    ("cost of more memory than there is", "cost", "--runs={run} --student={run} --length=60 --batch_size=2147483647 --output={out}",
     _nothing, ["out of memory (Unable to allocate"]),
    ("cost of no batches", "cost", "--runs={run} --student={run} --batch_size=0,8 --output={out}", _nothing,
     ["--batch_size must be comma-separated integers >= 1, got 0,8"]),
    ("adapt to an unknown task", "adapt", TRAIN + " --init_from={run} --tasks=mod", _nothing, ["unknown task 'mod'", "did you mean 'mood'"]),
    ("adapt to several tasks", "adapt", TRAIN + " --init_from={run}", _nothing, ["--tasks must be one task, got 3: mood, entailment, similarity"]),
    ("adapt with a fraction out of range", "adapt", TRAIN + " --init_from={run} --tasks=mood --fractions=0.1,2", _nothing,
     ["--fractions must be numbers > 0 and <= 1, got 0.1,2.0"]),
    ("adapt with a fraction that is no number", "adapt", TRAIN + " --init_from={run} --tasks=mood --fractions=1%", _nothing,
     ["--fractions must be comma-separated numbers, got 1%"]),
    ("adapt from nothing", "adapt", TRAIN + " --tasks=mood", _nothing, ["by one of --init_from and --starts"]),
    ("adapt from what is no run", "adapt", TRAIN + " --tasks=mood --max_sequence_length=32 --starts=a:{run},b:{tasks}/none", _nothing,
     ["unknown backbone", "none"]),
    ("adapt from a run without a name", "adapt", TRAIN + " --tasks=mood --starts={run}", _nothing, ["--starts must be comma-separated NAME:RUN"]),
    ("adapt from one name twice", "adapt", TRAIN + " --tasks=mood --init_from={run},{run}", _nothing, ["different names, got one,one"]),
    ("adapt with a share by the other flag", "adapt", TRAIN + " --tasks=mood --init_from={run} --train_fraction=0.1", _nothing,
     ["--train_fraction is not accepted", "--fractions"]),
    ("serve no folder", "serve", "--model={out}", _nothing, ["--model: ", "no such folder"]),
    ("serve a run", "serve", "--model={run}", _nothing, ["--model: ", "must have a version", "saved_model.pb"]),
    ("serve nothing", "serve", "--model=", _nothing, ["--model", "must have a value"]),
    ("serve two models of one name", "serve", "--model=a:{tasks},a:{run}", _nothing, ["duplicate name 'a'", "NAME:DIR"]),
    ("serve without threads", "serve", "--model={tasks} --num_batch_threads=0", _nothing, ["--num_batch_threads must be an integer >= 1", "got 0"]),
    ("serve on no port", "serve", "--model={tasks} --port=65536", _nothing, ["--port", "65536"]),
    ("serve with keys that are no text", "serve", "--model={run} --api_keys_file={tasks}/keys", _append("keys", b"\xff"),
     ["keys: not UTF-8 at byte 0"]),
    ("query with no time", "query", "--model=m --text_a=a --timeout=nan", _nothing, ["--timeout=nan", "nan is not a number in the range"]),
    ("query with a key that is no text", "query", "--model=m --text_a=a --api_key_file={tasks}/key", _append("key", b"\xff"),
     ["key: not UTF-8 at byte 0"]),
    ("query with a key that no header has", "query", "--model=m --text_a=a --api_key_file={tasks}/key", _append("key", b"a b"),
     ["key: must hold one key of ASCII characters without spaces"]),
    ("query without texts", "query", "--model=m", _nothing, ["one of --text_a and --input"]),
    ("query a file and a text", "query", "--model=m --text_a=a --input={tasks}/mood_test.tsv", _nothing, ["exactly one"]),
    ("query without a model", "query", "--text_a=a", _nothing, ["--model", "must have a value"]),
    ("query with no address", "query", "--model=m --text_a=a --server=localhost:8501", _nothing, ["--server must be http://", "localhost:8501"]),
    ("query a server that is not there", "query", "--model=m --text_a=a --server=grpc://127.0.0.1:1 --retries=0", _nothing,
     ["grpc://127.0.0.1:1", "no answer after 1 attempt"]),
    ("query a file of other columns", "query", "--model=m --input={tasks}/mood_test.tsv", _nothing,
     ["mood_test.tsv:1", "unknown column 'text_a'"]),
    ("query into a file of another kind", "query", "--model=m --text_a=a --output={out}.tsv", _nothing, ["--output must be a .jsonl file"]),
    ("verify what is not there", "verify", "--folder={tasks}/none", _nothing, ["none", "must be a folder"]),
    ("verify files without checksums", "verify", "--folder={tasks}", _nothing, ["nothing to verify", "has a checksum"]),
    ("verify nothing", "verify", "", _nothing, ["folder", "must have a value"]),
    ("answers of no model", "demo_answers", "--model={tasks}", _nothing, ["--model must be a folder with saved_model.pb"]),
    ("demo of no rows", "demo_corpus", "--output_dir={out} --train_examples=0", _nothing, ["0"]),
]  # fmt: skip


def _check(result: Result, words: list[str]) -> None:
    assert result.status != 0, result
    assert "Traceback" not in result.stderr
    errors = [line for line in result.stderr.splitlines() if not line[:1].isdigit()]  # Events begin with the time.
    assert len(errors) == 1, result.stderr
    assert errors[0].startswith("error: ")
    for word in words:
        assert word in errors[0], errors[0]


def _unfinished(folder: Path) -> list[Path]:
    """Returns files under temporary names."""
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


@pytest.mark.parametrize(("name", "binary", "flags", "change", "words"), CASES, ids=[case[0] for case in CASES])
def test_one_line_and_nothing_half_written(
    binaries: Binaries, trained: Trained, tmp_path: Path, name: str, binary: str, flags: str, change: Change,
    words: list[str],
) -> None:  # fmt: skip
    write_tasks(tmp_path / "tasks")
    (tmp_path / "exported" / "1").mkdir(parents=True)
    change(tmp_path / "tasks")
    places = {key: tmp_path / key for key in ("tasks", "out", "cache", "exported")}
    result = binaries.run(binary, *flags.format(run=trained.runs[0], **places).split())
    _check(result, words)
    assert not _unfinished(tmp_path)
    assert not (tmp_path / "out").exists()


def _train(binaries: Binaries, trained: Trained, out: Path, *flags: str) -> Result:
    shared = ("--backbone=tiny", "--epochs=1", "--batch_size=8", "--evaluation=never", "--max_sequence_length=32")
    return binaries.run("train", f"--output_dir={out}", *shared, *flags)


@pytest.mark.parametrize("file", ["token_ids.npy", "labels.npy", "example_ids.txt", "manifest.json"])
def test_a_damaged_cache_is_refused_with_the_remedy(binaries, trained: Trained, tmp_path, file):
    flags = (f"--task_file={write_tasks(tmp_path / 'tasks')}", f"--cache_dir={tmp_path / 'cache'}")
    assert binaries.run("encode", *flags, "--backbone=tiny", "--max_sequence_length=32").status == 0
    path = next((tmp_path / "cache" / "mood").glob("train-*")) / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    _check(_train(binaries, trained, tmp_path / "out", *flags), [file, "damaged", "delete"])
    assert not (tmp_path / "out").exists()


def test_soft_targets_of_another_data_set_are_refused(binaries, trained: Trained, tmp_path):
    task_file = write_tasks(tmp_path / "tasks")
    flags = (f"--cache_dir={tmp_path / 'cache'}", "--tasks=mood")
    scored = binaries.run(
        "score",
        *flags,
        f"--task_file={task_file}",
        f"--teachers={trained.runs[0]}",
        f"--output_dir={tmp_path / 'soft'}",
    )
    assert scored.status == 0, scored.stderr
    path = tmp_path / "tasks" / "mood_train.tsv"
    path.write_text(path.read_text().replace("cat", "dog", 1))
    student = (*flags, f"--task_file={task_file}", f"--soft_targets={tmp_path / 'soft'}")
    _check(_train(binaries, trained, tmp_path / "out", *student), ["another data set", "data_fingerprint"])
    task_file.write_text(task_file.read_text().replace("[bad, good]", "[good, bad]"))
    _check(_train(binaries, trained, tmp_path / "out", *student), ["label_names", "['bad', 'good']"])
    assert not (tmp_path / "out").exists()


def test_a_damaged_model_and_other_settings_are_refused(binaries, trained: Trained, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(trained.runs[0], copy)
    flags = (f"--flagfile={copy / 'config.flags'}", f"--output_dir={copy}", "--learning_rate=0.02")
    _check(binaries.run("train", *flags), ["learning_rate: 0.01 before, 0.02 now"])
    path = copy / "model" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    for binary, more in (("evaluate", trained.flags), ("export", (f"--export_dir={tmp_path / 'export'}",))):
        _check(binaries.run(binary, f"--run={copy}", *more), ["weights.safetensors", "damaged"])
    assert not (tmp_path / "export").exists()


def test_the_command_itself_exits_with_1_and_one_line():
    command = [sys.executable, "-m", "tools.train", "--tasks=mrcp", "--output_dir=unused"]
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("error: unknown task 'mrcp'; did you mean 'mrpc'?")
    assert result.stderr.count("\n") == 1
