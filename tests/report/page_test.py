from __future__ import annotations

import base64
import dataclasses
import re
from html.parser import HTMLParser

import pytest

from mtdnn_tf.report.data import ReportData
from mtdnn_tf.report.figures import FIGURES
from mtdnn_tf.report.page import Images, draw_images, render_page
from mtdnn_tf.report.plotting import DARK, LIGHT, Style
from mtdnn_tf.report.tables import score_table
from tests.report.example_data import awkward_report, full_report

_VOID = {"meta", "img", "source"}
_SECTIONS = ["results", "differences", "curves", "calibration", "agreement", "cost", "run"]


class _Page(HTMLParser):
    """What a parser that knows nothing of the writer finds in a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.rows: list[list[str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs)
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)
        if self.open and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def values(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.tags if (value := attributes.get(attribute))]

    @property
    def text(self) -> str:
        return "".join(self.words)


@pytest.fixture(name="awkward", scope="module")
def _awkward() -> tuple[ReportData, str, Images]:
    data = awkward_report()
    images = draw_images(data)
    return data, render_page(data, images), images


@pytest.fixture(name="full", scope="module")
def _full() -> _Page:
    # The figures have tests of their own.
    styles = [Style(theme, narrow) for theme in (LIGHT, DARK) for narrow in (False, True)]
    return _Page(render_page(full_report(), {name: dict.fromkeys(styles, b"") for name in FIGURES}))


def test_the_page_needs_nothing_from_elsewhere(awkward):
    page = _Page(awkward[1])
    addresses = page.values("src") + page.values("srcset") + page.values("href")
    assert len(addresses) == 5 * 4 + 7
    assert all(address.startswith(("data:image/png;base64,", "#")) for address in addresses)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "link", "iframe", "object", "i", "b", "u"}
    (style,) = re.findall(r"<style>(.*?)</style>", awkward[1], flags=re.S)
    assert "url(" not in style and "@import" not in style
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_each_figure_is_there_for_every_screen(awkward):
    _, text, images = awkward
    page = _Page(text)
    pictures = [attributes for tag, attributes in page.tags if tag in ("source", "img")]
    wanted = [Style(DARK, True), Style(LIGHT, True), Style(DARK), Style(LIGHT)]
    for i, (_, by_style) in enumerate(images.items()):
        shown = pictures[4 * i : 4 * i + 4]
        assert [base64.b64decode((s.get("srcset") or s["src"] or "").split(",")[1]) for s in shown] == [
            by_style[style] for style in wanted
        ]
        assert [s.get("media") for s in shown] == [
            "screen and (max-width: 820px) and (prefers-color-scheme: dark)",
            "screen and (max-width: 820px)",
            "screen and (prefers-color-scheme: dark)",
            None,
        ]
        assert len(shown[3]["alt"] or "") > 40


def test_awkward_names_are_text(awkward):
    data, text, _ = awkward
    page = _Page(text)
    names = [
        data.title,
        *data.notes,
        data.flags,
        *(model.name for model in data.models),
        *data.fingerprints,
        *data.seconds,
    ]
    names += [*(task.name for task in data.tasks), "a < b & $c$", "unheard of", "&amp;", "<u>"]
    for name in names:
        assert name.strip() in page.text, name


def test_contents_lead_to_sections_in_order(full):
    assert full.values("href") == [f"#{name}" for name in _SECTIONS]
    assert [attributes["id"] for tag, attributes in full.tags if tag == "section"] == _SECTIONS
    headings = [tag for tag, _ in full.tags if re.fullmatch(r"h\d", tag)]
    assert headings == ["h1"] + ["h2"] * 7 + ["h3"] * 3
    identifiers = full.values("id")
    assert len(identifiers) == len(set(identifiers))
    assert set(full.values("aria-labelledby")) <= set(identifiers)


def test_every_value_stands_in_a_table(full):
    data = full_report()
    rows = {row[0]: row for row in full.rows}
    for expected in score_table(data).rows:
        shown = next(row for row in full.rows if row[0].startswith(f"{expected[0].text} n = "))
        assert shown[1:] == [f"{cell.text} {cell.spread}" for cell in expected[1:]]
    assert rows["ensemble of 3"][1:] == ["330.0", "67.50", "412.5 IQR 20.2"]
    assert ["rte", "distilled student n = 3", "0.340 ± 0.010", "0.220 ± 0.010", "0.040 ± 0.010"] in full.rows
    assert ["rte n = 2", "yes", "97.0 ± 1.4", "0.0380 ± 0.0000", "−50"] in full.rows
    assert rows["teachers"][1] == "3 h 25 min" and rows["total"][1] == "4 h 28 min"
    assert rows["encoder"][1] == "a9" * 32
    first = data.differences[0]
    shown = next(row for row in full.rows if row[0] == first.label and len(row) == 5)
    assert first.mean is not None
    assert shown[1] == f"{100 * first.mean:+.2f}".replace("-", "−")
    for flag in data.flags.splitlines():
        assert flag in full.text


def test_what_is_not_there_has_no_section():
    data = full_report(1)
    bare = ReportData("bare", data.models, data.tasks)
    page = _Page(render_page(bare, {}))
    assert page.values("href") == ["#results"]
    assert _Page(render_page(ReportData("empty", (), ()), {})).values("href") == []
    only_flags = dataclasses.replace(ReportData("flags", (), ()), flags="--a=1")
    assert _Page(render_page(only_flags, {})).values("href") == ["#run"]


def test_html_escapes_names(awkward):
    _, html, _ = awkward
    assert "<script>" not in html and "<i>" not in html
    assert "&lt;script&gt;alert(&#34;x&#34;)" in html
