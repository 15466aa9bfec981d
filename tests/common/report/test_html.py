"""The parts of pages: nothing that came from data gets through as markup."""

import re
import tempfile
from pathlib import Path

import pytest

from common.report.html import breakable, number, page, percent, stack, table, text, tiles
from common.report.svg import funnel, histogram
from tests.jobs.test_report_in_browser import CHROMIUM, WIDTHS, Browser


def test_text_is_only_text():
    assert text("<b>&\"'") == "&lt;b&gt;&amp;&quot;&#x27;"
    assert text("a\x00b\x1b[31m\x85c\nd\te") == "a�b�[31m�c\nd\te"
    text("\ud800").encode()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (1234567, "1,234,567"),
        (None, "–"),
        (0.123456, "0.1235"),
        (1e6, "1,000,000"),
        (12.0, "12"),
        (12345.6, "12,346"),
    ],
)
def test_numbers(value, shown):
    assert number(value) == shown


def test_shares():
    assert percent(1, 3) == "33.33 %" and percent(1, 0) == "–"
    assert re.findall(r"width:([\d.]+)%", stack([("c0", 3), ("c1", 1)])) == ["75.000", "25.000"]
    assert table(["a", "b"], [["1", "2"], ["x", "3"]], last_is_sum=True).count("<tr") == 3


def test_a_histogram_has_its_bars_and_rejected_ones_in_another_colour():
    drawn = histogram([4, 0, 1, 9], "0", "8", "x", ("<", 0.5))
    heights = [float(value) for value in re.findall(r'height="([\d.]+)" fill', drawn)]
    assert [round(value / heights[-1], 2) for value in heights] == [0.67, 0.33, 1.0]  # square roots
    assert re.findall(r"--(kept|dropped)", drawn) == ["dropped", "kept", "kept"]
    assert re.findall(r"--(kept|dropped)", histogram([4, 0, 1, 9], "0", "8", "x", (">", 0.7))) == [
        "kept",
        "kept",
        "dropped",
    ]
    assert 'x1="180.0" x2="180.0"' in drawn and "<rect" not in histogram([], "0", "1", "x") + histogram(
        [0, 0], "0", "1", "x"
    )


def test_a_funnel_is_as_wide_as_what_stays_and_goes():
    drawn = funnel([("read", 100, 100), ("rule", 100, 40), ("<last>", 40, 40)], "x")
    widths = [float(value) for value in re.findall(r'width="([\d.]+)%" height', drawn)]
    assert [round(value / widths[0], 2) for value in widths] == [1.0, 0.4, 0.6, 0.4]
    assert "−60 (60.0 %)" in drawn and "&lt;last&gt;" in drawn and "<svg" in funnel([], "empty")


def test_names_break_after_their_signs():
    assert breakable("gopher/<b>", "/") == "gopher/<wbr>&lt;b&gt;" and breakable("1,234", ",") == "1,<wbr>234"


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")
def test_the_figures_beside_a_long_name_can_be_reached_on_any_screen(tmp_path):
    """The first column stays in its place while the table scrolls, and must leave room."""
    names = [
        "/scratch/projects/a_group/corpora/law/held_out_documents.jsonl",
        "duplicates/near",
        "a name of several words, and more of them",
    ]
    rows = [[text(name), *(number(10**6 * column) for column in range(12))] for name in names]
    steps = [
        (name, 9_876_543_210 - place, 8_765_432_109)
        for place, name in enumerate(("duplicates/semantic", "gopher_repetition"))
    ]
    body = [
        tiles([("words", number(987_654_321_098))]),
        table(["name", *"abcdefghijkl"], rows),
        funnel(steps, "Documents"),
    ]
    (tmp_path / "page.html").write_text(
        page("A_title_that_is_one_long_word_of_many_letters_and_no_blank_at_all", *body)
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(Path(profile))
        found = {width: browser.open(tmp_path / "page.html", width) for width in WIDTHS}
        browser.close()
    for seen in found.values():
        assert not seen["uncovered"] and seen["overflow"] <= 0
        assert [plot for plot in seen["plots"] if plot["cut"] or plot["hidden"] or plot["covered"]] == []
