"""What an analysis of a case study hands over: findings, words, tables and charts, all plain data.

An analysis is a pure function `f(table: CaseTable, facts: dict) -> Section | None`; None says that there is nothing to
say. `facts` is what the processing job wrote (quality.json) plus what earlier analyses left for later ones. How charts
are drawn is nobody's business but the report's: `case_study_plotly` draws them for the page, `case_study_matplotlib`
for the paper, both from the same data.

The shapes of `Chart.data` by `Chart.kind`; all lists are plain Python values, None where there is none:

    bar         labels, values; or labels, series {name: values}; optional low, high (intervals), lines {name: value}
    stacked     labels, series {name: shares that add up to 1 for each label}
    line        x, series {name: values}; optional bands {name: {low, high}}, points {name: {x, y}}, log ["x", "y"]
    histogram   edges, counts (one fewer than edges); optional series {name: counts} in place of counts,
                curves {name: {x, y}} in counts' unit, log ["x", "y"]
    box         labels, low, q1, median, q3, high, one each; optional outliers {label: [...]}
    scatter     x, y; optional group (names), curves {name: {x, y}}
    heatmap     x, y (names), z (rows of y, columns of x); optional low, high (of the colours), text (as z)
    waterfall   labels, values, measure ("absolute", "relative" or "total" for each)

Every kind takes x_title and y_title.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from analysis_report import Table

Question = Literal["comparison", "change", "ranking", "flow", "part_to_whole", "distribution", "correlation"]
Kind = Literal["bar", "stacked", "line", "histogram", "box", "scatter", "heatmap", "waterfall"]


@dataclass(frozen=True)
class Chart:
    """`question` is what the reader asks of it, `kind` what it is drawn as: `case_study_chart_guide.choose` knows."""

    question: Question
    kind: Kind
    title: str
    data: dict[str, Any]
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """`findings` are whole sentences that also stand in the summary, the most important first."""

    id: str  # of the page's anchor, such as "missing-values"
    title: str
    text: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)  # findings that need somebody to act

    def plain(self) -> dict[str, Any]:
        """As it stands in case_study.json."""
        return dataclasses.asdict(self)
