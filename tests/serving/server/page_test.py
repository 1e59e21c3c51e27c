from __future__ import annotations

import base64
import os
import re
import struct
import time
from pathlib import Path

import pytest

from tests.report.chromium import BINARY, chromium
from tests.serving.server.server_process import ServerProcess

_PATIENCE = 60.0  # Seconds.
_WIDTHS = (400, 1400)


def test_the_page_and_its_files_come_from_this_server_alone(server):
    page = server.ask("/")
    text = page.body.decode()
    addresses = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert sorted(addresses) == ["icon.svg", "page.css", "page.js"]
    for address in (*addresses, "answers.js"):
        file = server.ask(f"/{address}")
        assert file.status == 200
        assert not re.search(rb"https?://(?!www\.w3\.org/2000/svg)|@import|url\(|innerHTML|eval\(", file.body), address
        assert "default-src 'none'" in file.headers["content-security-policy"]
        assert "unsafe" not in file.headers["content-security-policy"]
    assert not re.search(r"<style|style=|\son[a-z]+=|<script(?! type=\"module\" src=)", text)


def test_the_page_knows_the_models_that_answer_texts(server):
    models = {model["name"]: model for model in server.ask("/page/models").body}
    assert list(models) == ["tiny", "student", "teacher", "each"]
    tiny = {"name": "tiny", "version": 1, "together": True, "max_sequence_length": 64}
    tiny["tasks"] = [
        {"name": "entailment", "texts": 2},
        {"name": "mood", "texts": 1},
        {"name": "similarity", "texts": 2},
    ]
    assert models["tiny"] == tiny
    assert models["student"]["together"] and models["student"]["max_sequence_length"] is None
    assert not models["each"]["together"]
    assert models["each"]["tasks"] == [{"name": "closeness", "texts": 2}, {"name": "mood", "texts": 1}]


class _Page:
    """The page in a browser, used as a person uses it."""

    def __init__(self, browser, server: ServerProcess) -> None:
        self.browser, self._server = browser, server
        self.open(1400)

    def open(self, width: int, theme: str = "light") -> None:
        self.browser.open(f"{self._server.address}/", width, theme=theme)
        self.wait("document.querySelectorAll('#models li').length == 4")

    def wait(self, condition: str) -> None:
        deadline = time.monotonic() + _PATIENCE
        while not self.browser.evaluate(condition):
            assert time.monotonic() < deadline, self.text("body")
            time.sleep(0.02)

    def text(self, selector: str) -> str:
        return self.browser.evaluate(f"document.querySelector('{selector}').innerText")

    def ask(self, first: str, second: str = "") -> None:
        """Types texts by keyboard alone, from the first field to the button's key."""
        self.browser.evaluate("document.querySelector('[type=reset]').click()")
        self.browser.type_text(first)
        self.browser.press("Tab", 9)
        self.browser.type_text(second)
        self.browser.press("Enter", 13)

    def answered(self) -> None:
        self.wait("document.querySelector('#told').innerText.includes('answered')")

    def bars(self, task: str) -> list[tuple[str, str, str, float]]:
        """Returns model, label, share as it is written, and as it is drawn, of a task's bars."""
        script = """[...document.querySelectorAll('.task')].filter(card => card.querySelector('h2').innerText == TASK)
            .flatMap(card => [...card.querySelectorAll('.model')]).flatMap(part => [...part.querySelectorAll('li')].map(
            item => [part.querySelector('h3').innerText, item.querySelector('.name').innerText,
                     item.querySelector('.share').innerText, item.querySelector('.fill').getBoundingClientRect().width
                     / item.querySelector('.track').getBoundingClientRect().width]))"""
        return [tuple(bar) for bar in self.browser.evaluate(script.replace("TASK", repr(task)))]

    def overflow(self) -> int:
        return self.browser.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


@pytest.fixture(name="page", scope="module")
def _page(server, tmp_path_factory):
    if not BINARY:
        pytest.skip("no Chromium here")
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield _Page(browser, server)
        elsewhere = [url for url in browser.requests if not url.startswith((server.address, "about:"))]
        assert elsewhere == []


@pytest.mark.slow
def test_a_sentence_gets_bars_of_every_model(page, server):
    page.ask("the cat sees the dog")
    page.answered()
    bars = page.bars("mood")
    body = {"signature_name": "mood", "instances": [{"text_a": "the cat sees the dog"}]}
    (tiny,) = server.ask("/v1/models/tiny:predict", body).body["predictions"]
    expected = [("tiny", name, share) for name, share in zip(tiny["label_names"], tiny["probabilities"])]
    expected += [
        ("student", "bad", 0.85),
        ("student", "good", 0.15),
        ("teacher", "bad", 0.15),
        ("teacher", "good", 0.85),
    ]
    expected += [("each", "bad", 0.15), ("each", "good", 0.85)]
    assert [bar[:3] for bar in bars] == [(model, name, f"{100 * share:.1f} %") for model, name, share in expected]
    for bar, (*_, share) in zip(bars, expected):
        assert bar[3] == pytest.approx(share, abs=0.02)
    assert "answers differ" in page.text("#tasks")
    assert re.search(r"student version 1 · [\d.]+ ms \(server [\d.]+ ms\)", page.text("#models"))
    assert page.text("#left_out") == "Asked only with a pair: entailment, similarity, closeness."


@pytest.mark.slow
def test_a_pair_is_asked_of_the_tasks_of_pairs_and_names_are_text(page):
    page.ask("the cat sees the dog", "a dog")
    page.answered()
    assert [bar[:2] for bar in page.bars("entailment")[3:6]] == [
        ("student", "<b>no</b>"),
        ("student", "maybe & more"),
        ("student", "a long name of a label"),
    ]
    assert page.bars("mood") == []
    assert page.browser.evaluate("document.querySelectorAll('#results b').length") == 0
    assert "20.000" in page.text("#tasks")  # The length of the first text, which closeness is.


@pytest.mark.slow
def test_an_empty_text_is_told_and_not_asked(page):
    page.ask("the cat", "")
    page.answered()
    asked = len(page.browser.requests)
    page.ask("  ")
    page.wait("!document.querySelector('#problem').hidden")
    assert page.text("#problem") == "Type a text to ask about."
    assert page.browser.evaluate("document.activeElement.id") == "text_a"
    page.ask("", "the second alone")
    page.wait("document.querySelector('#problem').innerText == 'The first text is empty.'")
    assert len(page.browser.requests) == asked


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", ["x" * 10_000, "the cat sees the dog. " * 454 + "a dog finds"], ids=["one word", "words"]
)
@pytest.mark.parametrize("width", _WIDTHS)
def test_ten_thousand_characters_are_answered(page, text, width):
    page.open(width)
    assert len(text) == 10_000 or len(text.strip()) >= 9_999
    page.ask(text)
    page.answered()
    assert page.bars("mood")
    assert page.overflow() == 0


@pytest.mark.slow
def test_a_refusal_is_told_and_the_next_question_is_answered(page):
    page.ask("x" * 100_001)
    page.wait("!document.querySelector('#problem').hidden")
    assert "at most 100000 bytes" in page.text("#problem")
    page.ask("the cat")
    page.answered()
    assert page.browser.evaluate("document.querySelector('#problem').hidden")


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", _WIDTHS)
def test_every_screen_shows_the_page_without_scrolling_sideways(page, width, theme, tmp_path):
    page.open(width, theme)
    page.ask("the cat sees the dog", "a dog is seen, by a cat")
    page.answered()
    assert page.overflow() == 0
    picture = page.browser.screenshot()
    assert struct.unpack(">I", picture[16:20])[0] == width
    # Pictures for a person to look at, where they are asked for.
    folder = Path(os.environ.get("MTDNN_TF_SCREENSHOTS") or tmp_path)
    (folder / f"page-{width}-{theme}.png").write_bytes(picture)
    background = page.browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(13, 17, 23)") == (theme == "dark")
    assert base64.b64encode(picture[:4]) == b"iVBORw=="


@pytest.mark.slow
def test_the_smallest_target_is_large_enough_for_a_finger(page):
    page.open(400)
    heights = page.browser.evaluate(
        "[...document.querySelectorAll('button, textarea')].map(e => e.getBoundingClientRect().height)"
    )
    assert min(heights) >= 44
