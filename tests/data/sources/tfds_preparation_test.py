from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from mtdnn_tf.data.encoded_split import EncodedSplit
from mtdnn_tf.data.encoding import EncodedData
from mtdnn_tf.data.sources import tfds_preparation
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.sources.tfds_preparation import prepare_tfds
from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.registry import get_task, task_names
from mtdnn_tf.tasks.task import Task
from tests.data.official_files import ROWS, Splits, write_glue, write_nli, write_superglue
from tests.data.word_pieces_test import encoder_vocabulary
from tests.helpers import VOCABULARY

# The data set of `ax_b` is that of `axb`, whose official file is the one that is written here.
_TASKS = [task for task in map(get_task, task_names()) if task.tfds and task.name != "ax_b"]
_IDS = [task.name for task in _TASKS]

_TOKENIZER = WordPieceTokenizer(VOCABULARY, lowercase=True)

# A process that knows TensorFlow Datasets alone prints label names and rows of every data set.
_PLAIN_READER = """
import json, sys
import tensorflow_datasets as tfds
found = {}
for name, texts, gold, number in json.loads(sys.argv[2]):
    splits, info = tfds.load(name, data_dir=sys.argv[1], download=False, with_info=True, shuffle_files=True)
    rows = {
        split: [
            [
                "" if number is None else row[number].decode() if number == "uid" else row[number].item(),
                [row[text].decode() for text in texts],
                row[gold].item(),
            ]
            for row in dataset.as_numpy_iterator()
        ]
        for split, dataset in splits.items()
    }
    counts = {split: info.splits[split].num_examples for split in splits}
    found[name] = [list(getattr(info.features[gold], "names", [])), rows, counts, sorted(info.features)]
assert not any(module.startswith("mtdnn_tf") for module in sys.modules)
print(json.dumps(found))
"""


class Prepared(NamedTuple):
    """Files, the folder prepared from them, the rows that were written, and what a plain process reads back."""

    files: Path
    tfds: Path
    written: dict[str, Splits]
    read: dict[str, list]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder = tmp_path_factory.mktemp("prepared")
    written = {
        name: splits
        for write in (write_glue, write_superglue, write_nli)
        for name, splits in write(folder / "files").items()
    }
    questions = []
    for task in _TASKS:
        assert task.tfds
        prepare_tfds(task, folder / "files", folder / "tfds")
        questions.append([task.tfds.name, task.tfds.text, task.tfds.label, task.tfds.id])
    command = [sys.executable, "-c", _PLAIN_READER, str(folder / "tfds"), json.dumps(questions)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return Prepared(folder / "files", folder / "tfds", written, json.loads(result.stdout))


def _tfds_name(task: Task) -> str:
    assert task.tfds
    return task.tfds.name


@pytest.mark.parametrize("task", _TASKS, ids=_IDS)
def test_plain_tfds_reads_the_rows_of_the_files(prepared: Prepared, task: Task):
    names, splits, counts, _ = prepared.read[_tfds_name(task)]
    written = prepared.written[_tfds_name(task)]
    assert set(splits) == set(written)
    for split, rows in splits.items():
        expected = []
        for number, texts, gold in written[split]:
            index = -1.0 if gold is None else float(names.index(gold) if names else np.float32(gold))
            expected.append([number if task.tfds and task.tfds.id else "", list(texts), index])
        assert rows == expected
        assert counts[split] == len(expected)


@pytest.mark.parametrize("task", _TASKS, ids=_IDS)
def test_tfdss_own_builder_makes_the_same_rows_of_the_same_files(prepared: Prepared, task: Task, tmp_path: Path):
    import tensorflow_datasets as tfds

    if task.name in ("mrpc", "snli"):
        pytest.skip("TensorFlow Datasets makes it from other files")
    builder = tfds.builder(_tfds_name(task), data_dir=str(tmp_path))
    names, splits, _, features = prepared.read[_tfds_name(task)]
    assert features == sorted(builder.info.features)
    assert names == list(getattr(builder.info.features["label"], "names", []))
    assert task.tfds
    for split, rows in splits.items():
        path = str(prepared.files / task.files[split].path)
        if task.tfds.name.split("/")[0] in ("glue", "super_glue"):
            examples = builder._generate_examples(
                data_file=path, split=split.split("_")[0].replace("validation", "dev")
            )
        else:
            examples = builder._generate_examples(path)
        made = []
        for _, row in examples:
            gold = float(names.index(row["label"]) if row["label"] in names else row["label"])
            number = row[task.tfds.id] if task.tfds.id else ""
            made.append([number, [row[text] for text in task.tfds.text], float(np.float32(gold))])
        assert rows == made


def _sorted_rows(encoded: EncodedSplit) -> list[tuple[str, bytes, int, float]]:
    """Returns each row's id, bytes of token ids, first segment's length and label, sorted by id."""
    assert encoded.token_ids.dtype == np.int32
    bounds = list(zip(encoded.offsets[:-1], encoded.offsets[1:]))
    tokens = [encoded.token_ids[start:end].tobytes() for start, end in bounds]
    labels = [label.tobytes() for label in encoded.labels]
    return sorted(zip(encoded.example_ids, tokens, map(int, encoded.first_segment_lengths), labels))


def _assert_both_sources_are_equal(
    task: Task, files: Path, tfds_dir: Path, tokenizer: WordPieceTokenizer, cache: Path
) -> int:
    sources = DataSource("files", files), DataSource("tfds", tfds_dir)
    splits = sources[0].splits(task)
    assert sources[1].splits(task) == splits
    rows = 0
    for split in splits:
        examples = [
            [example._replace(label=example.label and float(np.float32(example.label))) for example in examples]
            for examples in (source.read(task, split) for source in sources)
        ]
        assert examples[0] == examples[1]
        encoded = [EncodedData(source, tokenizer, 32, cache).split(task, split) for source in sources]
        assert encoded[0].manifest["key"] != encoded[1].manifest["key"]
        assert encoded[0].data_fingerprint == encoded[1].data_fingerprint
        assert _sorted_rows(encoded[0]) == _sorted_rows(encoded[1])
        rows += len(encoded[0])
    return rows


@pytest.mark.parametrize("task", _TASKS, ids=_IDS)
def test_encoded_arrays_are_identical_from_files_and_from_tfds(prepared: Prepared, task: Task, tmp_path: Path):
    rows = _assert_both_sources_are_equal(task, prepared.files, prepared.tfds, _TOKENIZER, tmp_path)
    golds = [row.gold for split in prepared.written[_tfds_name(task)].values() for row in split]
    assert rows == (sum(gold is not None for gold in golds) if task.skip_labels else len(golds))


def test_rows_without_an_agreed_label_are_kept_in_tfds_and_skipped_by_both_readers(
    prepared: Prepared, caplog: pytest.LogCaptureFixture
):
    _, splits, _, _ = prepared.read["snli"]
    assert [gold for _, _, gold in splits["train"]].count(-1) == 2
    task = get_task("snli")
    file = prepared.files / task.files["train"].path
    caplog.set_level("INFO", logger="absl")
    for kind, folder, place in (("files", prepared.files, str(file)), ("tfds", prepared.tfds, "snli, split train")):
        caplog.clear()
        examples = DataSource(kind, folder).read(task, "train")
        assert len(examples) == ROWS - 2
        assert caplog.messages.count(f"{place}: skipped 2 row(s) without an agreed label") == 1
        # By name, in the order of the file.
        golds = [row.gold for row in prepared.written["snli"]["train"] if row.gold is not None]
        assert [task.labels[example.label or 0] for example in examples] == golds


def test_only_splits_with_a_file_are_prepared(prepared: Prepared, tmp_path: Path):
    shutil.copytree(prepared.files / "RTE", tmp_path / "RTE")
    (tmp_path / "RTE" / "test.tsv").unlink()
    folder = prepare_tfds(get_task("rte"), tmp_path, tmp_path / "tfds")
    assert folder == tmp_path / "tfds" / "glue" / "rte" / "2.0.0"
    assert DataSource("tfds", tmp_path / "tfds").splits(get_task("rte")) == ["train", "validation"]


def test_many_rows_stand_in_several_files(prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tfds_preparation, "_ROWS_PER_SHARD", 5)
    folder = prepare_tfds(get_task("qqp"), prepared.files, tmp_path / "tfds")
    assert len(list(folder.glob("glue-test.tfrecord*"))) == -(-ROWS // 5)
    for split in ("train", "test"):
        whole = DataSource("tfds", prepared.tfds).read(get_task("qqp"), split)
        assert whole == DataSource("tfds", tmp_path / "tfds").read(get_task("qqp"), split)


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_data_may_be_prepared_again_and_other_data_not(
    prepared: Prepared, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("INFO", logger="absl")
    task, target = get_task("wnli"), tmp_path / "tfds"
    shutil.copytree(prepared.files / "WNLI", tmp_path / "WNLI")
    folder = prepare_tfds(task, tmp_path, target)
    counts = "12 rows of train, 12 rows of validation, 12 rows of test"
    assert f"prepared glue/wnli/2.0.0 in {folder}: {counts}" in caplog.text
    before, times = _bytes(folder), [path.stat().st_mtime_ns for path in sorted(folder.iterdir())]
    assert prepare_tfds(task, tmp_path, target) == folder
    assert f"found glue/wnli/2.0.0 prepared in {folder}" in caplog.text
    assert [path.stat().st_mtime_ns for path in sorted(folder.iterdir())] == times

    refusal = f"{folder}: other data are prepared there; delete it to prepare those of {tmp_path}, or give another"
    file = tmp_path / "WNLI" / "dev.tsv"
    file.write_bytes(file.read_bytes().replace(b"\t1\n", b"\t0\n", 1))
    with pytest.raises(UserError) as caught:
        prepare_tfds(task, tmp_path, target)
    assert str(caught.value) == f"{refusal} folder"
    assert _bytes(folder) == before

    shard = next(folder.glob("*train.tfrecord*"))
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(UserError) as caught:
        prepare_tfds(task, prepared.files, target)
    assert str(caught.value).startswith(f"{folder}: other data are prepared there; delete it")


def test_nothing_stands_after_an_error(prepared: Prepared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(prepared.files / "RTE", tmp_path / "RTE")
    with (tmp_path / "RTE" / "test.tsv").open("ab") as file:
        file.write(b"one cell\n")
    with pytest.raises(UserError, match=r"RTE/test.tsv:14: row has 1 column\(s\), the file has 3"):
        prepare_tfds(get_task("rte"), tmp_path, tmp_path / "tfds")
    with pytest.raises(UserError, match="no file of task cola here"):
        prepare_tfds(get_task("cola"), tmp_path, tmp_path / "tfds")
    (tmp_path / "RTE" / "test.tsv").write_bytes(b"index\tsentence1\tsentence2\n")
    with pytest.raises(UserError, match=r"RTE/test\.tsv: no example of task rte"):
        prepare_tfds(get_task("rte"), tmp_path, tmp_path / "tfds")
    assert not (tmp_path / "tfds").exists()


@pytest.mark.parametrize("limit", [1000, 50_000])
def test_nothing_stands_after_a_write_that_fails(tmp_path: Path, limit: int):
    (tmp_path / "RTE").mkdir()
    rows = "".join(f"{number}\t{'long ' * 1000}\tshort\n" for number in range(40))
    (tmp_path / "RTE" / "test.tsv").write_text("index\tsentence1\tsentence2\n" + rows)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Of either size, first what describes the data or first the rows is too large.
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises((OSError, UserError)) as caught:
            prepare_tfds(get_task("rte"), tmp_path, tmp_path / "tfds")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    message = str(caught.value)
    assert "2.0.0" in message
    assert "\n" not in message
    assert [path for path in (tmp_path / "tfds").rglob("*") if not path.is_dir()] == []
    prepare_tfds(get_task("rte"), tmp_path, tmp_path / "tfds")
    assert len(DataSource("tfds", tmp_path / "tfds").read(get_task("rte"), "test")) == 40


@pytest.mark.real_data
def test_glues_own_files_are_the_same_from_both_sources(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    glue = os.environ.get("MTDNN_TF_GLUE_DIR")
    if not glue:
        pytest.skip("MTDNN_TF_GLUE_DIR is not set")
    tokenizer = WordPieceTokenizer(encoder_vocabulary(), lowercase=True)
    rows = {}
    for name in ("rte", "wnli", "stsb", "cola", "mnli"):
        task = get_task(name)
        prepare_tfds(task, Path(glue), tmp_path / "tfds")
        rows[name] = _assert_both_sources_are_equal(task, Path(glue), tmp_path / "tfds", tokenizer, tmp_path / "cache")
    assert sum(rows.values()) > 10_000
    with capsys.disabled():
        print(f"\nidentical from files and from tfds: {rows}")
