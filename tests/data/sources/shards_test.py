from __future__ import annotations

import dataclasses
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from mtdnn_tf.data.sources.example import Example
from mtdnn_tf.data.sources.files_source import file_fingerprint, file_splits, read_file_examples
from mtdnn_tf.data.sources.shards import find_shards
from mtdnn_tf.data.sources.source import FILES, DataSource
from mtdnn_tf.errors import UserError
from mtdnn_tf.tasks.task import SplitFile, Task
from tests.data.sources.columnar_files import CLASSES, write_parquet, write_saved_dataset, write_saved_dict

_ROWS = pd.DataFrame(
    {"text": [f'text "{number}"' for number in range(7)], "label": ["buy", "greet", "buy"] * 2 + ["buy"]}
)
_PARTS = {"part-0": _ROWS[:3], "part-1": _ROWS[3:4], "part-10": _ROWS[4:5], "part-2": _ROWS[5:]}
_WRITERS: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    ".tsv": lambda rows, path: path.write_text(_tsv(rows)),
    ".tsv.gz": lambda rows, path: path.write_bytes(gzip.compress(_tsv(rows).encode())),
    ".csv": lambda rows, path: rows.to_csv(path, index=False),
    ".csv.gz": lambda rows, path: rows.to_csv(path, index=False, compression="gzip"),
    ".jsonl": lambda rows, path: rows.to_json(path, orient="records", lines=True),
    ".jsonl.gz": lambda rows, path: rows.to_json(path, orient="records", lines=True, compression="gzip"),
    ".parquet": lambda rows, path: rows.to_parquet(path, engine="pyarrow"),
}


def _tsv(rows: pd.DataFrame) -> str:
    return "text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows.itertuples(index=False))


def _task(path: str, row_id: str = "row", split: str = "train") -> Task:
    files = {split: SplitFile(path)}
    return Task("intent", "classification", ("text",), ("greet", "buy"), ("accuracy",), files=files, id=row_id)


def _write_parts(folder: Path, ending: str = ".tsv") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in _PARTS.items():
        _WRITERS[ending](rows.reset_index(drop=True), folder / f"{name}{ending}")


def _message(path: Path, split: str = "train") -> str:
    with pytest.raises(UserError) as caught:
        read_file_examples(_task(str(path), split=split), split, path.parent)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture(name="expected")
def _expected(tmp_path: Path) -> list[Example]:
    """Returns the examples of the plain TSV file with all rows."""
    (tmp_path / "all.tsv").write_text(_tsv(_ROWS))
    return read_file_examples(_task("all.tsv"), "train", tmp_path)


def _without_ids(examples: list[Example]) -> list[tuple[object, ...]]:
    return [example[1:] for example in examples]


@pytest.mark.parametrize("ending", _WRITERS)
def test_shards_have_the_examples_of_the_plain_file(tmp_path: Path, expected: list[Example], ending: str):
    _WRITERS[ending](_ROWS, tmp_path / f"one{ending}")
    assert read_file_examples(_task(f"one{ending}"), "train", tmp_path) == expected
    _write_parts(tmp_path / "shards", ending)
    for hidden in (".crc", "_SUCCESS"):
        (tmp_path / "shards" / hidden).write_text("x")
    ids = [f"{name}{ending}:{row}" for name, rows in _PARTS.items() for row in range(len(rows))]
    for path in ("shards", f"shards/part-*{ending}", "shards/part-*", "shards/[p]art-*"):
        examples = read_file_examples(_task(path), "train", tmp_path)
        assert _without_ids(examples) == _without_ids(expected)
        assert [example.example_id for example in examples] == ids
        assert file_splits(_task(path), tmp_path) == ["train"]
    # Ids that are hashes of the texts are those of the whole file.
    hashed = [read_file_examples(_task(path, "hash"), "train", tmp_path) for path in ("shards", "all.tsv")]
    assert hashed[0] == hashed[1]


def test_names_are_relative_to_the_folder_without_a_wildcard(tmp_path: Path):
    for day in ("1", "2"):
        _write_parts(tmp_path / "data[x]" / f"day-{day}")
    examples = DataSource(FILES, tmp_path).read(_task(str(tmp_path / "data[x]" / "day-*" / "part-1.tsv")), "train")
    assert [example.example_id for example in examples] == ["day-1/part-1.tsv:0", "day-2/part-1.tsv:0"]
    assert len(find_shards(tmp_path / "**" / "part-?.tsv", "train")) == 6


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path, expected: list[Example]):
    (tmp_path / "a[1].tsv").write_text(_tsv(_ROWS))
    assert read_file_examples(_task("a[1].tsv"), "train", tmp_path) == expected


@pytest.mark.parametrize("parts", [1, 3])
def test_a_saved_data_set_has_the_examples_of_the_plain_file(tmp_path: Path, expected: list[Example], parts: int):
    columns = {"text": list(_ROWS["text"]), "label": [CLASSES["names"].index(name) for name in _ROWS["label"]]}
    cuts = [round(len(_ROWS) * part / parts) for part in range(parts + 1)]
    slices = [{name: values[a:b] for name, values in columns.items()} for a, b in zip(cuts, cuts[1:])]
    write_saved_dataset(tmp_path / "saved", slices, {"text": {}, "label": CLASSES})
    assert read_file_examples(_task("saved"), "train", tmp_path) == expected
    write_saved_dict(tmp_path / "dict", {"train": columns, "test": slices[0]}, {"text": {}, "label": CLASSES})
    for path in ("dict", "dict/train"):
        assert read_file_examples(_task(path), "train", tmp_path) == expected
    assert _message(tmp_path / "dict", "dev") == (
        f"{tmp_path}/dict: the DatasetDict must have the split 'dev', got train, test; "
        f"to read another split, name its folder, such as {tmp_path}/dict/train"
    )


def test_rows_without_a_class_have_no_label(tmp_path: Path):
    write_saved_dataset(tmp_path / "saved", [{"text": ["a", "b"], "label": [-1, 0]}], {"label": CLASSES})
    assert _message(tmp_path / "saved") == (
        f"{tmp_path}/saved, row 0: column 'label' must have a label in every row, got none"
    )
    for file, labels in (
        (SplitFile("saved", skip_incomplete_rows=True), [1]),
        (SplitFile("saved", label_required=False), [None, 1]),
    ):
        task = dataclasses.replace(_task(""), files={"train": file})
        assert [example.label for example in read_file_examples(task, "train", tmp_path)] == labels


def test_the_fingerprint_covers_every_shard(tmp_path: Path):
    for folder in ("a", "b"):
        _write_parts(tmp_path / folder / "shards")
    write_saved_dataset(tmp_path / "a" / "saved", [{"text": ["x"]}] * 2, {"label": CLASSES})

    def fingerprint(folder: str, path: str = "shards") -> object:
        return file_fingerprint(_task(path), "train", tmp_path / folder)

    first = fingerprint("a")
    assert first == fingerprint("b") == fingerprint("a", "shards/*.tsv") == fingerprint("a", str(tmp_path / "b/shards"))
    found = [first, fingerprint("a", "shards/part-1*")]
    with (tmp_path / "b" / "shards" / "part-2.tsv").open("a") as file:
        file.write("more\tbuy\n")
    found.append(fingerprint("b"))
    (tmp_path / "a" / "shards" / "part-1.tsv").rename(tmp_path / "a" / "shards" / "part-3.tsv")
    found.append(fingerprint("a"))
    found.append(fingerprint("a", "saved"))
    write_saved_dataset(tmp_path / "a" / "saved", [{"text": ["x"]}, {"text": ["y"]}], {"label": CLASSES})
    found.append(fingerprint("a", "saved"))
    write_saved_dataset(tmp_path / "a" / "saved", [{"text": ["x"]}, {"text": ["y"]}], {})
    found.append(fingerprint("a", "saved"))
    assert [found.count(value) for value in found] == [1] * len(found)


def test_places_name_the_shard(tmp_path: Path):
    folder = tmp_path / "shards"
    _write_parts(folder)
    (folder / "part-3.tsv").write_text("text\tlabel\nx\tbuy\ny\tsell\n")
    assert _message(folder).startswith(f"{folder}/part-3.tsv:3: unknown label of task intent 'sell'")
    (folder / "part-3.tsv").write_text("text\tlabel\nx\tbuy\n")
    task = _task("shards", row_id="text")
    (folder / "part-4.tsv").write_text("text\tlabel\nx\tbuy\n")
    with pytest.raises(UserError) as caught:
        read_file_examples(task, "train", tmp_path)
    assert str(caught.value) == (
        f"{folder}/part-4.tsv:2: duplicate id 'x', also at {folder}/part-3.tsv:2; ids must be unique"
    )
    write_parquet(tmp_path / "a.parquet", {"text": ["x", None], "label": ["buy", "buy"]})
    assert _message(tmp_path / "a.parquet") == f"{tmp_path}/a.parquet, row 1: column 'text' must be text, got null"


def _with(*names: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("text\tlabel\nx\tbuy\n")

    return write


@pytest.mark.parametrize(
    ("make", "path", "message"),
    [
        (_with(), "none", "none: no such file; split 'train' of task intent is read from it; --task_file must name"),
        (_with("d/a.tsv"), "d/*.csv", "d/*.csv: no file matches; split 'train' of task intent is read from it; --task"),
        (
            _with("d/_a.tsv"),
            "d",
            "d: must have files that end in .csv, .jsonl, .tsv, .csv.gz, .jsonl.gz, .tsv.gz, .par",
        ),
        (_with("d/a.tsv", "d/b.jsonl"), "d", "d: shards must be of one format, got a.tsv and b.jsonl; name the shards"),
        (_with("d/a.tsv", "d/b.tsv.gz"), "d", "d: shards must be of one format, got a.tsv and b.tsv.gz; name the"),
        (_with("d/a.tsv", "d/more/b.tsv"), "d", "d: shards must be files, got the folder 'more'"),
        (_with("d/a.tsv", "d/README.md"), "d/*", "d/README.md: unknown ending of a data file '.md'"),
        (
            _with("d/a.tsv", "d/\x1b.tsv"),
            "d",
            "d: names of shards are part of row ids and must be printable, got '\\x1b",
        ),
        (_with("d/dataset_dict.json"), "d", "d/dataset_dict.json: not JSON"),
    ],
)
def test_what_are_no_shards_is_refused(tmp_path: Path, make: Callable[[Path], None], path: str, message: str):
    (tmp_path / "d").mkdir()
    make(tmp_path)
    assert _message(tmp_path / path).startswith(f"{tmp_path}/{message}")


def test_an_input_may_be_shards(tmp_path: Path, expected: list[Example], monkeypatch: pytest.MonkeyPatch):
    _write_parts(tmp_path / "shards")
    monkeypatch.chdir(tmp_path)
    task = _task("all.tsv").with_input(Path(f"shards{os.sep}*.tsv"), label="label")
    examples = read_file_examples(task, "input", tmp_path / "elsewhere")
    assert _without_ids(examples) == _without_ids(expected)
    assert examples[0].example_id == "part-0.tsv:0"


def test_an_input_is_quoted_as_the_tasks_own_files(tmp_path: Path):
    (tmp_path / "a.tsv").write_text('text\tlabel\n"a\tb"\tbuy\n')
    files = {"train": SplitFile("b.tsv", quoting=True)}
    task = dataclasses.replace(_task("b.tsv"), files=files).with_input(tmp_path / "a.tsv")
    assert [example.text_a for example in read_file_examples(task, "input", tmp_path)] == ["a\tb"]


def test_labels_may_be_numbers(tmp_path: Path, expected: list[Example], caplog: pytest.LogCaptureFixture):
    rows = _ROWS.assign(label=[{"greet": 0, "buy": 1}[name] for name in _ROWS["label"]])
    for ending, write in _WRITERS.items():
        write(rows, tmp_path / f"numbers{ending}")
        caplog.clear()
        with caplog.at_level("INFO", "absl"):
            assert read_file_examples(_task(f"numbers{ending}"), "train", tmp_path) == expected
        assert caplog.messages == [f"numbers{ending}: labels are numbers: 0 is greet, 1 is buy"]
    spelled = dataclasses.replace(_task("numbers.tsv"), file_labels=("g", "b"))
    with pytest.raises(UserError, match=r"unknown label of task intent '1'\. Accepted: b, g"):
        read_file_examples(spelled, "train", tmp_path)
