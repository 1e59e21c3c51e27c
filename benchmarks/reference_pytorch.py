"""Fine-tunes a BERT on MRPC, STS-B or both in plain PyTorch, as the product is meant to.

python -m benchmarks.reference_pytorch --tasks=mrpc,stsb --model=FOLDER --glue=FOLDER --output=FOLDER

The specification, which the product shares: linear heads on the pooled output behind dropout 0.1; cross-entropy,
and squared error on raw scores; one task a batch, the union of all batches shuffled; linear warm-up over the
first tenth of the steps and linear decay to 0, peak * min((n + 1) / w, (N - n) / (N - w)); gradients clipped to
global norm 1; Adamax. Adamax adds epsilon to the gradient in PyTorch and to the denominator in Keras.
Writes one JSON file for each seed and prints a table over all results in the output folder.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats
from sklearn.metrics import accuracy_score, f1_score
from transformers.utils import logging as transformers_logging

from benchmarks.command_line import InputError, run, write_bytes
from benchmarks.reference_data import TASKS, Encoded, load_tokenizer, make_batch, plan_epoch, read_split
from benchmarks.reference_model import (
    OPTIMIZERS,
    MultiTaskNetwork,
    build_optimizer,
    learning_rate,
    load_encoder,
    task_loss,
)
from benchmarks.results import read_results, summary

_MAX_GRADIENT_NORM = 1.0
_EVALUATION_BATCH = 64
_STEPS_A_LINE = 20


def train(network: MultiTaskNetwork, splits: Mapping[str, Encoded], settings: Mapping[str, Any], seed: int) -> float:
    """Trains the network and returns the tokens, without padding, trained on each second."""
    optimizer = build_optimizer(settings["optimizer"], network, settings["epsilon"])
    generator = np.random.default_rng(seed)
    names, encoded = list(splits), list(splits.values())
    plan = [
        batch for _ in range(settings["epochs"]) for batch in plan_epoch(encoded, settings["batch_size"], generator)
    ]
    warmup_steps = round(settings["warmup_ratio"] * len(plan))
    steps = min(len(plan), settings["max_steps"] or len(plan))
    network.train()
    tokens, started = 0, time.monotonic()
    for step, (place, rows) in enumerate(plan[:steps]):
        batch = make_batch(encoded[place], rows)
        loss = task_loss(network(names[place], batch.inputs), batch.gold)
        optimizer.zero_grad(set_to_none=False)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), _MAX_GRADIENT_NORM)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(settings["learning_rate"], step, len(plan), warmup_steps)
        optimizer.step()
        tokens += int(batch.inputs["attention_mask"].sum())
        if (step + 1) % _STEPS_A_LINE == 0 or step + 1 == steps:
            seconds = time.monotonic() - started
            print(
                f"seed {seed} step {step + 1}/{steps} {names[place]} loss {loss.item():.4f} "
                f"{tokens / seconds:.0f} tokens/s, {seconds / (step + 1) * (steps - step - 1):.0f} s left",
                flush=True,
            )
    return tokens / (time.monotonic() - started)


@torch.no_grad()
def evaluate(network: MultiTaskNetwork, task: str, split: Encoded) -> dict[str, float]:
    """Returns a task's metrics over a whole split; a correlation with constant predictions is 0."""
    network.eval()
    longest_first = np.argsort(-split.lengths, kind="stable")
    outputs = np.empty((len(split.gold), TASKS[task].num_outputs))
    for start in range(0, len(longest_first), _EVALUATION_BATCH):
        rows = longest_first[start : start + _EVALUATION_BATCH]
        outputs[rows] = network(task, make_batch(split, rows).inputs).numpy()
    if TASKS[task].num_outputs == 1:
        scores = outputs[:, 0]
        correlations = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}
        return {name: float(np.nan_to_num(of(split.gold, scores)[0])) for name, of in correlations.items()}
    predicted = outputs.argmax(axis=1)
    return {"accuracy": float(accuracy_score(split.gold, predicted)), "f1": float(f1_score(split.gold, predicted))}


def parse_flags() -> argparse.Namespace:
    """Returns the checked flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", required=True, help=f"one or more of {','.join(TASKS)}")
    parser.add_argument("--model", type=Path, required=True, help="Hugging Face folder of the encoder")
    parser.add_argument("--glue", type=Path, required=True, help="folder of GLUE's files")
    parser.add_argument("--output", type=Path, required=True, help="folder of the results")
    parser.add_argument("--seeds", default="0", help="comma-separated, such as 0,1,2")
    parser.add_argument("--max_train_examples", type=int, default=2000, help="rows a task; 0 for all")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--learning_rate", type=float, default=5e-5)
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="adamax")
    parser.add_argument("--epsilon", type=float, help="the product's by default: 1e-7 of adamax, 1e-6 of adamw")
    parser.add_argument("--warmup_ratio", type=float, default=0.1)
    parser.add_argument("--max_length", type=int, default=128)
    parser.add_argument("--max_steps", type=int, default=0, help="stop early, to try it out; 0 for all steps")
    parser.add_argument("--threads", type=int, default=2)
    flags = parser.parse_args()
    flags.tasks = flags.tasks.split(",")
    for task in flags.tasks:
        if task not in TASKS:
            raise InputError(f"--tasks must be one or more of {', '.join(TASKS)}, got {task!r}")
    try:
        flags.seeds = [int(seed) for seed in flags.seeds.split(",")]
    except ValueError:
        raise InputError(f"--seeds must be comma-separated integers, got {flags.seeds!r}") from None
    return flags


def main() -> None:
    """Trains and evaluates every seed that has no result yet, and prints the table."""
    flags = parse_flags()
    torch.set_num_threads(flags.threads)
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    hidden = ("tasks", "seeds", "output", "threads", "glue", "model")
    settings = {name: value for name, value in vars(flags).items() if name not in hidden}
    tokenizer = load_tokenizer(flags.model)
    limit = flags.max_train_examples or None
    arguments = (flags.glue, "train.tsv", tokenizer, flags.max_length, limit)
    train_splits = {name: read_split(TASKS[name], *arguments) for name in flags.tasks}
    dev_splits = {
        name: read_split(TASKS[name], flags.glue, "dev.tsv", tokenizer, flags.max_length) for name in flags.tasks
    }
    mode = ",".join(flags.tasks)
    for seed in flags.seeds:
        path = flags.output / f"{'+'.join(flags.tasks)}_seed{seed}.json"
        if path.is_file():
            if any(result["settings"] != settings for result in json.loads(path.read_text(encoding="utf-8"))):
                raise InputError(f"{path}: was made with other settings; choose another --output")
            print(f"{path} is there already")
            continue
        torch.manual_seed(seed)
        network = MultiTaskNetwork(load_encoder(flags.model), {name: TASKS[name].num_outputs for name in flags.tasks})
        speed = train(network, train_splits, settings, seed)
        results = [
            {
                "mode": mode,
                "seed": seed,
                "task": name,
                "metrics": evaluate(network, name, split),
                "settings": settings,
                "tokens_per_second": round(speed, 1),
            }
            for name, split in dev_splits.items()
        ]
        write_bytes(path, (json.dumps(results, indent=2, allow_nan=False) + "\n").encode())
    print(summary(read_results(flags.output)), end="")


if __name__ == "__main__":
    run(main)
