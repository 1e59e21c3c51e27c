"""Compares what TensorFlow's own command line lists of an export with the table in the documentation."""

from __future__ import annotations

import re
from pathlib import Path

from mtdnn_tf.serving.export import export_model
from mtdnn_tf.tasks.task import Task
from tests.serving.examples import TASKS, WIDTH, loaded_model, run_alone

_DOCUMENT = Path(__file__).parents[2] / "docs" / "serve.md"
# saved_model_cli loads the functions too, and these need the tokenizer's operations.
_SHOW = """
import sys
import tensorflow_text
from tensorflow.python.tools import saved_model_cli

sys.argv = ["saved_model_cli", "show", "--dir", sys.argv[1], "--all"]
saved_model_cli.main()
"""
_TENSOR = re.compile(r"`([^`]+)` (\w+) \[([^\]]+)\]")


def _documented() -> dict[str, tuple[dict[str, tuple[str, str]], dict[str, tuple[str, str]]]]:
    """Returns the inputs and outputs of every signature of the test's model by the table."""
    lines = _DOCUMENT.read_text(encoding="utf-8").splitlines()
    start = lines.index("| signature | inputs | outputs |")
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    signatures = {}
    for name, inputs, outputs in rows:
        pattern = re.findall(r"`([^`]+)`", name)[0]
        for task in _tasks_of(pattern):
            if task and name.endswith(("of single texts", "of pairs")) and name.endswith("of pairs") != task.is_pair:
                continue
            found = dict(_tensors(outputs, [task] if task else TASKS))
            # A classification has no _regress, and the other way round.
            if found:
                signature = pattern.replace("<task>", task.name) if task else pattern
                signatures[signature] = (dict(_tensors(inputs, [])), found)
    return signatures


def _tasks_of(pattern: str) -> list[Task | None]:
    return [*TASKS] if "<task>" in pattern else [None]


def _tensors(cell, tasks):
    for part in cell.split(";"):
        label, _, listed = part.rpartition(":")
        of_kind = {"a classification": [t for t in tasks if t.kind == "classification"], "every task": tasks}
        of_kind["a regression or ranking"] = [t for t in tasks if t.kind != "classification"]
        for task in of_kind[label.strip()] if label else [None]:
            for name, dtype, shape in _TENSOR.findall(listed):
                sizes = {"batch": -1, "length": -1, "width": WIDTH}
                if task:
                    sizes.update(labels=len(task.labels), outputs=task.num_outputs)
                    name = name.replace("<task>", task.name)
                yield name, (dtype, ", ".join(str(sizes[size]) for size in shape.split(", ")))


def _shown(text):
    signatures = {}
    for block in text.split("signature_def['")[1:]:
        name, _, body = block.partition("']")
        inputs, _, outputs = body.partition("The given SavedModel SignatureDef contains the following output")
        tensor = re.compile(r"puts\['([^']+)'\] tensor_info:\s+dtype: DT_(\w+)\s+shape: \(([^)]*)\)")
        signatures[name] = tuple(
            {key: (dtype.lower(), shape.rstrip(",")) for key, dtype, shape in tensor.findall(part)}
            for part in (inputs, outputs)
        )
    del signatures["__saved_model_init_op"]
    return signatures


def test_saved_model_cli_lists_what_the_documentation_says(tmp_path):
    export_model(loaded_model(), tmp_path / "1")
    shown = _shown(run_alone(_SHOW, str(tmp_path / "1"), cwd=tmp_path))
    documented = _documented()
    assert len(documented) == 3 + 2 * len(TASKS)
    assert documented["pair_classify"][1] == {"classes": ("string", "-1, 3"), "scores": ("float", "-1, 3")}
    assert shown == documented
