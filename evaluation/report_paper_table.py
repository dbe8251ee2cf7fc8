"""Tables on the pages of a PDF: columns as wide as they need, long cells wrapped, the header again on every page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis_report import Badge, Gauge, Table, cell_text, numeric_columns
from report_paper import BAD, BAD_INK, BAR, GOOD_INK, INK, LEADING, LINE, MARGIN, POINT, SOFT, Colour, Paper

MOST_ROWS = 400
MOST_LINES = 30  # of one cell
PADDING, GAUGE_WIDTH = 2.4, 20.0  # millimetres
TRACK = (233, 237, 241)


def draw(paper: Paper, table: Table) -> None:
    """The table from here on, over as many pages as it takes."""
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
        self.size = 7.5 if len(table.columns) > 6 else 8.5  # points
        self.line = self.size * POINT * LEADING
        self.numeric = numeric_columns(table)
        wanted = [self._wanted(column, [row[place] for row in table.rows]) for place, column in enumerate(self.columns)]
        self.widths = shared(wanted, paper.width)

    def _wanted(self, column: str, cells: Sequence[Any]) -> float:
        texts = {cell_text(cell) for cell in cells if not isinstance(cell, Gauge)} | {column}
        longest = max(self.paper.measure(self.paper.shown(text), self.size, True) for text in texts)
        return max(longest, GAUGE_WIDTH if any(isinstance(cell, Gauge) for cell in cells) else 0) + PADDING

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
            self._put(x, broken[place], place, colours[place], bold[place])
            x += self.widths[place]
        self.paper.gap(height)
        return height

    def _broken(self, cell: Any, width: float, bold: bool) -> list[str]:
        if isinstance(cell, Gauge):
            return [""]
        lines = self.paper.broken(cell_text(cell), width - PADDING, self.size, bold)
        return lines if len(lines) <= MOST_LINES else [*lines[:MOST_LINES], "…"]

    def _put(self, x: float, lines: Sequence[str], column: int, colour: Colour, bold: bool) -> None:
        for number, line in enumerate(lines):
            free = self.widths[column] - PADDING - self.paper.measure(line, self.size, bold)
            left = x + (free if self.numeric[column] else 0)
            baseline = self.paper.y + 0.9 + number * self.line + self.size * POINT
            self.paper.put(left, baseline, line, self.size, colour, bold)

    def _gauge(self, x: float, middle: float, ratio: float) -> None:
        self.paper.box(x, middle - 1, GAUGE_WIDTH, 2, TRACK)
        filled = GAUGE_WIDTH * min(max(ratio / 2, 0), 1)
        self.paper.box(x, middle - 1, filled, 2, BAD if ratio > 1 else BAR)
        self.paper.box(x + GAUGE_WIDTH / 2 - 0.15, middle - 1, 0.3, 2, INK)


def shared(wanted: Sequence[float], width: float) -> list[float]:
    """Columns' widths: what they want where it fits, else the long ones share evenly what the short ones leave."""
    level = width / len(wanted)
    while sum(wanted) > width:
        short = sum(each for each in wanted if each <= level)
        raised = (width - short) / sum(each > level for each in wanted)
        if raised <= level + 1e-9:
            return [min(each, level) for each in wanted]
        level = raised
    return list(wanted)


def _colour(cell: Any) -> Colour:
    if isinstance(cell, Badge) and cell.good is not None:
        return GOOD_INK if cell.good else BAD_INK
    return INK
