"""Model card and licence notes of a release."""

from __future__ import annotations

from collections.abc import Sequence

from mtdnn_tf.evaluation.measures.statistics import Summary, summarise
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
        source = "From this run only: differences may be due to chance."
    return f"On development splits. {source} ± is the sample standard deviation over n runs.\n\n" + markdown_table(
        [("result", "metric", "value", "n"), *rows], num_text_columns=2
    )


def _calibration(metrics: ReleaseMetrics) -> str:
    if not metrics.calibration:
        return "Not measured. Use probabilities to rank answers by confidence, not as frequencies.\n"
    rows = [
        (of.task, *(_value(summarise(values)) for values in (of.nll, of.brier, of.ece))) for of in metrics.calibration
    ]
    return "On development splits, means over the runs ± sample standard deviation.\n\n" + markdown_table(
        [("task", "negative log-likelihood (nats)", "Brier score", "expected calibration error"), *rows]
    )


def _teachers(provenance: Provenance) -> str:
    if not provenance.teachers:
        return "None: the model was trained on gold labels only.\n"
    rows = [(name, str(count) if count else "not known") for name, count in provenance.teachers.items()]
    weight = provenance.identity.get("distill_weight")
    return (
        f"Tasks with soft targets, the averaged predictions of an ensemble, were trained on these with weight {weight} "
        "and on gold labels with the rest; other tasks on gold labels only.\n\n"
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
        tasks: The released tasks.
        backbone: The encoder's shape.
        max_sequence_length: Longest input, in word pieces.
        provenance: Origin of the model.
        metrics: Its quality.
        preset_difference: Difference of the KerasNLP preset's outputs if it cannot have the encoder's activation, else
            None.
        model_name: Name of the model in TF Serving.
        weights: How the SavedModel stores the encoder's large matrices, one of `reduced_weights.WEIGHTS`.
    """
    rows = [(task.name, task.kind, ", ".join(task.text), ", ".join(task.labels) or "a score") for task in tasks]
    answered = markdown_table([("task", "kind", "texts", "labels"), *rows], num_text_columns=4)
    preset = ""
    if preset_difference is not None:
        preset = (
            f"  The preset approximates GELU with tanh, like KerasNLP; this encoder's GELU is exact. Outputs "
            f"differ by up to {preset_difference:.1e}.\n"
        )
    rounding = ""
    if weights != FLOAT32:
        rounding = (
            f"* {layout.SERVING} stores the encoder's large matrices in {weights}, so its answers differ "
            "slightly from those of the evaluated model; the other parts are float32.\n"
        )
    example = ", ".join(f'"{name}": "..."' for name in ("text_a", "text_b")[: len(tasks[0].text)])
    return f"""# A multi-task text classifier

One BERT encoder ({backbone.num_layers} layers of width {backbone.hidden_dim}) with a head for each of the tasks below.
Inputs longer than {max_sequence_length} word pieces are truncated.

{answered}
## Intended use
The tasks above, on texts like its training data, in the language of its vocabulary. It was not evaluated for bias or
for decisions about people; a person should check such decisions.

## Data
Training splits of the tasks above; the initial encoder is `{provenance.encoder}`. {layout.IDENTITY} has the checksums
of data and encoder. This folder has no data. {layout.LICENCES} lists what to check before you publish it.

## Teachers
{_teachers(provenance)}
## Metrics
{_quality(metrics)}
## Calibration
{_calibration(metrics)}
## Limits
* Metrics are on development splits, which may have been used to select the model: expect lower values on new texts.
* Texts unlike the training data, in kind, language or length, also get answers, with unreliable probabilities.
* A ranking's scores compare candidates of one query, not candidates of different queries.
{rounding}
## Files
* `{layout.SERVING}/`: SavedModel in TF Serving's layout, `models.config`, `batching.config`.
* `{layout.HUGGING_FACE}/`, `{layout.KERAS_NLP}/`: the encoder for transformers and KerasNLP.
{preset}* `{layout.HEADS}/<task>.safetensors`: each task's head.
* `{layout.TASKS}`, `{layout.LABELS}`: tasks, and their labels in the order of the heads' outputs.
* `{layout.METRICS}`, `{layout.FLAGS}`, `{layout.IDENTITY}`, `{layout.DESCRIPTION}`: metrics and configuration.
* `{CHECKSUMS}`: for `sha256sum --check`.

## Serve
```sh
docker run --rm -p 8501:8501 -v "$PWD/{layout.SERVING}:/models/{model_name}" tensorflow/serving:2.15.1 \\
  --model_config_file=/models/{model_name}/models.config
curl -d '{{"signature_name": "{tasks[0].name}", "instances": [{{{example}}}]}}' \\
  http://localhost:8501/v1/models/{model_name}:predict
```
(Not tested: Docker.) In Python, import tensorflow_text before
`tf.saved_model.load("{layout.SERVING}/{layout.VERSION}")`.

## Reproduce
With mtdnn_tf, the data and the encoder, in the folders of {layout.FLAGS}:
```sh
python -m tools.train --flagfile={layout.FLAGS} --output_dir=again
python -m tools.verify_release --release=.
```
"""


def licence_notes(tasks: Sequence[Task], provenance: Provenance) -> str:
    """Returns the text of the licence notes.

    Args:
        tasks: The released tasks.
        provenance: Origin of the model.
    """
    return f"""# Licence notes
This file grants no rights. Before you publish the model, check the terms of its sources:

* the initial encoder: `{provenance.encoder}`;
* the data of the tasks {", ".join(task.name for task in tasks)}: each data set has its own terms;
* the texts on which the encoder was pre-trained, according to its publisher.

The model runs with TensorFlow, TensorFlow Text and TF Serving; the encoder can be loaded with KerasNLP or transformers.
Each has its own licence. This folder has none of their code, except the graph in `{layout.SERVING}/`.
"""
