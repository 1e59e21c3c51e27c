"""Models with random weights, and the parts of a step of training to compare."""

import numpy as np
import tensorflow as tf

from mtdnn_tf.modeling.backbone import FLOAT32, BackboneConfig
from mtdnn_tf.modeling.checkpoints.pretrained import PretrainedBackbone
from mtdnn_tf.modeling.multi_task_model import MultiTaskModel, build_multi_task_model
from mtdnn_tf.tasks.task import Task


def random_model(
    task: Task, *, config: BackboneConfig, recompute: bool = False, precision: str = FLOAT32
) -> MultiTaskModel:
    """Returns a model with weights large enough for every part to show in its outputs."""
    pretrained = PretrainedBackbone("random", config, tuple(map(str, range(30))), False, {})
    model = build_multi_task_model(pretrained, [task], 0.3, 3, precision, recompute)
    for variable in model.trainable_variables:
        variable.assign(variable * 5.0)
    return model


def training_step(
    model: MultiTaskModel, inputs: dict[str, tf.Tensor]
) -> tuple[np.ndarray, list[np.ndarray], list[np.ndarray]]:
    """Returns the logits of the first head, of two outputs, gradients, and the states of the generators after it."""
    task = next(iter(model.heads))

    @tf.function
    def step() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            logits = model.task_logits(inputs, task, training=True)
            loss = tf.reduce_sum(logits * [[1.0, -2.0]])
        return logits, tape.gradient(loss, model.trainable_variables)

    logits, gradients = step()
    states = [generator.state.numpy() for generator in model.generators]
    return logits.numpy(), [tf.convert_to_tensor(gradient).numpy() for gradient in gradients], states
