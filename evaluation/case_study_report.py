"""The pages of a case study: report.html, interactive and self-contained, and report.pdf, of the same sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import case_study_matplotlib
import case_study_plotly
import report_page
import report_pdf
from analysis_report import Picture, Report, Table, Text
from case_study_section import Chart, Section

PAGE = "case_study_page.html.j2"
PARTS = ("case_study_style.css", "case_study_page.js")  # that the page takes in
WIDE_COLUMNS = 14  # of a matrix, or labels, from which a chart takes the page's whole width
MOST_FINDINGS = 3  # of one section in the summary
PAPER_PICTURES = 80


def write(title: str, subtitle: str, glance: Mapping[str, str], sections: Sequence[Section], folder: Path) -> None:
    """`glance` are numbers by their names, for the first line of the summary."""
    (folder / "report.html").write_text(page(title, subtitle, glance, sections), encoding="utf-8")
    (folder / "report.pdf").write_bytes(paper(title, subtitle, glance, sections))


def page(title: str, subtitle: str, glance: Mapping[str, str], sections: Sequence[Section]) -> str:
    from markupsafe import Markup

    drawings: list[dict[str, Any]] = []
    return report_page.template(PAGE).render(
        title=title,
        subtitle=subtitle,
        glance=list(glance.items()),
        warnings=_said(sections, "warnings"),
        findings=_said(sections, "findings"),
        sections=[_shown(section, drawings) for section in sections],
        charts=Markup(case_study_plotly.embedded(drawings)),
        plotly=case_study_plotly.script(),
    )


def _said(sections: Sequence[Section], kind: str) -> list[tuple[Section, str]]:
    return [(section, text) for section in sections for text in getattr(section, kind)[:MOST_FINDINGS]]


def _shown(section: Section, drawings: list[dict[str, Any]]) -> dict[str, Any]:
    charts = []
    for chart in section.charts:
        drawn = case_study_plotly.drawing(chart)
        charts.append({"of": chart, "place": len(drawings), "height": drawn["layout"]["height"], "wide": _wide(chart)})
        drawings.append(drawn)
    return {"of": section, "charts": charts, "tables": [report_page.shown_table(table) for table in section.tables]}


def _wide(chart: Chart) -> bool:
    columns = chart.data.get("x", []) if chart.kind == "heatmap" else chart.data.get("labels", [])
    return chart.kind in ("heatmap", "waterfall") and len(columns) >= WIDE_COLUMNS


def paper(title: str, subtitle: str, glance: Mapping[str, str], sections: Sequence[Section]) -> bytes:
    verdict = "; ".join(f"{name}: {value}" for name, value in glance.items())
    warnings, findings = _said(sections, "warnings"), _said(sections, "findings")
    parts: list[Text | Table | Picture] = []
    if warnings:
        parts.append(Text("To decide or mend first", [f"{section.title}: {text}" for section, text in warnings]))
    if findings:
        parts.append(Text("What the data say", [f"{section.title}: {text}" for section, text in findings]))
    for section in sections:
        parts.append(Text(section.title, section.text))
        parts += [
            Picture(chart.title, case_study_matplotlib.figure(chart), chart.title, chart.caption)
            for chart in section.charts
        ]
        parts += section.tables
    report = Report(title, verdict, False if warnings else None, subtitle, sections=parts)
    figures = {place: [part.figure] for place, part in enumerate(parts) if isinstance(part, Picture)}
    return report_pdf.pdf(report, figures, PAPER_PICTURES)  # type: ignore[arg-type]
