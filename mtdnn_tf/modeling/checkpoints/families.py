"""The families of encoders in Hugging Face's layout: what each calls its weights and the fields of its config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from mtdnn_tf.errors import UserError, shortened, unknown_name
from mtdnn_tf.modeling.backbone import BERT, BackboneConfig
from mtdnn_tf.modeling.bert_weights import (
    EMBEDDINGS_NORM,
    FINAL_NORM,
    POOLER_WEIGHTS,
    PROJECTION,
    RELATIVE_EMBEDDINGS,
    RELATIVE_NORM,
    WORD_EMBEDDINGS,
    encoder_weights,
)
from mtdnn_tf.modeling.checkpoints.bert_files import SIZES

WORD_PIECES, BYTE_PAIRS, MODERN_PAIRS = "word_pieces", "byte_pairs", "modern_pairs"
XLMR_PIECES, ALBERT_PIECES, DEBERTA_PIECES = "xlmr_pieces", "albert_pieces", "deberta_pieces"
_OF_LAYER = re.compile(r"encoder\.layer\.(\d+)\.(.+)\.(weight|bias)")
_NONE: Mapping[str, Any] = MappingProxyType({})


class Family(NamedTuple):
    """How transformers writes the encoders of one `model_type`."""

    model_type: str
    architecture: str  # The class of the encoder without a head.
    tokenizer_class: str
    prefix: str  # Of the encoder's weights in a model with a head.
    # Fields of config.json by those of a backbone's config.
    sizes: Mapping[str, str]
    activation: str = "hidden_act"  # The field of the activation.
    # The fields of dropout; none where transformers' own are 0.
    dropouts: tuple[str, ...] = ("hidden_dropout_prob", "attention_probs_dropout_prob")
    layers: str = "encoder.layer"  # What precedes the number of a layer.
    # Names of what is in no layer by those of `bert_weights`, where they are others.
    others: Mapping[str, str] = _NONE
    # Names of a layer's parts by those of `bert_weights`, where they are others.
    parts: Mapping[str, str] = _NONE
    # Fields of a backbone's config that config.json does not have.
    fixed: Mapping[str, Any] = _NONE
    # Fields of config.json that would change what is computed, with the value that is read, and is the default. A list
    # may be in any order, or one text with its words separated by "|".
    required: Mapping[str, Any] = _NONE
    # Values of fields that config.json does not have, where they are not BERT's.
    defaults: Mapping[str, Any] = _NONE
    epsilon: str = "layer_norm_eps"  # The field of what LayerNorm adds to the variance; empty: BERT's is read.
    tokenizer: str = WORD_PIECES  # The kind of its tokenizer's files.
    # Whether "pooler" is BERT's pooler, if it is there; else it is a head's.
    has_pooler: bool = True
    # Whether positions are counted from pad_token_id + 1, and max_position_embeddings has those before it, too.
    counts_from_padding: bool = False
    has_windows: bool = False  # Whether the config has rotary positions and windows (`modern_fields.py`).

    def file_name(self, name: str) -> str:
        """Returns what a file calls a weight, without prefix, given its name of `bert_weights`."""
        match = _OF_LAYER.fullmatch(name)
        if match is None:
            layer, _, kind = name.rpartition(".")
            return f"{self.others.get(layer, layer)}.{kind}"
        number, part, kind = match.groups()
        return f"{self.layers}.{number}.{self.parts.get(part, part)}.{kind}"

    def names(self, config: BackboneConfig) -> dict[str, str]:
        """Returns the names of `bert_weights` of an encoder's weights, and of a pooler's, by those without prefix."""
        names = dict.fromkeys((*(weight.name for weight in encoder_weights(config)), *POOLER_WEIGHTS))
        return {self.file_name(name): name for name in names if self.has_pooler or name not in POOLER_WEIGHTS}

    def check_required(self, values: Mapping[str, Any], where: Path) -> None:
        """Refuses values of a config.json, with the family's defaults, that would change what is computed."""
        for name, required in self.required.items():
            given = values.get(name, required)
            if _unordered(given, required) != _unordered(required, required):
                raise UserError(f"{where}: {name} must be {required!r}, got {shortened(repr(given), 60)}")

    def without_prefix(self, name: str) -> str:
        """Returns the name of an encoder's weight in a file without what precedes it in a model with a head."""
        starts = "|".join(map(re.escape, ("embeddings", f"{self.layers}.", "pooler.", *self.others.values())))
        return re.sub(rf"^(model\.)?({self.prefix}\.)?(?={starts})", "", name)


def _unordered(value: Any, like: Any) -> Any:
    """Returns the words of a list in alphabetical order, where `like` is a list; a text may separate them by "|"."""
    if not isinstance(like, list):
        return value
    words = value.split("|") if isinstance(value, str) else value
    is_list = isinstance(words, list) and all(isinstance(word, str) for word in words)
    return sorted(word.strip().lower() for word in words) if is_list else value


_SIZES_OF_DISTILBERT = {
    "vocabulary_size": "vocab_size",
    "num_layers": "n_layers",
    "num_heads": "n_heads",
    "hidden_dim": "dim",
    "intermediate_dim": "hidden_dim",
    "max_positions": "max_position_embeddings",
}
_PARTS_OF_DISTILBERT = {
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}
_PARTS_OF_ALBERT = {
    "attention.self.query": "attention.query",
    "attention.self.key": "attention.key",
    "attention.self.value": "attention.value",
    "attention.output.dense": "attention.dense",
    "attention.output.LayerNorm": "attention.LayerNorm",
    "intermediate.dense": "ffn",
    "output.dense": "ffn_output",
    "output.LayerNorm": "full_layer_layer_norm",
}
_PARTS_OF_DEBERTA = {f"attention.self.{part}": f"attention.self.{part}_proj" for part in ("query", "key", "value")}
# What DebertaV2Config has where config.json does not say it.
_DEFAULTS_OF_DEBERTA = {
    "relative_attention": False,
    "max_relative_positions": -1,
    "position_biased_input": True,
    "share_att_key": False,
    "norm_rel_ebd": "none",
    "pos_att_type": None,
    "layer_norm_eps": 1e-7,
}
# The released v3 encoders.
_DEBERTA_V3 = {
    "type_vocab_size": 0,
    "relative_attention": True,
    "max_relative_positions": -1,
    "position_biased_input": False,
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "pos_att_type": ["p2c", "c2p"],
    "conv_kernel_size": 0,
}
_OTHERS_OF_MODERNBERT = {
    WORD_EMBEDDINGS.rpartition(".")[0]: "embeddings.tok_embeddings",
    EMBEDDINGS_NORM: "embeddings.norm",
    FINAL_NORM: "final_norm",
}
_PARTS_OF_MODERNBERT = {
    "attention.LayerNorm": "attn_norm",
    "attention.self.query_key_value": "attn.Wqkv",
    "attention.output.dense": "attn.Wo",
    "intermediate.LayerNorm": "mlp_norm",
    "intermediate.dense": "mlp.Wi",
    "output.dense": "mlp.Wo",
}
_ENCODES = {"position_embedding_type": "absolute", "is_decoder": False}
_FAMILIES = (
    Family(BERT, "BertModel", "BertTokenizer", "bert", SIZES, required=_ENCODES),
    # Sanh et al. 2019, arXiv 1910.01108: BERT without segments and pooler.
    Family(
        "distilbert",
        "DistilBertModel",
        "DistilBertTokenizer",
        "distilbert",
        _SIZES_OF_DISTILBERT,
        activation="activation",
        dropouts=("dropout", "attention_dropout"),
        layers="transformer.layer",
        parts=_PARTS_OF_DISTILBERT,
        fixed={"num_segments": 0},
        epsilon="",
    ),
    # Clark et al. 2020, arXiv 2003.10555: narrower embeddings that are projected, no pooler.
    Family(
        "electra",
        "ElectraModel",
        "ElectraTokenizer",
        "electra",
        {**SIZES, "embedding_dim": "embedding_size"},
        required=_ENCODES,
    ),
    # Liu et al. 2019, arXiv 1907.11692: one segment.
    Family(
        "roberta",
        "RobertaModel",
        "RobertaTokenizer",
        "roberta",
        SIZES,
        required=_ENCODES,
        tokenizer=BYTE_PAIRS,
        counts_from_padding=True,
    ),
    # Conneau et al. 2020, arXiv 1911.02116: RoBERTa with SentencePiece's pieces.
    Family(
        "xlm-roberta",
        "XLMRobertaModel",
        "XLMRobertaTokenizer",
        "roberta",
        SIZES,
        required=_ENCODES,
        tokenizer=XLMR_PIECES,
        counts_from_padding=True,
    ),
    # Lan et al. 2020, arXiv 1909.11942: one layer, run several times; narrower embeddings.
    Family(
        "albert",
        "AlbertModel",
        "AlbertTokenizer",
        "albert",
        {**SIZES, "embedding_dim": "embedding_size"},
        layers="encoder.albert_layer_groups.0.albert_layers",
        others={PROJECTION: "encoder.embedding_hidden_mapping_in", "pooler.dense": "pooler"},
        parts=_PARTS_OF_ALBERT,
        fixed={"shares_layers": True},
        required={"position_embedding_type": "absolute", "num_hidden_groups": 1, "inner_group_num": 1},
        defaults={"hidden_act": "gelu_new"},
        tokenizer=ALBERT_PIECES,
    ),
    # He et al. 2021, arXiv 2006.03654 and 2111.09543 (v3): disentangled attention, no segments, no pooler.
    Family(
        "deberta-v2",
        "DebertaV2Model",
        "DebertaV2Tokenizer",
        "deberta",
        {
            **{name: field for name, field in SIZES.items() if name != "num_segments"},
            "position_buckets": "position_buckets",
        },
        others={layer: layer for layer in (RELATIVE_EMBEDDINGS.rpartition(".")[0], RELATIVE_NORM)},
        parts=_PARTS_OF_DEBERTA,
        fixed={"num_segments": 0},
        required=_DEBERTA_V3,
        defaults=_DEFAULTS_OF_DEBERTA,
        tokenizer=DEBERTA_PIECES,
        has_pooler=False,
    ),
    # Warner et al. 2024, arXiv 2412.13663: blocks of another form, local attention, rotary positions.
    Family(
        "modernbert",
        "ModernBertModel",
        "PreTrainedTokenizerFast",
        "model",
        {name: field for name, field in SIZES.items() if name != "num_segments"},
        activation="hidden_activation",
        dropouts=(),
        layers="layers",
        others=_OTHERS_OF_MODERNBERT,
        parts=_PARTS_OF_MODERNBERT,
        fixed={"num_segments": 0},
        required={"norm_bias": False, "attention_bias": False, "mlp_bias": False, "rope_scaling": None},
        defaults={"norm_eps": 1e-5},
        epsilon="norm_eps",
        tokenizer=MODERN_PAIRS,
        has_pooler=False,
        has_windows=True,
    ),
)
FAMILIES = {family.model_type: family for family in _FAMILIES}


def family_of(model_type: Any, where: str | Path) -> Family:
    """Returns the family that a file names; `where` is that file."""
    if model_type is None:
        raise UserError(f"{where}: field model_type is missing; must be one of {', '.join(FAMILIES)}")
    if model_type not in FAMILIES:
        raise unknown_name("model_type", str(model_type), FAMILIES, str(where))
    return FAMILIES[model_type]
