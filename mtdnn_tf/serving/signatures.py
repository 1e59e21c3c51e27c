"""Signatures of a served model: from texts, serialized examples or token ids, per task and for all tasks at once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection

import tensorflow as tf

from mtdnn_tf.data.packing import pack, to_model_inputs
from mtdnn_tf.errors import unknown_name
from mtdnn_tf.modeling.checkpoints.model_folder import LoadedModel
from mtdnn_tf.modeling.encoder import WeightReader
from mtdnn_tf.modeling.multi_task_model import INPUTS
from mtdnn_tf.serving.reduced_weights import FLOAT32, ReducedWeights, check_weights
from mtdnn_tf.tasks.signature_names import ALL_TASKS, EMBED, TOKENS, examples_signature, signature_names
from mtdnn_tf.tasks.task import Task

TEXTS = ("text_a", "text_b")

Signature = Callable[..., dict[str, tf.Tensor]]
# No Python branches on a tensor here, and without AutoGraph tracing is faster.
graph_function = functools.partial(tf.function, autograph=False)


class Steps:
    """The steps from texts to logits, each a function of the graph that is traced once for all signatures.

    Attributes:
        single_inputs: From first texts, string [batch], to what the encoder reads: int32 [batch, length of the longest
            row] by the names of the model's inputs.
        pair_inputs: The same from first and second texts, string [batch] each.
        any_inputs: The same, where a second text "" means a single sentence.
        encode: From the model's inputs to what heads read.
        heads: By name, from what `encode` returns to logits [batch, num_outputs].
    """

    def __init__(self, loaded: LoadedModel, heads: Collection[str], weights: WeightReader | None = None) -> None:
        self.tasks = loaded.tasks
        self._loaded = loaded
        self._weights = weights
        self._names = sorted(heads)
        text, ids = tf.TensorSpec([None], tf.string), tf.TensorSpec([None, None], tf.int32)
        tokenize = graph_function(loaded.tokenizer.tokenize, input_signature=[text])

        def packed(a: tf.Tensor, b: tf.Tensor | None = None, second: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
            tokens_b = None if b is None else tokenize(b)
            rows = pack(tokenize(a), tokens_b, loaded.tokenizer, loaded.max_sequence_length, second)
            return {name: tf.cast(values, tf.int32) for name, values in to_model_inputs(rows).items()}

        self.single_inputs = graph_function(lambda a: packed(a), input_signature=[text])
        self.pair_inputs = graph_function(lambda a, b: packed(a, b), input_signature=[text, text])
        self.any_inputs = graph_function(lambda a, b: packed(a, b, tf.not_equal(b, "")), input_signature=[text, text])
        self.encode = graph_function(self._encode, input_signature=[dict.fromkeys(INPUTS, ids)])
        self.heads = {
            name: graph_function(functools.partial(loaded.model.heads[name], training=False)) for name in self._names
        }

    def _encode(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        # Without rows there is no longest one, and the encoder reads the first position.
        missing = tf.cast(tf.shape(inputs[INPUTS[0]])[1] == 0, tf.int32)
        inputs = {name: tf.pad(values, [[0, 0], [0, missing]]) for name, values in inputs.items()}
        return self._loaded.model.encode(inputs, training=False, tasks=self._names, weights=self._weights)


class Signatures(tf.Module):
    """Answers from texts, serialized examples or token ids, by the tokenizer and model of a run."""

    def __init__(self, loaded: LoadedModel, weights: str = FLOAT32) -> None:
        super().__init__()
        check_weights(weights)
        signature_names(loaded.tasks)
        model = loaded.model
        for task in loaded.tasks:
            if task.head_task not in model.heads:
                raise unknown_name(f"head of task {task.name}", task.head_task, model.heads)
        used = {task.head_task for task in loaded.tasks}
        unused = {id(weight) for name, head in model.heads.items() if name not in used for weight in head.variables}
        self._reduced = None if weights == FLOAT32 else ReducedWeights(model.backbone, weights)
        if self._reduced:
            unused |= {id(weight) for weight in self._reduced.replaced}
        # TensorFlow does not track this object: a SavedModel would have functions of every Keras layer within it.
        self._steps = Steps(loaded, used, self._reduced)
        self._weights = [weight for weight in model.variables if id(weight) not in unused]

    def inputs(self) -> dict[str, tuple[str, ...]]:
        """Returns the names of every signature's inputs."""
        of_tasks = {}
        for task in self._steps.tasks:
            of_tasks[task.name] = TEXTS[: len(task.text)]
            of_tasks[examples_signature(task)] = (tf.saved_model.CLASSIFY_INPUTS,)
        return {ALL_TASKS: TEXTS, TOKENS: INPUTS, EMBED: TEXTS, **of_tasks}

    def all(self) -> dict[str, Signature]:
        """Returns every signature by its name."""
        functions: dict[str, Signature]
        functions = {ALL_TASKS: self.answer_every_task, TOKENS: self.logits_of_tokens, EMBED: self.embed}
        for task in self._steps.tasks:
            functions[task.name] = functools.partial(self.answer_texts, task)
            functions[examples_signature(task)] = functools.partial(self.answer_examples, task)
        return {name: _traced(functions[name], name, inputs) for name, inputs in self.inputs().items()}

    def answer_texts(self, task: Task, **texts: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answers one task from `text_a`, and `text_b` of a pair, string [batch]; see `Kind.answer_tensors`."""
        steps = self._steps
        inputs = steps.pair_inputs if task.is_pair else steps.single_inputs
        encoded = steps.encode(inputs(*(texts[name] for name in TEXTS if name in texts)))
        return task.kind_object.answer_tensors(task, self._logits(encoded, task))

    def answer_examples(self, task: Task, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answers one task from serialized tf.Examples, string [batch]; see `Kind.example_outputs`."""
        features = {name: tf.io.FixedLenFeature([], tf.string) for name in TEXTS[: len(task.text)]}
        answer = self.answer_texts(task, **tf.io.parse_example(inputs, features))
        return task.kind_object.example_outputs(answer)

    def answer_every_task(self, text_a: tf.Tensor, text_b: tf.Tensor) -> dict[str, tf.Tensor]:
        """Answers all tasks at once, running the encoder once; a second text "" means a single sentence.

        Returns:
            What `answer_texts` returns, named "<task>_<output>", and `<task>_applicable` bool [batch]: whether the row
            has as many texts as the task takes. Where it has not, labels are "", probabilities and scores 0.
        """
        encoded = self._encode_any(text_a, text_b)
        is_pair = tf.not_equal(text_b, "")
        answers: dict[str, tf.Tensor] = {}
        for task in self._steps.tasks:
            applicable = is_pair if task.is_pair else tf.logical_not(is_pair)
            for name, value in task.kind_object.answer_tensors(task, self._logits(encoded, task)).items():
                if name != "label_names":
                    condition = applicable if value.shape.rank == 1 else applicable[:, tf.newaxis]
                    value = tf.where(condition, value, tf.zeros([], value.dtype))
                answers[f"{task.name}_{name}"] = value
            answers[f"{task.name}_applicable"] = applicable
        return answers

    def embed(self, text_a: tf.Tensor, text_b: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns `embedding` float32 [batch, hidden], the pooled vector that linear heads read."""
        return {"embedding": tf.cast(self._encode_any(text_a, text_b)["pooled_output"], tf.float32)}

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
        encoded = self._steps.encode(inputs)
        return {task.name: self._logits(encoded, task) for task in self._steps.tasks}

    def tokens_of_pairs(self, text_a: tf.Tensor, text_b: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns what the signature for token ids takes, for pairs of texts, string [batch] each."""
        return dict(self._steps.pair_inputs(text_a, text_b))

    def _encode_any(self, text_a: tf.Tensor, text_b: tf.Tensor) -> dict[str, tf.Tensor]:
        return dict(self._steps.encode(self._steps.any_inputs(text_a, text_b)))

    def _logits(self, encoded: dict[str, tf.Tensor], task: Task) -> tf.Tensor:
        return tf.cast(self._steps.heads[task.head_task](encoded), tf.float32)


def _traced(function: Signature, name: str, inputs: tuple[str, ...]) -> Signature:
    dtype, shape = (tf.int32, [None, None]) if name == TOKENS else (tf.string, [None])
    specs = {key: tf.TensorSpec(shape, dtype, key) for key in inputs}
    # A new function, which takes only the inputs.
    return graph_function(lambda **tensors: function(**tensors)).get_concrete_function(**specs)
