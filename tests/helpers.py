"""Small data and small encoders that tests make for themselves."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

WORDS = ["the", "a", "cat", "dog", "bird", "sees", "likes", "finds", "red", "blue", "big", "small", "house", "not"]
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "##s", "."]
TASKS = """\
tasks:
  mood:
    kind: classification
    text: [sentence]
    label: mood
    labels: [bad, good]
    metrics: [accuracy, f1]
    files: {train: mood_train.tsv, validation: mood_validation.tsv, test: mood_test.tsv}
  entailment:
    kind: classification
    text: [premise, hypothesis]
    label: answer
    labels: [entails, neutral, contradicts]
    metrics: [accuracy]
    files: {train: entailment_train.tsv, validation: entailment_validation.tsv, test: entailment_test.tsv}
  similarity:
    kind: regression
    text: [first, second]
    label: score
    metrics: [pearson, spearman]
    files: {train: similarity_train.tsv, validation: similarity_validation.tsv, test: similarity_test.tsv}
"""


def random_texts(count: int, seed: int) -> list[str]:
    """Returns different texts of the vocabulary's words."""
    generator = random.Random(seed)
    texts: dict[str, None] = {}
    while len(texts) < count:
        texts[" ".join(generator.choices(WORDS, k=generator.randint(2, 9)))] = None
    return list(texts)


def write_tasks(folder: Path, rows: int = 40) -> Path:
    """Writes three small tasks, one of each shape, and returns their task file."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, split in enumerate(("train", "validation", "test")):
        texts = random_texts(3 * rows, seed=number)
        first, second = texts[:rows], texts[rows : 2 * rows]
        moods = ["good" if "cat" in text or "bird" in text else "bad" for text in first]
        answers = [("entails", "neutral", "contradicts")[len(a) % 3] for a in first]
        scores = [f"{5 * len(set(a.split()) & set(b.split())) / 9:.3f}" for a, b in zip(first, second)]
        tables: dict[str, list[tuple[str, ...]]] = {
            "mood": [("sentence", "mood"), *zip(first, moods)],
            "entailment": [("premise", "hypothesis", "answer"), *zip(first, second, answers)],
            "similarity": [("first", "second", "score"), *zip(first, second, scores)],
        }
        for name, table in tables.items():
            lines = ["\t".join(row) + "\n" for row in table]
            (folder / f"{name}_{split}.tsv").write_text("".join(lines), encoding="utf-8")
    path = folder / "tasks.yaml"
    path.write_text(TASKS, encoding="utf-8")
    return path


def write_answers(path: Path, candidates: Sequence[int], seed: int) -> None:
    """Writes questions with so many candidates each, in shuffled rows, as question, answer, relevant.

    The first candidate of a question is relevant, and holds all of its words.
    """
    texts = random_texts(len(candidates) + sum(candidates), seed)
    questions, answers = texts[: len(candidates)], iter(texts[len(candidates) :])
    rows = []
    for question, count in zip(questions, candidates):
        rows += [
            (question, f"{next(answers)} {question}" if not n else next(answers), str(int(not n))) for n in range(count)
        ]
    random.Random(seed).shuffle(rows)
    lines = ["\t".join(row) + "\n" for row in [("question", "answer", "relevant"), *rows]]
    path.write_text("".join(lines), encoding="utf-8")


def write_huggingface_folder(
    folder: Path, hidden_act: str = "gelu", layers: int = 2, width: int = 16, seed: int = 0
) -> dict[str, np.ndarray]:
    """Writes a small random BERT in Hugging Face's layout and returns its weights."""
    folder.mkdir(parents=True)
    config = {
        "model_type": "bert",
        "hidden_act": hidden_act,
        "hidden_size": width,
        "intermediate_size": 2 * width,
        "max_position_embeddings": 64,
        "num_attention_heads": 2,
        "num_hidden_layers": layers,
        "type_vocab_size": 2,
        "vocab_size": len(VOCABULARY),
        "layer_norm_eps": 1e-12,
    }
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(VOCABULARY), width),
        "embeddings.position_embeddings.weight": (64, width),
        "embeddings.token_type_embeddings.weight": (2, width),
        "embeddings.LayerNorm.weight": (width,),
        "embeddings.LayerNorm.bias": (width,),
        "pooler.dense.weight": (width, width),
        "pooler.dense.bias": (width,),
    }
    for index in range(layers):
        prefix = f"encoder.layer.{index}"
        for part in ("self.query", "self.key", "self.value", "output.dense"):
            shapes[f"{prefix}.attention.{part}.weight"] = (width, width)
            shapes[f"{prefix}.attention.{part}.bias"] = (width,)
        shapes[f"{prefix}.intermediate.dense.weight"] = (2 * width, width)
        shapes[f"{prefix}.intermediate.dense.bias"] = (2 * width,)
        shapes[f"{prefix}.output.dense.weight"] = (width, 2 * width)
        shapes[f"{prefix}.output.dense.bias"] = (width,)
        for part in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"{prefix}.{part}.weight"] = (width,)
            shapes[f"{prefix}.{part}.bias"] = (width,)
    generator = np.random.default_rng(seed)
    weights = {name: generator.normal(0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (folder / "vocab.txt").write_text("".join(f"{piece}\n" for piece in VOCABULARY), encoding="utf-8")
    return weights
