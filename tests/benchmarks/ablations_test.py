import re

from benchmarks.ablations import BASELINE, DEFAULT, VARIANTS, ablation_table


def test_every_variant_has_a_folder_of_its_own_and_differs():
    assert len({variant.folder for variant in VARIANTS}) == len(VARIANTS) == 16
    assert len({(variant.soft_targets, variant.changes) for variant in VARIANTS}) == len(VARIANTS)
    assert all(re.fullmatch(r"[\w()-]+", variant.folder) for variant in VARIANTS)


def test_differences_are_paired_by_seed():
    averages = {BASELINE: {0: 0.5, 1: 0.6}, DEFAULT: {0: 0.52, 1: 0.6, 2: 0.9}, VARIANTS[1]: {}}
    lines = [line.split() for line in ablation_table(averages).splitlines()]
    assert lines[1] == ["weight", "0", "(gold", "alone)", "2", "55.00", "7.07", "-", "-"]
    # The difference is of seeds 0 and 1: 2 points and 0; its interval 1 -+ 12.706 * 1.
    assert lines[2] == ["weight", "0.5", "(default)", "3", "67.33", "20.03", "+1.00", "-11.71", "..", "+13.71"]
    assert lines[3] == ["weight", "0.25", "0", "-", "-", "-", "-"]
