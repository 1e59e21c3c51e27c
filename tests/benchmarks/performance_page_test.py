from benchmarks.performance_page import page
from benchmarks.ratios import spread


def test_the_page_names_the_machine_and_says_what_is_missed():
    rows = [
        spread("speed", [1234.5], at_least=2000),
        spread("share", [0.0123], at_most=0.02),
    ]
    parts = {"training": {"title": "(a) Speed.", "machine": {"cpu": "Z80", "cores": 1}, "seconds": 1, "rows": rows}}
    text = page({"quick": True, "parts": parts})
    assert "cpu Z80, cores 1" in text
    assert "## (a) Speed\n" in text
    assert "| speed | 1,234 | 1,234 | 1,234 | at least 2000: **missed** |" in text
    assert "| share | 0.0123 | 0.0123 | 0.0123 | at most 0.02: met |" in text
    assert "Quick run" in text


def test_a_part_by_setting_has_one_row_per_setting():
    rows = [
        spread("batch 1: ours, ms", [4.0]),
        spread("batch 1: ratio", [0.5], at_most=1),
        spread("batch 8: ours, ms", [9.0]),
    ]
    part = {"title": "Latency.", "machine": {}, "seconds": 1, "rows": rows, "by_setting": True}
    text = page({"quick": False, "parts": {"serving": part}})
    assert "| median | ours, ms | ratio |\n|---|---:|---:|\n| batch 1 | 4 | 0.5 |\n| batch 8 | 9 |  |\n" in text
    assert "* batch 1: ratio: 0.5, at most 1: met" in text
