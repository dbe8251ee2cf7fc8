"""How good forecasts of several series are: MASE, RMSSE, sMAPE, WAPE, pinball losses and the interval's coverage.

MASE and RMSSE divide a series' errors by those of its seasonal naive forecast (Hyndman and Koehler 2006): the `scale`
and `square_scale` that are given for its history, else those within its own truth in the window.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from model_quality_metrics import FEWEST, Array, Metric, sampled


@dataclass
class Forecasts:
    """Records of series, those of one in the order of time; 8 bytes a number."""

    series: Array  # a number a series
    truth: Array
    predicted: Array
    quantiles: Mapping[float, Array] = field(default_factory=dict)  # level to the forecast of that quantile
    scale: Array | None = None  # mean absolute error of the naive forecast in the series' history
    season: int = 1  # records until the naive forecast's value comes again

    def __len__(self) -> int:
        return len(self.truth)


def forecast(data: Forecasts) -> dict[str, Metric]:
    """By name; without those that nothing is known for: MASE of series without a scale, coverage without quantiles.

    Standard errors take each series as one observation, as errors within one depend on each other; of a single series
    there is none. A sample, of standard deviations, is one of series.
    """
    parts = _by_series(data)
    count = len(parts["absolute"])
    everything = np.arange(count)
    values = _metrics(parts, everything)
    deviations = sampled(lambda chosen: _metrics(parts, chosen), count) if count >= FEWEST else {}
    errors = _errors(parts, values)
    return {
        name: Metric(value, deviations.get(name, math.nan), errors.get(name, math.nan))
        for name, value in values.items()
    }


def _by_series(data: Forecasts) -> dict[str, Array]:
    """Sums over each series: what every metric is made of."""
    order = np.argsort(data.series, kind="stable")
    series, truth, predicted = data.series[order], data.truth[order], data.predicted[order]
    starts = np.flatnonzero(np.concatenate([[True], series[1:] != series[:-1]]))

    def total(values: Array) -> Array:
        return np.add.reduceat(values.astype(float), starts)

    wrong = np.abs(truth - predicted)
    both = np.abs(truth) + np.abs(predicted)
    parts = {
        "records": total(np.ones(len(truth))),
        "absolute": total(wrong),
        "squared": total(wrong**2),
        "size": total(np.abs(truth)),
        "symmetric": total(np.divide(2 * wrong, both, out=np.zeros_like(wrong), where=both > 0)),
    }
    parts |= _scales(data, order, series, truth, starts)
    for level, values in data.quantiles.items():
        missed = truth - values[order]
        parts[f"pinball_{level:g}"] = total(np.maximum(level * missed, (level - 1) * missed))
    if len(data.quantiles) > 1:
        low, high = (data.quantiles[pick(data.quantiles)][order] for pick in (min, max))
        parts["covered"] = total((truth >= low) & (truth <= high))
    return parts


def _scales(data: Forecasts, order: Array, series: Array, truth: Array, starts: Array) -> dict[str, Array]:
    if data.scale is not None:
        scale = data.scale[order][starts]
        return {"scale": scale, "square_scale": scale**2}
    naive = np.zeros(len(truth))
    same = np.zeros(len(truth), bool)
    same[data.season :] = series[data.season :] == series[: -data.season] if data.season < len(truth) else False
    naive[same] = truth[same] - truth[np.flatnonzero(same) - data.season]
    compared = np.add.reduceat(same.astype(float), starts)
    absolute, squared = (np.add.reduceat(each, starts) for each in (np.abs(naive), naive**2))
    nothing = np.full(len(starts), np.nan)
    return {
        "scale": np.divide(absolute, compared, out=nothing.copy(), where=compared > 0),
        "square_scale": np.divide(squared, compared, out=nothing, where=compared > 0),
    }


def _scaled(parts: Mapping[str, Array], chosen: Array) -> dict[str, Array]:
    """MASE and RMSSE a series, of those with a scale above 0."""
    scale, square = parts["scale"][chosen], parts["square_scale"][chosen]
    known = (scale > 0) & (square > 0)
    if not known.any():
        return {}
    records = parts["records"][chosen][known]
    return {
        "mase": parts["absolute"][chosen][known] / records / scale[known],
        "rmsse": np.sqrt(parts["squared"][chosen][known] / records / square[known]),
    }


def _ratios(parts: Mapping[str, Array]) -> dict[str, tuple[str, str]]:
    """Metric to the sums that it is the ratio of."""
    found = {"smape": ("symmetric", "records"), "wape": ("absolute", "size")}
    found |= {name: (name, "records") for name in parts if name.startswith("pinball_")}
    return found | ({"coverage": ("covered", "records")} if "covered" in parts else {})


def _metrics(parts: Mapping[str, Array], chosen: Array) -> dict[str, float]:
    found = {name: float(values.mean()) for name, values in _scaled(parts, chosen).items()}
    for name, (above, below) in _ratios(parts).items():
        total = parts[below][chosen].sum()
        if total > 0:
            found[name] = float(parts[above][chosen].sum() / total)
    return found


def _errors(parts: Mapping[str, Array], values: Mapping[str, float]) -> dict[str, float]:
    count = len(parts["records"])
    if count < 2:
        return {}
    found = {
        name: float(each.std(ddof=1) / math.sqrt(len(each)))
        for name, each in _scaled(parts, np.arange(count)).items()
        if len(each) > 1
    }
    for name, (above, below) in _ratios(parts).items():
        if name in values:  # a ratio's error, by what each series adds beyond its share
            beyond = parts[above] - values[name] * parts[below]
            found[name] = float(beyond.std(ddof=1) / math.sqrt(count) / parts[below].mean())
    return found
