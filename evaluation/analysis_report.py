"""A report of an analysis: what every analysis hands over, and the page and the PDF that are made of it.

An analysis builds a `Report` of plain data; `write` makes `report.html`, one page that needs nothing else, and
`report.pdf` of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Text:
    """Paragraphs."""

    title: str
    paragraphs: Sequence[str]


@dataclass(frozen=True)
class Table:
    """Cells are texts or numbers; `marks` holds the rows (by position) that deserve attention."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str = ""
    marks: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Picture:
    """One plot; `alt` says what it shows to those who don't see it."""

    title: str
    figure: Figure
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
    import html

    named = ", ".join(report.named)
    body = f"<h1>{html.escape(report.title)}</h1><p>{html.escape(report.verdict)}</p><p>{html.escape(named)}</p>"
    (folder / f"{name}.html").write_text(f"<!doctype html><meta charset=utf-8>{body}", encoding="utf-8")
