"""A report of an analysis: what every analysis hands over, and the page and the PDF that are made of it.

An analysis builds a `Report` of plain data; `write` makes `report.html`, one page that needs nothing else, and
`report.pdf` of it. Figures come from matplotlib's `Figure`, best from `report_pictures.panel`, which has the colours
that both know how to show on light and dark paper.
"""

from __future__ import annotations

import math
import numbers
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    Drawing = Figure | Sequence[Figure]

MOST_PICTURES = 20  # in the page; of a report on hundreds of features nobody looks at more
NAMED_SHOWN = 30
EMPTY = (None, "", "–")
NUMBER = re.compile(r"[-+−]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?")


@dataclass(frozen=True)
class Badge:
    """A cell of a table: a word or two, coloured by `good`; None is neither."""

    text: str
    good: bool | None = None


@dataclass(frozen=True)
class Gauge:
    """A cell of a table: how near something is to its limit, as a bar; 1.0 is at the limit, more is beyond."""

    ratio: float


@dataclass(frozen=True)
class Text:
    """Paragraphs; without any, a heading for the sections that follow."""

    title: str
    paragraphs: Sequence[str] = ()


@dataclass(frozen=True)
class Table:
    """Cells are texts, numbers, None, a Badge or a Gauge; `marks` holds the rows (by position) to look at first.

    A long table begins with these alone, to be opened, unless it is one to be read `whole`.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""
    marks: frozenset[int] = frozenset()
    whole: bool = False


@dataclass(frozen=True)
class Picture:
    """One plot, or several that stand side by side where there is room; `alt` tells those who don't see it.

    A function is called only if the picture is shown: a report shows its first MOST_PICTURES.
    """

    title: str
    figure: Drawing | Callable[[], Drawing]
    alt: str
    note: str = ""


Section = Text | Table | Picture


@dataclass(frozen=True)
class Report:
    """`verdict` is one sentence for a manager; `good` colours it, None where there was nothing to judge."""

    title: str
    verdict: str
    good: bool | None
    subtitle: str = ""  # what was analysed: window, records, baseline
    named: Sequence[str] = ()  # the features, facets or metrics at fault
    sections: Sequence[Section] = field(default_factory=tuple)


def write(report: Report, folder: Path, name: str = "report") -> None:
    """`<name>.html` and `<name>.pdf` in the folder."""
    from report_page import page  # here, as both import this module
    from report_pdf import pdf

    drawn = drawings(report)
    (folder / f"{name}.html").write_text(page(report, drawn), encoding="utf-8")
    (folder / f"{name}.pdf").write_bytes(pdf(report, drawn))


def drawings(report: Report, most: int | None = None) -> dict[int, list[Figure]]:
    """The figures of the first pictures, `most` or MOST_PICTURES of them, by the section's position."""
    pictures = [place for place, section in enumerate(report.sections) if isinstance(section, Picture)]
    return {place: _figures(report.sections[place]) for place in pictures[: MOST_PICTURES if most is None else most]}


def _figures(picture: Any) -> list[Figure]:
    drawn = picture.figure() if callable(picture.figure) else picture.figure
    return list(drawn) if isinstance(drawn, Sequence) else [drawn]


def figures(report: Report) -> dict[str, Figure]:
    """Every picture by its title as a file's stem; one of several plots has them numbered."""
    named: dict[str, Figure] = {}
    for section in report.sections:
        if isinstance(section, Picture):
            stem = re.sub(r"\W+", "_", section.title.lower()).strip("_")
            drawn = _figures(section)
            named |= {stem if len(drawn) == 1 else f"{stem}_{place}": each for place, each in enumerate(drawn, 1)}
    return named


def left_out(report: Report, drawn: Mapping[int, object]) -> list[str]:
    """Titles of the pictures that are not among the drawn ones."""
    sections = enumerate(report.sections)
    return [each.title for place, each in sections if isinstance(each, Picture) and place not in drawn]


def cell_text(cell: Any) -> str:
    """A table's cell as people read it: four digits that count, thousands apart, a dash for what is not there."""
    if isinstance(cell, Badge):
        return cell.text
    if isinstance(cell, Gauge):
        return f"{cell.ratio:.0%} of the limit"
    if cell is None:
        return "–"
    if isinstance(cell, numbers.Integral) and not isinstance(cell, bool):
        return f"{int(cell):,}"
    if isinstance(cell, numbers.Real) and not isinstance(cell, bool):
        return _number(float(cell))
    return str(cell)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "–" if math.isnan(value) else str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def known(table: Table) -> Table:
    """The table without columns that have nothing but None, such as the baseline's where there is none."""
    kept = [
        place
        for place in range(len(table.columns))
        if not table.rows or any(row[place] is not None for row in table.rows)
    ]
    rows = [[row[place] for place in kept] for row in table.rows]
    return replace(table, columns=[table.columns[place] for place in kept], rows=rows)


def numeric_columns(table: Table) -> list[bool]:
    """Which columns hold numbers mostly, such as 3.5 or "12 %"; these are set flush right."""
    columns = [[row[place] for row in table.rows] for place in range(len(table.columns))]
    return [sum(map(is_number, cells)) > len([cell for cell in cells if cell not in EMPTY]) / 2 for cells in columns]


def is_number(cell: Any) -> bool:
    """Whether a cell is a number, or the text of one."""
    if isinstance(cell, str):
        return NUMBER.fullmatch(cell.replace(",", "").rstrip(" %")) is not None
    return isinstance(cell, numbers.Real) and not isinstance(cell, bool)
