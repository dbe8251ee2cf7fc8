"""How well two versions do: metrics with intervals, curves, and what is mistaken for what at the threshold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard import look, objects
from dashboard.registry import charts, decision, measured
from dashboard.registry.measured import Lead, Version, number
from dashboard.registry.reading import Document
from evaluation.version_differences import FIRST, Gate, difference, gates, less_is_better, named
from mlops import models

_AXES = {  # of curves as SageMaker's files have them: x, y, and their title
    "receiver_operating_characteristic_curve": ("false_positive_rates", "true_positive_rates", "ROC curve"),
    "precision_recall_curve": ("recalls", "precisions", "Precision-recall curve"),
    "calibration": ("mean_probability", "observed_share", "Calibration"),
}
_DIAGONAL = ("receiver_operating_characteristic_curve", "calibration")  # chance, and as it should be
_SAID = {
    True: ":green-badge[:material/trending_up: better]",
    False: ":red-badge[:material/trending_down: worse]",
    None: ":gray-badge[:material/trending_flat: unclear]",
}
_LARGEST_MATRIX = 30  # classes


def show(candidate: Version, current: Version | None) -> None:
    both = [candidate, *([current] if current else [])]
    if not candidate.facts.get("metrics"):
        _unmeasured(candidate)
        _checks(both)
        return
    st.table(rows(candidate, current))
    st.caption(note(candidate, current))
    labels = [each.label for each in both]
    if drawn := interval_rows(both):
        charts.intervals(drawn, labels)
    _checks(both)
    _curves(both, labels)
    _matrices(both)
    _thresholds(both)
    _reports(candidate)


def _unmeasured(candidate: Version) -> None:
    why = candidate.missing.get(measured.EVALUATION)
    what = f"Its evaluation {why}" if why else "It was registered without an evaluation"
    look.empty(f"Nothing is known of how well {candidate.label} does. {look.plain(what)}.")


def rows(candidate: Version, current: Version | None) -> list[dict[str, str]]:
    """A line of a table for each metric of either, the telling ones first."""
    ours = candidate.facts.get("metrics", {})
    theirs = current.facts.get("metrics", {}) if current else {}
    paired = measured.leads(candidate, current)
    names = [each for each in dict.fromkeys([*FIRST, *ours, *theirs]) if each in ours or each in theirs]
    found = []
    for name in names:
        down = " ↓" if less_is_better(name) else ""
        row = {"Metric": look.plain(named(name)) + down, candidate.label.capitalize(): _cell(ours.get(name))}
        if current:
            other, gap, verdict = _beside(name, ours.get(name), theirs.get(name), paired.get(name))
            row |= {current.label.capitalize(): other, "Difference": gap, "": verdict}
        found.append(row)
    return found


def _beside(name: str, ours: Document | None, theirs: Document | None, lead: Lead | None) -> tuple[str, str, str]:
    """The other version's cell, the difference, and what to think of it."""
    if lead:
        elsewhere = f", {number(theirs['value'])} on its own" if theirs and theirs["value"] != lead.current else ""
        gap = f"{number(lead.value, sign=True)} ({lead.lower:+.3f} to {lead.upper:+.3f})"
        return look.plain(f"{number(lead.current)} on these records{elsewhere}"), look.plain(gap), _SAID[lead.better]
    if ours is None or theirs is None:
        return _cell(theirs), "", ""
    found = difference(name, ours, theirs)
    known = None not in (ours["lower"], theirs["lower"])
    gap = number(found.candidate - found.current, sign=True)
    return _cell(theirs), look.plain(gap), _SAID[found.better] if known else ""


def _cell(found: Document | None) -> str:
    if found is None:
        return "–"
    value = number(found["value"])
    if found["lower"] is None or found["upper"] is None:
        return look.plain(value)
    return look.plain(f"{value} ({bound(found['lower'])} to {bound(found['upper'])})")


def bound(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10 else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def note(candidate: Version, current: Version | None) -> str:
    records = candidate.facts.get("records")
    said = (
        f"On {records:,} held-out records, with 95 % intervals. ↓: less is better." if records else "↓: less is better."
    )
    if current is None:
        return said
    same = measured.same_data(candidate, current)
    if paired := measured.leads(candidate, current):
        both = " and ".join(named(each) for each in paired)
        rest = " The other metrics are each of their own data." if same is False else ""
        return f"{said} By {both} both were judged on the same records: that difference has its own interval.{rest}"
    told = {
        True: "Both learnt from, and were judged on, splits of the same data.",
        False: "They were judged on different data: look at the intervals, not at single digits.",
        None: "Whether they were judged on the same data isn't known.",
    }
    return f"{said} {told[same]}"


def interval_rows(both: Sequence[Version]) -> list[dict[str, Any]]:
    """Of the metrics that are shares and have intervals in all of the versions."""
    found = [each.facts.get("metrics", {}) for each in both]
    names = [name for name in dict.fromkeys([*FIRST, *found[0]]) if all(_is_share(each.get(name)) for each in found)]
    return [
        {"version": version.label, "metric": named(name), **metrics[name]}
        for name in names
        for version, metrics in zip(both, found, strict=True)
    ]


def _is_share(metric: Document | None) -> bool:
    return metric is not None and all(metric[each] is not None and 0 <= metric[each] <= 1 for each in metric)


def _checks(both: Sequence[Version]) -> None:
    if found := checks(both):
        st.subheader("Gate and checks", anchor=False)
        st.table(found)
        st.caption("Of the pipeline that registered it, against the baseline of its time.")


def checks(both: Sequence[Version]) -> list[dict[str, str]]:
    names = list(dict.fromkeys(name for each in both for name in each.properties))
    gated = [{gate.name: gate for gate in gates(each.properties)} for each in both]
    asked = [name for name in names if name.endswith(models.CHECK)]
    reached = [
        {
            "": f"Gate: {look.plain(name)}",
            **{each.label.capitalize(): _gate(of.get(name)) for each, of in zip(both, gated, strict=True)},
        }
        for name in dict.fromkeys(name for of in gated for name in of)
    ]
    checked = [
        {
            "": f"Check: {look.plain(name.removesuffix(models.CHECK))}",
            **{each.label.capitalize(): _check(each.properties.get(name, "")) for each in both},
        }
        for name in asked
    ]
    return reached + checked


def _gate(gate: Gate | None) -> str:
    if gate is None or gate.reached is None:
        return "–"
    bound = f"at {'least' if gate.least else 'most'} {models.number(gate.bound)}"
    said = look.plain(f"{number(float(gate.value))}, {bound}")
    return f":green-badge[:material/check: {said}]" if gate.reached else f":red-badge[:material/close: {said}]"


def _check(said: str) -> str:
    if not said:
        return "–"
    colour, icon = ("green", "check") if said == "no violation" else ("gray", "remove")
    if not decision.is_fine(said):
        colour, icon = "orange", "warning"
    return f":{colour}-badge[:material/{icon}: {look.plain(said)}]"


@dataclass(frozen=True)
class Curve:
    name: str
    title: str
    x: str
    y: str
    points: tuple[tuple[float, float], ...]


def curves(evaluation: Document) -> Iterator[Curve]:
    """All that the metrics of any kind of problem have: two lists of numbers of one length."""
    groups = [each for key, each in evaluation.items() if key.endswith("_metrics") and isinstance(each, Mapping)]
    for group in [*groups, {"calibration": evaluation.get("calibration")}]:
        for name, each in group.items():
            if not isinstance(each, Mapping):
                continue
            lists = [key for key, values in each.items() if isinstance(values, list)]
            x, y, title = _AXES.get(name, (*lists[:2], _words(name)) if len(lists) >= 2 else ("", "", ""))
            if x in lists and y in lists and len(each[x]) == len(each[y]):
                pairs = [(a, b) for a, b in zip(each[x], each[y], strict=True) if _is_number(a) and _is_number(b)]
                yield Curve(name, title, _words(x), _words(y), tuple(pairs))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _curves(both: Sequence[Version], labels: Sequence[str]) -> None:
    found = {each.label: {curve.name: curve for curve in curves(each.evaluation)} for each in both}
    names = list(dict.fromkeys(name for each in found.values() for name in each))
    for start in range(0, len(names), 2):
        for column, name in zip(st.columns(2), names[start : start + 2], strict=False):
            of_name = {label: each[name] for label, each in found.items() if name in each}
            first = next(iter(of_name.values()))
            points = [
                {"version": label, "order": order, "x": x, "y": y}
                for label, curve in of_name.items()
                for order, (x, y) in enumerate(curve.points)
            ]
            with column:
                charts.curve(
                    points,
                    labels,
                    first.x,
                    first.y,
                    first.title,
                    diagonal=name in _DIAGONAL,
                    points=name == "calibration",
                )


def matrix(evaluation: Document) -> dict[str, dict[str, float]]:
    """Actual to predicted to count; empty without one."""
    groups = [each for key, each in evaluation.items() if key.endswith("_metrics") and isinstance(each, Mapping)]
    matrices = [each["confusion_matrix"] for each in groups if isinstance(each.get("confusion_matrix"), Mapping)]
    found: Document = next(iter(matrices), {})
    return {str(actual): dict(row) for actual, row in found.items() if isinstance(row, Mapping)}


def _matrices(both: Sequence[Version]) -> None:
    found = [(each, matrix(each.evaluation)) for each in both]
    found = [(each, rows) for each, rows in found if 0 < len(rows) <= _LARGEST_MATRIX]
    if not found:
        return
    st.subheader("What is taken for what", anchor=False)
    for column, (version, counts) in zip(st.columns(2), found, strict=False):
        threshold = version.facts.get("threshold")
        at = f", from {threshold:.3f} on" if isinstance(threshold, float) else ""
        with column:
            charts.confusion(counts, f"{version.label.capitalize()}{at}")


def _thresholds(both: Sequence[Version]) -> None:
    found = {each.label.capitalize(): each.evaluation.get("threshold") or {} for each in both}
    names = list(dict.fromkeys(name for each in found.values() for name in each))
    if not names:
        return
    st.subheader("Threshold and what it costs", anchor=False)
    st.table(
        [
            {
                "": look.plain(_words(name)),
                **{label: look.plain(_value(each.get(name))) for label, each in found.items()},
            }
            for name in names
        ]
    )


def _value(value: Any) -> str:
    return number(value) if _is_number(value) else "–" if value is None else str(value)


def _reports(candidate: Version) -> None:
    wanted = measured.reports(candidate.package)
    links = objects.links(tuple(wanted.values()))
    if not links:
        return
    st.subheader("Full reports", anchor=False)
    with st.container(horizontal=True):
        for what, address in wanted.items():
            if address in links:
                st.link_button(what.capitalize(), links[address], icon=":material/open_in_new:")
