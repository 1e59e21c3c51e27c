"""Encodes every split of some tasks into word pieces, once; later runs find them in the cache."""

from __future__ import annotations

from pathlib import Path

from absl import logging

from flags import data, model
from mtdnn_tf.data.encoding import encode_split
from mtdnn_tf.data.sources import available_splits
from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.backbones import find_backbone
from mtdnn_tf.modeling.multi_task_model import check_length, tokenizer_of
from tools import cli


def main() -> None:
    """Encodes the splits that are there."""
    tasks, source, cache_dir = data.selected_tasks(), data.source(), Path(data.CACHE_DIR.value)
    pretrained = find_backbone(model.INIT_FROM.value or model.BACKBONE.value)
    length = data.MAX_SEQUENCE_LENGTH.value
    check_length(pretrained, length)
    tokenizer = tokenizer_of(pretrained)
    splits = []
    for task in tasks:
        found = available_splits(task, source)
        if not found:
            raise UserError(f"{source.data_dir}: no file of task {task.name} here, nor where its task file says")
        splits += [(task, split) for split in found]
    for task, split in splits:
        encode_split(task, split, source, tokenizer, length, cache_dir)
    logging.info("%s: %d splits of %d tasks", cache_dir, len(splits), len(tasks))


if __name__ == "__main__":
    cli.run(main)
