from __future__ import annotations

import importlib.util
import shutil

import numpy as np
import pytest
import tensorflow as tf

from mtdnn_tf.data.word_pieces import TokenRules, WordPieceTokenizer
from mtdnn_tf.errors import UserError
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.serving.server.models.batcher import BatchingOptions
from mtdnn_tf.serving.server.models.model_store import ModelStore
from mtdnn_tf.serving.server.models.servable import Servable
from tests.serving.examples import VOCABULARY, loaded_model, random_texts

_ONLY_IN_TENSORFLOW = {"tokens", "embed"}


@pytest.fixture(name="folders", scope="module")
def _folders(tmp_path_factory):
    """A version in both formats, and a version of ONNX alone."""
    both, alone = (tmp_path_factory.mktemp(name) / "1" for name in ("both", "onnx"))
    export_model(loaded_model(), both, formats=("saved_model", "onnx"), batch_sizes=())
    shutil.copytree(both / "onnx", alone / "onnx")
    return both, alone


@pytest.fixture(name="servables", scope="module")
def _servables(folders):
    return [Servable("model", 1, folder, BatchingOptions()) for folder in folders]


def test_a_version_of_both_formats_is_answered_by_the_saved_model(servables):
    both, alone = servables
    assert set(both.signatures) - set(alone.signatures) == _ONLY_IN_TENSORFLOW


def test_signatures_are_those_of_the_saved_model(servables):
    both, alone = servables

    def tensors(infos):
        return {name: (info.dtype, len(info.tensor_shape.dim)) for name, info in infos.items()}

    for name, definition in alone.signatures.items():
        assert tensors(definition.inputs) == tensors(both.signatures[name].inputs)
        assert tensors(definition.outputs) == tensors(both.signatures[name].outputs)


@pytest.mark.parametrize("rows", [0, 1, 40])
def test_every_signature_answers_as_the_saved_model(servables, rows):
    both, alone = servables
    texts = {"text_a": random_texts(1)[:rows], "text_b": [*random_texts(2)[: rows // 2], *[b""] * (rows - rows // 2)]}

    def example(*values):
        features = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v])) for name, v in zip(texts, values)}
        return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()

    columns = {**texts, "inputs": [example(*row) for row in zip(*texts.values())]}
    for name, definition in alone.signatures.items():
        inputs = {key: np.array(columns[key], object) for key in definition.inputs}
        expected, found = both.run(name, inputs), alone.run(name, inputs)
        assert set(found) == set(expected)
        for output, values in expected.items():
            assert found[output].shape == values.shape and found[output].dtype == values.dtype, (name, output)
            if values.dtype == np.float32:
                np.testing.assert_allclose(found[output], values, atol=1e-5, err_msg=f"{name} {output}")
            else:
                np.testing.assert_array_equal(found[output], values, err_msg=f"{name} {output}")


def test_special_tokens_of_other_names_have_their_ids(servables, tmp_path):
    """The vocabulary also has pieces of BERT's names, which are not special there."""
    names = {"[PAD]": "<pad>", "[UNK]": "<unk>", "[CLS]": "<s>", "[SEP]": "</s>", "[MASK]": "<mask>"}
    vocabulary = [*(names.get(piece, piece) for piece in VOCABULARY[:-4]), "[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    rules = TokenRules(pad="<pad>", unknown="<unk>", start="<s>", end="</s>", mask="<mask>")
    loaded = loaded_model()._replace(tokenizer=WordPieceTokenizer(vocabulary, True, rules))
    export_model(loaded, tmp_path / "1", formats=("onnx",))
    served = Servable("model", 1, tmp_path / "1", BatchingOptions())
    inputs = {"text_a": np.array([b"the cat [SEP] sat", b"unknown dogs", b""], object)}
    found, expected = (one.run("single", inputs)["probabilities"] for one in (served, servables[1]))
    np.testing.assert_array_equal(found, expected)


def test_without_onnxruntime_one_line_names_the_extra(folders, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"no version can be loaded \(.*model.onnx needs onnxruntime: pip install"):
        ModelStore({"model": folders[1].parent})
