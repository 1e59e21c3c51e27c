"""An ONNX model answers as the Keras model does, by ONNX's reference evaluator's rules and in ONNX Runtime."""

from __future__ import annotations

import collections
import dataclasses
import functools
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from onnx.reference import ReferenceEvaluator
from scipy.special import expit, softmax

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.serving.client_files import INPUTS
from mtdnn_tf.serving.onnx_format.export import onnx_model
from tests.serving.examples import DIAGNOSTIC, PAIR, RANKED, SCORED, SINGLE, VOCABULARY, loaded_model, random_texts
from tests.serving.onnx_format.sessions import answers

SAN = dataclasses.replace(PAIR, name="san", head="san")
TOPICS = dataclasses.replace(SINGLE, name="topics", kind="multi_label", labels=("a", "b", "c"), metrics=("f1_micro",))
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "classification": functools.partial(softmax, axis=1),
    "multi_label": expit,
    "regression": lambda logits: logits,
    "ranking": lambda logits: logits,
}
TASKS = [SINGLE, PAIR, DIAGNOSTIC, SCORED, RANKED, TOPICS]


def inputs_of(loaded: LoadedModel, rows: int = 100, pairs: bool = True) -> dict[str, np.ndarray]:
    """Returns what the Keras model reads, for random texts."""
    tokens = [loaded.tokenizer.tokenize(tf.constant(random_texts(seed)[:rows])) for seed in (0, 1)]
    packed = pack(tokens[0], tokens[1] if pairs else None, loaded.tokenizer, loaded.max_sequence_length)
    return {name: tensor.numpy() for name, tensor in to_model_inputs(packed).items()}


def check_parity(loaded: LoadedModel, tolerance: float = 1e-5) -> None:
    for pairs in (True, False):
        inputs = inputs_of(loaded, pairs=pairs)
        found = answers(onnx_model(loaded), inputs)
        for task in loaded.tasks:
            logits = loaded.model.task_logits(inputs, task.head_task).numpy()
            np.testing.assert_allclose(
                found[task.name], ACTIVATIONS[task.kind](logits), atol=tolerance, err_msg=task.name
            )


@pytest.mark.parametrize("pooling", ["pooler", "cls", "mean"])
def test_every_kind_answers_as_the_keras_model(pooling):
    check_parity(loaded_model(TASKS, pooling))


def test_a_head_that_reads_all_positions_answers_as_the_keras_model():
    check_parity(loaded_model([*TASKS, SAN]))


@pytest.mark.parametrize("changes", [{"activation": "relu"}, {"activation": "gelu_approximate"}, {"num_segments": 1}])
def test_other_encoders_answer_as_the_keras_model(changes):
    config = dataclasses.replace(loaded_model([SINGLE]).model.backbone.config, **changes)
    check_parity(_random_model(config))


def _random_model(config: BackboneConfig) -> LoadedModel:
    pretrained = PretrainedBackbone("test", config, VOCABULARY, lowercase=True, weights={})
    model = build_multi_task_model(pretrained, [SINGLE, PAIR])
    random = np.random.default_rng(0)
    model.set_weights([weight + random.normal(0, 0.4, weight.shape) for weight in model.get_weights()])
    return LoadedModel(model, [SINGLE, PAIR], pretrained.tokenizer(), config.max_positions, "f" * 64)


def test_onnx_runtime_fuses_what_it_fuses_in_a_bert(tmp_path):
    loaded, options = loaded_model([SINGLE, PAIR]), onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(tmp_path / "fused.onnx")
    written = onnx_model(loaded)
    onnxruntime.InferenceSession(written.SerializeToString(), options, providers=["CPUExecutionProvider"])
    fused = collections.Counter(node.op_type for node in onnx.load(tmp_path / "fused.onnx").graph.node)
    layers = loaded.model.backbone.config.num_layers
    assert layers == fused["BiasGelu"] == fused["FusedMatMul"] == 2
    # All but the norms of the embeddings and of the last layer, which is computed for the first position only.
    assert fused["SkipLayerNormalization"] == 2 * (layers - 1)
    # The file itself has standard operations only, for other runtimes.
    assert {node.domain for node in written.graph.node} == {""}


def test_padding_and_the_rest_of_a_batch_change_no_answer():
    loaded = loaded_model([SINGLE, SAN])
    model, inputs = onnx_model(loaded), inputs_of(loaded, rows=20)
    together = answers(model, inputs)
    for row in range(20):
        length = int(inputs["padding_mask"][row].sum())
        alone = answers(model, {name: values[row : row + 1, :length] for name, values in inputs.items()})
        for name, values in alone.items():
            np.testing.assert_allclose(values[0], together[name][row], atol=1e-5)


def test_requests_of_no_rows_have_answers_of_no_rows():
    empty = {name: np.zeros((0, 5), np.int32) for name in ("token_ids", "padding_mask", "segment_ids")}
    found = answers(onnx_model(loaded_model([SINGLE, SCORED])), empty)
    assert {name: values.shape for name, values in found.items()} == {"single": (0, 2), "scored": (0, 1)}


def test_the_graph_has_operations_of_the_standard_alone():
    """ONNX's own evaluator in numpy, which knows no runtime's operations, gives the same answers."""
    loaded = loaded_model([SINGLE, SAN])
    model, inputs = onnx_model(loaded), inputs_of(loaded, rows=5)
    assert {(opset.domain, opset.version) for opset in model.opset_import} == {("", 20)}
    feed = {name: inputs[ours].astype(np.int64) for name, ours in INPUTS.items()}
    found = ReferenceEvaluator(model).run(None, feed)
    for values, expected in zip(found, answers(model, inputs).values()):
        np.testing.assert_allclose(values, expected, atol=1e-5)


def test_a_head_that_is_left_out_is_not_in_the_file():
    loaded = loaded_model([SINGLE, PAIR])
    model = onnx_model(loaded._replace(tasks=[SINGLE]))
    assert [output.name for output in model.graph.output] == ["single"]
    assert not [constant.name for constant in model.graph.initializer if constant.name.startswith("heads.pair")]
    onnx.checker.check_model(model, full_check=True)
