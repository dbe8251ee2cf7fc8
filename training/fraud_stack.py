"""One probability of several members: what each is worth, learnt on validation, and the threshold that costs least.

The stack is a logistic regression over the members' standardised scores without negative weights: with a weight for
each member and a base it has far fewer parameters than validation has frauds, and a penalty besides. Whether it is any
better than the best member alone, or than all of them weighing alike, is decided by forward chaining: learnt on
validation's earlier days, judged on the days after them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from fraud_scores import calibrated
from scipy.optimize import minimize
from sklearn.metrics import average_precision_score, log_loss

PENALTY = 1e-4  # on the squares of the weights, of the mean loss
PARTS = 5  # of validation, in the order of time: learnt on the first, judged on the second, and so on
BEST, ALIKE, STACK = "best member", "all alike", "stack"


@dataclass(frozen=True)
class Stack:
    """Log-odds are `base` + scores · `weights`; all scores as the members give them."""

    base: float
    weights: np.ndarray  # shape (members,)

    def log_odds(self, scores: np.ndarray) -> np.ndarray:
        """`scores`: shape (records, members)."""
        return np.asarray(self.base + scores @ self.weights)


@dataclass(frozen=True)
class Chosen:
    way: str
    stack: Stack
    ways: list[dict[str, Any]]  # what each was worth: `way`, `average_precision` on later days
    calibration: dict[str, float]  # for `fraud_scores.calibrated`
    calibrations: list[dict[str, Any]]  # what each was worth: `way`, `log_loss` on later days


def fit(scores: np.ndarray, answers: np.ndarray, fixed: np.ndarray | None = None) -> Stack:
    """Maximum likelihood with weights of 0 and more; with `fixed` ratios between them only their scale is learnt."""
    mean, spread = scores.mean(axis=0), scores.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    inputs = (scores - mean) / spread
    if fixed is not None:
        inputs = inputs @ fixed[:, np.newaxis]
    width = inputs.shape[1]

    def loss(found: np.ndarray) -> tuple[float, np.ndarray]:
        margins = found[0] + inputs @ found[1:]
        probability = 1 / (1 + np.exp(-np.clip(margins, -35, 35)))
        wrong = (probability - answers) / len(answers)
        value = np.mean(np.logaddexp(0, margins) - answers * margins) + PENALTY * (found[1:] ** 2).sum()
        return float(value), np.concatenate([[wrong.sum()], inputs.T @ wrong + 2 * PENALTY * found[1:]])

    share = np.clip(answers.mean(), 1e-6, 1 - 1e-6)
    start = np.concatenate([[np.log(share / (1 - share))], np.full(width, 1 / width)])
    bounds = [(None, None), *[(0, None)] * width]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    weights = found[1:] if fixed is None else found[1] * fixed
    return Stack(float(found[0] - (weights * mean / spread).sum()), weights / spread)


def best_member(scores: np.ndarray, answers: np.ndarray) -> Stack:
    """The one that ranks these records best alone: which one is learnt, too, so of earlier days only."""
    worth = [average_precision_score(answers, column) for column in scores.T]
    return fit(scores, answers, np.eye(len(worth))[int(np.argmax(worth))])


AS_IS = {"low": 1.0, "high": 1.0, "shift": 0.0}


def calibrate(log_odds: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    """For `fraud_scores.calibrated`, by maximum likelihood; both stretches are above 0, so no order changes."""

    def loss(found: np.ndarray) -> float:
        margins = found[2] - found[0] * np.logaddexp(0, -log_odds) + found[1] * np.logaddexp(0, log_odds)
        return float(np.mean(np.logaddexp(0, margins) - answers * margins))

    found = minimize(loss, np.array([1.0, 1.0, 0.0]), method="L-BFGS-B", bounds=[(0.1, 10), (0.1, 10), (-5, 5)]).x
    return dict(zip(AS_IS, map(float, found), strict=True))


def choose(scores: np.ndarray, answers: np.ndarray, parts: Sequence[np.ndarray]) -> Chosen:
    """The best way by forward chaining, fitted to all of validation; of equals the simplest.

    Args:
        scores: shape (records, members).
        parts: positions of the records, earlier ones first.
    """
    ways: dict[str, Callable[[np.ndarray, np.ndarray], Stack]] = {
        BEST: best_member,
        ALIKE: lambda inputs, truth: fit(inputs, truth, np.full(inputs.shape[1], 1 / inputs.shape[1])),
        STACK: fit,
    }
    judged: list[dict[str, Any]] = [
        {"way": name, "average_precision": chained(way, scores, answers, parts)} for name, way in ways.items()
    ]
    winner = str(max(judged, key=lambda each: each["average_precision"])["way"])
    calibration, losses = choose_calibration(ways[winner], scores, answers, parts)
    return Chosen(winner, ways[winner](scores, answers), judged, calibration, losses)


def chained(
    way: Callable[[np.ndarray, np.ndarray], Stack], scores: np.ndarray, answers: np.ndarray, parts: Sequence[np.ndarray]
) -> float:
    """Mean average precision of the parts after the first, each by weights of all the parts before it."""
    found = []
    for before, now in chain(answers, parts):
        stack = way(scores[before], answers[before])
        found.append(average_precision_score(answers[now], stack.log_odds(scores[now])))
    return float(np.mean(found)) if found else 0.0  # too few frauds to tell: the simplest way wins


def chain(answers: np.ndarray, parts: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Positions to learn from and, later ones, to judge by; where both have frauds."""
    for number in range(1, len(parts)):
        before, now = np.concatenate(parts[:number]), parts[number]
        if 0 < answers[before].sum() < len(before) and answers[now].any():
            yield before, now


def choose_calibration(
    way: Callable[[np.ndarray, np.ndarray], Stack], scores: np.ndarray, answers: np.ndarray, parts: Sequence[np.ndarray]
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """Calibrated if that lowers the log loss on later days, else as it is; and what each was worth."""
    losses = list[tuple[float, float]]()
    for before, now in chain(answers, parts):
        stack = way(scores[before], answers[before])
        known, new = stack.log_odds(scores[before]), stack.log_odds(scores[now])
        ways = (AS_IS, calibrate(known, answers[before]))
        losses.append(tuple(log_loss(answers[now], calibrated(new, each), labels=[0, 1]) for each in ways))  # type: ignore[arg-type]
    means = np.mean(losses, axis=0) if losses else np.zeros(2)
    judged: list[dict[str, Any]] = [
        {"way": name, "log_loss": float(each)} for name, each in zip(("as it is", "beta"), means, strict=True)
    ]
    better = bool(means[1] < means[0])
    return (calibrate(way(scores, answers).log_odds(scores), answers) if better else AS_IS), judged


def in_time(days: np.ndarray, parts: int = PARTS) -> list[np.ndarray]:
    """Positions of the records in parts of about as many days each; `days`: of each record, anything that sorts."""
    known = np.unique(days)
    return [np.flatnonzero(np.isin(days, some)) for some in np.array_split(known, min(parts, len(known))) if len(some)]


def cheapest(answers: np.ndarray, probability: np.ndarray, amounts: np.ndarray, alert_cost: float) -> float:
    """The threshold with the least cost: each alert takes an analyst's time, a fraud without one takes its amount.

    Of equals the highest. Above all probabilities where no alert is worth its cost.
    """
    order = np.argsort(-probability, kind="stable")
    ranked = probability[order]
    last = np.flatnonzero(np.concatenate([ranked[1:] != ranked[:-1], [True]]))
    saved = np.cumsum((answers * amounts)[order])[last]
    gain = np.concatenate([[0.0], saved - alert_cost * (last + 1)])
    place = int(np.argmax(gain))
    return float(ranked[last[place - 1]]) if place else float(np.nextafter(ranked[0], 2))
