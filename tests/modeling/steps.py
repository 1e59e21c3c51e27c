"""A step of training, of which tests compare the parts."""

import numpy as np
import tensorflow as tf

from mtdnn_tf.modeling.multi_task_model import MultiTaskModel


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
