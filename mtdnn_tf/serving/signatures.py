"""Signatures of a served model: from texts, serialized examples or token ids, per task and for all tasks at once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection

import tensorflow as tf

from mtdnn_tf.errors import unknown_name
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel
from mtdnn_tf.modeling.encoder import WeightReader
from mtdnn_tf.modeling.multi_task_model import INPUTS
from mtdnn_tf.serving.reduced_weights import FLOAT32, check_weights
from mtdnn_tf.serving.served_weights import ServedWeights
from mtdnn_tf.serving.task_answers import TEXTS, TaskAnswers
from mtdnn_tf.serving.text_inputs import TextInputs, graph_function
from mtdnn_tf.tasks.signature_names import ALL_TASKS, EMBED, TOKENS, examples_signature, signature_names

Signature = Callable[..., dict[str, tf.Tensor]]


class Steps(TextInputs):
    """The steps from texts to logits, each a function of the graph that is traced once for all signatures.

    Attributes:
        encode: From the model's inputs to what heads read.
        heads: By name, from what `encode` returns to logits [batch, num_outputs].
    """

    def __init__(self, loaded: LoadedModel, heads: Collection[str], weights: WeightReader | None = None) -> None:
        super().__init__(loaded.tokenizer, loaded.max_sequence_length)
        self.tasks = loaded.tasks
        self._loaded = loaded
        self._weights = weights
        self._names = sorted(heads)
        ids = tf.TensorSpec([None, None], tf.int32)
        self.encode = graph_function(self._encode, input_signature=[dict.fromkeys(INPUTS, ids)])
        self.heads = {
            name: graph_function(functools.partial(loaded.model.heads[name], training=False)) for name in self._names
        }

    def _encode(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        # Without rows there is no longest one, and the encoder reads the first position.
        missing = tf.cast(tf.shape(inputs[INPUTS[0]])[1] == 0, tf.int32)
        inputs = {name: tf.pad(values, [[0, 0], [0, missing]]) for name, values in inputs.items()}
        return self._loaded.model.encode(inputs, training=False, tasks=self._names, weights=self._weights)


class Signatures(TaskAnswers):
    """Answers from texts, serialized examples or token ids, by the tokenizer and model of a run."""

    def __init__(self, loaded: LoadedModel, weights: str = FLOAT32) -> None:
        check_weights(weights)
        signature_names(loaded.tasks)
        model = loaded.model
        for task in loaded.tasks:
            if task.head_task not in model.heads:
                raise unknown_name(f"head of task {task.name}", task.head_task, model.heads)
        used = {task.head_task for task in loaded.tasks}
        unused = {id(weight) for name, head in model.heads.items() if name not in used for weight in head.variables}
        self._served = ServedWeights(model.backbone, weights)
        unused |= {id(weight) for weight in self._served.replaced}
        super().__init__(Steps(loaded, used, self._served))
        self._tokenizer = loaded.tokenizer.module
        self._weights = [weight for weight in model.variables if id(weight) not in unused]

    def inputs(self) -> dict[str, tuple[str, ...]]:
        """Returns the names of every signature's inputs."""
        of_tasks = {}
        for task in self.steps.tasks:
            of_tasks[task.name] = TEXTS[: len(task.text)]
            of_tasks[examples_signature(task)] = (tf.saved_model.CLASSIFY_INPUTS,)
        return {ALL_TASKS: TEXTS, TOKENS: INPUTS, EMBED: TEXTS, **of_tasks}

    def all(self) -> dict[str, Signature]:
        """Returns every signature by its name."""
        functions: dict[str, Signature]
        functions = {ALL_TASKS: self.answer_every_task, TOKENS: self.logits_of_tokens, EMBED: self.embed}
        for task in self.steps.tasks:
            functions[task.name] = functools.partial(self.answer_texts, task)
            functions[examples_signature(task)] = functools.partial(self.answer_examples, task)
        return {name: _traced(functions[name], name, inputs) for name, inputs in self.inputs().items()}

    def embed(self, text_a: tf.Tensor, text_b: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `embedding` float32 [batch, hidden], the pooled vector that linear heads read."""
        return {"embedding": tf.cast(self.encode_any(text_a, text_b)["pooled_output"], tf.float32)}

    def logits_of_tokens(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns every task's logits [batch, num_outputs] from the model's inputs, int32 [batch, length].

        TF Serving pads requests that share a batch with their first elements, [CLS] and, in the mask, 1. Positions at a
        row's end that repeat its first token are therefore masked; a packed row ends with [SEP].
        """
        ids, mask = inputs["token_ids"], inputs["padding_mask"]
        is_token = tf.cast((mask != 0) & (ids != ids[:, :1]), tf.int32)
        until_last = tf.cast(tf.cumsum(is_token, axis=1, reverse=True) > 0, tf.int32)
        # A row of [CLS] alone keeps it.
        inputs["padding_mask"] = tf.concat([mask[:, :1], mask[:, 1:] * until_last[:, 1:]], axis=1)
        encoded = self.steps.encode(inputs)
        return {task.name: self.logits(encoded, task) for task in self.steps.tasks}

    def tokens_of_pairs(self, text_a: tf.Tensor, text_b: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns what the signature for token ids takes, for pairs of texts, string [batch] each."""
        return dict(self.steps.pair_inputs(text_a, text_b))


def _traced(function: Signature, name: str, inputs: tuple[str, ...]) -> Signature:
    dtype, shape = (tf.int32, [None, None]) if name == TOKENS else (tf.string, [None])
    specs = {key: tf.TensorSpec(shape, dtype, key) for key in inputs}
    # A new function, which takes only the inputs.
    return graph_function(lambda **tensors: function(**tensors)).get_concrete_function(**specs)
