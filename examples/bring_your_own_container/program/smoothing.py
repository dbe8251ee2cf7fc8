"""Additive Holt-Winters smoothing: a level, a slope and a season, each an exponential average of what it was.

Winters (1960), Forecasting Sales by Exponentially Weighted Moving Averages; Hyndman & Athanasopoulos, Forecasting, 8.3.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

WEIGHTS = (0.05, 0.1, 0.2, 0.4, 0.6, 0.8)  # tried for each of the three averages


@dataclass(frozen=True)
class Model:
    """Where the series stands at its end. `season` begins with the first step to forecast."""

    level: float
    slope: float
    season: list[float]
    error: float  # standard deviation of the one-step errors
    mape: float  # mean absolute error of one step, in percent of the value

    def forecast(self, steps: int) -> list[dict[str, float]]:
        """Mean and a normal 80 % interval whose width grows with the square root of the distance."""
        found = []
        for step in range(1, steps + 1):
            mean = self.level + step * self.slope + self.season[(step - 1) % len(self.season)]
            margin = 1.2816 * self.error * step**0.5
            found.append({"mean": round(mean, 4), "low": round(mean - margin, 4), "high": round(mean + margin, 4)})
        return found

    def save(self, folder: Path) -> None:
        (folder / "model.json").write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, folder: Path) -> Model:
        return cls(**json.loads((folder / "model.json").read_text()))


def fit(series: np.ndarray, period: int) -> Model:
    """The weights with the smallest squared error of one step. Raises ValueError for less than two periods."""
    if len(series) < 2 * period:
        raise ValueError(f"A season of {period} steps needs {2 * period} values; the series has {len(series)}.")
    tried = [smoothed(series, period, *weights) for weights in itertools.product(WEIGHTS, repeat=3)]
    return min(tried, key=lambda model: model.error)


def smoothed(series: np.ndarray, period: int, alpha: float, beta: float, gamma: float) -> Model:
    """One pass; the first two periods give the start."""
    first, second = series[:period].mean(), series[period : 2 * period].mean()
    level, slope = first, (second - first) / period
    season = list(series[:period] - first)
    errors = []
    for at, value in enumerate(series[period:].tolist()):
        of_season = season[at % period]
        errors.append(value - (level + slope + of_season))
        before = level
        level = alpha * (value - of_season) + (1 - alpha) * (level + slope)
        slope = beta * (level - before) + (1 - beta) * slope
        season[at % period] = gamma * (value - level) + (1 - gamma) * of_season
    start = (len(series) - period) % period
    wrong = np.abs(np.array(errors)) / np.maximum(np.abs(series[period:]), 1e-9)
    return Model(
        level, slope, season[start:] + season[:start], float(np.std(errors)), round(100 * float(wrong.mean()), 4)
    )
