"""The report of an explanation: which features drive the model, how, and whether they are the baseline's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import feature_ranking
import numpy as np
import pandas as pd
import report_pictures
from analysis_report import Picture, Report, Section, Table
from shap_values import Explanation

if TYPE_CHECKING:
    from explainability import Explained
    from matplotlib.figure import Figure

MOST_FEATURES = 15
UNITS = {"tree_shap": "log-odds", "kernel_shap": "the model's answer"}


def build(
    found: Explained, baseline: dict[str, Any], violations: list[dict[str, str]] | None, title: str = ""
) -> Report:
    """`violations` is None where nothing was compared."""
    shap, sections = found.shap, []
    old = (baseline.get("explanations") or {}).get(shap.method if shap else "") or {}
    for number, label in enumerate(shap.labels if shap else []):
        sections += _label(shap, number, (old.get(label) or {}).get("global_shap_values") or {})
    if pdp := found.document.get("pdp"):
        sections.append(_dependence(pdp))
    records = f"{shap.records:,} records" if shap else ""
    good = None if violations is None else not violations
    named = _moved(found, old) if violations else []
    return Report(title or "Explanations", _verdict(found, old, violations), good, records, named, sections)


def _verdict(found: Explained, old: dict[str, Any], violations: list[dict[str, str]] | None) -> str:
    if found.shap is None:
        return "How the model's answers depend on single features."
    first, *rest = [name for name, _ in _ranked(found.shap, 0)][:3]
    others = f"then {' and '.join(rest)}" if rest else "alone"
    drivers = f"{first} moves the model's answers most, {others}."
    if violations is None:
        return f"{drivers} There was no baseline to compare with."
    score = _score(found.shap, 0, old)
    about = f" (nDCG {score:.3f}, at least {feature_ranking.SMALLEST_NDCG} is the same)" if score is not None else ""
    if violations:
        return f"The model is driven by other features than in the baseline{about}. {drivers}"
    return f"The model is driven by the same features as in the baseline{about}. {drivers}"


def _ranked(shap: Explanation, number: int) -> list[tuple[str, float]]:
    return sorted(zip(shap.names, shap.overall[:, number].tolist(), strict=True), key=lambda each: -abs(each[1]))


def _score(shap: Explanation, number: int, old: dict[str, Any]) -> float | None:
    before = (old.get(shap.labels[number]) or {}).get("global_shap_values") or {}
    return feature_ranking.ndcg(before, dict(_ranked(shap, number)))


def _moved(found: Explained, old: dict[str, Any]) -> list[str]:
    """Features whose place in the ranking changed most: three at most."""
    shap = found.shap
    assert shap
    before = (old.get(shap.labels[0]) or {}).get("global_shap_values") or {}
    was = {name: place for place, name in enumerate(sorted(before, key=lambda name: -abs(before[name])))}
    now = {name: place for place, (name, _) in enumerate(_ranked(shap, 0)) if name in was}
    return sorted((name for name in now if now[name] != was[name]), key=lambda name: -abs(now[name] - was[name]))[:3]


def _label(shap: Explanation, number: int, before: dict[str, float]) -> list[Section]:
    name = "" if len(shap.labels) == 1 else f": {shap.labels[number]}"
    ranked, unit = _ranked(shap, number)[:MOST_FEATURES], UNITS[shap.method]
    alt = "; ".join(f"{feature} {value:.3g}" for feature, value in ranked)
    places = {feature: place + 1 for place, feature in enumerate(sorted(before, key=lambda each: -abs(before[each])))}
    rows = [
        [place + 1, places.get(feature), feature, value, before.get(feature)]
        for place, (feature, value) in enumerate(_ranked(shap, number))
    ]
    marks = frozenset(at for at, row in enumerate(rows) if row[1] is not None and row[1] != row[0])
    return [
        Picture(
            f"What drives the model{name}",
            lambda: [_bars(ranked, before, unit), _swarm(shap, number, [feature for feature, _ in ranked])],
            alt,
            f"Left: how far each feature moves an answer, over all records, in {unit}. Right: a dot a record; its "
            "colour is the feature's own value, blue low and red high.",
        ),
        Table(
            f"Features by importance{name}",
            ["place", "baseline's place", "feature", "global SHAP value", "baseline"],
            rows,
            f"Without knowing a feature the model says {shap.expected[number]:.4g} in {unit}.",
            marks,
        ),
    ]


def _bars(ranked: list[tuple[str, float]], before: dict[str, float], unit: str) -> Figure:
    figure, axes = report_pictures.panel(0.7 + 0.25 * len(ranked))
    places = np.arange(len(ranked))[::-1]
    axes.barh(places, [value for _, value in ranked], height=0.6, color=report_pictures.CURRENT)
    for place, (name, _) in zip(places, ranked, strict=True):
        if name in before:
            axes.plot([before[name]] * 2, [place - 0.38, place + 0.38], color=report_pictures.BASELINE, linewidth=2.5)
    axes.set_yticks(places, [name for name, _ in ranked])
    axes.set_xlabel(f"global SHAP value, {unit}" + ("; grey: baseline" if before else ""))
    return figure


def _swarm(shap: Explanation, number: int, names: list[str]) -> Figure:
    figure, axes = report_pictures.panel(0.7 + 0.25 * len(names))
    generator = np.random.default_rng(0)
    for place, name in enumerate(names[::-1]):
        at = shap.names.index(name)
        values = shap.shown.found[:, at, number]
        spread = _crowding(values) * generator.uniform(-0.38, 0.38, len(values))
        colours = _scale(shap.shown.features[name])
        dots = axes.scatter(values, place + spread, c=colours, cmap="coolwarm", s=6, vmin=0, vmax=1, linewidths=0)
        dots.set_rasterized(True)
    axes.axvline(0, color=report_pictures.INK, linewidth=0.8)
    axes.set_yticks(range(len(names)), names[::-1])
    axes.set_xlabel(f"SHAP value of a record, {UNITS[shap.method]}")
    return figure


def _crowding(values: np.ndarray, bins: int = 60) -> np.ndarray:
    """0 to 1: how many records lie near each value, so that a row of dots is thick where records are many."""
    counts, edges = np.histogram(values, bins)
    near = counts[np.clip(np.digitize(values, edges[1:-1]), 0, bins - 1)]
    return np.sqrt(near / max(counts.max(), 1))


def _scale(column: pd.Series) -> np.ndarray:
    """0 to 1: numbers from 5th to 95th percentile, categories in the order of their names."""
    numbers = pd.to_numeric(column.astype(object), errors="coerce")
    values = numbers if numbers.notna().any() else pd.Series(pd.factorize(column, sort=True)[0])
    low, high = np.nanquantile(values, [0.05, 0.95])
    if high <= low:
        low, high = np.nanmin(values), np.nanmax(values)
    return np.clip(np.nan_to_num((values - low) / (high - low or 1), nan=0.5), 0, 1)


def _dependence(pdp: list[dict[str, Any]]) -> Picture:
    alt = "; ".join(
        f"{each['feature_name']}: {min(each['model_predictions'][0]):.3g} to {max(each['model_predictions'][0]):.3g}"
        for each in pdp
    )
    note = "The average answer if all records had this value of the feature; pale bars: how common the value is."
    return Picture("How answers depend on single features", lambda: [_curve(each) for each in pdp], alt, note)


def _curve(feature: dict[str, Any]) -> Figure:
    figure, axes = report_pictures.panel(2.4)
    numeric = feature["data_type"] == "numerical"
    places = feature["feature_values"] if numeric else list(range(len(feature["feature_values"])))
    width = (places[1] - places[0]) if numeric and len(places) > 1 else 0.8
    shares = axes.twinx()
    shares.bar(places, feature["data_distribution"], width=width * 0.9, color=report_pictures.BASELINE, alpha=0.3)
    shares.set_axis_off()
    for spine in shares.spines.values():
        spine.set_visible(False)
    colours = [report_pictures.CURRENT, *report_pictures.MORE]
    for number, answers in enumerate(feature["model_predictions"]):
        axes.plot(places, answers, "-" if numeric else "o", color=colours[number % len(colours)])
    if not numeric:
        texts = [str(value)[:18] for value in feature["feature_values"]]
        axes.set_xticks(places, texts, rotation=20 if len(texts) > 3 else 0, ha="right" if len(texts) > 3 else "center")
    axes.set_zorder(shares.get_zorder() + 1)
    axes.patch.set_visible(False)
    axes.set_title(feature["feature_name"], loc="left", fontsize=9)
    axes.set_ylabel("average answer")
    return figure
