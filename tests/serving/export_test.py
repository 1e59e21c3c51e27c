from __future__ import annotations

import json
import subprocess
import sys

import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

from mtdnn_tf.errors import UserError
from mtdnn_tf.serving.export import (
    ALLOWED_OPS,
    check_ops,
    export_model,
    export_version,
    ops_of_saved_model,
)
from mtdnn_tf.serving.layout import DESCRIPTION
from tests.serving.examples import MAX_SEQUENCE_LENGTH, SINGLE, loaded_model


@pytest.fixture(name="loaded", scope="module")
def _shared_model():
    return loaded_model()


@pytest.fixture(name="exported", scope="module")
def _shared_export(loaded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "1"
    export_model(loaded, folder)
    return folder


def test_only_weights_and_signatures_are_saved(loaded, exported):
    saved = tf.train.list_variables(str(exported / "variables" / "variables"))
    weights = [name for name, _ in saved if name.endswith("VARIABLE_VALUE")]
    # Three tables of embeddings, the matrices of blocks and pooler, and the heads; attention's matrices are joined.
    blocks = 4 * loaded.model.backbone.config.num_layers + 1
    heads = sum(len(head.variables) for head in loaded.model.heads.values())
    assert len(weights) == 3 + blocks + 1 + heads
    assert not (exported / "keras_metadata.pb").exists()


def test_description_stands_beside_the_graph(exported):
    description = json.loads((exported / DESCRIPTION).read_text())
    assert description["model_fingerprint"] == "f" * 64
    assert description["max_sequence_length"] == MAX_SEQUENCE_LENGTH
    assert description["tasks"]["pair"] == {
        "kind": "classification",
        "texts": 2,
        "columns": ["a", "b"],
        "labels": ["yes", "maybe", "no"],
    }
    assert description["tasks"]["scored"]["labels"] == []


def test_a_version_that_stands_is_refused(loaded, tmp_path):
    folder = tmp_path / "1"
    folder.mkdir()
    (folder / "mine").write_text("kept")
    with pytest.raises(UserError, match="exists"):
        export_model(loaded, folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["1", "mine"]


# Writes every state in which it has seen a version: the sizes of its files. Ends when the file "stop" is there.
_READER = """
import json, pathlib, sys, time

served, seen = pathlib.Path(sys.argv[1]), {}
print("reading", flush=True)
stopped = False
while not stopped:
    time.sleep(0.001)
    # The last look comes after the last export.
    stopped = (served / "stop").exists()
    for version in served.iterdir():
        if version.name.isdigit():
            files = [path for path in version.rglob("*") if path.is_file()]
            files = {str(path.relative_to(version)): path.stat().st_size for path in files}
            state = json.dumps(files, sort_keys=True)
            seen.setdefault(version.name, set()).add(state)
print(json.dumps({name: list(map(json.loads, states)) for name, states in seen.items()}))
"""


@pytest.mark.parametrize("exports", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_a_reader_sees_an_export_complete_or_not_at_all(tmp_path, exports):
    loaded = loaded_model([SINGLE])
    reader = subprocess.Popen([sys.executable, "-c", _READER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert reader.stdout
    try:
        assert reader.stdout.readline() == "reading\n"
        for _ in range(exports):
            export_model(loaded, export_version(tmp_path))
        (tmp_path / "stop").touch()
        seen = json.loads(reader.stdout.read())
    finally:
        reader.kill()
        reader.wait()
    assert sorted(map(int, seen)) == list(range(1, exports + 1))
    for version, states in seen.items():
        files = [path for path in (tmp_path / version).rglob("*") if path.is_file()]
        assert states == [{str(path.relative_to(tmp_path / version)): path.stat().st_size for path in files}]
        assert {"saved_model.pb", "variables/variables.index", DESCRIPTION} <= set(states[0])


class _NoisyHead(tf.keras.layers.Layer):
    """Adds noise outside of training too."""

    def call(self, encoded, training=None):
        pooled = encoded["pooled_output"]
        return pooled[:, :2] + tf.random.normal(tf.shape(pooled[:, :2]))


def test_a_graph_that_a_server_cannot_load_never_appears(tmp_path):
    loaded = loaded_model([SINGLE])
    loaded.model.heads["single"] = _NoisyHead()
    with pytest.raises(UserError, match="RandomStandardNormal"):
        export_model(loaded, tmp_path / "1")
    assert not list(tmp_path.iterdir())


def test_versions_count_up_from_the_highest(tmp_path):
    served = tmp_path / "served"
    assert export_version(served) == served / "1"
    for name in ("3", "0010", ".11.temporary", "latest"):
        (served / name).mkdir(parents=True)
    assert export_version(served) == served / "11"
    assert export_version(served, 4) == served / "4"


@pytest.mark.parametrize(
    ("version", "message"),
    [(3, "version 3 exists"), (0, r"integer >= 1 and <= 9{18}, got 0"), (10**18, r"<= 9{18}, got 10")],
)
def test_versions_that_cannot_be_are_refused(tmp_path, version, message):
    (tmp_path / "3").mkdir()
    with pytest.raises(UserError, match=message):
        export_version(tmp_path, version)


class _Module(tf.Module):
    """Answers through a function of its own and a branch, so that operations stand in nested functions."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def serve(self, x):
        return {"y": self._inner(tf.cond(tf.size(x) > 1, lambda: tf.nn.relu(x), lambda: tf.math.lgamma(x)))}

    @tf.function
    def _inner(self, x):
        return tf.math.bessel_i0e(x)


def _save(folder):
    module = _Module()
    tf.saved_model.save(module, str(folder), signatures={"serve": module.serve})


def test_operations_of_nested_functions_are_found(tmp_path):
    _save(tmp_path)
    ops = ops_of_saved_model(tmp_path)
    assert {"Relu", "Lgamma", "BesselI0e", "Placeholder", "RestoreV2"} <= ops
    assert not any("__inference" in op for op in ops)


def test_operations_that_are_not_on_the_list_are_named(tmp_path):
    _save(tmp_path)
    with pytest.raises(UserError, match="BesselI0e, Lgamma") as raised:
        check_ops(tmp_path)
    assert "Relu" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_function_called_as_an_operation_is_no_unknown_operation(tmp_path):
    saved_model = saved_model_pb2.SavedModel()
    graph = saved_model.meta_graphs.add().graph_def
    function = graph.library.function.add()
    function.signature.name = "my_function"
    function.node_def.add(name="inner", op="Relu")
    graph.node.add(name="outer", op="my_function")
    (tmp_path / "saved_model.pb").write_bytes(saved_model.SerializeToString())
    assert ops_of_saved_model(tmp_path) == {"Relu"}


def test_the_list_has_no_operation_that_serving_must_not_need():
    unwanted = ("Random", "PyFunc", "RoundRobin", "Trim", "HashTable", "Dropout")
    assert not [op for op in ALLOWED_OPS if any(word in op for word in unwanted)]


def test_every_operation_on_the_list_exists():
    import tensorflow_text  # noqa: F401  It registers its operations.

    assert not [op for op in ALLOWED_OPS if op_def_registry.get(op) is None]
