"""A whole submission, from official training and test files to the zip, checked by GLUE's documentation alone."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mtdnn_tf.manifests import write_manifest
from tests.evaluation.glue_format import (
    SUBMISSION,
    TEST_FILES,
    TRAIN_FILES,
    check_labels,
    check_submission,
    write_test_file,
    write_train_file,
)
from tests.helpers import VOCABULARY, write_huggingface_folder
from tests.tools.binaries import Binaries

_TASKS = "cola,sst2,mrpc,stsb,qqp,mnli,qnli,rte,wnli,ax"
# A word in the text decides the label: the n-th of these words is the n-th spelling that GLUE has for the task.
_MARKERS = ("red", "blue", "big")
_FILLERS = ("the", "a", "cat", "dog", "house")
# Scores beyond GLUE's range, so that those that are predicted want clipping.
_TRAINED_SCORES, _RIGHT_SCORES = ("-3", "2.5", "8"), ("0.000", "2.5", "5.000")


class Made(NamedTuple):
    """A made-up GLUE folder, a run trained on it, and the right answers to its test files."""

    glue: Path
    run: Path
    cache: Path
    right: dict[str, list[str]]


@pytest.fixture(scope="module")
def binaries() -> Iterator[Binaries]:
    server = Binaries()
    yield server
    server.close()


def _marked(file: str, rows: int, seed: int) -> tuple[list[list[str]], list[int]]:
    """Returns texts, or pairs, and the number of the marker in each."""
    generator = random.Random(f"{file} {seed}")
    markers = [number % (len(SUBMISSION[file]) or 3) for number in range(rows)]
    generator.shuffle(markers)
    texts = []
    for marker in markers:
        row = [" ".join(generator.choices(_FILLERS, k=generator.randint(1, 2))) for _ in TEST_FILES[file].texts]
        row[-1] = f"{row[-1]} {_MARKERS[marker]}"
        texts.append(row)
    return texts, markers


def _write_encoder(folder: Path) -> None:
    """Writes a small encoder that attends to all words alike, and in which [CLS] tells the markers apart at once."""
    write_huggingface_folder(folder)
    weights = load_file(folder / "model.safetensors")
    for name, array in weights.items():
        if "LayerNorm" not in name:
            array *= 0.01
        elif name.endswith("weight"):
            array[:] = 1.0
        if ".value.weight" in name or "attention.output.dense.weight" in name:
            array += 2 * np.eye(len(array), dtype=array.dtype)
    for direction, word in enumerate(_MARKERS):
        weights["embeddings.word_embeddings.weight"][VOCABULARY.index(word), direction] += 1.0
    save_file(weights, folder / "model.safetensors")


@pytest.fixture(scope="module")
def made(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("glue")
    glue, right = folder / "glue", {}
    for file in TRAIN_FILES:
        # Telling three markers apart takes longer than telling two.
        texts, markers = _marked(file, 32 if len(SUBMISSION[file]) == 2 else 192, seed=0)
        spellings = SUBMISSION[file] or _TRAINED_SCORES
        write_train_file(glue, file, texts, [spellings[marker] for marker in markers])
    for number, file in enumerate(SUBMISSION):
        texts, markers = _marked(file, 11 + number, seed=1)
        write_test_file(glue, file, texts)
        right[file] = [(SUBMISSION[file] or _RIGHT_SCORES)[marker] for marker in markers]
    _write_encoder(folder / "bert")
    result = binaries.run(
        "train",
        f"--tasks={_TASKS}",
        f"--data_dir={glue}",
        f"--cache_dir={folder / 'cache'}",
        f"--backbone={folder / 'bert'}",
        f"--output_dir={folder / 'run'}",
        *("--max_sequence_length=64", "--epochs=6", "--batch_size=16", "--learning_rate=0.05", "--dropout=0"),
        "--evaluation=never",
    )
    assert result.status == 0, result.stderr
    return Made(glue, folder / "run", folder / "cache", right)


def _submit(binaries: Binaries, made: Made, run: Path, glue: Path, path: Path, *more: str) -> None:
    flags = (f"--run={run}", f"--data_dir={glue}", f"--cache_dir={made.cache}", f"--glue_submission={path}")
    result = binaries.run("predict", *flags, *more)
    assert result.status == 0, result.stderr


@pytest.fixture(scope="module")
def submission(binaries: Binaries, made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("submission") / "glue.zip"
    _submit(binaries, made, made.run, made.glue, path)
    return path


def _rows(made: Made) -> dict[str, int]:
    return {file: len(labels) for file, labels in made.right.items()}


def test_a_submission_is_as_glue_takes_it_and_says_what_is_right(made: Made, submission: Path):
    predicted = check_submission(submission, _rows(made))
    for file, labels in made.right.items():
        check_labels(file, predicted[file], labels)
        assert set(predicted[file]) == set(SUBMISSION[file]) or file == "STS-B.tsv"
    # The model predicts beyond the range that it was trained on beyond.
    assert {"0.000", "5.000"} < set(predicted["STS-B.tsv"])


@pytest.fixture(scope="module")
def swapped(binaries: Binaries, made: Made, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Returns what is submitted by the same weights with the labels of every task declared in the other order."""
    folder = tmp_path_factory.mktemp("swapped")
    shutil.copytree(made.run, folder / "run")
    path = folder / "run" / "model" / "model.json"
    description = json.loads(path.read_text())
    for task in description["tasks"]:
        for field in ("labels", "file_labels", "submission_labels"):
            task[field].reverse()
    path.write_text(json.dumps(description))
    (path.parent / "manifest.json").unlink()
    write_manifest(path.parent, {"what": "model"})
    _submit(binaries, made, folder / "run", made.glue, folder / "glue.zip")
    return check_submission(folder / "glue.zip", _rows(made))


@pytest.mark.parametrize("file", [file for file, labels in SUBMISSION.items() if labels])
def test_another_order_of_labels_is_found(made: Made, swapped: dict[str, list[str]], file: str):
    with pytest.raises(AssertionError, match=f"{file}: row"):
        check_labels(file, swapped[file], made.right[file])


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("CoLA.tsv", "index\tprediction", "id\tlabel"),
        ("CoLA.tsv", "\n3\t", "\n4\t"),
        ("SST-2.tsv", "\n0\t", "\n0\t "),
        ("RTE.tsv", "entailment", "entails"),
        ("WNLI.tsv", "\t1\n", "\tentailment\n"),
        ("AX.tsv", "contradiction", "not_entailment"),
        ("STS-B.tsv", "5.000", "5.001"),
        ("STS-B.tsv", "5.000", "-0.001"),
        ("STS-B.tsv", "5.000", "nan"),
        ("QNLI.tsv", "\n0\t", "\n"),
        ("RTE.tsv", "\n", "\n0\tentailment\n"),
        ("QQP.tsv", "\n0\t", ",0\t"),
        ("MRPC.tsv", "", ""),
    ],
)
def test_the_checker_finds_what_glue_would_not_take(made: Made, submission: Path, tmp_path, file, old, new):
    with zipfile.ZipFile(submission) as archive:
        contents = {name: archive.read(name).decode() for name in archive.namelist()}
    if old:
        assert old in contents[file]
        contents[file] = contents[file].replace(old, new, 1)
    else:
        contents[f"glue/{file}"] = contents.pop(file)
    with zipfile.ZipFile(tmp_path / "glue.zip", "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    with pytest.raises(AssertionError, match=file):
        check_submission(tmp_path / "glue.zip", _rows(made))


# Of each test file: the file of the development data, and its columns where it has no header.
_DEVELOPMENT = {
    **{file: layout.path.replace("test", "dev") for file, layout in TEST_FILES.items()},
    "STS-B.tsv": "STS-B/test.tsv",
    "AX.tsv": "AX/ax_b.tsv",
}


def _write_tests_of_development_files(source: Path, glue: Path) -> dict[str, int]:
    """Writes test files of the texts of development files; returns their numbers of rows."""
    rows = {}
    for file, name in _DEVELOPMENT.items():
        columns = ("source", "label", "star", "sentence") if file == "CoLA.tsv" else None
        with (source / name).open(encoding="utf-8", newline="\n") as opened:
            table = list(csv.DictReader(opened, columns, delimiter="\t", quoting=csv.QUOTE_NONE))
        write_test_file(glue, file, [[row[column] for column in TEST_FILES[file].texts] for row in table])
        rows[file] = len(table)
    return rows


@pytest.mark.real_data
def test_a_submission_of_real_texts(binaries: Binaries, made: Made, tmp_path, capsys):
    source = Path(os.environ["MTDNN_TF_GLUE_DIR"])
    rows = _write_tests_of_development_files(source, tmp_path / "glue")
    shutil.copy(source / "WNLI" / "train.tsv", tmp_path / "glue" / "WNLI")
    started = time.monotonic()
    _submit(binaries, made, made.run, tmp_path / "glue", tmp_path / "glue.zip", "--glue_majority=wnli")
    seconds = time.monotonic() - started
    predicted = check_submission(tmp_path / "glue.zip", rows)
    assert set(predicted["WNLI.tsv"]) == {"0"}
    with capsys.disabled():
        print(f"\nsubmission of {sum(map(len, predicted.values()))} rows in {len(predicted)} files: {seconds:.0f} s")
