"""The report of a bias analysis: who is disadvantaged by what, in words, then every metric with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import bias_metrics
import report_pictures
from analysis_report import Picture, Report, Section, Table, Text
from bias_metrics import METRICS, NEUTRAL, Group, Measured

if TYPE_CHECKING:
    from bias import Bias
    from matplotlib.figure import Figure

WHAT = {"pre_training": "the data's labels", "post_training": "the model's predictions"}
UNBOUNDED = ("DI", "DCA", "DCR", "TE")  # ratios, which share no axis with differences of shares
MOST_PLOTS = 12  # groups that have a picture of their own


def build(
    found: Sequence[Bias], baseline: dict[str, Any], violations: list[dict[str, str]] | None, title: str = ""
) -> Report:
    """`violations` is None where nothing was compared; then the intervals alone tell what is beyond chance."""
    counts = found[0].counts
    left_out = "".join(f"; {number:,} without {name}" for name, number in counts.left_out.items())
    subtitle = f"{counts.records:,} records{left_out}; positive label: {counts.label}"
    sections: list[Section] = []
    for bias in found:
        sections += _stage(bias, baseline.get(bias.key) or {}, violations or [])
    named = list(
        dict.fromkeys(f"{each['facet']} = {each['facet_value']}: {each['metric_name']}" for each in violations or [])
    )
    good = None if violations is None else not violations
    return Report(title or "Bias", _verdict(found, violations), good, subtitle, named, sections)


def _verdict(found: Sequence[Bias], violations: list[dict[str, str]] | None) -> str:
    if violations:
        first = violations[0]
        others = len({(each["facet"], each["facet_value"]) for each in violations}) - 1
        more = f", and {others} other group{'s' if others > 1 else ''}" if others else ""
        codes = ", ".join(dict.fromkeys(each["metric_name"] for each in violations))
        count = f"{len(violations)} metric{'s' if len(violations) > 1 else ''}"
        who = f"{first['facet']} = {first['facet_value']}{more}"
        return f"{who}: farther from fair than the baseline by {count} ({codes})."
    groups = [(bias.stage, group) for bias in found for group in bias.groups]
    if violations is not None:
        return f"No group is worse off than in the baseline: {len(groups)} compared."
    gaps = [(stage, group, gap) for stage, group in groups if (gap := _gap(stage, group)) is not None]
    if not gaps:
        return "There was nothing to compare with, and no gap between groups beyond chance."
    stage, group, gap = max(gaps, key=lambda each: abs(each[2].value))
    way = "less" if gap.value > 0 else "more"
    return (
        f"By {WHAT[stage]}, {group.facet} = {group.text} gets the positive outcome {abs(gap.value) * 100:.1f} "
        f"percentage points {way} often than the others. There was no baseline to compare with."
    )


def _gap(stage: str, group: Group) -> Measured | None:
    """The difference of positive outcomes, where it is beyond chance."""
    code = "DPL" if stage == "pre_training" else "DPPL"
    found = [each for each in group.metrics if each.name == code and each.interval[0] * each.interval[1] > 0]
    return found[0] if found else None


def _stage(bias: Bias, baseline: dict[str, Any], violations: list[dict[str, str]]) -> list[Section]:
    sections: list[Section] = [
        Text(
            f"Bias of {WHAT[bias.stage]}",
            [
                "Each facet's group is compared with all others. A difference of 0, or a ratio (DI) of 1, is equal "
                "treatment; above 0 (DI: below 1) the group is at a disadvantage, if the positive outcome is a good "
                "one. Lines around a value show where 95 % of resampled datasets have it."
            ],
        )
    ]
    for number, group in enumerate(bias.groups):
        before = bias_metrics.earlier(baseline, group)
        broken = {
            each["metric_name"]
            for each in violations
            if (each["facet"], each["facet_value"]) == (group.facet, group.value)
        }
        name = f"{group.facet} = {group.text}"
        if number < MOST_PLOTS:
            drawn = [each for each in group.metrics if math.isfinite(each.value) and each.name not in UNBOUNDED]
            alt = "; ".join(f"{each.name} {each.value:.3f}" for each in drawn)
            if drawn:
                sections.append(Picture(name, lambda each=drawn, old=before: _bars(each, old), alt))  # type: ignore[misc]
        sections.append(_table(name, group, before, broken))
    return sections


def _table(name: str, group: Group, before: dict[str, Any], broken: set[str]) -> Table:
    rows = [
        [
            METRICS[each.name].title,
            each.error or each.value,
            _interval(each),
            (before.get(each.name) or {}).get("value"),
            METRICS[each.name].meaning,
        ]
        for each in group.metrics
    ]
    marks = frozenset(at for at, each in enumerate(group.metrics) if each.name in broken)
    rest, members = group.counts.sum(axis=(1, 2)).tolist()
    positive = group.counts.sum(axis=2)[:, 1].tolist()
    note = f"{members:,} records in the group, {positive[1]:,} positive; {rest:,} others, {positive[0]:,} positive."
    return Table(f"{name}: metrics", ["metric", "value", "95 % interval", "baseline", "meaning"], rows, note, marks)


def _interval(each: Measured) -> str:
    return "" if math.isnan(each.interval[0]) else f"{each.interval[0]:.3g} to {each.interval[1]:.3g}"


def _bars(metrics: list[Measured], before: dict[str, Any]) -> Figure:
    figure, axes = report_pictures.panel(0.6 + 0.24 * len(metrics))
    places = range(len(metrics))[::-1]
    values = [each.value - NEUTRAL.get(each.name, 0.0) for each in metrics]
    axes.barh(places, values, height=0.6, color=report_pictures.CURRENT)
    for place, each in zip(places, metrics, strict=True):
        if not math.isnan(each.interval[0]):
            axes.plot(each.interval, [place, place], color=report_pictures.INK, linewidth=1)
        old = (before.get(each.name) or {}).get("value")
        if isinstance(old, int | float):
            axes.plot([old, old], [place - 0.38, place + 0.38], color=report_pictures.BASELINE, linewidth=2.5)
    axes.axvline(0, color=report_pictures.INK, linewidth=0.8)
    axes.set_yticks(list(places), [each.name for each in metrics])
    axes.set_xlabel("0 is equal treatment" + ("; grey: baseline" if before else ""))
    return figure
