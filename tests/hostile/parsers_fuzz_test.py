"""Whatever a file or flag holds, it is accepted or refused by a `UserError` of one line; 860 generated cases."""

from __future__ import annotations

import collections
import contextlib
import functools
import io
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from absl import flags as absl_flags
from absl.testing import flagsaver
from hypothesis import given, settings

from mtdnn_tf.commands import program
from mtdnn_tf.data.sources.source import DataSource
from mtdnn_tf.data.streaming.row_digest import data_fingerprint
from mtdnn_tf.distillation.teacher_tables import read_teacher_table
from mtdnn_tf.errors import UserError
from mtdnn_tf.flags import training
from mtdnn_tf.json_files import from_json, to_json
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import ModelDescription, read_description
from mtdnn_tf.report.write import read_report
from mtdnn_tf.tasks.registry import get_task
from mtdnn_tf.tasks.task import SplitFile, Task
from mtdnn_tf.tasks.task_file import load_task_file
from mtdnn_tf.training.config import TrainingConfig
from tests.helpers import TASKS
from tests.hostile.declared_flags import DeclaredFlag, flag_sets, read_flags
from tests.hostile.strategies import SEEDED, mutated, task_declarations
from tests.report.example_data import full_report

TSV = b"id\tquery\ttext\tlabel\n1\tq\tone two\tgood\n2\tq\tthree\tbad\n3\tr\t\xc3\xa9 four\tgood\n"
CSV = b'id,query,text,label\n1,q,"one, ""two""",good\n2,q,"three\nfour",bad\n3,r,five,good\n'
JSONL = (
    b'{"id": 1, "query": "q", "text": "a\\tb", "label": "good"}\n{"id": 2, "query": "r", "text": "b", "label": "bad"}\n'
)
DATA = (TSV, CSV, JSONL)
SCORES = tuple(file.replace(b"good", b"1.5").replace(b"bad", b"-2e-1") for file in DATA)
IDS = ("1", "2", "3")
TARGETS = (
    b"id\tbad\tgood\n1\t0.25\t0.75\n3\t1\t0\n2\t0.5\t0.5\n",
    b"id,bad,good\n1,0.25,0.75\n3,1,0\n2,0.5,0.5\n",
    b'{"id": "1", "bad": 0.25, "good": 0.75}\n{"id": "3", "bad": 1, "good": 0}\n{"id": "2", "bad": 0.5, "good": 0.5}\n',
)
ENDINGS = (".tsv", ".csv", ".jsonl")
# pytest's; tests.promises adds up the trials that tests record.
Record = Callable[[str, object], None]
_OUTCOMES: collections.Counter[str] = collections.Counter()


def _accepted(parse: Callable[[], Any]) -> Any:
    """Returns what the parser returns, None if it refuses in one line; any other error fails the test."""
    try:
        result = parse()
        _OUTCOMES[f"{sys._getframe(1).f_code.co_name} accepted"] += 1
        return result
    except UserError as error:
        _OUTCOMES[f"{sys._getframe(1).f_code.co_name} refused"] += 1
        message = str(error)
        assert message.isprintable()
        assert 10 < len(message) < 10_000
        return None


def _file(content: bytes, name: str) -> Path:
    folder = Path(tempfile.mkdtemp(dir=_FOLDER.name))
    (folder / name).write_bytes(content)
    return folder / name


_FOLDER = tempfile.TemporaryDirectory()


def _check_task_file(content: bytes) -> None:
    path = _file(content, "tasks.yaml")
    for task in _accepted(lambda: load_task_file(path)) or ():
        assert from_json(json.loads(json.dumps(to_json(task))), Task, "task") == task
        assert all(Path(file.path).is_absolute() for file in task.files.values())


@settings(SEEDED, max_examples=150)
@given(mutated([TASKS.encode(), TASKS.replace("{", "\n      ").replace("}", "").encode()]))
def test_mutated_task_files(record_property: Record, content: bytes) -> None:
    record_property("trials", 1)
    _check_task_file(content)


@settings(SEEDED, max_examples=100)
@given(task_declarations())
def test_generated_task_files(record_property: Record, content: bytes) -> None:
    record_property("trials", 1)
    _check_task_file(content)


def _data_tasks(ending: str) -> list[Task]:
    files = {"train": SplitFile(f"data{ending}")}
    return [
        Task("mood", "classification", ("text",), ("bad", "good"), ("accuracy",), files=files, id="hash"),
        Task("moods", "classification", ("text", "query"), ("bad", "good"), ("accuracy",), files=files, id="id"),
        Task("answers", "ranking", ("query", "text"), ("bad", "good"), ("mrr",), files=files, id="row", group="query"),
        Task("close", "regression", ("text",), metrics=("pearson",), files=files, id="id"),
    ]


def _check_data(content: bytes) -> None:
    for ending in ENDINGS:
        path = _file(content, f"data{ending}")
        for task in _data_tasks(ending):
            source = DataSource("files", path.parent)
            examples = _accepted(functools.partial(source.read, task, "train"))
            if examples is None:
                continue
            assert len({example.example_id for example in examples}) == len(examples) > 0
            assert len(data_fingerprint(examples)) == 64
            for example in examples:
                assert example.label in (0, 1) if task.labels else np.isfinite(np.float32(example.label))
                example.text_a.encode(), (example.text_b or "").encode()


@settings(SEEDED, max_examples=150)
@given(mutated([*DATA, *SCORES]))
def test_mutated_data_files(record_property: Record, content: bytes) -> None:
    record_property("trials", 1)
    _check_data(content)


@settings(SEEDED, max_examples=120)
@given(mutated([*TARGETS, *(file.replace(b"bad", b"score") for file in TARGETS)]))
def test_mutated_tables_of_soft_targets(record_property: Record, content: bytes) -> None:
    record_property("trials", 1)
    tasks = _data_tasks(".tsv")
    for ending in ENDINGS:
        path = _file(content, f"data{ending}")
        for task in (tasks[0], tasks[2], tasks[3]):
            for values in task.kind_object.target_values:
                queries = np.array([0, 0, 1]) if task.kind == "ranking" else None
                read = _accepted(
                    lambda path=path, task=task, values=values, queries=queries: read_teacher_table(  # type: ignore[misc]
                        path, task, "train", IDS, values, queries=queries
                    )
                )
                if read is not None:
                    assert read.predictions.shape == (3, task.num_outputs)
                    assert np.isfinite(read.predictions.astype(np.float32)).all()


def _descriptions() -> list[bytes]:
    tasks = [get_task("mrpc"), get_task("stsb"), *_data_tasks(".tsv")]
    described = ModelDescription(find_backbone("tiny").config, True, 64, tasks).to_json()
    return [
        json.dumps(described).encode(),
        json.dumps({**described, "tasks": described["tasks"][2:3]}, indent=1).encode(),
    ]


@settings(SEEDED, max_examples=120)
@given(mutated(_descriptions()))
def test_mutated_model_descriptions(record_property: Record, content: bytes) -> None:
    record_property("trials", 1)
    path = _file(content, "model.json")
    description = _accepted(lambda: read_description(path, "copy it again"))
    if description is not None:
        assert description.backbone.num_layers <= 1000
        assert all(task.name.isidentifier() for task in description.tasks)


@settings(SEEDED, max_examples=70)
@given(mutated([json.dumps(full_report(3).to_json()).encode()]))
def test_mutated_reports(record_property: Record, content: bytes) -> None:
    record_property("trials", 1)
    path = _file(content, "report.json")
    _accepted(lambda: read_report(path))


def _training_flags() -> list[DeclaredFlag]:
    written = io.StringIO()
    absl_flags.FLAGS.write_help_in_xml_format(written)
    return [flag for flag in read_flags(written.getvalue()) if flag.name in TrainingConfig.declared()]


@settings(SEEDED, max_examples=150)
@given(flag_sets(_training_flags()))
def test_flag_sets(record_property: Record, arguments: list[str]) -> None:
    record_property("trials", 1)
    config = _config(arguments)
    if config is None:
        return
    # What a run writes for its repetition is read as the same settings.
    assert _config([f"--flagfile={_file(config.to_flagfile().encode(), 'config.flags')}"]) == config
    _accepted(config.data.selected_tasks)
    _accepted(lambda: config.part.rows(10))


def _config(arguments: list[str]) -> TrainingConfig | None:
    # Other tests of this process read flags, too.
    with flagsaver.flagsaver():
        absl_flags.FLAGS.unparse_flags()
        for name in absl_flags.FLAGS:
            absl_flags.FLAGS[name].unparse()
        printed = io.StringIO()
        try:
            with contextlib.redirect_stderr(printed):
                program._parse_flags(["tools/train.py", *arguments])
        except SystemExit as error:
            assert error.code == 1
            assert printed.getvalue().startswith("error: ")
            assert printed.getvalue().count("\n") == 1
            assert printed.getvalue()[:-1].isprintable()
            return None
        if not absl_flags.FLAGS.output_dir:
            return None
        config: TrainingConfig | None = _accepted(training.training_config)
        return config


def test_each_parser_accepted_some_and_refused_some(record_property: Record) -> None:
    record_property("trials", 0)
    if not any("flag" in name for name in _OUTCOMES):
        pytest.skip("the cases did not run in this process")
    kinds = {name.rpartition(" ")[0] for name in _OUTCOMES}
    assert len(kinds) == 7
    for kind in kinds:
        assert _OUTCOMES[f"{kind} accepted"] >= 3, _OUTCOMES
        # Flags that are not accepted are refused by `_config`, before anything is read by them.
        assert _OUTCOMES[f"{kind} refused"] >= (kind != "test_flag_sets"), _OUTCOMES
