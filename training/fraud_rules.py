"""The baseline: a handful of rules with thresholds, found in the training data and readable as a bank writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from fraud_scores import Rules

QUANTILES = (0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995)
Z = 1.96  # of the interval that a rule's precision is judged by: a rule that met three frauds has not shown much


@dataclass(frozen=True)
class Rule:
    feature: int
    threshold: float
    above: bool  # from the threshold on, or below it
    records: int  # that it is the first to meet
    frauds: int  # among them


def fit(matrix: np.ndarray, answers: np.ndarray, share: float, most: int) -> tuple[Rules, list[Rule]]:
    """Greedy: always the rule with the highest precision among the records that no rule before it met.

    Args:
        share: of all frauds, that a rule has to find at least.
        most: rules.
    """
    rules, left = list[Rule](), np.ones(len(answers), dtype=bool)
    cuts = [np.unique(np.quantile(column, QUANTILES, method="nearest")) for column in matrix.T]
    bins = [np.searchsorted(each, column, side="right") for each, column in zip(cuts, matrix.T, strict=True)]
    least = max(3.0, share * answers.sum())
    while len(rules) < most and left.any():
        found = [_best(column, cuts[column], bins[column][left], answers[left], least) for column in range(len(cuts))]
        score, rule = max(found, key=lambda each: each[0])
        if rule is None or score <= 0:
            break
        rules.append(rule)
        place = int(np.searchsorted(cuts[rule.feature], rule.threshold))
        left &= (bins[rule.feature] > place) != rule.above
    rest = float(answers[left].mean()) if left.any() else 0.0
    precision = np.array([(each.frauds + 0.5) / (each.records + 1) for each in rules] + [max(rest, 1e-6)])
    table = Rules(
        np.array([each.feature for each in rules], dtype=int),
        np.array([each.threshold for each in rules], dtype=float),
        np.array([each.above for each in rules], dtype=bool),
        np.log(precision / (1 - precision)),
    )
    return table, rules


def _best(
    column: int, cuts: np.ndarray, bins: np.ndarray, answers: np.ndarray, least: float
) -> tuple[float, Rule | None]:
    """The feature's best threshold by the lower end of the precision's interval (Wilson, 1927); 0 where none is worth
    anything.
    """
    total = np.bincount(bins, minlength=len(cuts) + 1).cumsum()
    frauds = np.bincount(bins, weights=answers, minlength=len(cuts) + 1).cumsum()
    below, wrong = total[:-1], frauds[:-1]
    best: tuple[float, Rule | None] = (0.0, None)
    for above, records, found in ((True, total[-1] - below, frauds[-1] - wrong), (False, below, wrong)):
        score = np.where((found >= least) & (found * total[-1] > records * frauds[-1]), wilson(found, records), 0.0)
        place = int(score.argmax())
        if score[place] > best[0]:
            rule = Rule(column, float(cuts[place]), above, int(records[place]), int(found[place]))
            best = (float(score[place]), rule)
    return best


def wilson(found: np.ndarray, records: np.ndarray) -> np.ndarray:
    """Of a share, the lower end of its 95 % interval."""
    records = np.maximum(records, 1)
    share = found / records
    middle = share + Z**2 / (2 * records)
    root = Z * np.sqrt(share * (1 - share) / records + (Z / (2 * records)) ** 2)
    return np.asarray((middle - root) / (1 + Z**2 / records))


def told(rules: Sequence[Rule], features: Sequence[str]) -> list[dict[str, Any]]:
    """The rules in words, first one first."""
    return [
        {
            "rule": f"{features[each.feature]} {'≥' if each.above else '<'} {each.threshold:.4g}",
            "transactions": each.records,
            "frauds": each.frauds,
        }
        for each in rules
    ]
