"""Compares the product's results with those of the PyTorch reference.

python -m benchmarks.compare_reference --reference=FOLDER --product=FOLDER

Both folders hold JSON lists of {"mode", "seed", "task", "metrics"}. Prints, for every metric that both sides
have, the means and deviations over seeds and the difference of the means in units of the deviation within
the two sides.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.command_line import InputError, run
from benchmarks.results import Values, mean_and_deviation, percent, pooled_deviation, read_results, table

_HEADER = ("mode", "task", "metric", "reference", "sd", "n", "product", "sd", "n", "difference", "in pooled sd")


def comparison(reference: Values, product: Values) -> str:
    """Returns the table, values times 100; a difference is the product's mean less the reference's."""
    rows = []
    for key in reference:
        if key not in product:
            continue
        sides = [list(side[key].values()) for side in (reference, product)]
        means, deviations = zip(*map(mean_and_deviation, sides))
        cells = [cell for at in (0, 1) for cell in (percent(means[at]), percent(deviations[at]), str(len(sides[at])))]
        difference, unit = means[1] - means[0], pooled_deviation(*sides)
        rows.append((*key, *cells, percent(difference, "+.2f"), f"{difference / unit:+.2f}" if unit > 0 else "-"))
    if not rows:
        raise InputError("the reference and the product have no mode, task and metric in common")
    return table(_HEADER, rows)


def main() -> None:
    """Prints the table of the two folders on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reference", type=Path, required=True, help="folder that reference_pytorch wrote")
    parser.add_argument("--product", type=Path, required=True, help="folder of the product's results")
    flags = parser.parse_args()
    reference, product = read_results(flags.reference), read_results(flags.product)
    print(comparison(reference, product), end="")
    for name, lacking, other in (("reference", reference, product), ("product", product, reference)):
        missing = ["/".join(key) for key in other if key not in lacking]
        if missing:
            print(f"not in the {name}: {', '.join(missing)}")


if __name__ == "__main__":
    run(main)
