"""Makes an encoder with random weights by transformers, trains and runs it, on request of benchmarks.families."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoConfig, AutoModel

from benchmarks.worker import milliseconds, serve

_MAX_GRADIENT_NORM = 1.0
_RATE = 5e-5


class PytorchFamilyWorker:
    """An encoder with a head for two labels.

    Args:
        folder: Folder of its config.json, which gets its weights.
        threads: Number of threads.
    """

    def __init__(self, folder: Path, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self._encoder = AutoModel.from_config(AutoConfig.from_pretrained(folder))
        self._encoder.save_pretrained(folder)
        self._head = torch.nn.Linear(self._encoder.config.hidden_size, 2)
        self._parameters = [*self._encoder.parameters(), *self._head.parameters()]
        for parameter in self._parameters:
            parameter.grad = torch.zeros_like(parameter)
        self._optimizer = torch.optim.Adamax(self._parameters, lr=_RATE, eps=1e-7)

    def versions(self) -> dict[str, Any]:
        """Returns what is measured."""
        return {"torch": torch.__version__, "transformers": transformers.__version__}

    def _pooled(self, ids: torch.Tensor) -> torch.Tensor:
        outputs = self._encoder(input_ids=ids, attention_mask=torch.ones_like(ids))
        pooled = getattr(outputs, "pooler_output", None)
        found: torch.Tensor = outputs.last_hidden_state[:, 0] if pooled is None else pooled
        return found

    @torch.inference_mode()
    def outputs(self, ids: list[list[int]]) -> list[list[float]]:
        """Returns what heads read."""
        self._encoder.eval()
        found: list[list[float]] = self._pooled(torch.tensor(ids)).tolist()
        return found

    def train(self, ids: list[list[int]], steps: int) -> list[float]:
        """Returns the milliseconds of each of some steps on a batch."""
        self._encoder.train()
        batch, gold = torch.tensor(ids), torch.zeros(len(ids), dtype=torch.long)

        def step() -> None:
            loss = torch.nn.functional.cross_entropy(self._head(self._pooled(batch)), gold)
            self._optimizer.zero_grad(set_to_none=False)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self._parameters, _MAX_GRADIENT_NORM)
            self._optimizer.step()

        return milliseconds(step, steps)

    @torch.inference_mode()
    def answer(self, ids: list[list[int]], repeats: int) -> list[float]:
        """Returns the milliseconds of each of some requests."""
        self._encoder.eval()
        batch = torch.tensor(ids)
        return milliseconds(lambda: self._head(self._pooled(batch)).softmax(-1).numpy(), repeats)


def main() -> None:
    """Serves until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    transformers.utils.logging.set_verbosity_error()
    worker = PytorchFamilyWorker(**vars(parser.parse_args()))
    serve({name: getattr(worker, name) for name in ("versions", "outputs", "train", "answer")})


if __name__ == "__main__":
    main()
