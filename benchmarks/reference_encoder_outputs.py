"""Writes what transformers' BertModel makes of sentences, for the product's encoder to be compared with.

python -m benchmarks.reference_encoder_outputs --model=FOLDER --sentences=FILE --output=OUT.npz

The file has a text a line, or two separated by a tab. The output holds `token_ids`, `segment_ids`,
`padding_mask` [rows, length], `last_hidden_state` [rows, length, width] and `pooler_output` [rows, width].
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
import torch
from transformers.utils import logging as transformers_logging

from benchmarks.command_line import InputError, run, write_bytes
from benchmarks.reference_data import load_tokenizer
from benchmarks.reference_model import load_encoder


def read_sentences(path: Path) -> list[tuple[str, ...]]:
    """Returns the one or two texts of each line.

    Raises:
        InputError: The file is missing or empty, or a line has more than two texts.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; --sentences takes one or two texts a line")
    lines = [tuple(line.split("\t")) for line in path.read_text(encoding="utf-8").removesuffix("\n").split("\n")]
    for number, texts in enumerate(lines, start=1):
        if not texts[0] or len(texts) > 2:
            raise InputError(f"{path}:{number}: takes one text, or two separated by a tab")
    return lines


def main() -> None:
    """Encodes the file on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="Hugging Face folder of the encoder")
    parser.add_argument("--sentences", type=Path, required=True, help="a text a line, pairs separated by a tab")
    parser.add_argument("--output", type=Path, required=True, help="the .npz file to write")
    parser.add_argument("--max_length", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    flags = parser.parse_args()
    torch.set_num_threads(flags.threads)
    transformers_logging.set_verbosity_error()
    sentences = read_sentences(flags.sentences)
    tokenizer = load_tokenizer(flags.model)
    rows = [tokenizer(*texts, truncation="longest_first", max_length=flags.max_length) for texts in sentences]
    inputs = tokenizer.pad(rows, return_tensors="pt")
    with torch.no_grad():
        encoded = load_encoder(flags.model).eval()(**inputs)
    file = io.BytesIO()
    np.savez(
        file,
        token_ids=inputs["input_ids"].numpy(),
        segment_ids=inputs["token_type_ids"].numpy(),
        padding_mask=inputs["attention_mask"].numpy(),
        last_hidden_state=encoded.last_hidden_state.numpy(),
        pooler_output=encoded.pooler_output.numpy(),
    )
    write_bytes(flags.output, file.getvalue())
    print(f"{flags.output}: {len(sentences)} rows, {inputs['input_ids'].shape[1]} tokens long")


if __name__ == "__main__":
    run(main)
