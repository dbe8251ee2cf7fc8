"""What a model of rare events over time is worth: found in the few records that anyone has time for, and in money.

Records of one day belong together, so resamples draw whole days (a block bootstrap; Künsch, 1989), the same days for
every model that is compared: `weights` has a row a resample and says how often each record was drawn with its day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import classification_metrics as metrics
import numpy as np
import pandas as pd

ENSEMBLE, BASELINE = "ensemble", "rules"  # by name, where a model is made of members
LEVEL = 0.95
AT_ONCE = 4_000_000  # weights held in memory at a time: 32 MB
# Of probabilities: most records lie near 0, so groups of equal size would say little about those that matter.
EDGES = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Events:
    """A split; all arrays of shape (records,)."""

    answers: np.ndarray  # 0 or 1
    days: np.ndarray  # text, YYYY-MM-DD
    cards: np.ndarray  # whose
    amounts: np.ndarray
    scenarios: np.ndarray  # what kind of event, 0 of those that are none

    def __len__(self) -> int:
        return len(self.answers)


def day_counts(days: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """How often each day is drawn, shape (resamples, days), days in order."""
    known = len(np.unique(days))
    return np.random.default_rng(seed).multinomial(known, np.full(known, 1 / known), size=resamples)


def resampled(
    events: Events, scores: np.ndarray, threshold: float, counts: np.ndarray, ranking_only: bool = False
) -> dict[str, np.ndarray]:
    """`classification_metrics.metrics` of each resample, arrays of shape (resamples,)."""
    places = np.unique(events.days, return_inverse=True)[1]
    at_once, parts = max(1, AT_ONCE // len(events)), []
    for start in range(0, len(counts), at_once):
        weights = counts[start : start + at_once][:, places].astype(float)
        parts.append(
            metrics.ranking(events.answers, scores, weights)
            if ranking_only
            else metrics.metrics(events.answers, scores, threshold, weights)
        )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else {}


def interval(value: float, drawn: np.ndarray) -> dict[str, Any]:
    """As evaluation.json has a metric."""
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {
        "value": float(value),
        "standard_deviation": float(drawn.std(ddof=1)) if len(drawn) > 1 else 0.0,
        "confidence_interval": {"level": LEVEL, "lower": float(low), "upper": float(high)},
    }


def lead(ours: np.ndarray, theirs: np.ndarray, difference: float) -> dict[str, Any]:
    """Paired: of a metric's values on the same resamples; `difference` on the whole. p is two-sided, and never below
    2 / (resamples + 1) (Efron and Tibshirani, 1993).
    """
    drawn = ours - theirs
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    beyond = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    p = min(1.0, 2 * (beyond + 1) / (len(drawn) + 1))
    return {"difference": float(difference), "level": LEVEL, "interval": [float(low), float(high)], "p": float(p)}


def average_precision(answers: np.ndarray, scores: np.ndarray) -> float:
    return float(metrics.ranking(answers, scores, np.ones((1, len(answers))))["average_precision"][0])


def card_precision(events: Events, scores: np.ndarray, top: int) -> pd.DataFrame:
    """By day: of the `top` cards with the highest score of one of their transactions, the share with a fraud that day.

    As the Fraud Detection Handbook defines it (chapter 4, "Precision top-k metrics"): a card whose fraud was found is
    blocked, and its later transactions count no more. Columns `card_precision`, `possible` (what a model that knows all
    could reach on the day) and `compromised`, the cards with a fraud that were not found before.
    """
    table = pd.DataFrame({"day": events.days, "card": events.cards, "fraud": events.answers, "score": scores})
    blocked: set[Any] = set()
    found = {}
    for day, part in table.groupby("day", sort=True):
        cards = part[~part["card"].isin(blocked)].groupby("card")[["score", "fraud"]].max()
        first = cards.sort_values("score", ascending=False, kind="stable").head(top)
        caught, compromised = first.index[first["fraud"] == 1], int(cards["fraud"].sum())
        found[day] = (len(caught) / top, min(compromised, top) / top, compromised)
        blocked |= set(caught)
    return pd.DataFrame.from_dict(found, orient="index", columns=["card_precision", "possible", "compromised"])


def cost(events: Events, alerts: np.ndarray, alert_cost: float) -> float:
    """Euros: of the alerts, and the amounts of frauds without one."""
    return float(alert_cost * alerts.sum() + events.amounts[(events.answers == 1) & ~alerts].sum())


def spent(events: Events, alerts: Mapping[str, np.ndarray], alert_cost: float) -> dict[str, dict[str, float]]:
    """Of each model, euros for its `alerts`, of the frauds that it `missed`, and in `total`."""
    found = {}
    for name, each in alerts.items():
        total, paid = cost(events, each, alert_cost), float(alert_cost * each.sum())
        found[name] = {"alerts": paid, "missed": total - paid, "total": total}
    return found


def costs(events: Events, scores: np.ndarray, alert_cost: float) -> tuple[np.ndarray, np.ndarray]:
    """Every threshold that matters, falling from one above all scores, and the cost there; both of the same shape."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.flatnonzero(np.concatenate([ranked[1:] != ranked[:-1], [True]]))
    lost = events.answers * events.amounts
    saved = np.cumsum(lost[order])[last]
    total = lost.sum() + np.concatenate([[0.0], alert_cost * (last + 1) - saved])
    return np.concatenate([[np.nextafter(ranked[0], np.inf)], ranked[last]]), total


def calibration(answers: np.ndarray, probability: np.ndarray) -> dict[str, Any]:
    """Mean probability against observed share by range of the probability, and over all: the expected calibration error
    (Naeini et al., 2015), the Brier score, and its skill against the share of events (0 is as good as that, 1 perfect).
    """
    groups = np.clip(np.digitize(probability, EDGES) - 1, 0, len(EDGES) - 2)
    parts = [np.flatnonzero(groups == group) for group in range(len(EDGES) - 1)]
    rows: list[dict[str, Any]] = [
        {
            "from": EDGES[group],
            "to": EDGES[group + 1],
            "records": len(part),
            "mean_probability": float(probability[part].mean()),
            "observed_share": float(answers[part].mean()),
            "interval": wilson(int(answers[part].sum()), len(part)),
        }
        for group, part in enumerate(parts)
        if len(part)
    ]
    brier = float(np.mean((probability - answers) ** 2))
    reference = float(np.mean((answers.mean() - answers) ** 2))
    off = sum(each["records"] * abs(each["mean_probability"] - each["observed_share"]) for each in rows)
    return {
        "groups": rows,
        "expected_calibration_error": off / len(answers),
        "brier": brier,
        "brier_skill": 1 - brier / reference if reference else 0.0,
        "mean_probability": float(probability.mean()),
        "observed_share": float(answers.mean()),
    }


def wilson(found: int, records: int, z: float = 1.96) -> list[float]:
    """The 95 % interval of a share (Wilson, 1927)."""
    share = found / records
    middle, root = (
        share + z**2 / (2 * records),
        z * np.sqrt(share * (1 - share) / records + (z / (2 * records)) ** 2),
    )
    return [float((middle + side * root) / (1 + z**2 / records)) for side in (-1, 1)]


def by_day(events: Events, probability: np.ndarray, threshold: float, alert_cost: float, top: int) -> pd.DataFrame:
    """A row a day: records, frauds, alerts, precision, recall, average precision, cost, and `card_precision`'s."""
    alerts, rows = probability >= threshold, {}
    for day in np.unique(events.days):
        at = events.days == day
        part = Events(*(values[at] for values in vars(events).values()))
        caught = int((alerts[at] & (part.answers == 1)).sum())
        rows[day] = {
            "transactions": len(part),
            "frauds": int(part.answers.sum()),
            "alerts": int(alerts[at].sum()),
            "precision": caught / max(int(alerts[at].sum()), 1),
            "recall": caught / max(int(part.answers.sum()), 1),
            "average_precision": average_precision(part.answers, probability[at]),
            "cost": cost(part, alerts[at], alert_cost),
            "cost_without_model": float(part.amounts[part.answers == 1].sum()),
        }
    return pd.DataFrame.from_dict(rows, orient="index").join(card_precision(events, probability, top))


def by_scenario(
    events: Events, scores: Mapping[str, np.ndarray], thresholds: Mapping[str, float], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Of each kind of event: its records, and of each model how well it tells them from records without one, and the
    share that gets an alert. `names` are by the scenario's number as text.
    """
    found = []
    for scenario in np.unique(events.scenarios[events.answers == 1]):
        at = (events.answers == 0) | (events.scenarios == scenario)
        own = (events.answers == 1) & (events.scenarios == scenario)
        found.append(
            {
                "scenario": int(scenario),
                "name": names.get(str(scenario), f"scenario {scenario}"),
                "frauds": int(own.sum()),
                "amount": float(events.amounts[own].sum()),
                "average_precision": {
                    name: average_precision(events.answers[at], each[at]) for name, each in scores.items()
                },
                "recall": {name: float((each[own] >= thresholds[name]).mean()) for name, each in scores.items()},
            }
        )
    return found
