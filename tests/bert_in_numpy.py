"""BERT's encoder written out in numpy, to check the real one against."""

from __future__ import annotations

import numpy as np
from scipy.special import erf


def _dense(weights, name, x):
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _layer_norm(weights, name, x):
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _gelu(x):
    return x * 0.5 * (1.0 + erf(x / np.sqrt(2.0)))


def _gelu_tanh(x):
    return 0.5 * x * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3)))


ACTIVATIONS = {"gelu": _gelu, "gelu_new": _gelu_tanh, "relu": lambda x: np.maximum(x, 0.0)}


def bert(weights, token_ids, segment_ids, mask, layers, heads, hidden_act):
    """Returns the sequence output and the pooled output, in float64."""
    weights = {name: array.astype(np.float64) for name, array in weights.items()}
    batch, length = token_ids.shape
    x = weights["embeddings.word_embeddings.weight"][token_ids]
    x = x + weights["embeddings.position_embeddings.weight"][:length]
    x = x + weights["embeddings.token_type_embeddings.weight"][segment_ids]
    x = _layer_norm(weights, "embeddings.LayerNorm", x)
    width = x.shape[-1] // heads
    for index in range(layers):
        name = f"encoder.layer.{index}"
        query, key, value = (
            _dense(weights, f"{name}.attention.self.{part}", x).reshape(batch, length, heads, width)
            for part in ("query", "key", "value")
        )
        scores = np.einsum("bqhd,bkhd->bhqk", query, key) / np.sqrt(width)
        scores = np.where(mask[:, None, None, :], scores, -np.inf)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        attention = scores / scores.sum(-1, keepdims=True)
        context = np.einsum("bhqk,bkhd->bqhd", attention, value).reshape(batch, length, heads * width)
        context = _dense(weights, f"{name}.attention.output.dense", context)
        x = _layer_norm(weights, f"{name}.attention.output.LayerNorm", x + context)
        inner = ACTIVATIONS[hidden_act](_dense(weights, f"{name}.intermediate.dense", x))
        x = _layer_norm(weights, f"{name}.output.LayerNorm", x + _dense(weights, f"{name}.output.dense", inner))
    return x, np.tanh(_dense(weights, "pooler.dense", x[:, 0]))
