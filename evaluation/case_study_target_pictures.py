"""Pictures of what each column says about the target."""

from __future__ import annotations

import numpy as np
import pandas as pd
from case_study_bins import boxes, codes, decades, plain_numbers
from case_study_chart_guide import DECADES, MOST_PARTS, Ask, choose, most_frequent
from case_study_correlations import density, scaled
from case_study_section import Chart
from case_study_table import CaseTable

FEWEST = 5  # records of a group that is shown
CONFIDENCE = 1.96


def balance(target: str, values: pd.Series) -> Chart:
    shares = values.astype(str).value_counts(normalize=True)
    choice = choose(Ask("part_to_whole", labels=len(shares)))
    names, sizes = most_frequent(list(shares.index), shares.tolist(), choice.most)
    title = f"Classes of {target}"
    if choice.kind == "stacked":
        series = {name: [size] for name, size in zip(names, sizes, strict=True)}
        return Chart("part_to_whole", "stacked", title, {"labels": [target], "series": series})
    return Chart("part_to_whole", choice.kind, title, {"labels": names, "values": sizes, "y_title": "share"})


def picture(sample: pd.DataFrame, table: CaseTable, name: str, classes: bool) -> Chart:
    pair, kind, target = sample[[name, table.target]].dropna(), table.columns[name], table.target
    if not classes:
        return of_number(pair, name, kind, target)
    positives = sorted(pair[target].astype(str).unique())
    if len(positives) == 2:
        return rate(pair, name, kind, target, positives[1])
    if kind in ("number", "time"):
        return spread(pair, name, kind, target)
    return shares(pair, name, target)


def of_number(pair: pd.DataFrame, name: str, kind: str, target: str) -> Chart:
    title, axes, goal = f"{target} by {name}", {"x_title": name, "y_title": target}, pair[target].to_numpy(float)
    if kind in ("category", "boolean"):
        names = pair[name].astype(str).to_numpy()
        choice = choose(Ask("comparison", labels=len(set(names)), y="values"))
        kept = pair[name].astype(str).value_counts().index[: choice.most]
        groups = sorted(((each, goal[names == each]) for each in kept), key=lambda each: -float(np.median(each[1])))
        log = {"log": ["y"]} if decades(goal) > DECADES else {}
        return Chart("comparison", choice.kind, title, boxes(dict(groups)) | axes | log, "Groups by their medians.")
    values = scaled(pair[name]).to_numpy(float)
    choice = choose(Ask("correlation", points=len(pair), x="number"))
    if choice.kind == "scatter":
        return Chart("correlation", "scatter", title, {"x": values.tolist(), "y": goal.tolist(), **axes})
    return density(values, goal, title, axes)


def spread(pair: pd.DataFrame, name: str, kind: str, target: str) -> Chart:
    values, classes = plain_numbers(pair[name], kind), pair[target].astype(str)
    choice = choose(Ask("comparison", labels=classes.nunique(), y="values"))
    kept = classes.value_counts().index[: choice.most]
    groups = {each: values[(classes == each).to_numpy()] for each in kept}
    data = boxes(groups) | {"y_title": name, "x_title": target}
    return Chart("comparison", choice.kind, f"{name} by {target}", data)


def shares(pair: pd.DataFrame, name: str, target: str) -> Chart:
    counts = pd.crosstab(pair[name].astype(str), pair[target].astype(str))
    choice = choose(Ask("part_to_whole", labels=len(counts.columns), series=len(counts)))
    counts = counts.loc[counts.sum(axis=1).nlargest(max(choice.most, 2 * MOST_PARTS)).index]
    parts, title = counts.div(counts.sum(axis=1), axis=0), f"Classes of {target} by {name}"
    if choice.kind == "stacked":
        series = {str(each): parts[each].tolist() for each in parts.columns}
        return Chart("part_to_whole", "stacked", title, {"labels": list(parts.index), "series": series})
    data = {"x": list(parts.columns), "y": list(parts.index), "z": parts.to_numpy().tolist(), "low": 0, "high": 1}
    return Chart("part_to_whole", choice.kind, title, data)


def rate(pair: pd.DataFrame, name: str, kind: str, target: str, positive: str) -> Chart:
    """The second class' share by category, or by tenths of a number."""
    groups, labels = codes(pair[name], kind, 12 if kind in ("category", "boolean") else 10)
    if kind == "time":
        labels = [f"tenth {place + 1}" for place in range(len(labels))]
    hit = (pair[target].astype(str) == positive).to_numpy(float)
    rows = []
    for place, label in enumerate(labels):
        mine = hit[groups == place]
        if len(mine) >= FEWEST:
            rows.append((label, float(mine.mean()), *wilson(float(mine.mean()), len(mine))))
    if kind in ("category", "boolean"):
        rows.sort(key=lambda row: -row[1])
    data = {key: [row[place] for row in rows] for place, key in enumerate(("labels", "values", "low", "high"))}
    choice = choose(Ask("comparison", labels=len(rows)))
    titles = {"x_title": name, "y_title": f"share with {target} = {positive}"}
    caption = "Lines: 95 % intervals (Wilson 1927)."
    return Chart("comparison", choice.kind, f"{target} = {positive} by {name}", data | titles, caption)


def wilson(share: float, count: int) -> tuple[float, float]:
    """The interval of a share of so many, which never leaves 0 to 1."""
    z = CONFIDENCE
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count**2))
    return float(max(0, middle - half)), float(min(1, middle + half))
