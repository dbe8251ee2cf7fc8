"""Bands and charts of payments: shares of fraud by band, spreads of groups, terminals on a map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from case_study_chart_guide import Ask, choose
from case_study_section import Chart

FEWEST = 20  # payments of a group whose share of fraud is told
CELLS = 20  # of the map, along each side
OTHERS = 250  # terminals without much fraud on a map, between which the others are still seen
MOST_TERMINALS = 1_500  # of those with much


def over_days(title: str, at: pd.Index, series: Mapping[str, pd.Series], y_title: str) -> Chart:
    kind = choose(Ask("change", points=len(at), series=len(series), x="time")).kind
    if kind == "bar":
        data: dict[str, Any] = {"labels": [f"{each:%Y-%m-%d}" for each in at], "series": as_lists(series)}
    else:
        data = {"x": [each.isoformat() for each in at], "series": as_lists(series)}
    return Chart("change", kind, title, data | {"y_title": y_title})


def as_lists(series: Mapping[str, pd.Series]) -> dict[str, list[float]]:
    return {str(name): [float(each) for each in values] for name, values in series.items()}


def banded(values: pd.Series, edges: Sequence[float], unit: str = "") -> pd.Series:
    """Which of the half-open bands [edge, next edge) each value is in, by a name for it."""
    names = [f"from {low:g}{unit}" if np.isinf(high) else f"{low:g}–{high:g}{unit}" for low, high in pairwise(edges)]
    return pd.cut(values, list(edges), labels=names, right=False)


def counted(values: pd.Series, edges: Sequence[int]) -> pd.Series:
    """The same of whole numbers, from each edge to before the next, the last without an end."""
    names = [f"{low}" if high == low + 1 else f"{low}–{high - 1}" for low, high in pairwise(edges)]
    return pd.cut(values, [*edges, np.inf], labels=[*names, f"{edges[-1]} and more"], right=False)


def rates(title: str, fraud: pd.Series, bands: pd.Series) -> Chart:
    """The share of fraud of each band with enough payments, with the numbers of them in its name."""
    found = fraud.groupby(bands, observed=True).agg(["mean", "size"])
    found = found[found["size"] >= FEWEST]
    low, high = wilson(found["mean"], found["size"])
    data = {
        "labels": [str(each) for each in found.index],
        "values": found["mean"].tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
        "y_title": "share of fraud",
    }
    kind = choose(Ask("comparison", labels=len(found))).kind
    return Chart("comparison", kind, title, data, f"With 95 % intervals; bands of {FEWEST} payments and more.")


def wilson(share: pd.Series, size: pd.Series, z: float = 1.96) -> tuple[pd.Series, pd.Series]:
    """The 95 % interval of a share (Wilson 1927), which stays between 0 and 1 for rare things and few payments."""
    middle = (share + z * z / (2 * size)) / (1 + z * z / size)
    half = z / (1 + z * z / size) * np.sqrt(share * (1 - share) / size + z * z / (4 * size * size))
    return np.minimum(middle - half, share), np.maximum(middle + half, share)


def shares_of_both(title: str, fraud: pd.Series, bands: pd.Series) -> Chart:
    found = pd.crosstab(bands, fraud, normalize="columns")
    series = {"genuine": found[0.0], "fraud": found[1.0]}
    kind = choose(Ask("comparison", labels=len(found), series=2)).kind
    data = {"labels": [str(each) for each in found.index], "series": as_lists(series), "y_title": "share of its class"}
    return Chart("comparison", kind, title, data)


def boxes(title: str, groups: Mapping[str, pd.Series], y_title: str) -> Chart:
    """Whiskers end at the 1st and the 99th percentile."""
    known = {name: values.dropna() for name, values in groups.items()}
    known = {name: values for name, values in known.items() if len(values) >= FEWEST}
    shares = {"low": 0.01, "q1": 0.25, "median": 0.5, "q3": 0.75, "high": 0.99}
    data = {key: [float(values.quantile(share)) for values in known.values()] for key, share in shares.items()}
    caption = "The box holds the middle half; whiskers end at the 1st and the 99th percentile."
    return Chart("comparison", "box", title, {"labels": list(known), **data, "y_title": y_title}, caption)


def histogram(title: str, values: pd.Series, x_title: str, y_title: str) -> Chart:
    counts, edges = np.histogram(values, bins=24)
    data = {"edges": edges.tolist(), "counts": counts.tolist(), "x_title": x_title, "y_title": y_title}
    return Chart("distribution", choose(Ask("distribution", x="number")).kind, title, data)


def hours(times: pd.Series, of: pd.Series, names: Sequence[str]) -> Chart:
    found = pd.crosstab(of, times.dt.hour, normalize="index")
    shares = found.reindex(index=names, columns=range(24), fill_value=0.0).round(4)
    labels = [f"{hour:02d}" for hour in range(24)]
    data = {"x": labels, "y": list(names), "z": shares.to_numpy().tolist(), "x_title": "hour, UTC"}
    kind = choose(Ask("part_to_whole", labels=24, series=len(names))).kind
    return Chart("part_to_whole", kind, "Hours of the day", data, "Shares of the payments of a row, which add up to 1.")


def map_of_payments(found: pd.DataFrame) -> Chart:
    """How many there are in each cell of a square grid, north on top."""
    side = max(1.0, np.ceil(max(found["x"].max(), found["y"].max()) / CELLS))
    cells = {axis: np.minimum(found[axis] // side, CELLS - 1).astype(int) for axis in ("x", "y")}
    counts = pd.crosstab(cells["y"], cells["x"]).reindex(index=range(CELLS), columns=range(CELLS), fill_value=0)
    names = [f"{side * cell:g}" for cell in range(CELLS)]
    data = {"x": names, "y": names[::-1], "z": counts.to_numpy()[::-1].tolist()}
    titles = {"x_title": "km east, from", "y_title": "km north, from"}
    return Chart("correlation", "heatmap", "Payments on the map", data | titles, f"Payments in cells of {side:g} km.")


def map_of_terminals(terminals: pd.DataFrame, hit: np.ndarray) -> Chart:
    """Those that were hit, and as many others as a map can show, drawn with a seed."""
    others = terminals[~hit]
    shown = others.sample(min(len(others), OTHERS), random_state=0)
    both = pd.concat([shown, terminals[hit].head(MOST_TERMINALS)])
    group = ["other terminals"] * len(shown) + ["a week of fraud"] * (len(both) - len(shown))
    data = {"x": both["x"].tolist(), "y": both["y"].tolist(), "group": group}
    caption = (
        "" if len(both) == len(terminals) else f"All that were hit and {len(shown):,} of the {len(others):,} others."
    )
    return Chart("correlation", "scatter", "Terminals", data | {"x_title": "km east", "y_title": "km north"}, caption)
