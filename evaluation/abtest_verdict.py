"""What an A/B test has shown so far, by its plan: each metric by the sequential test, then one verdict.

It may be asked at any time, as often as one likes: the chance that B is ever called better or worse on a metric though
both are alike is at most the plan's alpha, over all metrics together (Holm).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import abtest
import abtest_cuped
import abtest_power
import abtest_sequential
import numpy as np
from abtest_guardrails import BROKEN, Guardrail
from abtest_plan import Metric, Plan
from abtest_samples import Sample

LOOKS = 80  # of the picture over time


class State(StrEnum):
    """Of a metric, seen from B."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "the same"  # no effect that matters is possible any more
    OPEN = "open"


class Outcome(StrEnum):
    INVALID = "invalid"
    HARM = "harm"
    B = "b"
    A = "a"
    MIXED = "mixed"
    SAME = "same"
    OPEN = "open"


@dataclass(frozen=True)
class Look:
    """The confidence sequence when so much was known."""

    time: np.datetime64
    records: int  # of both sides
    a: float  # means
    b: float
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Finding:
    """Of a metric. `effect` is B less A with the confidence sequence and its p-value; `once` is what a test of fixed
    size would say, which holds for one look alone.
    """

    metric: Metric
    sizes: tuple[int, int]  # labelled records
    means: tuple[float, float]  # as they are, without CUPED
    effect: abtest_sequential.Sequence
    once: abtest.Effect
    adjusted: float  # p-value by Holm
    smallest: float  # effect that matters, in the metric's units
    state: State
    lift: abtest.Effect | None  # B over A
    ranks: abtest.Ranks | None
    removed: float | None  # share of the variance that CUPED took away
    looks: list[Look]


@dataclass(frozen=True)
class Ratio:
    """A check for a sample-ratio mismatch."""

    what: str
    counts: tuple[int, int]
    p_value: float

    @property
    def broken(self) -> bool:
        return self.p_value < abtest.SRM_LEVEL


@dataclass(frozen=True)
class Verdict:
    outcome: Outcome
    winner: str  # A, B or nobody's: ""
    ratios: list[Ratio]
    findings: list[Finding]
    guardrails: list[Guardrail]
    needed: int  # labelled records of both sides for the plan's effect and power, by a test of fixed size
    at_most: int  # the same when it may be looked at at any time

    @property
    def decided(self) -> bool:
        return self.outcome not in (Outcome.INVALID, Outcome.MIXED, Outcome.OPEN)


def sizes(plan: Plan) -> tuple[int, int]:
    """Labelled records of both sides: by a test of fixed size, and by one that may be looked at at any time."""
    share_a, share_b = plan.shares
    baseline = plan.baseline if plan.metrics[0].is_share else None
    once = abtest_power.together(baseline, plan.effect, plan.power, plan.alpha, share_b / share_a)
    return once, round(once * abtest_sequential.size_factor(plan.effect, plan.power, plan.alpha))


def judge(
    plan: Plan,
    samples: Mapping[str, tuple[Sample, Sample]],
    counts: Mapping[str, tuple[int, int]],
    guardrails: Sequence[Guardrail],
) -> Verdict:
    """`samples`: by the metrics' names; `counts`: what was assigned to A and B, by what it is."""
    ratios = [Ratio(what, each, abtest.sample_ratio(each, plan.shares)) for what, each in counts.items() if sum(each)]
    findings = [_finding(plan, metric, *samples[metric.name]) for metric in plan.metrics]
    adjusted = abtest.holm([float(each.effect.p_value) for each in findings])
    findings = [_decided(each, p, plan.alpha) for each, p in zip(findings, adjusted, strict=True)]
    outcome, winner = _outcome(ratios, findings, guardrails)
    return Verdict(outcome, winner, ratios, findings, list(guardrails), *sizes(plan))


def _outcome(
    ratios: Sequence[Ratio], findings: Sequence[Finding], guardrails: Sequence[Guardrail]
) -> tuple[Outcome, str]:
    """A broken guardrail counts before a mismatch: where B fails, its requests are missing from what was captured."""
    if any(each.state == BROKEN for each in guardrails):
        return Outcome.HARM, "A"
    if any(each.broken for each in ratios):
        return Outcome.INVALID, ""
    states = {each.state for each in findings}
    if {State.BETTER, State.WORSE} <= states:
        return Outcome.MIXED, ""
    if State.WORSE in states:
        return Outcome.A, "A"
    if State.BETTER in states:
        return Outcome.B, "B"
    return (Outcome.SAME, "A") if states == {State.SAME} else (Outcome.OPEN, "")


def _finding(plan: Plan, metric: Metric, a: Sample, b: Sample) -> Finding:
    means = (_mean(a.values), _mean(b.values))
    if min(len(a.values), len(b.values)) < 2:
        nothing = abtest_sequential.always_valid(np.nan, np.nan, 1.0)
        never = abtest.Effect(np.nan, np.nan, np.nan, 1.0, np.nan)
        counted = (len(a.values), len(b.values))
        return Finding(metric, counted, means, nothing, never, 1.0, plan.effect, State.OPEN, None, None, None, [])
    deviation = 1.0 if metric.is_share else float(np.std(a.values, ddof=1))
    smallest = plan.effect * deviation
    plain_a, plain_b, removed = a, b, None
    if a.covariate is not None and b.covariate is not None:
        found = abtest_cuped.cuped(a.values, a.covariate, b.values, b.covariate)
        a, b, removed = replace(a, values=found.a), replace(b, values=found.b), float(found.removed)
    mixture = abtest_sequential.mixture_of(smallest) if smallest else 1.0
    return Finding(
        metric=metric,
        sizes=(len(a.values), len(b.values)),
        means=means,
        effect=_sequence(plan, a, b, mixture),
        once=_once(plan, metric, a, b, removed),
        adjusted=1.0,
        smallest=smallest,
        state=State.OPEN,
        lift=_lift(metric, plain_a.values, plain_b.values) if plan.unit == "request" else None,
        ranks=None if metric.is_share else abtest.mann_whitney(plain_a.values, plain_b.values),
        removed=removed,
        looks=_looks(plan, a, b, mixture),
    )


def _decided(finding: Finding, adjusted: float, alpha: float) -> Finding:
    value, low, high = (float(each) for each in (finding.effect.value, finding.effect.low, finding.effect.high))
    state = State.OPEN
    if adjusted <= alpha:
        state = State.BETTER if (value > 0) is not finding.metric.lower_is_better else State.WORSE
    elif -finding.smallest < low and high < finding.smallest:
        state = State.SAME
    return replace(finding, adjusted=adjusted, state=state)


def _estimate(sample: Sample, unit: str) -> tuple[float, float, int]:
    """Mean, variance of that estimate, and number of units."""
    if unit == "request":
        return float(np.mean(sample.values)), float(abtest.mean_variance(sample.values)), len(sample.values)
    counts = np.bincount(sample.units)
    counts, sums = counts[counts > 0], np.bincount(sample.units, sample.values)[counts > 0]
    if len(counts) < 2:
        return float(np.mean(sample.values)), 0.0, len(counts)
    mean, variance = abtest.clustered_mean(sums, counts)
    return float(mean), float(variance), len(counts)


def _sequence(plan: Plan, a: Sample, b: Sample, mixture: float) -> abtest_sequential.Sequence:
    (mean_a, variance_a, size_a), (mean_b, variance_b, size_b) = _estimate(a, plan.unit), _estimate(b, plan.unit)
    return abtest_sequential.always_valid(
        mean_b - mean_a, variance_a + variance_b, mixture, plan.alpha, min(size_a, size_b)
    )


def _once(plan: Plan, metric: Metric, a: Sample, b: Sample, removed: float | None) -> abtest.Effect:
    level = 1 - plan.alpha
    if plan.unit == "request" and metric.is_share and removed is None:
        counts = a.values.sum(), len(a.values), b.values.sum(), len(b.values)
        low, high = abtest.newcombe(*counts, level)
        return replace(abtest.two_proportions(*counts, level), low=low, high=high)
    if plan.unit == "request":
        return abtest.welch(a.values, b.values, level)
    return abtest.normal(*(each[:2] for each in (_estimate(a, plan.unit), _estimate(b, plan.unit))), level)


def _lift(metric: Metric, a: np.ndarray, b: np.ndarray) -> abtest.Effect | None:
    if min(a.mean(), b.mean()) <= 0:
        return None
    return abtest.risk_ratio(a.sum(), len(a), b.sum(), len(b)) if metric.is_share else abtest.ratio_of_means(a, b)


def _looks(plan: Plan, a: Sample, b: Sample, mixture: float) -> list[Look]:
    """As if one had looked now and then, in the order of the requests. Times have whole seconds: within one the
    variants' requests are taken by turns.
    """
    times = np.concatenate([a.times, b.times])
    turns = np.concatenate([np.arange(len(each.times)) / max(len(each.times), 1) for each in (a, b)])
    order = np.lexsort((turns, times))
    seen_b = np.cumsum(order >= len(a.times))
    looks = []
    for place in np.unique(np.linspace(0, len(order) - 1, LOOKS + 1).astype(int)[1:]):
        first, second = _first(a, place + 1 - seen_b[place]), _first(b, seen_b[place])
        if min(len(first.values), len(second.values)) < 2:
            continue
        found = _sequence(plan, first, second, mixture)
        if np.isfinite(found.low):
            means = _mean(first.values), _mean(second.values)
            bounds = float(found.value), float(found.low), float(found.high)
            looks.append(Look(times[order[place]], int(place) + 1, *means, *bounds))
    return looks


def _first(sample: Sample, count: int) -> Sample:
    return Sample(sample.values[:count], sample.times[:count], sample.units[:count])


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")
