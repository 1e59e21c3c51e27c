from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.heads import LinearHead
from mtdnn_tf.modeling.san_head import SanHead
from mtdnn_tf.release.heads import read_heads, write_heads

_ENCODED = {
    "pooled_output": tf.random.stateless_normal([2, 6], [1, 2]),
    "sequence_output": tf.random.stateless_normal([2, 4, 6], [3, 4]),
    "segment_ids": tf.constant([[0, 0, 1, 1]] * 2),
    "padding_mask": tf.ones([2, 4], tf.int32),
}


def _heads(seed):
    heads: dict[str, tf.keras.layers.Layer] = {"mood": LinearHead(2, seed=seed), "nli": SanHead(3, seed=seed)}
    return heads, {name: head(_ENCODED).numpy() for name, head in heads.items()}


def test_heads_are_named_by_their_layers_and_answer_the_same_when_read(tmp_path):
    heads, answers = _heads(1)
    write_heads(heads, tmp_path / "heads")
    mood = load_file(tmp_path / "heads" / "mood.safetensors")
    assert {name: array.shape for name, array in mood.items()} == {"logits.kernel": (6, 2), "logits.bias": (2,)}
    by_hand = _ENCODED["pooled_output"].numpy() @ mood["logits.kernel"] + mood["logits.bias"]
    np.testing.assert_allclose(by_hand, answers["mood"], rtol=1e-5)
    assert set(load_file(tmp_path / "heads" / "nli.safetensors")) == {
        *("hypothesis_attention.kernel", "premise_attention.kernel"),
        *("gru.kernel", "gru.recurrent_kernel", "gru.bias", "logits.kernel", "logits.bias"),
    }
    others, different = _heads(2)
    assert all(np.abs(different[name] - answers[name]).max() > 1e-3 for name in heads)
    read_heads(others, tmp_path / "heads")
    for name, head in others.items():
        np.testing.assert_array_equal(head(_ENCODED), answers[name])


def test_heads_that_do_not_fit_are_refused(tmp_path):
    heads, _ = _heads(1)
    write_heads(heads, tmp_path / "heads")
    (tmp_path / "heads" / "nli.safetensors").replace(tmp_path / "heads" / "mood.safetensors")
    with pytest.raises(UserError, match=r"mood\.safetensors: arrays"):
        read_heads({"mood": heads["mood"]}, tmp_path / "heads")
    with pytest.raises(UserError, match=r"nli\.safetensors: missing"):
        read_heads({"nli": heads["nli"]}, tmp_path / "heads")
    (tmp_path / "heads" / "mood.safetensors").write_bytes(b"no header")
    with pytest.raises(UserError, match=r"mood\.safetensors: not a safetensors file"):
        read_heads({"mood": heads["mood"]}, tmp_path / "heads")
