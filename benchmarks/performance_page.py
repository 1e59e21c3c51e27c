"""The results of benchmarks.run as a page of the docs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_INTRODUCTION = """\
# Performance

Speed and memory of training, scoring and serving on 2 CPU cores, measured by `python -m benchmarks.run`: medians of
alternating runs, with minimum and maximum. Ratios are taken round by round.

<!-- not tested: needs PyTorch -->
```sh
.venv/bin/python -m benchmarks.run --glue=$GLUE --encoder=demo --pytorch=PYTHON --output=performance \\
  --page=docs/performance.md
```

PYTHON is an environment with benchmarks/requirements.txt. `--quick` only shows that everything runs;
`--only=training,serving` measures parts.

## Does speed cost learning?

The fast path of training (16-bit dropout, gradients of GELU and LayerNorm in closed form, half-batches in parallel,
the last block computed for the first position only where heads read no other, one kernel for Adamax or AdamW) is
compared with plain KerasNLP and Keras layers, whole batches and all positions. `benchmarks.learning` trains the
demo's multi-task model by both paths with the same 8 seeds and prints the training loss and the development scores,
their standard deviations, and paired permutation tests of the differences. It stops before training if the two paths'
outputs without dropout differ by more than 1e-4. [results.md](results.md#does-speed-cost-learning) has the figures.

```sh
.venv/bin/python -m benchmarks.learning --output_dir=runs/learning
```

Settings are those of `flags/presets/demo.flags`; flags of `tools.recipe` replace them, such as `--pooling=cls`, with
which heads read the first position only. Finished trainings are kept, and the same command continues.

## Parts of a batch in parallel

On CPU cores, parts of a batch are computed in parallel, each operation on one thread ([processor
cores](scale.md#processor-cores)). `--parallel_parts=auto` takes one part per core, because every part is one more copy
of the training step's graph: with 6 layers the first step took 13.2 s with two parts and 7.2 s with one. It takes 8 at
most for the same reason. `python -m benchmarks.parallel_parts --glue=$GLUE --output=performance` measures the speed of
training with 1, 2 and 4 parts, in turn, beside one part with TensorFlow's own threads; after `taskset -c 0` on one
core.

Measured (6-layer encoder of `--backbone=demo`, MRPC and STS-B, batches of 32, 6 steps per round and 4 rounds with two
cores, 3 steps and 2 rounds with one; November 2026): speed relative to one part with TensorFlow's own threads, median
(minimum to maximum). More parts than cores do not hurt.

| parts | 2 cores | 1 core |
|---|---:|---:|
| 1 | 0.80 (0.80 to 0.82) | 1.01 (1.01 to 1.01) |
| 2 | 1.10 (1.07 to 1.11) | 1.07 (1.01 to 1.13) |
| 4 | 1.07 (1.07 to 1.09) | 1.07 (0.98 to 1.15) |
"""


_LIMITS = """\
## What limits it
About four fifths of a training step are matrix products, which run at about 0.8 of the processor's peak. The rest is
passes over activations that TensorFlow has no joint kernel for (GELU, dropout, softmax, LayerNorm), dropout's random
numbers, and the optimizer's sweep over all weights, half of them word embeddings: a step of one row of 8 word pieces
takes 42 to 51 ms, most of it that sweep. Answers to one short text are limited by the overhead per operation, where
ONNX Runtime is faster. `mixed_float16` has no fast path on CPUs. The machine itself varies by a tenth within a
quarter of an hour, so only ratios taken round by round count. Speed-ups that were tried, including those that did not
help, are listed in the [changelog](../CHANGELOG.md#speed).
"""


def page(results: Mapping[str, Any]) -> str:
    """Returns the page in Markdown."""
    lines = [_INTRODUCTION]
    if results["quick"]:
        lines.append("\n**Quick run: the figures are not measurements.**")
    for part in results["parts"].values():
        on = ", ".join(f"{name} {value}" for name, value in part["machine"].items())
        lines += ["", f"## {part['title'].rstrip('.')}", "", f"Measured in {part['seconds']} s on: {on}.", ""]
        lines += _settings_table(part["rows"]) if part.get("by_setting") else _table(part["rows"])
    return "\n".join([*lines, "", _LIMITS])


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = ["| what | median | minimum | maximum | target |", "|---|---:|---:|---:|---|"]
    for row in rows:
        values = " | ".join(_number(row[name]) for name in ("median", "low", "high"))
        lines.append(f"| {row['what']} | {values} | {_target(row)} |")
    return lines


def _settings_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns a table of medians with a row per setting, from rows named "setting: what"."""
    by_setting: dict[str, dict[str, str]] = {}
    for row in rows:
        setting, _, what = row["what"].partition(": ")
        by_setting.setdefault(setting, {})[what] = _number(row["median"])
    columns = list(dict.fromkeys(what for cells in by_setting.values() for what in cells))
    lines = [f"| median | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for setting, cells in by_setting.items():
        lines.append(f"| {setting} | {' | '.join(cells.get(what, '') for what in columns)} |")
    targets = [f"* {row['what']}: {_number(row['median'])}, {_target(row)}" for row in rows if "target" in row]
    return [*lines, "", *targets] if targets else lines


def _target(row: Mapping[str, Any]) -> str:
    return f"{row['target']}: {'met' if row['met'] else '**missed**'}" if "target" in row else ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
