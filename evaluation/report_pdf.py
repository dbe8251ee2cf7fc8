"""A report as a PDF: A4, page numbers, tables that repeat their headers, any Unicode text that DejaVu Sans can show."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analysis_report import NAMED_SHOWN, Picture, Report, Table, Text, left_out
from report_paper import BAD, BAD_INK, GOOD, INK, LEADING, MARGIN, PAPER, POINT, SOFT, Colour, Paper
from report_paper_table import draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PICTURES = 12
DPI = 150
GUTTER = 4.0  # millimetres between two pictures


def pdf(report: Report, drawn: dict[int, list[Figure]], most_pictures: int = MOST_PICTURES) -> bytes:
    """The document. `drawn` has the figures of the pictures, by the section's position."""
    paper = Paper(report.title)
    _head(paper, report)
    shown = dict(list(drawn.items())[:most_pictures])
    pairs = _pairs(paper, report, shown)
    for place, section in enumerate(report.sections):
        if place in pairs.values():
            continue
        if isinstance(section, Text):
            _text(paper, section)
        elif isinstance(section, Table):
            _heading(paper, section.title, 25)
            draw(paper, section)
        elif place in pairs:
            _side_by_side(paper, [(report.sections[each], shown[each][0]) for each in (place, pairs[place])])
        elif place in shown:
            _picture(paper, section, shown[place])
    if titles := left_out(report, shown):
        paper.gap(4)
        paper.lines(
            f"Pictures left out: {', '.join(titles[:NAMED_SHOWN])}{' …' if len(titles) > NAMED_SHOWN else ''}", 8, SOFT
        )
    return paper.bytes()


def _head(paper: Paper, report: Report) -> None:
    paper.lines(report.title, 16, bold=True)
    if report.subtitle:
        paper.gap(1)
        paper.lines(report.subtitle, 8, SOFT)
    paper.gap(4)
    named = ", ".join(list(report.named)[:NAMED_SHOWN])
    if len(report.named) > NAMED_SHOWN:
        named += f" and {len(report.named) - NAMED_SHOWN} more"
    width = paper.width - 10
    verdict, names = paper.broken(report.verdict, width, 11, True), paper.broken(named, width, 8.5) if named else []
    height = (11 * len(verdict) + 8.5 * len(names)) * POINT * LEADING + 7 + (1.5 if names else 0)
    top = paper.y
    paper.box(MARGIN, top, paper.width, height, PAPER)
    paper.box(MARGIN, top, 1.6, height, SOFT if report.good is None else GOOD if report.good else BAD)
    paper.gap(3.2)
    paper.lines(report.verdict, 11, bold=True, indent=5)
    if names:
        paper.gap(1.5)
        paper.lines(named, 8.5, BAD_INK if report.good is False else SOFT, indent=5)
    paper.y = top + height


def _heading(paper: Paper, title: str, follows: float) -> None:
    """A heading stays on the page of the first `follows` millimetres below it."""
    lines = len(paper.broken(title, paper.width, 12, True))
    paper.gap(7)
    if paper.need(lines * 12 * POINT * LEADING + 2 + follows):
        paper.y = MARGIN
    paper.file.start_section(paper.shown(title))
    paper.lines(title, 12, bold=True)
    paper.gap(2)


def _text(paper: Paper, section: Text) -> None:
    _heading(paper, section.title, 12 if section.paragraphs else 50)
    for paragraph in section.paragraphs:
        paper.lines(paragraph, 9)
        paper.gap(1.5)


def _pairs(paper: Paper, report: Report, shown: dict[int, list[Figure]]) -> dict[int, int]:
    """Places of single narrow pictures that follow each other, by twos."""
    found: dict[int, int] = {}
    for place in range(1, len(report.sections)):
        both = (place - 1, place)
        if place - 1 not in found.values() and all(_narrow(paper, shown.get(each, [])) for each in both):
            found[place - 1] = place
    return found


def _narrow(paper: Paper, figures: Sequence[Figure]) -> bool:
    return len(figures) == 1 and float(figures[0].get_size_inches()[0]) * 25.4 < 1.4 * _column(paper)


def _column(paper: Paper) -> float:
    return (paper.width - GUTTER) / 2


def _side_by_side(paper: Paper, pictures: Sequence[tuple[Any, Figure]]) -> None:
    """Each with its title above and its note below."""
    width, size, small = _column(paper), 10.0, 7.5
    titles = [paper.broken(section.title, width, size, True) if section.title else [] for section, _ in pictures]
    notes = [paper.broken(section.note, width, small) if section.note else [] for section, _ in pictures]
    above, below = max(map(len, titles)) * size * POINT * LEADING, max(map(len, notes)) * small * POINT * LEADING
    heights = [width * float(figure.get_size_inches()[1] / figure.get_size_inches()[0]) for _, figure in pictures]
    paper.gap(3)
    paper.need(above + max(heights) + 2 + below)
    top = paper.y
    for place, (section, figure) in enumerate(pictures):
        left = MARGIN + place * (width + GUTTER)
        _write(paper, left, top, titles[place], size, INK, bold=True)
        paper.file.image(_image(paper, figure), left, top + above + 1, width, heights[place], alt_text=section.alt)
        _write(paper, left, top + above + heights[place] + 2, notes[place], small, SOFT)
    paper.y = top + above + max(heights) + 2 + below


def _write(
    paper: Paper, left: float, top: float, lines: Sequence[str], size: float, colour: Colour, *, bold: bool = False
) -> None:
    for place, line in enumerate(lines):
        paper.put(left, top + size * POINT * (1 + place * LEADING), line, size, colour, bold)


def _picture(paper: Paper, section: Picture, figures: Sequence[Figure]) -> None:
    images = [_image(paper, figure) for figure in figures]
    across = min(len(images), 2)
    full = _column(paper)  # narrow figures are as large alone as side by side
    sizes = []
    for figure in figures:
        wide, high = (float(each) * 25.4 for each in figure.get_size_inches())
        width = full if across == 2 or wide < 1.4 * full else min(paper.width, wide)
        sizes.append((width, width * high / wide))
    title = len(paper.broken(section.title, paper.width, 10, True)) * 10 * POINT * LEADING if section.title else 0
    paper.gap(3)
    paper.need(title + max(height for _, height in sizes[:across]) + 2)
    if section.title:
        paper.lines(section.title, 10, bold=True)
    for row in range(0, len(images), across):
        height = max(height for _, height in sizes[row : row + across])
        paper.need(height + 2)
        for place, (width, each) in enumerate(sizes[row : row + across]):
            at = MARGIN + place * (full + GUTTER)
            paper.file.image(images[row + place], at, paper.y + 1, width, each, alt_text=section.alt)
        paper.gap(height + 2)
    if section.note:
        paper.lines(section.note, 7.5, SOFT)


def _image(paper: Paper, figure: Figure) -> Any:
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.text import Text as Label
    from PIL import Image

    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings(record=True) as missing:
        warnings.simplefilter("always")
        canvas.draw()
    if any("missing from font" in str(each.message) for each in missing):
        for label in figure.findobj(Label):
            label.set_text(paper.shown(label.get_text()))
        canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())
