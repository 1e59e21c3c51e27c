import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit, log_softmax, softmax

from mtdnn_tf.data.word_pieces import WordPieceTokenizer
from mtdnn_tf.modeling.checkpoints.backbones import find_backbone
from mtdnn_tf.modeling.checkpoints.model_folder import load_model, save_model
from mtdnn_tf.modeling.heads import build_head
from mtdnn_tf.modeling.multi_task_model import build_multi_task_model
from mtdnn_tf.modeling.san_head import KeptSteps, SanHead
from mtdnn_tf.serving.export import export_model
from mtdnn_tf.tasks.task import Task

TASK = Task("nli", "classification", ("a", "b"), ("x", "y", "z"), ("accuracy",), head="san", dropout=0.0)
KIND = TASK.kind_object
WIDTH, STEPS = 8, 5
NO_QUERIES = tf.range(4)


def _encoded(size=4, length=9, seed=0):
    """Returns encoder outputs of rows of different lengths; the first has no word in its hypothesis, [SEP] alone."""
    generator = np.random.default_rng(seed)
    lengths = np.array([6, *generator.integers(6, length + 1, size - 1)])
    first = np.array([5, *generator.integers(2, 5, size - 1)])
    places = np.arange(length)
    mask = places < lengths[:, None]
    return {
        "sequence_output": tf.constant(generator.normal(size=(size, length, WIDTH)).astype(np.float32)),
        "padding_mask": tf.constant(mask.astype(np.int32)),
        "segment_ids": tf.constant((mask & (places >= first[:, None])).astype(np.int32)),
    }


def _head(encoded, seed=3, **arguments):
    """Returns a head whose weights are all drawn from a normal distribution: nothing is hidden by small numbers."""
    head = SanHead(3, **{"dropout": 0.0, "prediction_dropout": 0.0, **arguments})
    head(encoded)
    generator = np.random.default_rng(seed)
    head.set_weights([generator.normal(0, 0.7, weight.shape).astype(np.float32) for weight in head.get_weights()])
    return head


def _attended(memory, scores):
    return softmax(scores) @ memory


def _gru(state, read, kernel, recurrent, bias):
    """Returns the next state of a gated recurrent unit (Cho et al. 2014) whose reset gate is after the product."""
    update_x, reset_x, new_x = np.split(read @ kernel + bias[0], 3)
    update_h, reset_h, new_h = np.split(state @ recurrent + bias[1], 3)
    update, reset = expit(update_x + update_h), expit(reset_x + reset_h)
    return update * state + (1 - update) * np.tanh(new_x + reset * new_h)


def _reference(head, encoded):
    """Returns each step's probabilities [batch, steps, labels] by 1901.11504 eq. 3 and 4, row by row in float64."""
    w1, w2 = (
        layer.get_weights()[0].astype(np.float64) for layer in (head.hypothesis_attention, head.premise_attention)
    )
    w3, bias = (weight.astype(np.float64) for weight in head.logits.get_weights())
    gru = [weight.astype(np.float64) for weight in head.gru.get_weights()]
    rows = []
    for memory, mask, segment in zip(
        *(encoded[name].numpy() for name in ("sequence_output", "padding_mask", "segment_ids"))
    ):
        premise, hypothesis = memory[(mask == 1) & (segment == 0)], memory[(mask == 1) & (segment == 1)]
        state = _attended(hypothesis, hypothesis @ w1[:, 0])
        steps = []
        for _ in range(STEPS):
            read = _attended(premise, premise @ (state @ w2))
            joint = np.concatenate([state, read, np.abs(state - read), state * read])
            steps.append(softmax(joint @ w3 + bias))
            state = _gru(state, read, *gru)
        rows.append(steps)
    return np.array(rows)


def test_every_step_and_the_answer_are_those_of_the_equations():
    encoded = _encoded(size=16)
    head = _head(encoded, dropout=0.3, prediction_dropout=0.4)  # No dropout in evaluation.
    expected = _reference(head, encoded)
    steps = np.exp(np.stack(head.step_log_probabilities(encoded), axis=1))
    assert np.abs(steps - expected).max() < 1e-5
    assert np.abs(expected[:, 0] - expected[:, 4]).max() > 0.05  # The steps differ.
    assert np.abs(np.exp(head(encoded).numpy()) - expected.mean(axis=1)).max() < 1e-5


def test_training_without_dropout_is_evaluation():
    encoded = _encoded()
    head = _head(encoded)
    np.testing.assert_allclose(head(encoded, training=True), head(encoded, training=False), atol=1e-6)


@pytest.mark.parametrize("segment", [None, 0, 1], ids=["both segments", "no hypothesis", "no premise"])
def test_neither_padding_nor_the_other_segment_is_read(segment):
    encoded = _encoded()
    head = _head(encoded)
    if segment is not None:
        encoded["segment_ids"] = tf.fill(tf.shape(encoded["segment_ids"]), segment)
    longer = {
        name: tf.pad(values, [[0, 0], [0, 3]] + [[0, 0]] * (values.shape.rank - 2)) for name, values in encoded.items()
    }
    noise = tf.pad(tf.random.stateless_normal([4, 3, WIDTH], [1, 2]) * 9.0, [[0, 0], [9, 0], [0, 0]])
    longer["sequence_output"] += noise
    np.testing.assert_allclose(head(longer), head(encoded), atol=5e-6)


def test_an_example_always_keeps_a_step():
    kept = KeptSteps(rate=0.5, seed=2)(tf.zeros([10_000, STEPS])).numpy()
    assert kept.any(axis=1).all()
    # A step is kept because it was drawn, or because it is the chosen one: 1 - 1/2 * 4/5.
    np.testing.assert_allclose(kept.mean(axis=0), 0.6, atol=0.02)
    alone = kept[kept.sum(axis=1) == 1]
    np.testing.assert_allclose(alone.mean(axis=0), 0.2, atol=0.03)
    # 1/2^5 by the draws of the chosen step, and as often without: 2/32.
    assert len(alone) / 10_000 == pytest.approx(2 / 32, abs=0.01)
    assert KeptSteps(rate=0.999, seed=2)(tf.zeros([10_000, STEPS])).numpy().sum(axis=1).min() == 1


def test_the_kept_predictions_are_divided_by_the_rate_of_keeping():
    encoded = _encoded(size=1)
    encoded = {name: tf.repeat(values, 4000, axis=0) for name, values in encoded.items()}
    head = _head(encoded, prediction_dropout=0.4)
    steps = np.exp(np.stack(head.step_log_probabilities(encoded), axis=1))[0]
    outputs = np.exp(head(encoded, training=True).numpy())
    # Every output is one of the 31 sums over some of the steps, divided by 5 * 0.6.
    choices = np.array([[number >> step & 1 for step in range(STEPS)] for number in range(1, 32)])
    sums = choices @ steps / (STEPS * 0.6)
    nearest = np.abs(outputs[:, None] - sums[None]).max(axis=2).min(axis=1)
    assert nearest.max() < 1e-5
    assert len(np.unique(outputs[:, 0].round(6))) > 20


@pytest.mark.parametrize("jit_compile", [False, True])
def test_all_weights_get_gradients_also_under_xla(jit_compile):
    encoded = _encoded()
    head = _head(encoded, dropout=0.1, prediction_dropout=0.1)

    @tf.function(jit_compile=jit_compile)
    def gradients(sequence_output):
        with tf.GradientTape() as tape:
            outputs = head({**encoded, "sequence_output": sequence_output}, training=True)
            loss = tf.reduce_mean(KIND.gold_loss(TASK, outputs, tf.constant([[0.0], [1.0], [2.0], [1.0]]), NO_QUERIES))
        return tape.gradient(loss, head.trainable_variables)

    found = [gradient.numpy() for gradient in gradients(encoded["sequence_output"])]
    assert len(found) == 7
    assert all(np.isfinite(gradient).all() and np.abs(gradient).max() > 0 for gradient in found)


def test_gradients_are_those_of_small_differences():
    encoded = _encoded()
    head = _head(encoded)
    gold = tf.constant([0.0, 1.0, 2.0, 1.0])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(KIND.gold_loss(TASK, head(encoded), gold[:, None], NO_QUERIES))
    gradients = tape.gradient(loss, head.trainable_variables)
    generator = np.random.default_rng(5)
    for variable, gradient in zip(head.trainable_variables, gradients):
        direction = generator.normal(size=variable.shape).astype(np.float32)
        sides = []
        for sign in (1, -1):
            variable.assign_add(sign * 1e-3 * direction)
            log_p = np.log(_reference(head, encoded).mean(axis=1))
            sides.append(-log_p[np.arange(4), gold.numpy().astype(int)].sum())
            variable.assign_sub(sign * 1e-3 * direction)
        assert (sides[0] - sides[1]) / 2e-3 == pytest.approx((gradient.numpy() * direction).sum(), rel=1e-2, abs=1e-3)


def test_log_probabilities_serve_as_logits_of_every_loss():
    encoded = _encoded()
    head = _head(encoded)
    outputs, p = head(encoded), _reference(head, encoded).mean(axis=1)
    np.testing.assert_allclose(
        KIND.gold_loss(TASK, outputs, tf.constant([[0.0], [1], [2], [0]]), NO_QUERIES),
        -np.log(p[range(4), [0, 1, 2, 0]]),
        rtol=1e-4,
    )
    teacher = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    for temperature in (1.0, 3.0):
        q, log_p = softmax(teacher / temperature, axis=-1), log_softmax(np.log(p) / temperature, axis=-1)
        expected = -(q * log_p).sum(axis=-1) * temperature**2
        np.testing.assert_allclose(
            KIND.distilled_loss(outputs, teacher, NO_QUERIES, temperature=temperature), expected, rtol=1e-4
        )


def test_initial_weights_depend_on_the_seed_and_are_not_repeated():
    def weights(seed):
        head = build_head(TASK, seed)
        head(_encoded())
        return head.get_weights()

    first = weights(1)
    assert all((one == other).all() for one, other in zip(first, weights(1)))
    assert (first[0] != weights(2)[0]).any()
    assert (first[1].ravel()[:WIDTH] != first[0].ravel()).all()


def test_is_rebuilt_from_its_config():
    head = SanHead(3, dropout=0.25, seed=4, steps=2, prediction_dropout=0.3)
    again = SanHead.from_config(head.get_config())
    assert (again.num_outputs, again.dropout.rate, again.seed, again.steps) == (3, 0.25, 4, 2)
    assert again.kept_steps.rate == 0.3


def test_stays_in_float32_under_mixed_precision():
    tf.keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        encoded = _encoded()
        head = SanHead(3)
        half = {**encoded, "sequence_output": tf.cast(encoded["sequence_output"], tf.bfloat16)}
        assert head(half, training=True).dtype == tf.float32
        assert {variable.dtype for variable in head.trainable_variables} == {tf.float32}
    finally:
        tf.keras.mixed_precision.set_global_policy("float32")


def test_a_model_is_saved_loaded_and_exported_with_its_answers(tmp_path):
    pretrained = find_backbone("tiny")
    model = build_multi_task_model(pretrained, [TASK], seed=3)
    tokenizer = WordPieceTokenizer(pretrained.vocabulary, pretrained.lowercase)
    # Encoder dropout, the head's, and which steps are kept: a checkpoint holds the state of all of them.
    head = model.heads["nli"]
    generators = {id(generator) for generator in model.generators}
    assert {id(layer.generator) for layer in (head.dropout, head.kept_steps)} <= generators
    save_model(model, [TASK], tokenizer, 32, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    inputs = {
        "token_ids": tf.constant([[2, 9, 12, 3, 14, 3], [2, 7, 3, 8, 3, 0]]),
        "segment_ids": tf.constant([[0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0]]),
        "padding_mask": tf.constant([[1] * 6, [1] * 5 + [0]]),
    }
    expected = model.task_logits(inputs, "nli").numpy()
    np.testing.assert_array_equal(loaded.model.task_logits(inputs, "nli"), expected)
    export_model(loaded, tmp_path / "1")  # Refuses operations that TF Serving does not have.
    served = tf.saved_model.load(str(tmp_path / "1")).signatures["tokens"](**inputs)["nli"]
    np.testing.assert_allclose(served, expected, atol=1e-5)
