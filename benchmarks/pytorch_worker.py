"""Measures transformers and PyTorch, and ONNX Runtime, on request of benchmarks.run."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers import DataCollatorWithPadding
from transformers.trainer_pt_utils import LengthGroupedSampler

from benchmarks.reference_data import load_tokenizer
from benchmarks.reference_model import MultiTaskNetwork, build_optimizer, load_encoder, task_loss
from benchmarks.worker import serve

_MAX_GRADIENT_NORM = 1.0


class PytorchWorker:
    """Trains and answers the rows that the product wrote.

    Args:
        model: Hugging Face folder of the encoder.
        rows: JSON file: of each task its texts, gold and number of outputs.
        max_length: Longest sequence.
    """

    def __init__(self, model: Path, rows: Path, max_length: int) -> None:
        torch.manual_seed(0)
        self._max_length = max_length
        self._tokenizer = load_tokenizer(model)
        self._collate = DataCollatorWithPadding(self._tokenizer)
        self._tasks = json.loads(rows.read_text(encoding="utf-8"))
        self._encoded: dict[str, list[dict[str, list[int]]]] = {}
        for name in self._tasks:
            columns = self._tokenize(name)
            self._encoded[name] = [dict(zip(columns, values)) for values in zip(*columns.values())]
        outputs = {name: task["num_outputs"] for name, task in self._tasks.items()}
        self._network = MultiTaskNetwork(load_encoder(model), outputs)
        self._optimizer = build_optimizer("adamax", self._network, None)
        self._batches: dict[tuple[str, bool], Iterator[list[int]]] = {}
        self._onnx: Any = None
        self._files: dict[str, Any] = {}

    def _tokenize(self, name: str) -> dict[str, Any]:
        task = self._tasks[name]
        texts = [task["first"]] + ([task["second"]] if task["second"] else [])
        return dict(self._tokenizer(*texts, truncation="longest_first", max_length=self._max_length))

    def versions(self) -> dict[str, Any]:
        """Returns what is measured, and with how many threads."""
        import onnxruntime

        return {
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "onnxruntime": onnxruntime.__version__,
            "torch_threads": torch.get_num_threads(),
        }

    def encode(self) -> dict[str, float]:
        """Encodes every task's texts again."""
        started = time.perf_counter()
        rows = sum(len(self._tokenize(name)["input_ids"]) for name in self._tasks)
        return {"rows": rows, "seconds": time.perf_counter() - started}

    def train(self, tasks: Sequence[str], batch_size: int, group_by_length: bool) -> dict[str, float]:
        """Makes one step for each name of a task, on its next batch in the order of transformers' Trainer.

        Args:
            tasks: The task of each step.
            batch_size: Rows in a batch.
            group_by_length: Trainer's option; without it, batches are of random rows.
        """
        self._network.train()
        tokens, padded, started = 0, 0, time.perf_counter()
        for name in tasks:
            rows = self._next_rows(name, batch_size, group_by_length)
            inputs = self._collate([self._encoded[name][row] for row in rows])
            kind = torch.float32 if self._tasks[name]["num_outputs"] == 1 else torch.long
            gold = torch.tensor([self._tasks[name]["gold"][row] for row in rows]).to(kind)
            loss = task_loss(self._network(name, inputs), gold)
            self._optimizer.zero_grad(set_to_none=False)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self._network.parameters(), _MAX_GRADIENT_NORM)
            self._optimizer.step()
            tokens += int(inputs["attention_mask"].sum())
            padded += inputs["attention_mask"].numel()
        return {"tokens": tokens, "padded_tokens": padded, "seconds": time.perf_counter() - started}

    def _next_rows(self, name: str, batch_size: int, group_by_length: bool) -> list[int]:
        key = (name, group_by_length)
        while True:
            if key not in self._batches:
                self._batches[key] = self._epoch(name, batch_size, group_by_length)
            rows = next(self._batches[key], None)
            if rows is not None:
                return rows
            del self._batches[key]

    def _epoch(self, name: str, batch_size: int, group_by_length: bool) -> Iterator[list[int]]:
        encoded = self._encoded[name]
        if group_by_length:
            order = list(LengthGroupedSampler(batch_size, lengths=[len(row["input_ids"]) for row in encoded]))
        else:
            order = torch.randperm(len(encoded)).tolist()
        return iter([order[start : start + batch_size] for start in range(0, len(order), batch_size)])

    @torch.inference_mode()
    def score(self, task: str, rows: int, batch_size: int) -> dict[str, float]:
        """Answers a task's first rows, those of like length together."""
        self._network.eval()
        encoded = self._encoded[task][:rows]
        started = time.perf_counter()
        order = sorted(range(len(encoded)), key=lambda row: -len(encoded[row]["input_ids"]))
        for start in range(0, len(order), batch_size):
            inputs = self._collate([encoded[row] for row in order[start : start + batch_size]])
            self._network(task, inputs).softmax(-1).numpy()
        return {"rows": len(encoded), "seconds": time.perf_counter() - started}

    @torch.inference_mode()
    def answer(self, engine: str, task: str, batch_size: int, length: int, repeats: int) -> list[float]:
        """Returns the milliseconds of each of some requests, after one that is not counted.

        Args:
            engine: "pytorch", "onnx" for PyTorch's own export, or the path of an ONNX file.
            task: The task to answer.
            batch_size: Sequences in a request.
            length: Word pieces of each.
            repeats: Number of requests.
        """
        self._network.eval()
        generator = np.random.default_rng(0)
        ids = generator.integers(1000, self._tokenizer.vocab_size, (batch_size, length))
        arrays = {"input_ids": ids, "token_type_ids": np.zeros_like(ids), "attention_mask": np.ones_like(ids)}
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        session = None if engine == "pytorch" else self._session(task) if engine == "onnx" else self._session_of(engine)
        times = []
        for _ in range(repeats + 1):
            started = time.perf_counter()
            if session is None:
                self._network(task, tensors).softmax(-1).numpy()
            else:
                session.run(None, arrays)
            times.append(1000 * (time.perf_counter() - started))
        return times[1:]

    def _session_of(self, path: str) -> Any:
        import onnxruntime

        if path not in self._files:
            self._files[path] = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        return self._files[path]

    def _session(self, task: str) -> Any:
        if self._onnx is None:
            import io

            import onnxruntime

            class OneTask(torch.nn.Module):
                def __init__(self, network: MultiTaskNetwork) -> None:
                    super().__init__()
                    self.network = network

                def forward(self, input_ids: Any, token_type_ids: Any, attention_mask: Any) -> torch.Tensor:
                    inputs = {
                        "input_ids": input_ids,
                        "token_type_ids": token_type_ids,
                        "attention_mask": attention_mask,
                    }
                    return self.network(task, inputs).softmax(-1)

            names = ["input_ids", "token_type_ids", "attention_mask"]
            example = tuple(torch.ones(2, 16, dtype=torch.long) for _ in names)
            content = io.BytesIO()
            torch.onnx.export(
                OneTask(self._network).eval(),
                example,
                content,
                input_names=names,
                output_names=["probabilities"],
                dynamic_axes={name: {0: "batch", 1: "length"} for name in names},
                opset_version=17,
                dynamo=False,
            )
            self._onnx = onnxruntime.InferenceSession(content.getvalue(), providers=["CPUExecutionProvider"])
        return self._onnx


def main() -> None:
    """Serves until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--max_length", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    flags = parser.parse_args()
    torch.set_num_threads(flags.threads)
    transformers.utils.logging.set_verbosity_error()
    worker = PytorchWorker(flags.model, flags.rows, flags.max_length)
    serve({name: getattr(worker, name) for name in ("versions", "encode", "train", "score", "answer")})


if __name__ == "__main__":
    main()
