"""A case study of any table: what is in it, what is wrong with it, and what it says.

    python evaluation/case_study.py --table DIR --quality DIR --output DIR --target COLUMN

Reads what `processing/eda.py` made, looks at it analysis by analysis, and writes case_study.json (all that was found,
as data), report.html (interactive, self-contained) and report.pdf. What takes more than a pass over the table looks at
a sample drawn with a seed, and says so.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import case_study_chart_guide
import case_study_report
from case_study_chi_squared import chi_squared_tests
from case_study_correlations import correlations
from case_study_distributions import overview
from case_study_duplicates import duplicates
from case_study_effects import effect_sizes
from case_study_fits import distributions_fitted
from case_study_flow import losses
from case_study_fraud import fraud_amounts, fraud_classes, fraud_places, fraud_scenarios, fraud_velocity
from case_study_leakage import leakage
from case_study_missing import missing_values
from case_study_moments import descriptive_statistics
from case_study_normality import normal_plots
from case_study_outliers import outliers
from case_study_quality import data_quality
from case_study_scaling import normalisations
from case_study_section import Section
from case_study_shares import parts_of_wholes
from case_study_synthetic import binning_and_features
from case_study_table import SAMPLE, CaseTable, Kind
from case_study_target import relations
from case_study_texts import texts
from case_study_times import times

Analysis = Callable[[CaseTable, dict[str, Any]], Section | None]

PLURALS: dict[Kind, str] = {
    "number": "numbers",
    "category": "categories",
    "boolean": "yes/no",
    "time": "times",
    "text": "texts",
    "identifier": "identifiers",
}
# In the order of the report.
ANALYSES: tuple[Analysis, ...] = (
    data_quality,
    losses,
    fraud_classes,
    fraud_velocity,
    fraud_places,
    fraud_amounts,
    fraud_scenarios,
    overview,
    parts_of_wholes,
    missing_values,
    duplicates,
    descriptive_statistics,
    distributions_fitted,
    normal_plots,
    outliers,
    normalisations,
    correlations,
    chi_squared_tests,
    relations,
    effect_sizes,
    leakage,
    binning_and_features,
    times,
    texts,
)


@dataclass
class Args:
    table: str = "/opt/ml/processing/input/table"
    """folder of the cleaned table's Parquet files"""
    quality: str = "/opt/ml/processing/input/quality"
    """folder of quality.json: what was found and changed before"""
    output: str = "/opt/ml/processing/output/report"
    """folder for case_study.json, report.html and report.pdf"""
    target: str = "none"
    """column to explain by the others"""
    order: str = "none"
    """column in whose order the rows belong, such as a time"""
    title: str = "Case study"
    """of the report"""
    seed: int = 0
    """of samples"""


def study(table: CaseTable, facts: dict[str, Any]) -> tuple[list[Section], dict[str, float]]:
    """The sections, and the seconds that each analysis took. One that breaks becomes a section that says so: on a table
    that nobody has seen before the others' results still count."""
    sections, seconds = list[Section](), dict[str, float]()
    for analysis in ANALYSES:
        begun, name = time.perf_counter(), analysis.__module__.removeprefix("case_study_")
        try:
            section = analysis(table, facts)
        except Exception as error:
            traceback.print_exc()
            section = broken(f"{name}.{analysis.__name__}", error)
        seconds[f"{name}.{analysis.__name__}"] = round(time.perf_counter() - begun, 3)
        if section:
            sections.append(section)
    return sections, seconds


def broken(name: str, error: Exception) -> Section:
    said = f"{type(error).__name__}: {error}".splitlines()[0]
    words = f"{name} ended with {said}. The job's log has the trace."
    return Section(f"not-done-{name.replace('.', '-')}", f"Not done: {name}", [words], warnings=[words])


def guide(sections: list[Section]) -> Section:
    charts = [chart for section in sections for chart in section.charts]
    text = [
        "Each chart answers one question. The first rule that fits decides what it is drawn as; the last column counts "
        "this report's charts of that question and kind."
    ]
    return Section("chart-guide", "How the charts were chosen", text, [case_study_chart_guide.table(charts)])


def glance(table: CaseTable) -> dict[str, str]:
    counts = {name: str(len(found)) for kind, name in PLURALS.items() if (found := table.of_kind(kind))}
    return {"rows": f"{table.rows:,}", "columns": str(len(table.columns)), **counts}


def main(args: Args) -> None:
    table = CaseTable(Path(args.table), named(args.target), named(args.order), args.seed)
    quality = Path(args.quality) / "quality.json"
    facts: dict[str, Any] = json.loads(quality.read_text(encoding="utf-8")) if quality.is_file() else {}
    sections, seconds = study(table, facts)
    sections.append(guide(sections))
    output = Path(args.output)
    output.mkdir(parents=True, exist_ok=True)
    sampled = f"; sampled: {SAMPLE:,} rows where a method takes more than a pass" if table.rows > SAMPLE else ""
    target = f"target: {table.target}" if table.target else "no target"
    begun = time.perf_counter()
    case_study_report.write(args.title, f"{table.rows:,} rows; {target}{sampled}", glance(table), sections, output)
    seconds["report"] = round(time.perf_counter() - begun, 3)
    found = {"title": args.title, "rows": table.rows, "columns": table.columns, "target": table.target}
    document = found | {"sections": [section.plain() for section in sections], "seconds": seconds}
    (output / "case_study.json").write_text(json.dumps(document, indent=1, default=str), encoding="utf-8")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{len(sections)} sections of {table.rows:,} rows in {sum(seconds.values()):.1f} s, {peak} MiB at most")


def named(column: str) -> str:
    """A parameter of a pipeline can't be empty: none stands for no column."""
    return "" if column == "none" else column


def parse(argv: list[str] | None = None) -> Args:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for field in fields(Args):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    return Args(**vars(parser.parse_args(argv)))


if __name__ == "__main__":
    main(parse())
