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
