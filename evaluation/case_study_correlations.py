"""Which columns go together: straight, monotonic, as categories, or in any way at all."""

from __future__ import annotations

import itertools
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from analysis_report import Table
from case_study_bins import boxes, codes, crossed, edges, numbers
from case_study_chart_guide import MOST_BARS, MOST_CELLS, MOST_POINTS, MOST_RANKS, Ask, choose
from case_study_dependence import cramers_v, mutual_information, pearson, spearman
from case_study_section import Chart, Section
from case_study_table import CaseTable

SAME = 0.98  # |rho| from which two columns say the same
STRONG = 0.7
BENT = 0.15  # by which Spearman's may differ from Pearson's where a course is straight
HIDDEN = 0.15  # mutual information without any correlation
SHOWN = 4  # pairs with a picture
LISTED, MOST_SAID = 30, 8
MOST_CATEGORIES = 60  # more are not told apart by this many rows

Matrix: TypeAlias = pd.DataFrame


def correlations(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    sample = table.sample()
    plain, categories = _varied(sample, table.of_kind("number")), _categories(sample, table)
    columns = [name for name in table.columns if name in {*plain, *categories, *table.of_kind("time")}]
    if len(columns) < 2:
        return None
    frame = sample[plain]
    straight, ranked = _matrix(plain, pearson(frame)), _matrix(plain, spearman(frame))
    coded = {name: codes(sample[name], table.columns[name])[0] for name in columns}
    whole = {name: codes(sample[name], table.columns[name], MOST_CATEGORIES)[0] for name in categories}
    grouped = _of_pairs(categories, whole, cramers_v)
    shared = _of_pairs(columns, coded, mutual_information)
    pairs = _pairs(columns, straight, ranked, grouped, shared)
    charts = [
        *_heat("Pearson correlation", straight, -1, "Straight lines: 1 together, −1 against each other."),
        *_heat("Spearman correlation", ranked, -1, "Any course in one direction, as only ranks count."),
        *_heat("Cramér's V", grouped, 0, "Categories, corrected for chance."),
        *_heat(
            "Mutual information", shared, 0, "All columns in 16 bins: what one tells about the other, of any shape."
        ),
        *(_pair_chart(sample, table, *row[:2]) for row in pairs[:SHOWN]),
    ]
    findings, warnings = _said(pairs)
    facts["strongest_pairs"] = [row[:2] for row in pairs[:LISTED]]
    note = f"Of {len(sample):,} rows." if len(sample) < table.rows else ""
    listed = Table(
        "Strongest pairs",
        ["column", "with", "Pearson", "Spearman", "Cramér's V", "mutual information"],
        pairs[:LISTED],
        note,
    )
    return Section("correlations", "Correlations", _words(table, len(sample)), [listed], charts, findings, warnings)


def _words(table: CaseTable, sampled: int) -> list[str]:
    seen = f" All of them are of {sampled:,} rows drawn with seed {table.seed}." if sampled < table.rows else ""
    return [
        "Four measures, as none sees everything: Pearson's and Spearman's are for numbers, Cramér's V for categories, "
        "and mutual information compares any two columns. None of them says what causes what." + seen
    ]


def _varied(sample: pd.DataFrame, names: list[str]) -> list[str]:
    return [name for name in names if sample[name].nunique() > 1]


def _categories(sample: pd.DataFrame, table: CaseTable) -> list[str]:
    names = _varied(sample, table.of_kind("category", "boolean"))
    return [name for name in names if sample[name].nunique() < len(sample) / 2]


def _matrix(names: list[str], values: np.ndarray) -> Matrix:
    return pd.DataFrame(values, names, names)


def _of_pairs(names: list[str], coded: dict[str, np.ndarray], measure: Any) -> Matrix:
    found = np.eye(len(names))
    for first, second in itertools.combinations(range(len(names)), 2):
        found[first, second] = found[second, first] = measure(crossed(coded[names[first]], coded[names[second]]))
    return _matrix(names, found)


def _pairs(columns: list[str], *matrices: Matrix) -> list[tuple[Any, ...]]:
    """Each pair with its four measures, None where one does not apply; first the pair with the strongest of any."""
    rows = []
    for first, second in itertools.combinations(columns, 2):
        found = [_cell(matrix, first, second) for matrix in matrices]
        if any(each is not None for each in found):
            rows.append((first, second, *found))
    return sorted(rows, key=lambda row: -max(abs(each) for each in row[2:] if each is not None))


def _cell(matrix: Matrix, first: str, second: str) -> float | None:
    if first not in matrix.index or second not in matrix.index:
        return None
    found = float(matrix.at[first, second])
    return None if np.isnan(found) else round(found, 3)


def _heat(title: str, matrix: Matrix, low: float, caption: str) -> list[Chart]:
    if len(matrix) < 2:
        return []
    choice = choose(Ask("correlation", labels=max(3, len(matrix))))
    if len(matrix) > MOST_CELLS:
        strength = matrix.abs().where(~np.eye(len(matrix), dtype=bool)).max().sort_values(ascending=False)
        kept = [name for name in matrix.columns if name in set(strength.index[:MOST_CELLS])]
        matrix, caption = matrix.loc[kept, kept], f"{caption} The {MOST_CELLS} columns with the strongest partners."
    z = [[None if np.isnan(each) else round(float(each), 3) for each in row] for row in matrix.to_numpy()]
    text = [["" if each is None else f"{each:.2f}" for each in row] for row in z]
    names = list(matrix.columns)
    return [
        Chart(
            "correlation",
            choice.kind,
            title,
            {"x": names, "y": names, "z": z, "low": low, "high": 1, "text": text},
            caption,
        )
    ]


def _pair_chart(sample: pd.DataFrame, table: CaseTable, first: str, second: str) -> Chart:
    """The pair as the guide has it: points, a density, boxes, or a table of shades."""
    categorical = {name: _named(sample[name], table.columns[name]) for name in (first, second)}
    if categorical[second] and not categorical[first]:
        first, second = second, first
    pair, title = sample[[first, second]].dropna(), f"{second} by {first}"
    if categorical[first] and categorical[second]:
        return _shades(pair, first, second, title)
    if categorical[first]:
        kept = pair[first].value_counts().index[: choose(Ask("correlation", x="category")).most]
        kept = kept if table.columns[first] == "category" else sorted(kept)
        groups = {_label(name): numbers(scaled(pair.loc[pair[first] == name, second])) for name in kept}
        box = boxes(groups)
        return Chart("correlation", "box", title, box | {"y_title": second, "x_title": first})
    x, y = scaled(pair[first]).to_numpy(float), scaled(pair[second]).to_numpy(float)
    axes = {"x_title": first, "y_title": second}
    if choose(Ask("correlation", points=len(pair), x="number")).kind == "scatter":
        return Chart("correlation", "scatter", title, {"x": x.tolist(), "y": y.tolist()} | axes)
    return density(x, y, title, axes)


def _label(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _named(values: pd.Series, kind: str) -> bool:
    """Whether values are read one by one: categories, and numbers of which there are only a few."""
    return kind in ("category", "boolean") or (kind == "number" and values.nunique() <= MOST_BARS)


def scaled(values: pd.Series) -> pd.Series:
    """Times as years, which an axis can show."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return 1970 + (values - pd.Timestamp(0)) / pd.Timedelta(days=365.2425)
    return values


def _shades(pair: pd.DataFrame, first: str, second: str, title: str) -> Chart:
    counts = pd.crosstab(pair[second], pair[first])
    counts = counts.loc[
        counts.index.isin(counts.sum(axis=1).nlargest(MOST_RANKS).index),
        counts.columns.isin(counts.sum().nlargest(MOST_RANKS).index),
    ]
    shares = counts / counts.sum()
    shares.index, shares.columns = shares.index.map(_label), shares.columns.map(_label)
    data = {
        "x": list(shares.columns), "y": list(shares.index), "low": 0, "high": 1,
        "z": shares.round(4).to_numpy().tolist(),
        "text": [[f"{each:.0%}" for each in row] for row in shares.to_numpy()], "x_title": first, "y_title": second,
    }  # fmt: skip
    return Chart("correlation", "heatmap", title, data, f"Shares of {second} within each {first}.")


def density(x: np.ndarray, y: np.ndarray, title: str, axes: dict[str, str]) -> Chart:
    """Records in cells; a tail beyond the last percent is left out, as it would leave all others in one cell."""
    inside = np.ones(len(x), bool)
    for values in (x, y):
        low, high = np.quantile(values, [0.005, 0.995])
        inside &= (values >= low) & (values <= high)
    (columns, across), (rows, down) = _cells(x[inside]), _cells(y[inside])
    counts, _, _ = np.histogram2d(y[inside], x[inside], bins=[rows, columns])
    z = [[float(each) or None for each in row] for row in counts[::-1]]
    data = {"x": across, "y": down[::-1], "z": z} | axes
    return Chart(
        "correlation",
        "heatmap",
        title,
        data,
        f"Records in each cell; more than {MOST_POINTS:,} points would hide each other.",
    )


def _cells(values: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Bounds and names of cells: one for each value where there are few, else of equal width."""
    distinct = np.unique(values)
    if len(distinct) <= MOST_BARS:
        inner = (distinct[1:] + distinct[:-1]) / 2
        return np.array([distinct[0] - 1, *inner, distinct[-1] + 1]), [f"{each:g}" for each in distinct]
    bounds = edges(values, MOST_CELLS)
    return bounds, [f"{(low + high) / 2:.4g}" for low, high in itertools.pairwise(bounds)]


def _said(pairs: list[tuple[Any, ...]]) -> tuple[list[str], list[str]]:
    findings, warnings = list[str](), list[str]()
    for first, second, straight, ranked, grouped, shared in pairs:
        names = f"{first} and {second}"
        best = max((abs(each) for each in (straight, ranked, grouped) if each is not None), default=0.0)
        if best >= SAME:
            warnings.append(f"{names} say nearly the same ({best:.2f}): one of them is enough.")
        elif best >= STRONG:
            findings.append(f"{names} go together{' against each other' * ((ranked or 0) <= -STRONG)} ({best:.2f}).")
        if straight is None or ranked is None:
            continue
        if abs(ranked) - abs(straight) >= BENT and abs(ranked) > 2 * BENT:
            course = "rise together" if ranked > 0 else "go against each other"
            findings.append(f"{names} {course}, but not along a line: Spearman {ranked:.2f}, Pearson {straight:.2f}.")
        elif max(abs(straight), abs(ranked)) < HIDDEN <= (shared or 0):
            findings.append(f"{names} share what no correlation shows (mutual information {shared:.2f}).")
    return findings[:MOST_SAID], warnings[:MOST_SAID]
