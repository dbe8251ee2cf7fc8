"""A report as one HTML page that needs nothing else: styles, drawings and all.

Drawings are inline SVG, so that they stay sharp, small and take the page's colours on light and dark paper alike. A
drawing with images or coloured cells keeps its own colours and lies on light paper: its text was chosen for them.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis_report import (
    EMPTY,
    NAMED_SHOWN,
    Badge,
    Gauge,
    Picture,
    Report,
    Table,
    Text,
    cell_text,
    is_number,
    known,
    left_out,
    numeric_columns,
)
from report_pictures import INK, LINE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHORT, LONG = 22, 40  # letters of a cell that stay on one line, and that have some width whatever the screen's
WIDE = 6.0  # inches; narrower figures stand two in a row
ROWS_SHOWN = 12  # a longer table shows its marked rows, and all of them when it is opened
MOST_POINTS = 800  # of one plotted thing; more become a bitmap inside the SVG, which would hold a line for each
PAGE, PARTS = "report_page.html.j2", ("report_table.html.j2", "report_style.css")  # that the page takes in
# What matplotlib writes -> what the page has in its place. Black is what a plot without a style of its own has.
THEME = {INK: "currentColor", "#000000": "currentColor", "#ffffff": "var(--card)", LINE: "var(--edge)"}


def page(report: Report, drawn: dict[int, list[Figure]]) -> str:
    """The page. `drawn` has the figures of the pictures to show, by the section's position."""
    return template(PAGE).render(
        report=report,
        named=list(report.named)[:NAMED_SHOWN],
        unnamed=max(0, len(report.named) - NAMED_SHOWN),
        sections=[shown for place, section in enumerate(report.sections) if (shown := _section(place, section, drawn))],
        left_out=left_out(report, drawn),
    )


def template(name: str) -> Any:
    """A page's template of this folder."""
    from jinja2 import Environment, FileSystemLoader

    return Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    ).get_template(name)


def _section(place: int, section: Text | Table | Picture, drawn: dict[int, list[Figure]]) -> dict[str, Any] | None:
    if isinstance(section, Picture):
        figures = drawn.get(place)
        svgs = [_svg(figure, f"{place}-{each}") for each, figure in enumerate(figures or [])]
        wide = len(svgs) > 1 or any(figure.get_size_inches()[0] > WIDE for figure in figures or [])
        return {"kind": "picture", "of": section, "svgs": svgs, "wide": wide} if figures else None
    if isinstance(section, Table):
        return {"kind": "table"} | shown_table(section)
    return {"kind": "text", "of": section}


def shown_table(table: Table) -> dict[str, Any]:
    """What the template's `grid` takes: `of`, `numeric`, `rows`, and `first`, the ones to show of a `long` table."""
    table = known(table)
    numeric = numeric_columns(table)
    rows = [(place in table.marks, list(map(_cell, row, numeric))) for place, row in enumerate(table.rows)]
    long = len(rows) > ROWS_SHOWN and not table.whole
    first = [row for row in rows if row[0]][: 2 * ROWS_SHOWN] or rows[: ROWS_SHOWN // 2]
    return {"of": table, "numeric": numeric, "rows": rows, "long": long, "first": first if long else rows}


def _cell(cell: Any, numeric: bool) -> dict[str, Any]:
    kind, text = {Badge: "badge", Gauge: "gauge"}.get(type(cell), "text"), cell_text(cell)
    flush = numeric and (cell in EMPTY or is_number(cell))
    size = "short" if len(text) <= SHORT else "long" * (len(text) > LONG)
    return {"kind": kind, "of": cell, "text": text, "class": "number" if flush else size}


def _svg(figure: Figure, salt: str) -> Any:
    """The figure as markup; `salt` keeps its ids apart from those of the page's other drawings."""
    from markupsafe import Markup
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    themed = not any(axes.images or _meshes(axes) for axes in figure.axes)
    _thin(figure)
    text = io.StringIO()
    patches = [figure.patch, *(axes.patch for axes in figure.axes)]
    opaque = [each.get_visible() for each in patches]
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # the reader's fonts show it
        for each in patches:
            each.set_visible(False)
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        # Not savefig, which draws everything twice; the layout it would make comes with the drawing.
        FigureCanvasSVG(figure).print_svg(text, metadata=nothing)
        for each, visible in zip(patches, opaque, strict=True):
            each.set_visible(visible)
    figure.set_layout_engine("none")  # it has its layout now
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # nothing refers to these, and every drawing has the same
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    if themed:
        svg = re.sub("|".join(THEME), lambda found: THEME[found[0]], svg)
    width, _ = figure.get_size_inches()
    kind = "themed" if themed else "paper"
    opening = f'<svg class="{kind}" aria-hidden="true" style="max-width: {width * 1.4:.1f}in"'
    view = html.escape(re.search(r'viewBox="([^"]*)"', svg)[1])  # type: ignore[index]
    return Markup(re.sub(r"<svg[^>]*>", f'{opening} viewBox="{view}">', svg, count=1))


def _meshes(axes: Any) -> list[Any]:
    from matplotlib.collections import QuadMesh

    return [each for each in axes.collections if isinstance(each, QuadMesh)]


def _thin(figure: Figure) -> None:
    import numpy as np

    for axes in figure.axes:
        for each in axes.collections:
            each.set_rasterized(np.size(each.get_offsets()) > 2 * MOST_POINTS or bool(_meshes(axes)))
        for line in axes.lines:
            line.set_rasterized(np.size(line.get_xdata()) > 10 * MOST_POINTS)
