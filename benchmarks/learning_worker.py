"""Trains one model by the fast or by the plain path, on request of benchmarks.learning."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from absl import flags

from benchmarks.plain_path import build_plain_model, build_plain_optimizer
from benchmarks.worker import serve
from mtdnn_tf.errors import UserError
from mtdnn_tf.evaluation.predictor import Predictor
from mtdnn_tf.flags.options import define, given
from mtdnn_tf.flags.training import training_config as flag_config
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import load_model
from mtdnn_tf.modeling.checkpoints.pretrained import with_pooling
from mtdnn_tf.modeling.heads import choose_heads
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel, build_multi_task_model
from mtdnn_tf.parallelism import use_single_threaded_ops
from mtdnn_tf.recipe.config import RecipeConfig
from mtdnn_tf.tasks.task import TRAIN
from mtdnn_tf.training.config import TrainingConfig
from mtdnn_tf.training.inputs.task_inputs import task_inputs
from mtdnn_tf.training.optimization.optimizers import build_optimizer
from mtdnn_tf.training.run import train

FAST = "fast"
PLAIN = "plain"
define(RecipeConfig)
_NETWORKS: dict[str, Callable[..., MultiTaskModel]] = {FAST: build_multi_task_model, PLAIN: build_plain_model}
_OPTIMIZERS = {FAST: build_optimizer, PLAIN: build_plain_optimizer}
_COMPARED_ROWS = 32


def training_config(arguments: list[str], corpus: str, output: str, run: str = "", number: int = 0) -> TrainingConfig:
    """Returns the multi-task training of a recipe.

    Args:
        arguments: Flags of tools.recipe.
        corpus: Task file that is trained on.
        output: Folder of all runs.
        run: Name of the run.
        number: Number of the run's seed, from 0, counted from --seed.

    Raises:
        UserError: Flags are not accepted.
    """
    rest = flags.FLAGS([sys.argv[0], *arguments])
    if len(rest) > 1:
        raise UserError(f"arguments must be flags, got {' '.join(rest[1:])}")
    config = RecipeConfig.build(base=flag_config(), **given(RecipeConfig)).gold_only
    return config.replace(
        task_file=(Path(corpus),),
        output_dir=Path(output) / "runs" / run,
        cache_dir=Path(output) / "cache",
        seed=config.optimization.seed + number,
        evaluation="end",
    )


def largest_difference(
    first: MultiTaskModel, second: MultiTaskModel, batches: Iterable[dict[str, np.ndarray]]
) -> float:
    """Returns the largest difference of two models' outputs.

    Compares the logits of every head in inference, and the pooled vector with the operations of training. The models'
    dropout must be 0.

    Args:
        first: A model.
        second: A model with heads of the same names.
        batches: `token_ids`, `segment_ids`, `padding_mask`, each [rows, length].
    """
    largest = 0.0
    for batch in batches:
        outputs = []
        for model in (first, second):
            logits = [model.task_logits(batch, name) for name in model.heads]
            outputs.append([*logits, model.encode(batch, training=True)["pooled_output"]])
        # Of nan, which `max` may lose, numpy's is nan.
        largest = float(np.max([largest, *(np.max(np.abs(one - other)) for one, other in zip(*outputs))]))
    return largest


def compare(**settings: Any) -> dict[str, Any]:
    """Returns the settings of the trainings and the largest difference of the two paths' outputs before training."""
    config = training_config(**settings)
    pretrained = with_pooling(find_backbone(config.encoder.initial), config.encoder.pooling)
    data = config.data.encoded(pretrained.tokenizer())
    tasks, batches, examples = config.data.selected_tasks(), [], {}
    for task in tasks:
        encoded = data.split(task, TRAIN)
        rows = config.part.rows(len(encoded), encoded.queries)
        examples[task.name] = len(rows)
        batches.append(encoded.batch(rows[:_COMPARED_ROWS]))
    tasks = choose_heads(tasks, examples, config.encoder.pair_head)
    networks = []
    for build in _NETWORKS.values():
        # An encoder without pre-trained weights draws them.
        tf.keras.utils.set_random_seed(config.optimization.seed)
        networks.append(build(pretrained, tasks, 0.0, config.optimization.seed))
    return {
        "settings": config.decisive_fields(),
        "largest_difference": largest_difference(networks[0], networks[1], batches),
    }


def training_losses(config: TrainingConfig) -> dict[str, float]:
    """Returns the mean gold loss of a trained run over each task's training examples, without dropout.

    Args:
        config: The run.
    """
    loaded = load_model(config.output_dir)
    predictor = Predictor(loaded.model, config.inference_settings())
    losses = {}
    # The model's own tasks do not say where their files are.
    for task in config.data.selected_tasks():
        if task.head_of is not None:
            continue
        encoded = config.data.encoded(loaded.tokenizer).split(task, TRAIN)
        inputs = task_inputs(task, encoded, config.part.rows(len(encoded), encoded.queries), None)
        outputs = predictor.predict(encoded, inputs.rows)
        logits = task.kind_object.to_logits(outputs)
        numbers = np.arange(len(outputs)) if encoded.queries is None else np.asarray(encoded.queries)[inputs.rows]
        queries = np.unique(numbers, return_inverse=True)[1].astype(np.int32)
        gold = inputs.gold.reshape(len(inputs.gold), -1)
        loss = task.kind_object.gold_loss(task, tf.constant(logits), tf.constant(gold), tf.constant(queries))
        losses[task.name] = float(tf.reduce_sum(loss)) / (int(queries.max()) + 1)
    return losses


def train_once(arm: str, number: int, **settings: Any) -> dict[str, Any]:
    """Trains a model, unless it is trained already, and returns what it learned.

    Args:
        arm: "fast" or "plain".
        number: Number of the seed, from 0.
        settings: Arguments of `training_config`.
    """
    config = training_config(**settings, run=f"{arm}_{number}", number=number)
    # Two half-batches in parallel, as the product has on two cores, on any machine; whole batches in plain Keras.
    config = config.replace(parallel_parts=2 if arm == FAST else 1)
    if arm == FAST:
        use_single_threaded_ops()
    metrics = train(config, _NETWORKS[arm], _OPTIMIZERS[arm])
    return {
        "arm": arm,
        "seed": config.optimization.seed,
        "parallel_parts": config.optimization.parallel_parts,
        "training_loss": training_losses(config),
        "metrics": metrics,
    }


def _one_line_errors(function: Callable[..., Any]) -> Callable[..., Any]:
    """Has a function answer bad input with {"error": ...}, and else {"result": ...}."""

    def answer(**arguments: Any) -> dict[str, Any]:
        try:
            return {"result": function(**arguments)}
        except (UserError, flags.Error, OSError) as error:
            return {"error": " ".join(str(error).split())}

    return answer


if __name__ == "__main__":
    serve({"compare": _one_line_errors(compare), "train_once": _one_line_errors(train_once)})
