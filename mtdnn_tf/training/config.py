"""What a training run is told, field by field as the flags of tools.train."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from mtdnn_tf.data.folds import Fold
from mtdnn_tf.data.sampling import SAMPLERS as SAMPLERS
from mtdnn_tf.data.sampling import Sampler
from mtdnn_tf.data.settings import DataSettings
from mtdnn_tf.data.sources import DataSource
from mtdnn_tf.data.subset import Part
from mtdnn_tf.distillation.losses import DistillationOptions
from mtdnn_tf.errors import UserError, unknown_name
from mtdnn_tf.evaluation.predictor import InferenceSettings
from mtdnn_tf.modeling.layer_selection import check_choice
from mtdnn_tf.modeling.pooling import AUTO as AUTO_POOLING
from mtdnn_tf.modeling.pooling import POOLINGS
from mtdnn_tf.modeling.precision import FLOAT32, PRECISIONS
from mtdnn_tf.parallelism import num_parallel_parts
from mtdnn_tf.tasks.registry import select_tasks
from mtdnn_tf.tasks.task import AUTO, HEADS, TRAIN, Task
from mtdnn_tf.training.compilation import LOCAL_TPU, OFF, TPU, check_compilation

EVALUATIONS = ("every_epoch", "end", "never")
# They say where things lie or how often something is written, and may change when a run is continued.
_FREE_TO_CHANGE = (
    *("output_dir", "data_dir", "cache_dir", "task_file", "backbone", "init_from", "soft_targets"),
    *("tpu", "checkpoint_interval", "keep_checkpoints", "evaluation", "evaluation_batch_size", "recompute_activations"),
)


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides a training run; each field is the flag of tools.train of the same name.

    Attributes:
        tasks: Names of the tasks; empty for all tasks of the task files.
        task_file: The user's task files.
        data_source: "files" or "tfds".
        data_dir: Folder of the data.
        cache_dir: Folder of encoded data.
        max_sequence_length: Longest input, in word pieces.
        backbone: Preset, folder or "tiny".
        init_from: A run whose encoder is started from, in place of `backbone`'s weights; None for none.
        pooling: What linear heads read: "auto" for what the encoder's checkpoint asks for, "pooler", "cls" or "mean".
        student_layers: Layers kept of the initial encoder: one number is a count, several are numbers from 0; None
            for all.
        output_dir: The run's folder.
        epochs: Passes over all training data.
        batch_size: Examples in a global batch.
        batch_tokens: Most tokens of a global batch, padding included, in place of `batch_size`; None for none.
        gradient_accumulation: Micro-batches that a batch is gone through in, one after the other.
        parallel_parts: Number of parts of each micro-batch that are computed in parallel; None for one per core. Above
            1 it needs `use_single_threaded_ops`.
        precision: What the encoder computes in: "float32", "mixed_bfloat16" or "mixed_float16".
        recompute_activations: Whether the encoder computes activations again in the backward pass.
        layer_decay: Of the learning rate, from each layer of the encoder to the one below.
        learning_rate: Peak learning rate.
        optimizer: Name of the optimizer.
        warmup_ratio: Share of the steps in which the learning rate rises.
        dropout: Dropout rate inside the encoder.
        pair_head: Head of classifications of pairs that declare none: "auto", "linear" or "san".
        sampler: In what proportion tasks are drawn: "proportional" to their size, "uniform", "power" or "annealed".
        sampler_power: p where tasks are drawn in proportion to size^p; None for 0.75, and for the other samplers.
        task_weights: "task:weight" for each task that is drawn more, or less, than the sampler says.
        max_train_examples: Most training examples a task; None for all.
        train_fraction: Share of its training examples that each task trains on; None for all.
        subset_seed: Chooses the part that `max_train_examples` or `train_fraction` leaves.
        folds: Number of folds of the training split, one of which the run is trained without; None for all rows.
        held_out_fold: Which of the folds that is, from 0.
        seed: Seed of initial heads, batches and dropout.
        deterministic: Whether TensorFlow runs deterministic kernels only.
        checkpoint_interval: Steps between checkpoints.
        keep_checkpoints: Number of checkpoints kept.
        evaluation: When development splits are evaluated: "every_epoch", "end" or "never".
        evaluation_batch_size: Examples in a batch of evaluation.
        strategy: "off", "mirrored", "multi_worker" or "tpu".
        tpu: Where the TPU is: "local", "grpc://HOST:PORT" or its name.
        jit_compile: Whether XLA compiles the training step, in batches of few shapes; a TPU's always is.
        steps_per_execution: Steps that a compiled training makes in one call.
        soft_targets: Folders that tools.score wrote; empty to learn from gold labels alone.
        transfer_splits: Splits that are trained on too, where a task has soft targets of them, without gold labels.
        distill_weight: Weight of the distilled loss.
        temperature: Of the soft targets.
        distill_loss: Distilled loss of classification.
        distill_schedule: Schedule of the distilled loss's weight.
        distill_variance_weighting: Whether examples of regression count less where teachers disagree.
    """

    output_dir: Path
    data_dir: Path
    cache_dir: Path
    tasks: tuple[str, ...] = ()
    task_file: tuple[Path, ...] = ()
    data_source: str = "files"
    max_sequence_length: int = 512
    backbone: str = "bert_base_en_uncased"
    init_from: str | None = None
    pooling: str = AUTO_POOLING
    student_layers: tuple[int, ...] | None = None
    epochs: int = 5
    batch_size: int = 32
    batch_tokens: int | None = None
    gradient_accumulation: int = 1
    parallel_parts: int | None = 1
    precision: str = FLOAT32
    recompute_activations: bool = False
    layer_decay: float = 1.0
    learning_rate: float = 5e-5
    optimizer: str = "adamax"
    warmup_ratio: float = 0.1
    dropout: float = 0.1
    pair_head: str = AUTO
    sampler: str = "proportional"
    sampler_power: float | None = None
    task_weights: tuple[str, ...] = ()
    max_train_examples: int | None = None
    train_fraction: float | None = None
    subset_seed: int = 0
    folds: int | None = None
    held_out_fold: int | None = None
    seed: int = 0
    deterministic: bool = True
    checkpoint_interval: int = 500
    keep_checkpoints: int = 2
    evaluation: str = "every_epoch"
    evaluation_batch_size: int = 64
    strategy: str = OFF
    tpu: str = LOCAL_TPU
    jit_compile: bool = False
    steps_per_execution: int = 1
    soft_targets: tuple[Path, ...] = ()
    transfer_splits: tuple[str, ...] = ()
    distill_weight: float = 0.5
    temperature: float = 1.0
    distill_loss: str = "cross_entropy"
    distill_schedule: str = "constant"
    distill_variance_weighting: bool = False

    def __post_init__(self) -> None:
        if self.output_dir == Path():
            raise UserError("--output_dir takes a folder of its own, the current folder given")
        for field in (
            "epochs",
            "batch_size",
            "gradient_accumulation",
            "checkpoint_interval",
            "keep_checkpoints",
            "evaluation_batch_size",
        ):
            if getattr(self, field) < 1:
                raise UserError(f"--{field} takes a whole number from 1, {getattr(self, field)} given")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"--seed takes a whole number from 0 to {2**32 - 1}, {self.seed} given")
        self._check_memory()
        check_compilation(
            jit_compile=self.jit_compile,
            strategy=self.strategy,
            tpu=self.tpu,
            steps_per_execution=self.steps_per_execution,
            optimizer=self.optimizer,
            precision=self.precision,
            checkpoint_interval=self.checkpoint_interval,
        )
        self._check_folds()
        if not 0.0 < self.learning_rate < 1.0:
            raise UserError(f"--learning_rate takes a number above 0 and below 1, {self.learning_rate} given")
        for field in ("warmup_ratio", "dropout"):
            if not 0.0 <= getattr(self, field) < 1.0:
                raise UserError(f"--{field} takes a number from 0 to below 1, {getattr(self, field)} given")
        if self.pair_head not in HEADS:
            raise unknown_name("--pair_head", self.pair_head, HEADS)
        if self.pooling not in (AUTO_POOLING, *POOLINGS):
            raise unknown_name("--pooling", self.pooling, (AUTO_POOLING, *POOLINGS))
        if self.evaluation not in EVALUATIONS:
            raise unknown_name("--evaluation", self.evaluation, EVALUATIONS)
        if self.student_layers is not None:
            check_choice(self.student_layers)
        if TRAIN in self.transfer_splits or len(set(self.transfer_splits)) < len(self.transfer_splits):
            raise UserError(
                f"--transfer_splits takes different splits beside {TRAIN}, {','.join(self.transfer_splits)} given"
            )
        _ = self.distillation, self.task_sampler, self.train_part

    def _check_memory(self) -> None:
        if self.precision not in PRECISIONS:
            raise unknown_name("--precision", self.precision, PRECISIONS)
        if not 0.0 < self.layer_decay <= 1.0:
            raise UserError(f"--layer_decay takes a number above 0, up to 1, {self.layer_decay} given")
        if self.batch_tokens is not None and self.batch_tokens < 1:
            raise UserError(f"--batch_tokens takes a whole number from 1, {self.batch_tokens} given")
        if self.parallel_parts is not None and self.parallel_parts < 1:
            raise UserError(f"--parallel_parts must be auto or an integer >= 1, got {self.parallel_parts}")
        if (self.parallel_parts or 1) > 1 and not self.takes_parts:
            raise UserError(
                f"--parallel_parts must be auto or 1 with --jit_compile or a --strategy, got {self.parallel_parts}"
            )
        if self.batch_tokens is None and self.batch_size % self.gradient_accumulation:
            raise UserError(
                f"--gradient_accumulation takes a divisor of --batch_size {self.batch_size}, so that micro-batches are "
                f"alike; {self.gradient_accumulation} given"
            )

    def _check_folds(self) -> None:
        if (self.folds is None) != (self.held_out_fold is None):
            given = "folds" if self.held_out_fold is None else "held_out_fold"
            raise UserError(f"--folds and --held_out_fold go together, --{given} alone given")
        if self.folds is not None and self.folds < 2:
            raise UserError(f"--folds takes a whole number from 2, {self.folds} given")
        if self.folds is not None and self.held_out_fold not in range(self.folds):
            raise UserError(
                f"--held_out_fold takes a whole number from 0 to {self.folds - 1}, below --folds; "
                f"{self.held_out_fold} given"
            )

    @property
    def is_compiled(self) -> bool:
        """Whether XLA compiles the training step."""
        return self.jit_compile or self.strategy == TPU

    @property
    def takes_parts(self) -> bool:
        """Whether a batch may be divided into parallel parts."""
        return self.strategy == OFF and not self.is_compiled

    @property
    def splits_over_cores(self) -> bool:
        """Whether cores compute parts of a batch in parallel, each operation on one thread."""
        # Recomputation resets the dropout generators, which one part can do only when the others are done.
        return self.takes_parts and not self.recompute_activations

    @property
    def micro_batches_and_parts(self) -> tuple[int, int]:
        """The number of micro-batches that are computed one after the other, and of parallel parts of each."""
        parts = self.parallel_parts or 1
        if self.recompute_activations:
            return self.gradient_accumulation * parts, 1
        return self.gradient_accumulation, parts

    def parts_on_this_machine(self) -> int:
        """Returns the number of parallel parts of a run that begins now: `parallel_parts`, or one per core."""
        if self.parallel_parts is not None or not self.splits_over_cores:
            return self.parallel_parts or 1
        rows = self.batch_size if self.batch_tokens is None else self.batch_tokens // self.max_sequence_length
        return num_parallel_parts(rows // self.gradient_accumulation)

    def inference_settings(self) -> InferenceSettings:
        """Returns how the models of such trainings predict on this machine."""
        return InferenceSettings(self.evaluation_batch_size, self.parts_on_this_machine())

    @property
    def fold(self) -> Fold | None:
        """The part of each task's training split that is left out."""
        if self.folds is None or self.held_out_fold is None:
            return None
        return Fold(self.folds, self.held_out_fold)

    @property
    def task_sampler(self) -> Sampler:
        """How often each task is trained on."""
        return Sampler(self.sampler, self.sampler_power, self.task_weights, self.epochs)

    @property
    def distillation(self) -> DistillationOptions:
        """How soft targets enter the loss."""
        return DistillationOptions(
            self.distill_weight,
            self.temperature,
            self.distill_loss,
            self.distill_schedule,
            self.distill_variance_weighting,
        )

    @property
    def source(self) -> DataSource:
        """Where examples come from."""
        return DataSource(self.data_source, self.data_dir)

    @property
    def data_settings(self) -> DataSettings:
        """Where tasks and data are."""
        fields = dataclasses.fields(DataSettings)
        return DataSettings(**{field.name: getattr(self, field.name) for field in fields})

    @property
    def train_part(self) -> Part:
        """Which rows of a training split are trained on."""
        return Part(self.max_train_examples, self.train_fraction, self.subset_seed)

    def train_rows(self, num_rows: int, queries: np.ndarray | None = None) -> np.ndarray:
        """Returns the rows of a training split that are trained on, sorted, int64.

        Args:
            num_rows: Number of rows of the split.
            queries: Of a ranking, the number of each row's query; whole queries are taken.
        """
        return self.train_part.rows(num_rows, queries)

    def selected_tasks(self) -> list[Task]:
        """Returns the tasks that the names and task files stand for."""
        return select_tasks(self.tasks, self.task_file)

    def to_flagfile(self) -> str:
        """Returns a flagfile that makes tools.train repeat this run."""
        lines = []
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None or value == ():
                continue
            if field.name == "task_file":
                lines += [f"--task_file={path}" for path in value]
            elif isinstance(value, bool):
                lines.append(f"--{'' if value else 'no'}{field.name}")
            elif isinstance(value, tuple):
                lines.append(f"--{field.name}={','.join(map(str, value))}")
            else:
                lines.append(f"--{field.name}={value}")
        return "\n".join(lines) + "\n"

    @classmethod
    def default_fields(cls) -> dict[str, Any]:
        """Returns, as JSON values, what a run did before its version had the field."""
        return {
            field.name: list(field.default) if isinstance(field.default, tuple) else field.default
            for field in dataclasses.fields(cls)
            if field.default is not dataclasses.MISSING and field.name not in _FREE_TO_CHANGE
        }

    def decisive_fields(self) -> dict[str, Any]:
        """Returns, as JSON values, the fields that a continued run must not change."""
        return {
            field.name: list(value) if isinstance(value := getattr(self, field.name), tuple) else value
            for field in dataclasses.fields(self)
            if field.name not in _FREE_TO_CHANGE
        }
