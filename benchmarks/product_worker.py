"""Measures the product on request of benchmarks.run."""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.operation_times import operation_seconds, shares
from benchmarks.teachers_in_the_step import TeachersInTheStep
from benchmarks.worker import serve
from mtdnn_tf.data.sources.example import Example, example_batches
from mtdnn_tf.data.tokenized_batches import tokenized_batches
from mtdnn_tf.evaluation.measures.cost import forward_flops
from mtdnn_tf.evaluation.predictor import InferenceSettings, Predictor
from mtdnn_tf.json_files import write_json
from mtdnn_tf.modeling.backbone import POOLER
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.pretrained import with_pooling
from mtdnn_tf.modeling.heads import choose_heads
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.parallelism import num_parallel_parts, use_single_threaded_ops
from mtdnn_tf.tasks.task import TRAIN, Task
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.inputs.task_inputs import task_inputs
from mtdnn_tf.training.inputs.training_inputs import TrainingInputs, generated_dataset
from mtdnn_tf.training.optimization.optimizers import LinearWarmupDecay, build_optimizer
from mtdnn_tf.training.trainer import Trainer

_MATRIX = 2048
_STEPS = 1_000_000


class ProductWorker:
    """Trains on GLUE tasks and scores them as tools.train and tools.score do.

    Args:
        glue: Folder of GLUE's files.
        encoder: The encoder.
        output: A folder of its own.
        tasks: Names of the tasks.
        rows: Training rows a task.
        max_length: Longest sequence.
        recompute: Whether activations are computed again in the backward pass.
        parts: Number of parallel parts of a batch; one per core by default.
        default_threads: Whether TensorFlow shares an operation among threads, which training does not let it do.
    """

    def __init__(
        self,
        glue: Path,
        encoder: str,
        output: Path,
        tasks: Sequence[str],
        rows: int,
        max_length: int,
        recompute: bool = False,
        parts: int | None = None,
        default_threads: bool = False,
    ) -> None:
        if not default_threads:
            use_single_threaded_ops()
        self._parts = parts or num_parallel_parts()
        tf.config.experimental.enable_op_determinism()
        tf.keras.utils.set_random_seed(0)
        self._config = TrainingConfig.build(
            output_dir=output / "run",
            data_dir=glue,
            cache_dir=output / "cache",
            tasks=tuple(tasks),
            max_sequence_length=max_length,
            backbone=encoder,
            max_train_examples=rows,
            pair_head="linear",
            recompute_activations=recompute,
        )
        self._pretrained = with_pooling(find_backbone(encoder), POOLER)
        self._tokenizer = self._pretrained.tokenizer()
        self._tasks = choose_heads(self._config.data.selected_tasks(), {}, "linear")
        self._trainers: dict[str, Trainer] = {}
        self._predictors: dict[int, Predictor] = {}
        self._functions: dict[str, Callable[..., Any]] = {}
        self._batches: dict[int, TrainingInputs] = {}
        self._examples: list[list[Example]] = []

    def versions(self) -> dict[str, Any]:
        """Returns what is measured."""
        return {"tensorflow": tf.__version__, "python": sys.version.split()[0]}

    def write_rows(self, path: str) -> dict[str, int]:
        """Writes the rows that are trained on for a worker of another framework, and returns their numbers."""
        tables, numbers = {}, {}
        for task in self._tasks:
            examples = self._config.data.source.read(task, TRAIN)
            chosen = [examples[row] for row in self._config.part.rows(len(examples))]
            tables[task.name] = {
                "first": [example.text_a for example in chosen],
                "second": [example.text_b for example in chosen] if task.is_pair else None,
                "gold": [example.label for example in chosen],
                "num_outputs": task.num_outputs,
            }
            numbers[task.name] = len(chosen)
            self._examples.append(chosen)
        write_json(Path(path), tables)
        return numbers

    def encode(self) -> dict[str, float]:
        """Splits the texts of the rows that are trained on into word pieces again, in memory."""
        rows, started = 0, time.perf_counter()
        for examples in self._examples:
            is_pair, length = examples[0].text_b is not None, self._config.data.max_sequence_length
            for _, tokenized in tokenized_batches(example_batches(examples), self._tokenizer, is_pair, length):
                rows += len(tokenized.lengths)
        return {"rows": rows, "seconds": time.perf_counter() - started}

    def _encoded(self, task: Task) -> Any:
        return self._config.data.encoded(self._tokenizer).split(task, TRAIN)

    def _inputs(self, batch_size: int) -> TrainingInputs:
        if batch_size not in self._batches:
            parts = []
            for task in self._tasks:
                encoded = self._encoded(task)
                parts.append(task_inputs(task, encoded, self._config.part.rows(len(encoded)), None))
            self._batches[batch_size] = TrainingInputs(parts, batch_size, 0)
        return self._batches[batch_size]

    def _data(self, inputs: TrainingInputs, steps: range) -> tf.data.Dataset:
        return inputs.dataset(lambda: steps, tf.distribute.get_strategy(), self._parts)

    def _network(self, tasks: Sequence[Task]) -> Any:
        recompute = self._config.optimization.recompute_activations
        return build_multi_task_model(self._pretrained, tasks, self._config.encoder.dropout, 0, recompute=recompute)

    def _trainer(self, kind: str) -> Trainer:
        """Returns a trainer, always the same of a kind: "all" heads, "one" head, or "teachers" in the step."""
        if kind not in self._trainers:
            tasks = self._tasks[:1] if kind == "one" else self._tasks
            network = self._network(tasks)
            arguments = (network, tasks, self._config.distillation, _STEPS, 1, self._parts)
            if kind == "teachers":
                trainer: Trainer = TeachersInTheStep(*arguments, teachers=[self._network(tasks) for _ in range(3)])
            else:
                trainer = Trainer(*arguments)
            rate = LinearWarmupDecay(self._config.optimization.learning_rate, _STEPS, _STEPS // 10)
            trainer.compile(optimizer=build_optimizer("adamax", rate, network))
            self._trainers[kind] = trainer
        return self._trainers[kind]

    def task_names(self, start: int, steps: int, batch_size: int) -> list[str]:
        """Returns the task of each of some steps."""
        plan = self._inputs(batch_size).plan
        return [self._tasks[plan.step(step).task_index].name for step in range(start, start + steps)]

    def train(self, start: int, steps: int, batch_size: int) -> dict[str, float]:
        """Fits the batches of some steps of the plan."""
        inputs, trainer = self._inputs(batch_size), self._trainer("all")
        masks = [inputs.batch(step)["padding_mask"] for step in range(start, start + steps)]
        data = self._data(inputs, range(start, start + steps))
        started = time.perf_counter()
        trainer.fit(data, steps_per_epoch=steps, verbose=0)
        seconds = time.perf_counter() - started
        tokens, padded = sum(int(mask.sum()) for mask in masks), sum(mask.size for mask in masks)
        return {"tokens": tokens, "padded_tokens": padded, "seconds": seconds}

    def traces(self) -> int:
        """Returns how many graphs the training function has."""
        return int(self._trainer("all").train_function.experimental_get_tracing_count())

    def wait(self, start: int, steps: int, batch_size: int) -> dict[str, float]:
        """Makes steps on the pipeline's batches and returns the time of all, and that of waiting for the batches."""
        trainer, inputs = self._trainer("all"), self._inputs(batch_size)
        data = self._data(inputs, range(start, start + steps + 1))
        if "step" not in self._functions:
            spec = data.element_spec
            self._functions["step"] = tf.function(trainer.train_step, input_signature=[spec])
        iterator, step = iter(data), self._functions["step"]
        step(next(iterator))["gradient_norm"].numpy()
        waited, started = 0.0, time.perf_counter()
        for _ in range(steps):
            asked = time.perf_counter()
            batch = next(iterator)
            waited += time.perf_counter() - asked
            step(batch)["gradient_norm"].numpy()
        return {"seconds": time.perf_counter() - started, "waited": waited}

    def fixed(self, kind: str, length: int, batch_size: int, steps: int, soft: bool = False) -> dict[str, float]:
        """Fits batches of the first task, all of one length and without padding, and counts their operations.

        "flops" are those made; "encoder_flops" those of an encoder whose last block is computed for every position.

        Args:
            kind: Of the trainer.
            length: Word pieces of a row.
            batch_size: Rows in a batch.
            steps: Number of batches.
            soft: Whether rows have stored soft targets.
        """
        trainer, task = self._trainer(kind), self._tasks[0]
        generator = np.random.default_rng(0)
        width = task.num_outputs if kind == "one" else max(one.num_outputs for one in self._tasks)
        batch = {
            "token_ids": generator.integers(1000, self._pretrained.config.vocabulary_size, (batch_size, length)),
            "segment_ids": np.zeros((batch_size, length)),
            "padding_mask": np.ones((batch_size, length), bool),
            "gold": np.zeros(batch_size, np.float32),
            "has_gold": np.ones(batch_size, bool),
            "teacher_logits": np.full((batch_size, width), -0.7, np.float32),
            "has_teacher": np.full(batch_size, soft),
            "teacher_weight": np.ones(batch_size, np.float32),
            "example_weight": np.full(batch_size, 1 / batch_size, np.float32),
            "query": np.arange(batch_size),
            "task_index": np.zeros(batch_size),
        }
        integers = ("token_ids", "segment_ids", "query", "task_index")
        tensors = {name: tf.constant(array, tf.int32 if name in integers else None) for name, array in batch.items()}
        spec = self._data(self._inputs(batch_size), range(1)).element_spec
        spec["teacher_logits"] = tf.TensorSpec([None, width], tf.float32)

        def generate() -> Any:
            while True:
                yield tensors

        started = time.perf_counter()
        trainer.fit(generated_dataset(generate, spec, 2), steps_per_epoch=steps, verbose=0)
        seconds = time.perf_counter() - started
        made = forward_flops(self._pretrained.config, [trainer.network.heads[task.name]], length)
        whole = forward_flops(self._pretrained.config, [], length)
        # Each product of the forward pass has two in the backward pass.
        sequences = 3.0 * batch_size * steps
        return {"seconds": seconds, "flops": made * sequences, "encoder_flops": whole * sequences}

    def operations(self, kind: str, length: int, batch_size: int, steps: int) -> dict[str, float]:
        """Returns the shares of groups of operations in the time of all, in steps as of `fixed`."""
        self.fixed(kind, length, batch_size, 1)
        return shares(operation_seconds(lambda: self.fixed(kind, length, batch_size, steps)))

    def peak_memory(self) -> int:
        """Returns the most memory that the process has held, in bytes."""
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    def peak(self) -> float:
        """Returns the operations a second of square matrix products, so many at a time that all cores are busy."""
        if "product" not in self._functions:
            self._functions["product"] = tf.function(tf.matmul)
        product, matrix = self._functions["product"], tf.random.normal([_MATRIX, _MATRIX])

        def multiply(_: int) -> None:
            product(matrix, matrix).numpy()

        times = []
        with ThreadPoolExecutor(self._parts) as pool:
            for _ in range(6):
                started = time.perf_counter()
                list(pool.map(multiply, range(self._parts)))
                times.append(time.perf_counter() - started)
        return float(2 * _MATRIX**3 * self._parts / np.median(times[1:]))

    def score(self, task: str, rows: int, batch_size: int) -> dict[str, float]:
        """Answers a task's first training rows as tools.score does."""
        asked = next(one for one in self._tasks if one.name == task)
        encoded = self._encoded(asked)
        chosen = self._config.part.rows(len(encoded))[:rows]
        if batch_size not in self._predictors:
            network = self._trainer("all").network
            self._predictors[batch_size] = Predictor(network, InferenceSettings(batch_size, self._parts))
        started = time.perf_counter()
        self._predictors[batch_size].predict(encoded, chosen)
        return {"rows": len(chosen), "seconds": time.perf_counter() - started}


def main() -> None:
    """Serves until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--glue", type=Path)
    parser.add_argument("--encoder", default="demo")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--tasks", type=lambda names: names.split(","), default="")
    for name, default in (("rows", 2000), ("max_length", 128), ("parts", None)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name in ("recompute", "default_threads"):
        parser.add_argument(f"--{name}", action="store_true")
    worker = ProductWorker(**vars(parser.parse_args()))
    names = "versions write_rows encode task_names train traces wait fixed operations peak_memory peak score"
    serve({name: getattr(worker, name) for name in names.split()})


if __name__ == "__main__":
    main()
