"""A comparison as one HTML page that needs nothing else: verdict, every feature's distance, plots of what changed."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from data_constraints import Comparison, baseline_categories, baseline_points
from data_drift import distribution_function, largest_gap
from data_statistics import Profile, points
from jinja2 import Environment, FileSystemLoader

BASELINE_COLOUR, CURRENT_COLOUR, INK = "#9aa5b1", "#d9622b", "#243447"
BINS = 24
SHOWN_CATEGORIES = 10
SHOWN_WITHOUT_VIOLATION = 3  # features nearest to their threshold, so that a clean report shows what it looked at


def render(
    title: str,
    window: str,
    records: str,
    baseline: dict[str, Any],
    current: Profile,
    comparisons: list[Comparison],
    violations: list[dict[str, str]],
) -> str:
    """The page. `window` and `records` are sentences about what was analysed."""
    named = list(dict.fromkeys(violation["feature_name"] for violation in violations))
    ordered = sorted(comparisons, key=lambda each: (each.name not in named, -_nearness(each), -(each.gap or 0)))
    shown = [each for each in ordered if each.name in named] or ordered[:SHOWN_WITHOUT_VIOLATION]
    described = {feature["name"]: feature for feature in baseline["features"]}
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    return environment.get_template("data_report.html.j2").render(
        title=title,
        window=window,
        records=records,
        baseline_count=baseline["dataset"]["item_count"],
        current_count=current.item_count,
        comparisons=[(each, _nearness(each)) for each in ordered],
        violations=violations,
        named=named,
        plots=[(each.name, plot) for each in shown if (plot := _plot(described[each.name], current))],
        colours={"baseline": BASELINE_COLOUR, "current": CURRENT_COLOUR, "ink": INK},
    )


def _nearness(comparison: Comparison) -> float:
    """Distance as a multiple of its threshold; over 1 is drift."""
    if comparison.distance is None or comparison.threshold is None:
        return 0.0
    if comparison.method == "ChiSquared":  # a small p-value is the far one
        return min(comparison.threshold / max(comparison.distance, 1e-12), 10.0)
    return comparison.distance / max(comparison.threshold, 1e-12)


def _plot(described: dict[str, Any], current: Profile) -> str | None:
    """A data URI, or None where there is nothing to lay side by side."""
    column = current.columns[described["name"]]
    numeric = baseline_points(described)
    if numeric and column.numbers:
        distinct = np.union1d(numeric[0], points(column)[0])
        if len(distinct) <= SHOWN_CATEGORIES:  # 0 and 1 are better seen as categories
            return _draw_categories(*(_shares(sample) for sample in (numeric, points(column))))
        return _draw_numbers(described["name"], numeric, points(column))
    counts = None if numeric else baseline_categories(described)
    if counts is None or column.categories is None or not column.present:
        return None
    return _draw_categories(counts / counts.sum(), column.categories / column.categories.sum())


def _shares(sample: tuple[np.ndarray, np.ndarray]) -> pd.Series:
    return pd.Series(sample[1]).groupby(sample[0]).sum() / sample[1].sum()


def _figure(columns: int, height: float) -> tuple[Any, Any]:
    # the figure class itself, not pyplot: no window system and no global state
    from matplotlib import rcParams
    from matplotlib.figure import Figure

    rcParams.update({"font.size": 9, "axes.edgecolor": "#c3ccd5", "text.color": INK, "axes.labelcolor": INK})
    rcParams.update({"xtick.color": INK, "ytick.color": INK, "axes.spines.top": False, "axes.spines.right": False})
    figure = Figure(figsize=(9.2, height), layout="constrained")
    return figure, figure.subplots(1, columns)


def _encode(figure: Any) -> str:
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    return "data:image/png;base64," + base64.b64encode(image.getvalue()).decode("ascii")


def _draw_numbers(name: str, baseline: tuple[np.ndarray, np.ndarray], current: tuple[np.ndarray, np.ndarray]) -> str:
    figure, (shares, functions) = _figure(2, 2.9)
    values = np.concatenate([baseline[0], current[0]])
    edges = np.linspace(values.min(), max(values.max(), values.min() + 1e-9), BINS + 1)
    width = (edges[1] - edges[0]) * 0.42
    at = np.linspace(edges[0], edges[-1], 400)
    drawn = ((-0.5, baseline, BASELINE_COLOUR, "baseline"), (0.5, current, CURRENT_COLOUR, "captured"))
    for side, sample, colour, label in drawn:
        counts, _ = np.histogram(sample[0], bins=edges, weights=sample[1])
        centres = (edges[:-1] + edges[1:]) / 2 + side * width
        shares.bar(centres, counts / sample[1].sum(), width=width, color=colour, label=label)
        functions.plot(at, distribution_function(at, sample), color=colour, label=label, linewidth=1.8)
    where, _ = largest_gap(baseline, current)
    ends = [float(distribution_function(np.array([where]), sample)[0]) for sample in (baseline, current)]
    functions.plot([where, where], ends, color=INK, linewidth=1, linestyle=":", zorder=5)
    functions.set_title(f"{abs(ends[0] - ends[1]):.1%} apart at {where:g}", fontsize=9, loc="left")
    shares.set(ylabel="share of records", xlabel=name)
    functions.set(ylabel="share at or below", xlabel=name, ylim=(0, 1.02))
    _percent(shares.yaxis)
    _percent(functions.yaxis)
    shares.legend(frameon=False)
    return _encode(figure)


def _draw_categories(baseline: pd.Series, current: pd.Series) -> str:
    shares = pd.concat([baseline, current], axis=1, keys=["baseline", "captured"]).fillna(0)
    shares = shares.loc[shares.max(axis=1).nlargest(SHOWN_CATEGORIES).index][::-1]
    figure, axes = _figure(1, 1.2 + 0.45 * len(shares))
    places = np.arange(len(shares))
    for offset, label, colour in ((0.2, "baseline", BASELINE_COLOUR), (-0.2, "captured", CURRENT_COLOUR)):
        bars = axes.barh(places + offset, shares[label], height=0.38, color=colour, label=label)
        axes.bar_label(bars, fmt="{:.1%}", padding=3, fontsize=8)
    names = [f"{value:g}" if isinstance(value, float) else str(value)[:40] for value in shares.index]
    axes.set_yticks(places, names)
    axes.set(xlabel="share of records", xlim=(0, float(shares.to_numpy().max()) * 1.12))
    _percent(axes.xaxis)
    figure.legend(frameon=False, loc="outside upper right", ncols=2)
    return _encode(figure)


def _percent(axis: Any) -> None:
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0, decimals=0))
