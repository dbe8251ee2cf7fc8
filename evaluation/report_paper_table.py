"""Tables on the pages of a PDF: columns as wide as they need, long cells wrapped, the header again on every page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis_report import EMPTY, Badge, Gauge, Table, cell_text, is_number, known, numeric_columns
from report_paper import BAD, BAD_INK, BAR, GOOD_INK, INK, LEADING, LINE, MARGIN, POINT, SOFT, Colour, Paper

MOST_ROWS = 400
MOST_LINES = 30  # of one cell
SIZES = (8.5, 7.5, 6.5)  # points
PADDING, GAUGE_WIDTH = 2.0, 15.0  # millimetres
TRACK = (233, 237, 241)


def draw(paper: Paper, table: Table) -> None:
    """The table from here on, over as many pages as it takes."""
    table = known(table)
    grid = _Grid(paper, table)
    if table.rows:
        grid.header()
    for place, row in enumerate(table.rows[:MOST_ROWS]):
        grid.row(row, place in table.marks)
    if not table.rows:
        paper.lines("Nothing to list.", 8.5, SOFT)
    if len(table.rows) > MOST_ROWS:
        paper.lines(f"{len(table.rows) - MOST_ROWS} further rows are in report.html.", 8, SOFT)
    if table.note:
        paper.gap(1.5)
        paper.lines(table.note, 7.5, SOFT)


class _Grid:
    def __init__(self, paper: Paper, table: Table) -> None:
        self.paper, self.columns = paper, table.columns
        self.numeric = numeric_columns(table)
        columns = [[row[place] for row in table.rows] for place in range(len(self.columns))]
        texts = [{column, *map(cell_text, cells)} for column, cells in zip(self.columns, columns, strict=True)]
        words = [{word for text in column for word in text.split()} or {""} for column in texts]
        gauges = [GAUGE_WIDTH * any(isinstance(cell, Gauge) for cell in cells) for cells in columns]
        for self.size in SIZES:  # the largest in which no word is broken, if there is one
            least = self._longest(words, gauges)
            if sum(least) <= paper.width:
                break
        self.line = self.size * POINT * LEADING
        self.widths = shared(least, self._longest(texts, gauges), paper.width)

    def _longest(self, texts: Sequence[set[str]], gauges: Sequence[float]) -> list[float]:
        measured = [max(self.paper.measure(self.paper.shown(each), self.size, True) for each in all_) for all_ in texts]
        return [gauge + PADDING if gauge else each + PADDING for each, gauge in zip(measured, gauges, strict=True)]

    def header(self) -> None:
        self._line(list(self.columns), [SOFT] * len(self.columns), (True,) * len(self.columns))
        self.paper.box(MARGIN, self.paper.y, self.paper.width, 0.4, LINE)
        self.paper.gap(0.4)

    def row(self, cells: Sequence[Any], mark: bool) -> None:
        """`mark`: a bar beside it and the first cell in bold."""
        top, page = self.paper.y, self.paper.file.page_no()
        bold = (mark, *(False for _ in cells[1:]))
        height = self._line(cells, [_colour(cell) for cell in cells], bold, repeat=True)
        top = top if page == self.paper.file.page_no() else self.paper.y - height
        if mark:
            self.paper.box(MARGIN - 2, top + 0.4, 0.9, height - 0.8, BAD)
        self.paper.box(MARGIN, self.paper.y, self.paper.width, 0.15, LINE)

    def _line(
        self, cells: Sequence[Any], colours: Sequence[Colour], bold: Sequence[bool], repeat: bool = False
    ) -> float:
        broken = [self._broken(*each) for each in zip(cells, self.widths, bold, strict=True)]
        height = max(map(len, broken)) * self.line + 1.8
        if self.paper.need(height) and repeat:
            self.header()
        x = MARGIN
        for place, cell in enumerate(cells):
            if isinstance(cell, Gauge):
                self._gauge(x, self.paper.y + height / 2, cell.ratio)
            flush = self.numeric[place] and (not repeat or cell in EMPTY or is_number(cell))
            self._put(x, broken[place], place, colours[place], bold[place], flush)
            x += self.widths[place]
        self.paper.gap(height)
        return height

    def _broken(self, cell: Any, width: float, bold: bool) -> list[str]:
        if isinstance(cell, Gauge):
            return [""]
        lines = self.paper.broken(cell_text(cell), width - PADDING, self.size, bold)
        return lines if len(lines) <= MOST_LINES else [*lines[:MOST_LINES], "…"]

    def _put(self, x: float, lines: Sequence[str], column: int, colour: Colour, bold: bool, flush: bool) -> None:
        for number, line in enumerate(lines):
            free = self.widths[column] - PADDING - self.paper.measure(line, self.size, bold)
            left = x + (free if flush else 0)
            baseline = self.paper.y + 0.9 + number * self.line + self.size * POINT
            self.paper.put(left, baseline, line, self.size, colour, bold)

    def _gauge(self, x: float, middle: float, ratio: float) -> None:
        self.paper.box(x, middle - 1, GAUGE_WIDTH, 2, TRACK)
        filled = GAUGE_WIDTH * min(max(ratio / 2, 0), 1)
        self.paper.box(x, middle - 1, filled, 2, BAD if ratio > 1 else BAR)
        self.paper.box(x + GAUGE_WIDTH / 2 - 0.15, middle - 1, 0.3, 2, INK)


def shared(least: Sequence[float], wanted: Sequence[float], width: float) -> list[float]:
    """Columns' widths: what they want where it fits, else as browsers do it: the least that each can do with, and what
    is left in proportion to what each lacks. `least` is the longest word's, or where those don't fit a fair share."""
    if sum(wanted) <= width:
        return list(wanted)
    least = _capped(least, width)
    lacking = [most - some for most, some in zip(wanted, least, strict=True)]
    part = (width - sum(least)) / sum(lacking)
    return [some + lack * part for some, lack in zip(least, lacking, strict=True)]


def _capped(least: Sequence[float], width: float) -> list[float]:
    """A fair share for each, where short ones leave to the long ones what they don't need."""
    capped = list(least)
    shortest_first = sorted(range(len(least)), key=lambda place: least[place])
    for done, place in enumerate(shortest_first):
        capped[place] = min(least[place], width / (len(least) - done))
        width -= capped[place]
    return capped


def _colour(cell: Any) -> Colour:
    if isinstance(cell, Badge) and cell.good is not None:
        return GOOD_INK if cell.good else BAD_INK
    return INK
