"""What earlier searches on other tables found: where to begin on a table that is like them, and on which families.

`automl_knowledge.json` is written by benchmarks/automl_knowledge.py. A table is described by meta-features, numbers
that can be had in a second; the tables nearest by them lend their best configurations. A table never lends to itself:
entries that share half of their columns with the table at hand are left out, so what is measured on it is measured
fairly.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from automl_task import Task
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

KNOWLEDGE = Path(__file__).with_name("automl_knowledge.json")
NEAREST = 3  # tables that lend
SAME = 0.5  # of all columns of two tables: they are one
LANDMARK_ROWS = 1000
LEAST_SHARE = 0.25  # of the time that it would get by equal shares, for a family that helped nowhere
START_SECONDS = 4.0  # of a job until it searches: Python, its libraries, the table
LEAST_SECONDS = 5.0  # of search: with less a family is left out
FEWEST = 2  # families that are never left out
# Of families that are worth the same, these are kept first: good ones that are learnt quickly.
QUICKEST = (
    "gradient_boosting",
    "linear",
    "boosted_trees",
    "extra_trees",
    "random_forest",
    "neighbours",
    "network",
)

Entry = Mapping[str, Any]


def read(path: Path = KNOWLEDGE) -> list[Entry]:
    """Entries `{"table", "columns", "problem", "features", "families": {name: {"share", "configurations"}}}`."""
    return json.loads(path.read_text())["tables"] if path.exists() else []


def same_table(columns: Iterable[str], others: Iterable[str]) -> bool:
    """By the names of their columns, the target's included."""
    one, two = set(columns), set(others)
    return len(one & two) >= SAME * len(one | two)


def nearest(task: Task, columns: Sequence[str], entries: Sequence[Entry]) -> list[Entry]:
    """Those of the same kind of problem whose meta-features are nearest, of other tables than the one at hand."""
    others = [
        each
        for each in entries
        if (each["problem"] == "regression") == (task.problem == "regression")
        and not same_table(each["columns"], columns)
    ]
    if not others:
        return []
    described = features(task)
    known = np.array([[each["features"][name] for name in described] for each in others])
    own = np.array(list(described.values()))
    scale = np.maximum(np.vstack([known, own]).std(axis=0), 1e-9)
    order = np.argsort((((known - own) / scale) ** 2).sum(axis=1), kind="stable")
    return [others[each] for each in order[:NEAREST]]


def starts(family: str, lenders: Sequence[Entry]) -> list[dict[str, Any]]:
    """Configurations to begin with: the best of each lender, then the second best of each."""
    lists = [each["families"].get(family, {}).get("configurations", []) for each in lenders]
    longest = max(map(len, lists), default=0)
    found = [dict(each[place]) for place in range(longest) for each in lists if place < len(each)]
    return [each for number, each in enumerate(found) if each not in found[:number]]


def shares(families: Sequence[str], lenders: Sequence[Entry]) -> dict[str, float]:
    """Of the time, together 1: as much as a family weighed in the lenders' ensembles, and a least share for each."""
    weighed = {
        name: float(np.mean([each["families"].get(name, {}).get("share", 0.0) for each in lenders])) if lenders else 0.0
        for name in families
    }
    least = LEAST_SHARE / len(families)
    raised = {name: max(least, weighed[name] if lenders else 1.0) for name in families}
    whole = sum(raised.values())
    return {name: value / whole for name, value in raised.items()}


def ranked(families: Sequence[str], lenders: Sequence[Entry]) -> list[str]:
    """The families by what they were worth to the lenders, the most first."""
    worth = shares(families, lenders)
    return sorted(families, key=lambda name: (-worth[name], QUICKEST.index(name)))


def allotted(families: Sequence[str], lenders: Sequence[Entry], seconds: float) -> dict[str, float]:
    """Of `seconds` on one core, each family's, from the start of its job on; those without enough are left out."""
    kept = ranked(families, lenders)
    searched = max(0.0, seconds - START_SECONDS * len(families))  # who is left out starts, too
    while len(kept) > FEWEST and searched * shares(kept, lenders)[kept[-1]] < LEAST_SECONDS:
        kept.pop()
    return {name: START_SECONDS + searched * share for name, share in shares(kept, lenders).items()}


def features(task: Task) -> dict[str, float]:
    """Meta-features: size, kinds of columns, blanks, balance, skewness, and how well three simple models do."""
    table, categories = task.table, task.categories
    numbers = table.drop(columns=categories)
    skewness = numbers.skew(skipna=True).abs().clip(upper=20) if len(numbers.columns) else pd.Series(dtype=float)
    counts = [table[name].nunique() for name in categories]
    share = np.bincount(task.answers).min() / len(table) if task.classes else 0.0
    return {
        "log_rows": float(np.log10(len(table))),
        "log_columns": float(np.log10(len(table.columns))),
        "categories": len(categories) / len(table.columns),
        "blanks": float(table.isna().mean().mean()),
        "classes": float(np.log2(task.kinds)) if task.kinds else 0.0,
        "smallest_class": float(share),
        "skewness": float(np.log1p(skewness.fillna(0.0).mean())) if len(skewness) else 0.0,
        "cardinality": float(np.log10(np.mean(counts))) if counts else 0.0,
        **landmarks(task),
    }


def landmarks(task: Task) -> dict[str, float]:
    """Accuracy above that of the most frequent class, or R², of a small tree, a linear model and a neighbour."""
    classified = task.classes is not None
    learn, judge = task.folds[0]
    learn, judge = learn[:LANDMARK_ROWS], judge[:LANDMARK_ROWS]
    numbers = [name for name in task.table if name not in task.categories]
    encode = make_column_transformer(
        (
            OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2),
            task.categories,
        ),
        (SimpleImputer(keep_empty_features=True), numbers),
    )
    models = {
        "tree": (DecisionTreeClassifier if classified else DecisionTreeRegressor)(max_depth=3, random_state=0),
        "linear": LogisticRegression(max_iter=100) if classified else Ridge(),
        "neighbour": (KNeighborsClassifier if classified else KNeighborsRegressor)(n_neighbors=5),
    }
    truth, found = task.answers[judge], {}
    for name, model in models.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = make_pipeline(encode, StandardScaler(), model).fit(task.table.iloc[learn], task.answers[learn])
        said = fitted.predict(task.table.iloc[judge])
        trivial = np.bincount(truth).max() / len(truth) if classified else 0.0
        value = accuracy_score(truth, said) - trivial if classified else r2_score(truth, said)
        found[f"landmark_{name}"] = float(np.clip(value, -1.0, 1.0))
    return found
