"""Distillation without stored soft targets, to measure what they save."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from mtdnn_tf.tasks.task import Task
from mtdnn_tf.training.trainer import Trainer


class TeachersInTheStep(Trainer):
    """Trains with teachers that are run on every batch, which stored soft targets save."""

    def __init__(self, *arguments: Any, teachers: Sequence[tf.keras.Model]) -> None:
        super().__init__(*arguments)
        # A list that Keras does not track: teachers are not trained, saved or counted.
        self._teachers = tuple([teacher] for teacher in teachers)
        self._run = [teacher.task_logits for teacher in teachers]

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, Any]:
        """Makes one step against the mean of the teachers' probabilities, or scores."""

        def of(task: Task) -> tf.Tensor:
            logits = [answer(batch, task.name) for answer in self._run]
            if task.num_outputs > 1:
                mean = tf.math.log(tf.add_n([tf.nn.softmax(values) for values in logits]) / len(logits))
            else:
                mean = tf.add_n(logits) / len(logits)
            width = tf.shape(batch["teacher_logits"])[1]
            return tf.pad(mean, [[0, 0], [0, width - task.num_outputs]])

        tasks = self._tasks_in_order
        answers = tf.switch_case(batch["task_index"][0], [lambda task=task: of(task) for task in tasks])
        taught = {"teacher_logits": answers, "has_teacher": tf.ones_like(batch["has_teacher"])}
        return super().train_step({**batch, **taught})
