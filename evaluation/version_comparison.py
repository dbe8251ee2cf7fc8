"""The page that a deployment to production is approved by: a candidate beside the version in service.

    python evaluation/version_comparison.py --facts FACTS.json --output DIR

FACTS: `use_case`, `stage` (whose version is in service), `candidate`, `current` (null: nothing is in service) with the
members of deploy/comparison.py's `version`, `tests` (group, name, said, outcome of each) and `drift` (what the monitors
of the version in service last found). Writes comparison.html and comparison.pdf, and prints the verdict.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import analysis_report
import report_pictures
from analysis_report import Badge, Picture, Report, Section, Table, Text
from version_differences import FIRST, Difference, compare, gated, gates, named

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Facts = Mapping[str, Any]
MOST_FEATURES = 12
MOST_GROUPS = 40


@dataclass
class Args:
    facts: str = "facts.json"
    output: str = "."


def main(args: Args) -> None:
    facts = json.loads(Path(args.facts).read_text())
    report = build(facts)
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    analysis_report.write(report, folder, "comparison")
    print(report.verdict)


def build(facts: Facts) -> Report:
    candidate, current = facts["candidate"], facts.get("current")
    failed = [each for each in facts["tests"] if each["outcome"] == "failed"]
    differences = compare(candidate, current)
    verdict, good = judge(facts, differences, failed)
    title = f"{facts['use_case']}: version {candidate['version']}"
    beside = f"version {current['version']} in {facts['stage']}" if current else f"nothing in {facts['stage']}"
    sections: list[Section] = [
        *_metrics(candidate, current, differences),
        _checks(candidate, current),
        *_tests(facts["tests"]),
        *_bias(candidate, current),
        _drift(facts["drift"], current),
        _origin(candidate, current),
        *_importance(candidate, current),
    ]
    named = [f"{each['group']}: {each['name']}" for each in failed]
    return Report(title, verdict, good, f"Compared with {beside}", named, sections)


def judge(facts: Facts, differences: Sequence[Difference], failed: Sequence[Facts]) -> tuple[str, bool | None]:
    """A sentence or two, and whether they are good news."""
    candidate, current, stage = facts["candidate"], facts.get("current"), facts["stage"]
    this, tests = f"Version {candidate['version']}", len(facts["tests"])
    if failed:
        first = f"{failed[0]['group']}, {failed[0]['name']}"
        return f"{this} failed {len(failed)} of {tests} tests in staging, the first: {first}.", False
    passed = f"{sum(each['outcome'] == 'passed' for each in facts['tests'])} of {tests} tests in staging passed."
    if current is None:
        return f"{this} is the first: nothing is in service in {stage}. {passed}", True
    if current["arn"] == candidate["arn"]:
        return f"{this} is in service in {stage} already. {passed}", None
    that = f"version {current['version']} in {stage}"
    if not differences:
        return f"{this} and {that} have no metric in common. {passed}", None
    chosen = next((each for each in differences if each.name == gated(candidate)), differences[0])
    words = {True: "better", False: "worse", None: "no more apart than by chance"}[chosen.better]
    measured = f"{named(chosen.name)} is {chosen.candidate:.4f}, that of {that} {chosen.current:.4f}"
    return f"{this}'s {measured}: {words}. {passed}", chosen.better is not False


def _metrics(candidate: Facts, current: Facts | None, differences: Sequence[Difference]) -> list[Section]:
    ours, theirs = candidate.get("metrics", {}), (current or {}).get("metrics", {})
    if not ours:
        return [Text("Metrics", ["The candidate has no evaluation.json, so nothing is known of it."])]
    known = {each.name: each for each in differences}
    names = list(dict.fromkeys(name for name in [*FIRST, *ours] if name in ours))
    rows = [_metric_row(name, ours[name], theirs.get(name), known.get(name)) for name in names]
    note = f"On the held-out test split, {candidate.get('records', 0):,} records, with 95 % intervals. "
    note += _same_data(candidate, current)
    columns = ("metric", "candidate", "interval", "in service", "interval", "difference", "")
    table = Table("Metrics", columns, rows, note)
    return [
        analysis_report.known(table),
        *([_picture(ours, theirs, names)] if theirs and _shares(ours, theirs, names) else []),
    ]


def _metric_row(name: str, ours: Facts, theirs: Facts | None, difference: Difference | None) -> list[Any]:
    row: list[Any] = [named(name), round(ours["value"], 4), _interval(ours)]
    if theirs is None:
        return [*row, None, None, None, None]
    said = {True: Badge("better", True), False: Badge("worse", False), None: Badge("chance")}
    change = f"{ours['value'] - theirs['value']:+.4f}"
    return [*row, round(theirs["value"], 4), _interval(theirs), change, said[difference.better if difference else None]]


def _interval(measured: Facts) -> str | None:
    lower, upper = measured["lower"], measured["upper"]
    if lower is None or upper is None:
        return None
    most = max(abs(lower), abs(upper))
    digits = ".3f" if most < 10 else ",.0f" if most >= 1000 else ".4g"
    return f"{lower:{digits}} to {upper:{digits}}"


def _same_data(candidate: Facts, current: Facts | None) -> str:
    if not current:
        return ""
    same = candidate.get("data") == current.get("data")
    return (
        "Both learnt from, and were judged on, splits of the same data."
        if same
        else ("They were judged on different data: look at the intervals, not at single digits.")
    )


def _shares(ours: Facts, theirs: Facts, names: Sequence[str]) -> list[str]:
    """The metrics that fit on one axis: shares with intervals in both."""
    ends = {
        name: [each[name][end] for each in (ours, theirs) for end in ("lower", "upper")]
        for name in names
        if name in theirs
    }
    return [name for name, each in ends.items() if all(end is not None and 0 <= end <= 1 for end in each)]


def _picture(ours: Facts, theirs: Facts, names: Sequence[str]) -> Picture:
    shown = _shares(ours, theirs, names)

    def draw() -> Figure:
        figure, axes = report_pictures.panel(0.6 + 0.3 * len(shown), margins=(1.35, 0.35, 0.15, 0.32))
        for place, (label, measured) in enumerate((("in service", theirs), ("candidate", ours))):
            colour = report_pictures.COLOURS[place]
            for row, name in enumerate(shown):
                each, at = measured[name], row + (0.14 if place == 0 else -0.14)
                axes.plot([each["lower"], each["upper"]], [at, at], color=colour, linewidth=2)
                axes.plot([each["value"]], [at], "o", color=colour, markersize=4.5, label=label if row == 0 else None)
        axes.set_yticks(range(len(shown)), [named(name) for name in shown])
        axes.set_ylim(len(shown) - 0.5, -0.5)
        legend = axes.legend(
            loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2, fontsize=9, frameon=False
        )
        for text in legend.get_texts():
            text.set_color(report_pictures.INK)
        return figure

    return Picture("Metrics with their intervals", draw, "Each metric of both versions with its 95 % interval")


def _checks(candidate: Facts, current: Facts | None) -> Section:
    """What the pipeline found of each: its gate, and its checks of data, quality, bias and explanations."""
    ours, theirs = candidate.get("properties", {}), (current or {}).get("properties", {})
    rows: list[list[Any]] = []
    for gate in [each for each in gates(ours) if each.reached is not None]:
        said = f"{float(gate.value):.6g}, at {'least' if gate.least else 'most'} {float(gate.bound):g}"
        rows.append([f"gate: {gate.name}", Badge(said, gate.reached), _text(theirs.get(gate.name))])
    for name in [each for each in ours if each.endswith("Check")]:
        rows.append([name.removesuffix("Check"), _checked(ours[name]), _text(theirs.get(name))])
    if not rows:
        return Text("Gate and checks", ["The candidate's pipeline recorded neither a gate nor checks."])
    columns = ("check of the pipeline", "candidate", "in service")
    return analysis_report.known(
        Table("Gate and checks", columns, rows, "Each compared with the baseline of its time.")
    )


def _checked(said: str) -> Badge:
    good = True if said == "no violation" else None if said.startswith(("no earlier", "skipped")) else False
    return Badge(said, good)


def _text(value: str | None) -> str | None:
    try:
        return f"{float(value):.6g}" if value is not None else None
    except ValueError:
        return value


def _tests(tests: Sequence[Facts]) -> list[Section]:
    good = {"passed": True, "failed": False}
    rows = [
        [Badge(each["outcome"], good.get(each["outcome"])), f"{each['group']}: {each['name']}", each["said"]]
        for each in sorted(tests, key=lambda each: each["outcome"] == "passed")
    ]
    return [Table("Tests in staging", ("outcome", "test", "measured"), rows)] if rows else []


def _bias(candidate: Facts, current: Facts | None) -> list[Section]:
    ours = {_group(each): each["value"] for each in candidate.get("bias", [])}
    theirs = {_group(each): each["value"] for each in (current or {}).get("bias", [])}
    if not ours:
        return [Text("Bias", ["The candidate has no bias report."])]
    changes = {key: value - theirs[key] for key, value in ours.items() if key in theirs}
    chosen = sorted(ours, key=lambda key: -abs(changes.get(key, 0.0)))[:MOST_GROUPS]
    rows = [
        [*key, round(ours[key], 4), _rounded(theirs.get(key)), f"{changes[key]:+.4f}" if key in changes else None]
        for key in chosen
    ]
    note = "Of the model's predictions; 0 is no difference between a group and the others, of the ratio DI it is 1."
    columns = ("facet", "group", "metric", "candidate", "in service", "difference")
    return [analysis_report.known(Table("Bias", columns, rows, note))]


def _group(row: Facts) -> tuple[str, str, str]:
    return row["facet"], str(row["group"]), row["metric"]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _drift(found: Sequence[Facts], current: Facts | None) -> Section:
    if current is None:
        return Text("Drift", ["Nothing is in service, so nothing drifts."])
    if not found:
        return Text("Drift", ["No monitor of the version in service has run yet."])
    rows = [
        [each["kind"], _status(each), each.get("records"), ", ".join(each["subjects"]), each["when"]] for each in found
    ]
    note = "What the monitors of the version in service last found."
    return Table("Drift", ("monitor", "verdict", "records", "what violates", "when"), rows, note)


def _status(found: Facts) -> Badge:
    good = {"Completed": True, "CompletedWithViolations": False}.get(found["status"])
    return Badge(found["status"], good)


def _origin(candidate: Facts, current: Facts | None) -> Section:
    """Where each comes from; a row that differs is marked."""
    members = {
        "made": "made",
        "data": "data",
        "commit": "commit",
        "repository": "repository",
        "execution": "execution",
        "threshold": "threshold",
        "status": "approval",
        "decided": "last changed",
        "decided_by": "by",
        "reason": "reason",
    }
    rows = [[words, _text_of(candidate.get(key)), _text_of((current or {}).get(key))] for key, words in members.items()]
    rows = [row for row in rows if row[1] or row[2]]
    marks = frozenset(
        place for place, row in enumerate(rows) if current and row[1] != row[2] and row[0] in ("data", "commit")
    )
    table = Table(
        "Data and code", ("", "candidate", "in service"), rows, "Data go by the hash of their content.", marks
    )
    return analysis_report.known(table)


def _text_of(value: Any) -> str | None:
    return None if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def _importance(candidate: Facts, current: Facts | None) -> list[Section]:
    ours, theirs = candidate.get("importance", {}), (current or {}).get("importance", {})
    if not ours:
        return []
    chosen = sorted(ours, key=lambda name: -max(ours[name], theirs.get(name, 0.0)))[:MOST_FEATURES]
    rows = [[name, round(ours[name], 4), _rounded(theirs.get(name))] for name in chosen]
    note = "Mean |SHAP value| on the test split, in log-odds: how much a feature moves an answer."
    table = Table("What drives the answers", ("feature", "candidate", "in service"), rows, note)
    return [analysis_report.known(table)]


def parse(argv: list[str] | None = None) -> Args:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", default=Args.facts)
    parser.add_argument("--output", default=Args.output)
    return Args(**vars(parser.parse_args(argv)))


if __name__ == "__main__":
    main(parse())
