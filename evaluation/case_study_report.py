"""The pages of a case study: report.html, interactive and self-contained, and report.pdf, of the same sections."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import case_study_matplotlib
import case_study_plotly
import report_page
import report_pdf
from analysis_report import Picture, Report, Table, Text, drawings
from case_study_section import Chart, Section

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE = "case_study_page.html.j2"
PARTS = ("case_study_style.css", "case_study_page.js")  # that the page takes in
MANY, SMALLER = 9, 50  # charts, from which they stand closer and are so many pixels lower
WIDE_COLUMNS = 14  # of a matrix, or labels, from which a chart takes the page's whole width
MOST_FINDINGS, MOST_WARNINGS = 1, 3  # of one section in the summary
PAPER_ROWS = 40  # of a table; the page has all
PAPER_PICTURES = 80


def write(title: str, subtitle: str, glance: Mapping[str, str], sections: Sequence[Section], folder: Path) -> None:
    """`glance` are numbers by their names, for the first line of the summary."""
    (folder / "report.html").write_text(page(title, subtitle, glance, sections), encoding="utf-8")
    (folder / "report.pdf").write_bytes(paper(title, subtitle, glance, sections))


def page(title: str, subtitle: str, glance: Mapping[str, str], sections: Sequence[Section]) -> str:
    from markupsafe import Markup

    drawn: list[dict[str, Any]] = []
    return report_page.template(PAGE).render(
        title=title,
        subtitle=subtitle,
        glance=list(glance.items()),
        warnings=_said(sections, "warnings", MOST_WARNINGS),
        findings=_said(sections, "findings", MOST_FINDINGS),
        sections=[_shown(section, drawn) for section in sections],
        charts=Markup(case_study_plotly.embedded(drawn)),
        plotly=case_study_plotly.script(),
    )


def _said(sections: Sequence[Section], kind: str, most: int) -> list[tuple[Section, str]]:
    return [(section, text) for section in sections for text in getattr(section, kind)[:most]]


def _shown(section: Section, drawn: list[dict[str, Any]]) -> dict[str, Any]:
    charts, many = [], len(section.charts) > MANY
    for chart in section.charts:
        drawing = case_study_plotly.drawing(chart)
        layout = drawing["layout"]
        layout["height"] -= SMALLER * (many and layout["height"] == case_study_plotly.HEIGHT)
        charts.append({"of": chart, "place": len(drawn), "height": layout["height"], "wide": _wide(chart)})
        drawn.append(drawing)
    return {
        "of": section,
        "many": many,
        "charts": charts,
        "tables": [report_page.shown_table(table) for table in section.tables],
    }


def _wide(chart: Chart) -> bool:
    columns = chart.data.get("x", []) if chart.kind == "heatmap" else chart.data.get("labels", [])
    return chart.kind in ("heatmap", "waterfall") and len(columns) >= WIDE_COLUMNS


def paper(title: str, subtitle: str, glance: Mapping[str, str], sections: Sequence[Section]) -> bytes:
    verdict = "; ".join(f"{name}: {value}" for name, value in glance.items())
    warnings = _said(sections, "warnings", MOST_WARNINGS)
    findings = _said(sections, "findings", MOST_FINDINGS)
    parts: list[Text | Table | Picture] = []
    if warnings:
        parts.append(Text("To decide or mend first", [f"{section.title}: {text}" for section, text in warnings]))
    if findings:
        parts.append(Text("What the data say", [f"{section.title}: {text}" for section, text in findings]))
    for section in sections:
        told = [f"• {text}" for text in (*section.warnings, *section.findings)]
        parts.append(Text(section.title, [*section.text, *told]))
        parts += [*_pictures(section.charts), *map(_short, section.tables)]
    report = Report(title, verdict, False if warnings else None, subtitle, sections=parts)
    return report_pdf.pdf(report, drawings(report, PAPER_PICTURES), PAPER_PICTURES)


def _pictures(charts: Sequence[Chart]) -> Iterator[Picture]:
    """Charts that follow each other are one picture, in which two stand side by side; a wide one has its own line."""
    for wide, group in itertools.groupby(charts, case_study_matplotlib.is_wide):
        shown = list(group)
        for several in [[each] for each in shown] if wide else [shown]:
            titles: dict[str, list[str]] = {}
            for chart in several:
                titles.setdefault(chart.caption, []).append(chart.title)
            notes = [f"{', '.join(names)}: {caption}" for caption, names in titles.items() if caption]
            figures = functools.partial(_drawn, several)
            yield Picture("", figures, ", ".join(chart.title for chart in several), "  ".join(notes))


def _short(table: Table) -> Table:
    if len(table.rows) <= PAPER_ROWS:
        return table
    more = f"{len(table.rows) - PAPER_ROWS:,} further rows are in report.html."
    return replace(table, rows=table.rows[:PAPER_ROWS], note=f"{table.note} {more}".strip())


def _drawn(charts: Sequence[Chart]) -> list[Figure]:
    return [case_study_matplotlib.figure(chart) for chart in charts]
