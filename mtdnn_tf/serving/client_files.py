"""What a client of a model of token ids needs beside it: names of inputs, the tokenizer and a description."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mtdnn_tf.json_files import write_json
from mtdnn_tf.modeling.checkpoints.fast_tokenizer import fast_tokenizer
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel
from mtdnn_tf.serving.description import describe

TOKEN_IDS, MASK, SEGMENT_IDS = "input_ids", "attention_mask", "token_type_ids"
# As transformers names the inputs of its own exports, and our names.
INPUTS = {TOKEN_IDS: "token_ids", MASK: "padding_mask", SEGMENT_IDS: "segment_ids"}
CONFIG = "config.json"
TOKENIZER = "tokenizer.json"


def write_client_files(loaded: LoadedModel, folder: Path, weights: str, more: Mapping[str, Any]) -> None:
    """Writes tokenizer.json and config.json.

    Args:
        loaded: The model, with the tasks that it answers there.
        folder: Exists.
        weights: How the model's weights are stored.
        more: JSON values that config.json has besides.
    """
    write_json(folder / TOKENIZER, fast_tokenizer(loaded.tokenizer, loaded.max_sequence_length))
    config = {**describe(loaded, weights), "inputs": list(INPUTS), **more}
    for task in loaded.tasks:
        # A ranking has labels, but one score.
        config["tasks"][task.name]["outputs"] = [*task.labels] if len(task.labels) == task.num_outputs else ["score"]
    write_json(folder / CONFIG, config)
