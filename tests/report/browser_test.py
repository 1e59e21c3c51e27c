"""The page in a real browser: nothing hangs over, at the width of a phone and of a desk."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from mtdnn_tf.report.write import write_report
from tests.report.chromium import BINARY, Chromium, chromium
from tests.report.example_data import awkward_report, full_report

pytestmark = [pytest.mark.slow, pytest.mark.skipif(BINARY is None, reason="no chromium or google-chrome on PATH")]

_OVERHANGING = """
[...document.querySelectorAll("body *")].filter(element => {
  const box = element.getBoundingClientRect();
  return !element.parentElement.closest(".scroll, pre") && (box.right > innerWidth + 0.5 || box.left < -0.5);
}).map(element => element.tagName)
"""


@pytest.fixture(name="pages", scope="module")
def _pages(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("reports")
    for name, data in (("full", full_report()), ("awkward", awkward_report())):
        write_report(data, folder / name)
    return {name: folder / name / "index.html" for name in ("full", "awkward")}


@pytest.fixture(name="browser", scope="module")
def _browser(tmp_path_factory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 400, 820, 1400])
@pytest.mark.parametrize("name", ["full", "awkward"])
def test_nothing_hangs_over_the_window(browser, pages, name, width, theme):
    browser.requests.clear()
    browser.open(pages[name], width, theme=theme)
    browser.evaluate("document.querySelectorAll('details').forEach(element => { element.open = true; })")
    assert browser.evaluate("innerWidth") == width
    assert browser.evaluate("document.scrollingElement.scrollWidth") == width
    assert browser.evaluate(_OVERHANGING) == []
    assert [url for url in browser.requests if not url.startswith(("data:", "file:"))] == []
    # Every figure is shown, in the version for this window.
    drawn = browser.evaluate("[...document.images].map(image => [image.naturalWidth, image.width])")
    assert [natural for natural, _ in drawn] == [720 if width <= 820 else 1650] * 5
    # Figures are not shown so small that 8.5 points in 4 inches, or 10 in 11, cannot be read.
    assert all(shown >= (250 if width == 320 else 330 if width == 400 else 500) for _, shown in drawn)
    if width == 1400:
        assert all(shown >= 1056 for _, shown in drawn)
    picture = imread(io.BytesIO(browser.screenshot()), format="png")
    assert picture.shape[1] == width and picture.shape[0] > 3000
    assert (np.median(picture[:, :, :3]) < 0.3) == (theme == "dark")


def test_the_table_of_nine_tasks_fits_a_desk_and_scrolls_on_a_phone(browser, pages):
    overhang = "(e => e.scrollWidth - e.clientWidth)(document.querySelector('#results .scroll'))"
    browser.open(pages["full"], 1400)
    assert browser.evaluate(overhang) == 0
    browser.open(pages["full"], 400)
    assert browser.evaluate(overhang) > 0
    # The names of the models stay in sight.
    browser.evaluate("document.querySelector('#results .scroll').scrollLeft = 300")
    left = "document.querySelector('#results tbody th').getBoundingClientRect().left"
    assert 0 <= browser.evaluate(left) < 40


def test_the_page_prints(browser, pages):
    browser.open(pages["full"], 1400)
    pdf = browser.pdf()
    assert pdf.startswith(b"%PDF") and len(pdf) > 100_000
