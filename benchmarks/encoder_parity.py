"""Compares the product's encoder with transformers' BertModel on the outputs that reference_encoder_outputs wrote.

python -m benchmarks.encoder_parity --model=FOLDER --sentences=FILE --reference=OUT.npz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tensorflow as tf

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.modeling.backbone import POOLER
from mtdnn_tf.modeling.bert_weights import assign_weights
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.pretrained import with_pooling
from mtdnn_tf.modeling.encoder import Encoder

_ROWS_PER_BATCH = 64


def main() -> None:
    """Prints how many token ids differ and the largest differences of the outputs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="Hugging Face folder of the encoder")
    parser.add_argument("--sentences", type=Path, required=True, help="a text a line, pairs separated by a tab")
    parser.add_argument("--reference", type=Path, required=True, help="the .npz file of reference_encoder_outputs")
    parser.add_argument("--max_length", type=int, default=128)
    flags = parser.parse_args()
    reference = np.load(flags.reference, allow_pickle=False)
    pretrained = with_pooling(find_backbone(flags.model), POOLER)
    tokenizer = pretrained.tokenizer()
    backbone = Encoder(pretrained.config)
    assign_weights(backbone, pretrained.weights)

    lines = flags.sentences.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    texts = [line.split("\t") for line in lines]
    differing = 0
    largest = {"sequence_output": 0.0, "pooled_output": 0.0}
    names = {"sequence_output": "last_hidden_state", "pooled_output": "pooler_output"}
    for row, (first, *second) in enumerate(texts):
        tokens_b = tokenizer.tokenize(tf.constant(second)) if second else None
        inputs = to_model_inputs(pack(tokenizer.tokenize(tf.constant([first])), tokens_b, tokenizer, flags.max_length))
        mask = reference["padding_mask"][row].astype(bool)
        same = all(
            np.array_equal(inputs[name].numpy()[0], reference[name][row][mask]) for name in ("token_ids", "segment_ids")
        )
        differing += not same
    for start in range(0, len(texts), _ROWS_PER_BATCH):
        rows = slice(start, start + _ROWS_PER_BATCH)
        mask = reference["padding_mask"][rows].astype(bool)
        inputs = {name: tf.constant(reference[name][rows], tf.int32) for name in ("token_ids", "segment_ids")}
        outputs = backbone({**inputs, "padding_mask": tf.constant(mask, tf.int32)}, training=False)
        for ours, theirs in names.items():
            difference = np.abs(outputs[ours].numpy() - reference[theirs][rows])
            kept = difference[mask] if ours == "sequence_output" else difference
            largest[ours] = max(largest[ours], float(kept.max()))
    print(f"{len(texts)} rows: token ids differ in {differing}")
    for name, value in largest.items():
        print(f"largest difference of {name}: {value:.2e}")


if __name__ == "__main__":
    main()
