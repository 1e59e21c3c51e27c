"""The reference's data: GLUE's files, the rows that the product trains on, word pieces, batches."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from transformers import BertTokenizerFast

from benchmarks.command_line import InputError
from benchmarks.reference_rows import product_rows

BATCHES_PER_CHUNK = 50


class ReferenceTask(NamedTuple):
    """One of GLUE's pair tasks."""

    folder: str
    texts: tuple[str, str]
    label: str
    num_outputs: int
    metrics: tuple[str, ...]


TASKS = {
    "mrpc": ReferenceTask("MRPC", ("#1 String", "#2 String"), "Quality", 2, ("accuracy", "f1")),
    "stsb": ReferenceTask("STS-B", ("sentence1", "sentence2"), "score", 1, ("pearson", "spearman")),
}


class Encoded(NamedTuple):
    """Rows of a split: token ids and segment ids of each, and the labels or scores."""

    token_ids: list[list[int]]
    segment_ids: list[list[int]]
    gold: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row."""
        return np.array([len(ids) for ids in self.token_ids])


class Batch(NamedTuple):
    """One batch, padded to its longest row."""

    inputs: dict[str, torch.Tensor]
    gold: torch.Tensor


def load_tokenizer(model: Path) -> BertTokenizerFast:
    """Returns the tokenizer of a Hugging Face folder's vocabulary, without the folder's settings of padding."""
    vocabulary, settings = model / "vocab.txt", model / "tokenizer_config.json"
    if not vocabulary.is_file():
        raise InputError(f"{model}: no vocab.txt; a Hugging Face folder of a BERT is accepted")
    lowercase = json.loads(settings.read_text())["do_lower_case"] if settings.is_file() else True
    return BertTokenizerFast(vocab_file=str(vocabulary), do_lower_case=lowercase)


def read_split(
    task: ReferenceTask, glue: Path, file: str, tokenizer: BertTokenizerFast, max_length: int, limit: int | None = None
) -> Encoded:
    """Reads and encodes a split's file; with a limit, the rows that the product would train on.

    Raises:
        InputError: The file is missing or lacks a column.
    """
    path = glue / task.folder / file
    if not path.is_file():
        raise InputError(f"{path}: no such file; --glue takes the folder that holds MRPC and STS-B")
    lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    header, *rows = [line.removesuffix("\r").split("\t") for line in lines]
    for number, row in enumerate(rows, start=2):
        if len(row) != len(header):
            raise InputError(f"{path}:{number}: {len(row)} columns, the header has {len(header)}")
    try:
        columns = [header.index(name) for name in (*task.texts, task.label)]
    except ValueError as error:
        raise InputError(f"{path}:1: lacks a column ({error})") from None
    first, second, gold = ([rows[row][column] for row in product_rows(len(rows), limit)] for column in columns)
    encoded = tokenizer(first, second, truncation="longest_first", max_length=max_length)
    values = np.array(gold, dtype=np.int64 if task.num_outputs > 1 else np.float32)
    return Encoded(encoded["input_ids"], encoded["token_type_ids"], values)


def make_batch(split: Encoded, rows: np.ndarray) -> Batch:
    """Returns rows of a split as a batch."""
    length = max(len(split.token_ids[row]) for row in rows)
    inputs = {name: torch.zeros(len(rows), length, dtype=torch.long) for name in ("input_ids", "token_type_ids")}
    inputs["attention_mask"] = torch.zeros(len(rows), length, dtype=torch.long)
    for place, row in enumerate(rows):
        tokens = len(split.token_ids[row])
        inputs["input_ids"][place, :tokens] = torch.tensor(split.token_ids[row])
        inputs["token_type_ids"][place, :tokens] = torch.tensor(split.segment_ids[row])
        inputs["attention_mask"][place, :tokens] = 1
    return Batch(inputs, torch.from_numpy(split.gold[rows]))


def plan_epoch(
    splits: Sequence[Encoded], batch_size: int, generator: np.random.Generator
) -> list[tuple[int, np.ndarray]]:
    """Returns an epoch's batches as (place of the task, rows): the union of all tasks' batches, shuffled.

    A task's rows are shuffled, and sorted by length within chunks of at most 50 batches before they are cut.
    """
    batches: list[tuple[int, np.ndarray]] = []
    for place, split in enumerate(splits):
        shuffled = generator.permutation(len(split.token_ids))
        starts = np.arange(0, len(shuffled), batch_size)
        chunks = np.array_split(starts, -(-len(starts) // BATCHES_PER_CHUNK))
        for rows in np.split(shuffled, [chunk[0] for chunk in chunks[1:]]):
            by_length = rows[np.argsort(split.lengths[rows], kind="stable")]
            cut = np.split(by_length, range(batch_size, len(by_length), batch_size))
            batches += [(place, batch) for batch in cut]
    return [batches[place] for place in generator.permutation(len(batches))]
