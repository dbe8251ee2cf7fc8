"""An A/B test's verdict in one sentence that a manager understands."""

from __future__ import annotations

import math

from abtest_guardrails import BROKEN, Guardrail
from abtest_plan import Metric, Plan
from abtest_verdict import Finding, Outcome, State, Verdict


def sentence(plan: Plan, verdict: Verdict) -> str:
    """Who is better, by how much, how sure, and what to do."""
    a, b = f"A (version {plan.a.version})", f"B (version {plan.b.version})"
    first, outcome = verdict.findings[0], verdict.outcome
    if outcome is Outcome.HARM:
        broken = next(each for each in verdict.guardrails if each.state == BROKEN)
        return f"{b} does harm: {_broken(broken)}. Keep {a}."
    if outcome is Outcome.INVALID:
        ratio = next(each for each in verdict.ratios if each.broken)
        return (
            f"The test can't be trusted: {ratio.counts[0]:,} {ratio.what} for A and {ratio.counts[1]:,} for B are not "
            f"the {split(plan)} that was declared (p {p_value(ratio.p_value)}). Find out why before anything else."
        )
    if outcome is Outcome.MIXED:
        better, worse = (_those(verdict, each)[0] for each in (State.BETTER, State.WORSE))
        return f"{b} is better and worse: {_measured(better)}; but {_measured(worse)}. Somebody has to choose."
    if outcome is Outcome.B:
        return f"{b} is better: {_measured(_those(verdict, State.BETTER)[0])}. Make it the only one."
    if outcome is Outcome.A:
        return f"{b} is worse: {_measured(_those(verdict, State.WORSE)[0])}. Keep {a}."
    if outcome is Outcome.SAME:
        return (
            f"No difference that matters: {_measured(first)}. More than {amount(first.metric, first.smallest)} either "
            f"way are ruled out. Keep {a}."
        )
    so_far = f" So far {_measured(first)}." if min(first.sizes) >= 2 else ""
    return (
        f"Nothing is decided yet: the truth about {sum(first.sizes):,} records is known, and it may take "
        f"{verdict.needed:,} to {verdict.at_most:,}.{so_far} Keep both running."
    )


def _those(verdict: Verdict, state: State) -> list[Finding]:
    return [each for each in verdict.findings if each.state is state]


def _broken(guardrail: Guardrail) -> str:
    if guardrail.name == "errors":
        return f"{guardrail.b:.1%} of its requests fail, and {guardrail.a:.1%} of A's"
    return f"its answers take {guardrail.value:.2f} times as long as A's"


def _measured(found: Finding) -> str:
    metric, value = found.metric, float(found.effect.value)
    a, b = (level(metric, each) for each in found.means)
    within = ""
    if math.isfinite(float(found.effect.low)):
        within = f" ({interval(metric, found.effect.low, found.effect.high)})"
    if metric.is_share:
        return f"{b} {_of(metric)} with B and {a} with A, {signed(metric, value)} points{within}"
    return f"{metric.name} is {b} with B and {a} with A, {signed(metric, value)}{within}"


def _of(metric: Metric) -> str:
    return "of the answers are right" if metric.text == "accuracy" else f"are {metric.name}"


def split(plan: Plan) -> str:
    return "/".join(f"{100 * share:g}" for share in plan.shares)


def level(metric: Metric, value: float) -> str:
    """A variant's own value."""
    return f"{value:.1%}" if metric.is_share else f"{value:.4g}"


def amount(metric: Metric, value: float) -> str:
    """A difference without its sign."""
    return f"{100 * value:.1f} points" if metric.is_share else f"{value:.3g}"


def signed(metric: Metric, value: float) -> str:
    """A difference; of shares in points."""
    return f"{100 * value:+.1f}" if metric.is_share else f"{value:+.3g}"


def interval(metric: Metric, low: float, high: float) -> str:
    return f"{signed(metric, float(low))} to {signed(metric, float(high))}"


def p_value(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}" if value < 0.1 else f"{value:.2f}"
