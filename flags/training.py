"""Flags of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from flags import data, distillation, model, runtime, subset, values
from mtdnn_tf.errors import UserError
from mtdnn_tf.modeling.precision import FLOAT32, PRECISIONS
from mtdnn_tf.training.config import EVALUATIONS, SAMPLERS, TrainingConfig
from mtdnn_tf.training.optimizers import OPTIMIZERS

_AUTO = "auto"
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "The run's folder.")
EPOCHS = flags.DEFINE_integer("epochs", 5, "Passes over all training data.")
BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Examples in a global batch.")
BATCH_TOKENS = flags.DEFINE_integer(
    "batch_tokens", None, "Most tokens of a global batch, padding included: in place of --batch_size."
)
PRECISION = flags.DEFINE_enum("precision", FLOAT32, PRECISIONS, "What the encoder computes in; the rest is float32.")
RECOMPUTE_ACTIVATIONS = flags.DEFINE_bool(
    "recompute_activations", False, "Computes the encoder's activations again in the backward pass, to save memory."
)
LAYER_DECAY = flags.DEFINE_float(
    "layer_decay", 1.0, "Of the learning rate, from each layer of the encoder to the one below; heads have it whole."
)
GRADIENT_ACCUMULATION = flags.DEFINE_integer(
    "gradient_accumulation", 1, "Micro-batches that a batch is gone through in, one after the other, to save memory."
)
PARALLEL_PARTS = flags.DEFINE_string(
    "parallel_parts",
    _AUTO,
    "Number of parts of a batch that are computed in parallel on CPU cores: an integer, or auto for one part per core, "
    "at most 8. A continued run keeps the number it was begun with.",
)
STEPS_PER_EXECUTION = flags.DEFINE_integer(
    "steps_per_execution", 1, "Steps made in one call, with --jit_compile or --strategy=tpu."
)
LEARNING_RATE = flags.DEFINE_float("learning_rate", 5e-5, "Peak learning rate.")
OPTIMIZER = flags.DEFINE_enum("optimizer", "adamax", sorted(OPTIMIZERS), "Optimizer.")
WARMUP_RATIO = flags.DEFINE_float("warmup_ratio", 0.1, "Share of the steps in which the learning rate rises.")
SAMPLER = flags.DEFINE_enum(
    "sampler",
    "proportional",
    SAMPLERS,
    "How tasks are drawn: in proportion to their size, all alike, to size^p, or from the first towards the second.",
)
SAMPLER_POWER = flags.DEFINE_float("sampler_power", None, "p of --sampler=power; 0.75 if not given.")
TASK_WEIGHTS = flags.DEFINE_list(
    "task_weights", [], "task:weight, by commas: draws the task so many times as often as --sampler says."
)
FOLDS = flags.DEFINE_integer(
    "folds", None, "Parts the training split in so many folds by example id; the run leaves out --held_out_fold."
)
HELD_OUT_FOLD = flags.DEFINE_integer(
    "held_out_fold", None, "The fold, from 0, that the run is not trained on; tools.score has it score no other."
)
SEED = flags.DEFINE_integer("seed", 0, "Seed of initial heads, batches and dropout.")
CHECKPOINT_INTERVAL = flags.DEFINE_integer("checkpoint_interval", 500, "Steps between checkpoints.")
KEEP_CHECKPOINTS = flags.DEFINE_integer("keep_checkpoints", 2, "Number of checkpoints kept.")
EVALUATION = flags.DEFINE_enum("evaluation", "every_epoch", EVALUATIONS, "When development splits are evaluated.")


def _parallel_parts() -> int | None:
    if PARALLEL_PARTS.value == _AUTO:
        return None
    try:
        return int(PARALLEL_PARTS.value)
    except ValueError:
        raise UserError(f"--parallel_parts must be {_AUTO} or an integer >= 1, got {PARALLEL_PARTS.value}") from None


def training_config(runs: Sequence[Path] = ()) -> TrainingConfig:
    """Returns the run that the flags describe.

    Args:
        runs: Runs whose data settings are taken where no flag gives one; none by default.
    """
    layers = model.STUDENT_LAYERS.value
    settings = data.settings(runs)
    return TrainingConfig(
        output_dir=Path(OUTPUT_DIR.value),
        data_dir=settings.data_dir,
        cache_dir=settings.cache_dir,
        tasks=tuple(data.TASKS.value),
        task_file=settings.task_file,
        data_source=settings.data_source,
        max_sequence_length=settings.max_sequence_length,
        backbone=model.BACKBONE.value,
        init_from=model.INIT_FROM.value,
        pooling=model.POOLING.value,
        student_layers=None if layers is None else tuple(values.whole_numbers("student_layers", layers)),
        epochs=EPOCHS.value,
        batch_size=BATCH_SIZE.value,
        batch_tokens=BATCH_TOKENS.value,
        gradient_accumulation=GRADIENT_ACCUMULATION.value,
        parallel_parts=_parallel_parts(),
        precision=PRECISION.value,
        recompute_activations=RECOMPUTE_ACTIVATIONS.value,
        layer_decay=LAYER_DECAY.value,
        learning_rate=LEARNING_RATE.value,
        optimizer=OPTIMIZER.value,
        warmup_ratio=WARMUP_RATIO.value,
        dropout=model.DROPOUT.value,
        pair_head=model.PAIR_HEAD.value,
        sampler=SAMPLER.value,
        sampler_power=SAMPLER_POWER.value,
        task_weights=tuple(TASK_WEIGHTS.value),
        max_train_examples=subset.MAX_TRAIN_EXAMPLES.value,
        train_fraction=subset.TRAIN_FRACTION.value,
        subset_seed=subset.SUBSET_SEED.value,
        folds=FOLDS.value,
        held_out_fold=HELD_OUT_FOLD.value,
        seed=SEED.value,
        deterministic=runtime.DETERMINISTIC.value,
        checkpoint_interval=CHECKPOINT_INTERVAL.value,
        keep_checkpoints=KEEP_CHECKPOINTS.value,
        evaluation=EVALUATION.value,
        evaluation_batch_size=runtime.EVALUATION_BATCH_SIZE.value,
        strategy=runtime.STRATEGY.value,
        tpu=runtime.TPU_ADDRESS.value,
        jit_compile=runtime.JIT_COMPILE.value,
        steps_per_execution=STEPS_PER_EXECUTION.value,
        soft_targets=tuple(Path(folder) for folder in distillation.SOFT_TARGETS.value),
        transfer_splits=tuple(distillation.TRANSFER_SPLITS.value),
        distill_weight=distillation.distill_weight(),
        temperature=distillation.TEMPERATURE.value,
        distill_loss=distillation.DISTILL_LOSS.value,
        distill_schedule=distillation.DISTILL_SCHEDULE.value,
        distill_variance_weighting=distillation.DISTILL_VARIANCE_WEIGHTING.value,
    )
