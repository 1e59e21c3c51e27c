from benchmarks.ratios import ratio_of, spread


def test_a_ratio_is_taken_round_by_round():
    row = ratio_of("speed", [2.0, 9.0, 4.0], [1.0, 3.0, 4.0], at_least=2.0)
    assert (row["low"], row["median"], row["high"], row["repeats"]) == (1.0, 2.0, 3.0, 3)
    assert row["met"] and row["target"] == "at least 2"


def test_a_target_is_missed_by_the_median():
    assert not spread("share", [0.01, 0.03, 0.04], at_most=0.02)["met"]
    assert spread("share", [0.01, 0.02, 0.9], at_most=0.02)["met"]
    assert "met" not in spread("share", [1.0])
