"""The text of a release's model card and of its licence notes."""

from __future__ import annotations

from collections.abc import Sequence

from mtdnn_tf.evaluation.statistics import Summary, summarise
from mtdnn_tf.modeling.backbone import BackboneConfig
from mtdnn_tf.release import layout
from mtdnn_tf.release.checksums import CHECKSUMS
from mtdnn_tf.release.metrics import ReleaseMetrics
from mtdnn_tf.release.provenance import Provenance
from mtdnn_tf.serving.reduced_weights import FLOAT32
from mtdnn_tf.tasks.task import Task
from mtdnn_tf.text_tables import markdown_table


def _value(summary: Summary) -> str:
    if summary.mean is None:
        return "not defined"
    spread = "" if summary.deviation is None else f" ± {summary.deviation:.4f}"
    return f"{summary.mean:.4f}{spread}"


def _quality(metrics: ReleaseMetrics) -> str:
    if not metrics.results:
        return "Not known: the run was trained without evaluation.\n"
    rows = [
        (result, metric, _value(summary), str(summary.n))
        for result, values in metrics.results.items()
        for metric, summary in values.items()
    ]
    if metrics.seeds:
        seeds = ", ".join(map(str, metrics.seeds))
        source = f'Means over the runs of "{metrics.model}" (seeds {seeds}), of which this model is one.'
    else:
        source = "Of this run alone: how much of it is chance is not known."
    return f"On development splits. {source} ± is the sample standard deviation over n runs.\n\n" + markdown_table(
        [("result", "metric", "value", "n"), *rows], num_text_columns=2
    )


def _calibration(metrics: ReleaseMetrics) -> str:
    if not metrics.calibration:
        return "Not measured. Take probabilities for an order of confidence, not for frequencies.\n"
    rows = [
        (of.task, *(_value(summarise(values)) for values in (of.nll, of.brier, of.ece))) for of in metrics.calibration
    ]
    return "On development splits, means over the runs ± sample standard deviation.\n\n" + markdown_table(
        [("task", "negative log-likelihood (nats)", "Brier score", "expected calibration error"), *rows]
    )


def _teachers(provenance: Provenance) -> str:
    if not provenance.teachers:
        return "None: the model learnt from gold labels alone.\n"
    rows = [(name, str(count) if count else "not known") for name, count in provenance.teachers.items()]
    weight = provenance.identity.get("distill_weight")
    return (
        f"Tasks with soft targets, the averaged predictions of an ensemble, learnt from these with weight {weight} and "
        "from gold labels with the rest; the other tasks from gold labels alone.\n\n"
    ) + markdown_table([("soft targets", "teachers"), *rows], num_text_columns=2)


def model_card(
    tasks: Sequence[Task],
    backbone: BackboneConfig,
    max_sequence_length: int,
    provenance: Provenance,
    metrics: ReleaseMetrics,
    preset_difference: float | None,
    model_name: str,
    weights: str = FLOAT32,
) -> str:
    """Returns the text of README.md.

    Args:
        tasks: The tasks that are answered.
        backbone: The encoder's shape.
        max_sequence_length: Longest input, in word pieces.
        provenance: Where the model came from.
        metrics: Its quality.
        preset_difference: By how much the KerasNLP preset's outputs differ, where it cannot tell the encoder's
            activation; None if they do not.
        model_name: Name under which TF Serving knows the model.
        weights: How the SavedModel stores the encoder's large matrices, one of `reduced_weights.WEIGHTS`.
    """
    rows = [(task.name, task.kind, ", ".join(task.text), ", ".join(task.labels) or "a score") for task in tasks]
    answered = markdown_table([("task", "kind", "texts", "labels"), *rows], num_text_columns=4)
    preset = ""
    if preset_difference is not None:
        preset = (
            f"  The preset computes GELU by its tanh approximation, as KerasNLP does; this encoder's is exact. Outputs "
            f"differ by up to {preset_difference:.1e}.\n"
        )
    rounding = ""
    if weights != FLOAT32:
        rounding = (
            f"* {layout.SERVING} stores the encoder's large matrices in {weights}, so it answers a little "
            "differently from the model that the metrics are of; the other parts are in float32.\n"
        )
    example = ", ".join(f'"{name}": "..."' for name in ("text_a", "text_b")[: len(tasks[0].text)])
    return f"""# A multi-task text classifier

One BERT encoder ({backbone.num_layers} layers of width {backbone.hidden_dim}) with a head for each of the tasks below.
Inputs of more than {max_sequence_length} word pieces are cut.

{answered}
## Intended use
Answering the tasks above on texts like those it was trained on, in the language of its vocabulary. It was not examined
for bias or for use in decisions about people; a person should check such decisions.

## Data
Training splits of the tasks above; the encoder started from `{provenance.encoder}`. Data and encoder are known by their
checksums in {layout.IDENTITY}. None of the data are in this folder.
{layout.LICENCES} says what to check before passing it on.

## Teachers
{_teachers(provenance)}
## Metrics
{_quality(metrics)}
## Calibration
{_calibration(metrics)}
## Limits
* Metrics are of development splits, by which a training may have been chosen: expect a little less on new texts.
* Texts of another kind, language or length than the training's get an answer too, with probabilities that mean little.
* A ranking's scores compare candidates of one query, not candidates of different queries.
{rounding}
## Files
* `{layout.SERVING}/`: SavedModel in versions as TF Serving takes them, `models.config`, `batching.config`.
* `{layout.HUGGING_FACE}/`, `{layout.KERAS_NLP}/`: the encoder for transformers and KerasNLP.
{preset}* `{layout.HEADS}/<task>.safetensors`: each task's head.
* `{layout.TASKS}`, `{layout.LABELS}`: tasks, and their labels in the order of the heads' outputs.
* `{layout.METRICS}`, `{layout.FLAGS}`, `{layout.IDENTITY}`, `{layout.DESCRIPTION}`: figures, and how it was made.
* `{CHECKSUMS}`: for `sha256sum --check`.

## Serve
```sh
docker run --rm -p 8501:8501 -v "$PWD/{layout.SERVING}:/models/{model_name}" tensorflow/serving:2.15.1 \\
  --model_config_file=/models/{model_name}/models.config
curl -d '{{"signature_name": "{tasks[0].name}", "instances": [{{{example}}}]}}' \\
  http://localhost:8501/v1/models/{model_name}:predict
```
(Docker was not run where this was written.) In Python, import tensorflow_text before
`tf.saved_model.load("{layout.SERVING}/{layout.VERSION}")`.

## Reproduce
With mtdnn_tf, the data and the encoder, whose folders {layout.FLAGS} names as they were:
```sh
python -m tools.train --flagfile={layout.FLAGS} --output_dir=again
python -m tools.verify_release --release=.
```
"""


def licence_notes(tasks: Sequence[Task], provenance: Provenance) -> str:
    """Returns the text of the licence notes.

    Args:
        tasks: The tasks that are answered.
        provenance: Where the model came from.
    """
    return f"""# Licence notes
This file grants nothing. Before passing the model on, check the terms of what it was made from:

* the encoder that the training started from: `{provenance.encoder}`;
* the data of the tasks {", ".join(task.name for task in tasks)}: each data set has terms of its own;
* the texts on which the encoder was pre-trained, as its publisher tells.

Running it takes TensorFlow, TensorFlow Text and TF Serving; reading the encoder takes KerasNLP or transformers. Each
comes under the licence in its own package. No code of theirs is in this folder beside the graph in `{layout.SERVING}/`.
"""
