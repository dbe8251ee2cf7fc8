"""What suggested constraints see at their defaults: all that moved, nothing else, and nothing where nothing moved."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

from data_constraints import check, suggest
from data_statistics import describe, profile

SHARES = {"half": [0.5, 0.5], "three": [0.5, 0.3, 0.2], "five": [0.3, 0.2, 0.2, 0.2, 0.1]}
POPULATIONS, BASELINE, WINDOW = 20, 5000, 2000


def population(random: np.random.Generator, count: int, moved: set[str]) -> pa.RecordBatch:
    """Half a standard deviation, or ten percentage points, in each of the moved columns."""
    drawn = {
        "normal": (random.normal(0, 1, count), 1.0),
        "uniform": (random.uniform(0, 1, count), 12**-0.5),
        "gamma": (random.gamma(2, 20, count), 2**0.5 * 20),
        "counts": (random.poisson(16, count).astype(float), 4.0),
    }
    columns = {name: values + (0.5 * spread if name in moved else 0) for name, (values, spread) in drawn.items()}
    for name, shares in SHARES.items():
        shares = list(shares)
        if name in moved:
            shares[0] -= 0.1
            shares[-1] += 0.1
        columns[name] = random.choice([f"value {each}" for each in range(len(shares))], count, p=shares)
    return pa.RecordBatch.from_pandas(pd.DataFrame(columns))


def test_populations() -> None:
    exact = alarms = 0
    for seed in range(POPULATIONS):
        random = np.random.default_rng(seed)
        statistics = describe(profile([population(random, BASELINE, set())]))
        names = [feature["name"] for feature in statistics["features"]]
        moved = set(random.choice(names, random.integers(1, 5), replace=False))
        violations = check(suggest(statistics), statistics, profile([population(random, WINDOW, moved)]))[1]
        exact += {each["feature_name"] for each in violations} == moved
        alarms += bool(check(suggest(statistics), statistics, profile([population(random, WINDOW, set())]))[1])
    assert exact >= 19
    assert alarms <= 1
