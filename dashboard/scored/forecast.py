"""How far probabilities can be trusted: against what became of those whom they were about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

Array = np.ndarray
_Z = 1.959963984540054  # of 95 %
_DRAWS = 4000
_OFF = np.linspace(-5, 5, 81)  # log-odds by which a group's probabilities may be off


@dataclass(frozen=True)
class Estimate:
    """A figure with what its interval of 95 % allows."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """Groups of held-out records by rising probability, as evaluation.json has them."""

    mean_probability: Sequence[float]
    observed_share: Sequence[float]
    records: Sequence[int]

    @classmethod
    def of(cls, evaluation: Mapping[str, Any]) -> Calibration | None:
        """None where the report has none."""
        found = evaluation.get("calibration") or {}
        columns = [found.get(name) or [] for name in ("mean_probability", "observed_share", "records")]
        return cls(*columns) if columns[0] and len({len(each) for each in columns}) == 1 else None

    @property
    def expected(self) -> float:
        """How many positives the probabilities promised."""
        return float(np.dot(self.mean_probability, self.records))

    @property
    def actual(self) -> int:
        return round(float(np.dot(self.observed_share, self.records)))

    @property
    def total(self) -> int:
        return int(np.sum(self.records))


def wilson(hits: float, count: int) -> Estimate:
    """A share with Wilson's score interval (1927), which holds for few records and for shares near 0 and 1, too."""
    if not count:
        return Estimate(0.0, 0.0, 1.0)
    share, spread = hits / count, _Z**2 / count
    centre = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * float(np.sqrt(share * (1 - share) / count + spread / (4 * count)))
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half))


def groups(probability: Array, truth: Array, count: int = 10) -> pd.DataFrame:
    """Records in so many groups of about equal size by rising probability: `predicted` (mean), `observed` (share) with
    `low` and `high`, `records`, and `expected` and `actual` positives.
    """
    parts = [part for part in np.array_split(np.argsort(probability, kind="stable"), count) if len(part)]
    rows = []
    for number, part in enumerate(parts, 1):
        hits = float(truth[part].sum())
        share = wilson(hits, len(part))
        rows.append(
            {
                "group": number,
                "predicted": float(probability[part].mean()),
                "observed": share.value,
                "low": share.low,
                "high": share.high,
                "records": len(part),
                "expected": float(probability[part].sum()),
                "actual": int(hits),
            }
        )
    return pd.DataFrame(rows)


def promised(probability: Array) -> Estimate:
    """How many positives there will be, if the probabilities are right: chance alone makes the interval
    (Poisson-binomial distribution).
    """
    from scipy.stats import norm, poisson_binom

    mean = float(probability.sum())
    if not len(probability):
        low, high = 0.0, 0.0
    elif len(probability) <= 1000:  # its ppf takes 62 probabilities at most: each is an operand of a ufunc
        below = poisson_binom.cdf(np.arange(len(probability) + 1), probability)
        low, high = np.searchsorted(below, [0.025, 0.975])
    else:  # exact to a fraction of a record by then
        deviation = float(np.sqrt((probability * (1 - probability)).sum()))
        low, high = norm.ppf([0.025, 0.975], mean, deviation).round() if deviation else (mean, mean)
    return Estimate(mean, max(0.0, float(low)), min(float(len(probability)), float(high)))


def at_risk(probability: Array, value: Array, held_out: Calibration | None, seed: int = 0) -> Estimate:
    """Sum of probability times value, as the model says it. The interval is what two things leave open: who of these
    happens to leave, and, with `held_out`, how far the probabilities of each group were off on so many records (draws
    from Jeffreys' posterior of the group's share). That the population has changed since is not in it.
    """
    said = float((probability * value).sum())
    random = np.random.default_rng(seed)
    expected, variance = _by_group(probability, value, held_out, random)
    drawn = expected + random.normal(size=_DRAWS) * np.sqrt(variance)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(said, max(0.0, float(low)), min(float(value.sum()), float(high)))


def _by_group(
    probability: Array, value: Array, held_out: Calibration | None, random: np.random.Generator
) -> tuple[Array, Array]:
    """Of each draw the expected sum and its variance."""
    if held_out is None:
        said = np.full(_DRAWS, (probability * value).sum())
        return said, np.full(_DRAWS, (value**2 * probability * (1 - probability)).sum())
    means = np.asarray(held_out.mean_probability, float)
    group = np.searchsorted((means[1:] + means[:-1]) / 2, probability)
    expected, variance = np.zeros(_DRAWS), np.zeros(_DRAWS)
    for number, (mean, share, count) in enumerate(zip(means, held_out.observed_share, held_out.records, strict=True)):
        own, worth = probability[group == number, None], value[group == number]
        if not len(worth):
            continue
        hits = share * count
        off = _log_odds(random.beta(hits + 0.5, count - hits + 0.5, _DRAWS)) - _log_odds(mean)
        # All odds of a group are off by one factor, which keeps their order; between the grid's points it is linear.
        risk = 1 / (1 + np.exp(-(_log_odds(own) + _OFF)))
        expected += np.interp(off, _OFF, worth @ risk)
        variance += np.interp(off, _OFF, worth**2 @ (risk * (1 - risk)))
    return expected, variance


def _log_odds(share: Any) -> Any:
    bounded = np.clip(share, 1e-9, 1 - 1e-9)
    return np.log(bounded / (1 - bounded))
