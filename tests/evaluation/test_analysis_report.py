"""One report as page and as PDF: all of it is there, nothing comes from elsewhere, and a phone can read it."""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pypdfium2 as pdfium
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import analysis_report
import report_pictures
from analysis_report import (
    Badge,
    Gauge,
    Picture,
    Report,
    Table,
    Text,
    cell_text,
    known,
    numeric_columns,
    write,
)
from report_paper_table import shared

EVIL = "<script>alert('x')</script> & $x^"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Elements(HTMLParser):
    """Every element of a page, with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for found, attributes in self.found if found == tag]


def picture(title: str) -> Picture:
    edges = np.linspace(0, 1, 11)
    shares = {"baseline": np.full(10, 0.1), "captured": np.arange(10) / 45}
    return Picture(title, lambda: report_pictures.histogram(title, edges, shares), f"{title} moved up", "A note.")


def report(**changes: Any) -> Report:
    rows = [(f"feature {place}", place / 7, Gauge(place / 20), Badge("violated", False)) for place in range(40)]
    sections = [
        Text("What changed"),
        picture(EVIL),
        Table("Violations", ("Feature", "Finding"), [(EVIL, "moved")]),
        Table("Features", ("Feature", "Distance", "", "Verdict"), rows, "A note.", frozenset({1, 2})),
        Text("How to read", ["First.", EVIL]),
    ]
    values = {"title": "churn", "verdict": f"{EVIL} moved.", "good": False, "named": [EVIL], "sections": sections}
    return Report(**(values | changes))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of one report."""
    made = tmp_path_factory.mktemp("report")
    write(report(), made)
    return made


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def written(report: Report, folder: Path) -> tuple[str, bytes]:
    write(report, folder)
    return (folder / "report.html").read_text(encoding="utf-8"), (folder / "report.pdf").read_bytes()


def test_the_page_holds_everything_escaped_and_refers_to_nothing(page: str) -> None:
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert") >= 6  # verdict, tag, picture, its alt, axis, cell, paragraph
    assert not re.search(r"""(src|href)=["'](?!\#|data:)""", page)
    assert "@import" not in page
    assert not re.search(r"url\((?!#)", page)
    for text in ("What changed", "A note.", "feature 39", "All 40 rows", "How to read"):
        assert text in page


def test_the_page_is_told_to_those_who_do_not_see_it(page: str) -> None:
    elements = Elements(page)
    assert elements.of("html")[0]["lang"] == "en"
    assert elements.of("meta")[1]["content"] == "width=device-width, initial-scale=1"
    assert {each.get("scope") for each in elements.of("th")} == {"col", "row"}
    drawn = [each for each in elements.of("div") if each.get("role") == "img"]
    assert [each["aria-label"] for each in drawn] == [f"{EVIL} moved up"]
    gauges = [each for each in elements.of("span") if each.get("class") == "gauge"]
    assert gauges[0]["aria-label"] == "5% of the limit"
    assert len(elements.of("h1")) == 1


def test_a_long_table_shows_its_marked_rows_and_holds_the_rest(page: str) -> None:
    closed = page[page.index("<details>") : page.index("</details>")]
    assert all(f"feature {place}<" in closed for place in range(40))
    assert len(re.findall("feature 1<", page)) == 2
    assert len(re.findall("feature 5<", page)) == 1


@pytest.mark.parametrize(("good", "kind"), [(True, "good"), (False, "bad"), (None, "")])
def test_the_verdict_has_its_colour(good: bool | None, kind: str, tmp_path: Path) -> None:
    page, _ = written(report(good=good, sections=[]), tmp_path)
    assert f'class="card verdict {kind}"' in page


def test_pictures_beyond_the_limit_are_not_drawn_but_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis_report, "MOST_PICTURES", 2)
    drawn: list[int] = []

    def one(place: int) -> Picture:
        def draw() -> Any:
            drawn.append(place)
            return report_pictures.panel(1)[0]

        return Picture(f"feature {place}", draw, "alt")

    page, _ = written(report(sections=[one(place) for place in range(4)]), tmp_path)
    assert drawn == [0, 1]
    assert "2 further pictures left out: feature 2, feature 3." in page


def test_figures_of_any_kind_are_drawn(tmp_path: Path) -> None:
    """A style of its own, thousands of dots, an image, names with mathematics or in a script that no font here has."""
    plain, axes = report_pictures.panel()
    axes.scatter(*np.random.default_rng(0).random((2, 5000)))
    axes.set_title(report_pictures.plain("price $x^"))
    image, axes = report_pictures.panel()
    axes.imshow(np.eye(3))
    axes.set_xlabel("\u91d1\u984d")
    shares = report_pictures.bars(["basic", "$x^", "a" * 200], {"before": [0.1, 0.2, 0.7], "now": [0.3, 0.3, 0.4]})
    curves = report_pictures.curves("x", [0, 1, 2], {"before": [0, 0.5, 1], "now": [0, 0.1, 1]}, "share")
    page, _ = written(report(sections=[Picture("All", [plain, image, shares, curves], "four plots")]), tmp_path)
    kinds = [each["class"] for each in Elements(page).of("svg")]
    assert kinds == ["themed", "paper", "themed", "themed"]
    assert len(page) < 500_000  # dots are a bitmap
    assert "price $x^" in page
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))


def test_pictures_are_files_by_their_titles_and_one_of_several_plots_is_numbered() -> None:
    alone = picture("How sure: answers' shares")
    several = Picture("Costs", [alone.figure(), alone.figure()], "Two plots")  # type: ignore[operator,list-item]
    report = Report("Report", "Fine.", True, sections=[Text("Words"), alone, several])
    assert list(analysis_report.figures(report)) == ["how_sure_answers_shares", "costs_1", "costs_2"]


def test_the_pdf_holds_text_of_any_script_over_several_pages(tmp_path: Path) -> None:
    names = ["прошедшие дни", "ääkköset", "\u91d1\u984d", "w" * 300]
    rows = [(f"{name} {place}", place, None) for place in range(40) for name in names]
    _, pdf = written(report(sections=[Table("Everything", ("Name", "Number", "None"), rows)]), tmp_path)
    document = pdfium.PdfDocument(pdf)
    pages = [page.get_textpage().get_text_range() for page in document]
    assert len(pages) > 3
    assert all(f"{place} / {len(pages)}" in text for place, text in enumerate(pages, 1))
    assert all("Number" in text for text in pages)  # the header again
    everything = "".join(pages)
    for text in ("прошедшие дни 39", "ääkköset 0", r"\u91d1\u984d 39"):
        assert text in everything
    assert everything.count("w") >= 40 * 300


def test_narrow_pictures_stand_two_in_a_row_of_the_pdf(tmp_path: Path) -> None:
    shown = [picture(name) for name in ("first", "second", "third")]
    _, pdf = written(report(sections=[shown[0], Table("Between", ("a",), [(1,)]), *shown[1:]]), tmp_path)
    page = pdfium.PdfDocument(pdf)[0]
    text = page.get_textpage()
    places = {}
    for name in ("first", "second", "third"):
        search = text.search(name, match_case=True, match_whole_word=True)
        left, bottom, _, _ = text.get_charbox(search.get_next()[0])
        places[name] = (round(left), round(bottom))
    assert places["second"][1] == places["third"][1] < places["first"][1]
    assert places["second"][0] == places["first"][0] < places["third"][0] - 200


def test_the_pdf_is_one_whatever_the_report_lacks(tmp_path: Path) -> None:
    for sections in ([], [Table("Empty", ("A", "B"), [])], [Text("T")], [Table("Tall", ("A",), [("word " * 5000,)])]):
        page, pdf = written(report(sections=sections, named=(), good=None), tmp_path)
        assert pdf.startswith(b"%PDF")
        assert page.endswith("</html>")


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0.123456, "0.1235"),
        (1234567, "1,234,567"),
        (98765.4, "98,765"),
        (np.float32(0.5), "0.5"),
        (np.int64(5), "5"),
        (True, "True"),
        (Badge("fine"), "fine"),
        (Gauge(1.5), "150% of the limit"),
    ],
)
def test_cells_are_readable(cell: Any, text: str) -> None:
    assert cell_text(cell) == text


def test_columns_of_numbers_are_told_from_others() -> None:
    table = Table("T", ("a", "b", "c", "d"), [("1.5 %", 1, "x", None), ("–", None, 3, None), ("none", 2, "y", None)])
    assert numeric_columns(table) == [False, True, False, False]
    assert known(table).columns == ["a", "b", "c"]
    assert numeric_columns(Table("T", ("a",), [])) == [False]


@pytest.mark.parametrize(
    ("least", "wanted", "expected"),
    [
        ([5, 5], [10, 20], [10, 20]),
        ([10, 10, 10], [10, 90, 50], [10, 170 / 3, 100 / 3]),
        ([90, 90], [90, 90], [50, 50]),
        ([20, 60, 70], [20, 90, 90], [20, 40, 40]),
    ],
)
def test_long_columns_share_what_short_ones_leave(
    least: list[float], wanted: list[float], expected: list[float]
) -> None:
    assert shared(least, wanted, 100) == pytest.approx(expected)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright, of the extra [dev], drives the browser")
    if CHROMIUM is None:
        pytest.skip("no Chromium here: apt install chromium")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it_without_asking_anything_else(browser: Any, width: int, scheme: str, folder: Path) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, requests, messages = context.new_page(), [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(f"file://{folder}/report.html")
    assert [each for each in requests if not each.startswith("data:")] == [f"file://{folder}/report.html"]
    assert messages == []
    assert page.evaluate("document.documentElement.scrollWidth") == width  # nothing to scroll sideways
    drawing = page.locator("svg").first.bounding_box()
    assert drawing["width"] > min(300, width / 2)
    ink, paper = (
        page.evaluate(f"getComputedStyle(document.querySelector({json.dumps(each)})).{what}")
        for each, what in (("svg text", "fill"), (".card", "backgroundColor"))
    )
    assert abs(_light(ink) - _light(paper)) > 400  # of 765
    assert (_light(paper) < 200) == (scheme == "dark")
    assert page.locator("details table").is_hidden()
    context.close()


def test_on_paper_the_closed_rows_are_open_and_the_paper_is_white(browser: Any, folder: Path) -> None:
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(f"file://{folder}/report.html")
    document = pdfium.PdfDocument(io.BytesIO(page.pdf()))
    text = "".join(each.get_textpage().get_text_range() for each in document)
    assert "feature 39" in text
    assert document[0].render().to_pil().convert("L").getpixel((3, 3)) > 250
    context.close()


def _light(colour: str) -> int:
    return sum(int(each) for each in re.findall(r"\d+", colour)[:3])
