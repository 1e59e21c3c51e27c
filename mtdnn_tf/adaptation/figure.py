"""The figure of an adaptation: score by number of training examples, one line per start."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from mtdnn_tf.adaptation.config import PLAIN
from mtdnn_tf.adaptation.results import AdaptationResults, percent
from mtdnn_tf.report import roles
from mtdnn_tf.report.data import Model
from mtdnn_tf.report.plotting import Style, legend_label, looks, new_figure, styled

# Error bars of two starts would hide each other; they are this factor apart on the logarithmic axis.
_APART = 1.05


@styled
def adaptation_figure(results: AdaptationResults, style: Style) -> Figure:
    """Draws mean scores by number of training examples, with error bars of one standard deviation over subsets."""
    of_starts = [roles.SINGLE_TASK, roles.MULTI_TASK, *[roles.STUDENT] * len(results.starts)]
    appearance = looks([Model(name, role, []) for name, role in zip(results.starts, of_starts)], style.theme)
    examples = [results.examples(fraction) for fraction in results.fractions]
    n = results.summary(PLAIN, results.fractions[0]).n
    figure = new_figure(style, 3.4 if style.narrow else 4.6)
    axes = figure.add_subplot()
    if results.majority is not None:
        ink, dashed = style.theme.ink, (0, (4, 3))
        axes.axhline(100 * results.majority, color=ink, lw=0.9, ls=dashed, label="most frequent label")
    for i, start in enumerate(results.starts):
        summaries = [results.summary(start, fraction) for fraction in results.fractions]
        axes.errorbar(
            [count * _APART ** (i - (len(results.starts) - 1) / 2) for count in examples],
            [100 * (summary.mean or 0.0) for summary in summaries],
            [100 * (summary.deviation or 0.0) for summary in summaries] if n > 1 else None,
            color=appearance[start].colour,
            marker=appearance[start].marker,
            ms=6,
            lw=1.8,
            elinewidth=1.2,
            capsize=3,
            label=legend_label(start),
        )
    axes.set_xscale("log")
    margin = 2 if len(examples) == 1 else 1.4
    axes.set_xlim(min(examples) / margin, max(examples) * margin)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(examples, [f"{count:,.0f}\n{percent(of)}" for count, of in zip(examples, results.fractions)])
    axes.set_xlabel(f"training examples of {results.task}, and their share of all (logarithmic)")
    axes.set_ylabel(f"{results.score_name} × 100")
    subsets = f"mean ± standard deviation over {n} subsets" if n > 1 else "one subset"
    axes.set_title(f"{results.task}, development: {subsets}", loc="left")
    axes.grid()
    figure.legend(loc="outside upper center", ncols=1 if style.narrow else min(len(results.starts) + 1, 4))
    return figure
