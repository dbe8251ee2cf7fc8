"""The report of a bias analysis: who is disadvantaged by what, in words, then every metric with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import bias_metrics
import report_pictures
from analysis_report import Badge, Picture, Report, Section, Table, Text
from bias_metrics import METRICS, Group, Measured

if TYPE_CHECKING:
    from bias import Bias
    from matplotlib.figure import Figure

WHAT = {"pre_training": "the data's labels", "post_training": "the model's predictions"}
OUTCOME = {"pre_training": "DPL", "post_training": "DPPL"}  # the metric that a sentence about a group is made of
NO_BAR = ("DI", "DCA", "DCR", "TE", "GE")  # ratios share no axis with differences of shares; GE compares no groups
TELLING = ("DPPL", "DPL", "DI", "RD", "SD", "AD")  # first of several violations
MOST_PLOTS = 12  # groups with a picture
MOST_TABLES = 40  # groups with a table of their own


def build(
    found: Sequence[Bias], baseline: dict[str, Any], violations: list[dict[str, str]] | None, title: str = ""
) -> Report:
    """`violations` is None where nothing was compared; then the intervals alone tell what is beyond chance."""
    counts = found[0].counts
    left_out = "".join(f"; {number:,} without {name}" for name, number in counts.left_out.items())
    subtitle = f"{counts.records:,} records{left_out}; positive label: {counts.label}"
    sections: list[Section] = []
    for bias in found:
        sections += _stage(bias, baseline.get(bias.key) or {}, violations)
    named = ["{facet} = {facet_value}: {metric_name}".format(**each) for each in violations or []]
    good = None if violations is None else not violations
    return Report(title or "Bias", _verdict(found, baseline, violations), good, subtitle, named, sections)


def _verdict(found: Sequence[Bias], baseline: dict[str, Any], violations: list[dict[str, str]] | None) -> str:
    if violations:
        return _worst(found, baseline, violations)
    groups = [(bias.stage, group) for bias in found for group in bias.groups]
    if violations is not None:
        return f"No group is worse off than in the baseline: {len(groups)} compared."
    gaps = [(stage, group, gap) for stage, group in groups if (gap := _gap(stage, group)) and _beyond_chance(gap)]
    if not gaps:
        return "There was nothing to compare with, and no gap between groups beyond chance."
    stage, group, gap = max(gaps, key=lambda each: abs(each[2].value))
    return (
        f"By {WHAT[stage]}, {group.facet} = {group.text} gets the positive outcome {abs(gap.value) * 100:.1f} "
        f"percentage points {_way(gap.value)} often than the others. There was no baseline to compare with."
    )


def _worst(found: Sequence[Bias], baseline: dict[str, Any], violations: list[dict[str, str]]) -> str:
    """The first group that got worse, and by what most tellingly."""
    first = violations[0]
    who = (first["facet"], first["facet_value"])
    codes = [each["metric_name"] for each in violations if (each["facet"], each["facet_value"]) == who]
    code = next((name for name in TELLING if name in codes), codes[0])
    others = len({(each["facet"], each["facet_value"]) for each in violations}) - 1
    more = f" So are {others} other group{'s' if others > 1 else ''}." if others else ""
    what = ""
    for bias in found:
        for group in (each for each in bias.groups if (each.facet, each.value) == who):
            metric = next((each for each in group.metrics if each.name == code), None)
            old = bias_metrics.earlier(baseline.get(bias.key) or {}, group).get(code, {}).get("value")
            what = _sentence(metric, old) if metric else what
    return f"{who[0]} = {who[1]} is farther from fair than in the baseline ({', '.join(codes)}).{what}{more}"


def _sentence(metric: Measured, old: float | str | None) -> str:
    if metric.name not in OUTCOME.values() or old is None:
        was = f", against {float(old):.3g} in the baseline" if old is not None else ""
        return f" {metric.name}, {METRICS[metric.name].meaning}, is {metric.value:.3g}{was}."
    now, before = (f"{abs(value) * 100:.1f} points {_way(value)}" for value in (metric.value, float(old)))
    what = "label" if metric.name == "DPL" else "prediction"
    return f" It gets the positive {what} {now} often than the others; in the baseline it was {before}."


def _way(gap: float) -> str:
    return "less" if gap > 0 else "more"


def _gap(stage: str, group: Group) -> Measured | None:
    """The difference of positive outcomes, where it was measured."""
    return next((each for each in group.metrics if each.name == OUTCOME[stage] and not math.isnan(each.value)), None)


def _beyond_chance(metric: Measured) -> bool:
    return metric.interval[0] * metric.interval[1] > 0


def _stage(bias: Bias, baseline: dict[str, Any], violations: list[dict[str, str]] | None) -> list[Section]:
    sections: list[Section] = [
        Text(
            f"Bias of {WHAT[bias.stage]}",
            [
                "Each group is compared with all others. A difference of 0, or a ratio (DI) of 1, is equal treatment; "
                "above 0 (DI: below 1) the group is at a disadvantage, if the positive outcome is a good one."
            ],
        ),
        _summary(bias, baseline, violations),
    ]
    shown = [group for group in bias.groups if _bars_of(group)][:MOST_PLOTS]
    if shown:
        drawn = "; ".join(
            f"{group.facet} = {group.text}: " + ", ".join(f"{each.name} {each.value:.3f}" for each in _bars_of(group))
            for group in shown
        )
        note = "Lines show where 95 % of resampled datasets have the value." + (" Grey: baseline." if baseline else "")
        sections.append(Picture("Differences", lambda: [_bars(each, baseline) for each in shown], drawn, note))
    return sections + [_table(group, baseline, violations or []) for group in bias.groups[:MOST_TABLES]]


def _broken(group: Group, violations: list[dict[str, str]]) -> list[str]:
    who = (group.facet, group.value)
    return [each["metric_name"] for each in violations if (each["facet"], each["facet_value"]) == who]


def _summary(bias: Bias, baseline: dict[str, Any], violations: list[dict[str, str]] | None) -> Table:
    rows, marks = [], set()
    for number, group in enumerate(bias.groups):
        gap, broken = _gap(bias.stage, group), _broken(group, violations or [])
        broken = [name for name in broken if METRICS[name].stage == bias.stage]
        axis = 2 if bias.stage == "pre_training" else 1
        outcomes = group.counts.sum(axis=axis)
        rest, members = (f"{row[1] / row.sum():.1%}" if row.sum() else None for row in outcomes)
        size = int(outcomes[1].sum())
        rows.append([f"{group.facet} = {group.text}", size, members, rest, _judged(gap, broken, violations)])
        marks |= {number} if broken else set()
    columns = ["group", "records", "positive in the group", "positive in the others", "verdict"]
    return Table(f"Groups by {WHAT[bias.stage]}", columns, rows, marks=frozenset(marks))


def _judged(gap: Measured | None, broken: list[str], violations: list[dict[str, str]] | None) -> Badge:
    if broken:
        return Badge(f"worse than the baseline: {', '.join(broken)}", False)
    if violations is not None:
        return Badge("no worse than the baseline", True)
    if gap is None:
        return Badge("not measured")
    return Badge("a gap beyond chance" if _beyond_chance(gap) else "no gap beyond chance")


def _table(group: Group, baseline: dict[str, Any], violations: list[dict[str, str]]) -> Table:
    before, broken = bias_metrics.earlier(baseline, group), _broken(group, violations)
    rows = [
        [METRICS[each.name].title, each.error or each.value, _interval(each)]
        + ([(before.get(each.name) or {}).get("value")] if baseline else [])
        + [METRICS[each.name].meaning]
        for each in group.metrics
    ]
    columns = ["metric", "value", "95 % interval", *(["baseline"] if baseline else []), "meaning"]
    marks = frozenset(at for at, each in enumerate(group.metrics) if each.name in broken)
    return Table(f"{group.facet} = {group.text}", columns, rows, marks=marks)


def _interval(each: Measured) -> str:
    return "" if math.isnan(each.interval[0]) else f"{each.interval[0]:.3g} to {each.interval[1]:.3g}"


def _bars_of(group: Group) -> list[Measured]:
    return [each for each in group.metrics if math.isfinite(each.value) and each.name not in NO_BAR]


def _bars(group: Group, baseline: dict[str, Any]) -> Figure:
    metrics, before = _bars_of(group), bias_metrics.earlier(baseline, group)
    figure, axes = report_pictures.panel(0.7 + 0.24 * len(metrics))
    places = range(len(metrics))[::-1]
    axes.barh(places, [each.value for each in metrics], height=0.6, color=report_pictures.CURRENT)
    for place, each in zip(places, metrics, strict=True):
        if not math.isnan(each.interval[0]):
            axes.plot(each.interval, [place, place], color=report_pictures.INK, linewidth=1)
        old = (before.get(each.name) or {}).get("value")
        if isinstance(old, int | float):
            axes.plot([old, old], [place - 0.38, place + 0.38], color=report_pictures.BASELINE, linewidth=2.5)
    axes.axvline(0, color=report_pictures.INK, linewidth=0.8)
    axes.set_yticks(list(places), [each.name for each in metrics])
    axes.set_xlabel("0 is equal treatment")
    axes.set_title(f"{group.facet} = {group.text}", loc="left", fontsize=9)
    return figure
