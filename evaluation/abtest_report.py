"""An A/B test for people: a sentence that a manager understands, then what it rests on."""

from __future__ import annotations

import functools
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

import abtest
import numpy as np
import report_pictures
from abtest_guardrails import BROKEN, KEPT, Guardrail
from abtest_plan import Metric, Plan
from abtest_sequential import FEWEST
from abtest_verdict import Finding, Outcome, State, Verdict
from analysis_report import Badge, Gauge, Picture, Report, Section, Table, Text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GOOD = {
    Outcome.B: True,
    Outcome.SAME: None,
    Outcome.OPEN: None,
    Outcome.A: False,
    Outcome.HARM: False,
    Outcome.MIXED: False,
    Outcome.INVALID: False,
}
WORDS = {"accuracy": "right answers", "brier": "Brier score", "value": "mean value"}
WHEN = (
    "The intervals hold at all times together: the test may be looked at and be stopped at any time. If both versions "
    "were alike, the chance of ever calling one better would be at most {alpha:.0%}, over all metrics."
)


def sentence(plan: Plan, verdict: Verdict) -> str:
    """For a manager: who is better, by how much, how sure, and what to do."""
    a, b = f"A (version {plan.a.version})", f"B (version {plan.b.version})"
    if verdict.outcome is Outcome.HARM:
        broken = next(each for each in verdict.guardrails if each.state == BROKEN)
        return f"{b} does harm: {_broken(broken)}. Keep {a}."
    if verdict.outcome is Outcome.INVALID:
        ratio = next(each for each in verdict.ratios if each.broken)
        return (
            f"The test can't be trusted: {ratio.counts[0]:,} {ratio.what} for A and {ratio.counts[1]:,} for B are not "
            f"the {_split(plan)} that was declared (p = {ratio.p_value:.1g}). Find out why before anything else."
        )
    if verdict.outcome in (Outcome.A, Outcome.B):
        wanted = State.BETTER if verdict.outcome is Outcome.B else State.WORSE
        found = next(each for each in verdict.findings if each.state is wanted)
        advice = f"Make {b} the only one." if wanted is State.BETTER else f"Keep {a}."
        return f"{b} is {wanted}: {_measured(found)}. {advice}"
    if verdict.outcome is Outcome.MIXED:
        better, worse = ([each for each in verdict.findings if each.state is s] for s in (State.BETTER, State.WORSE))
        return f"{b} is better and worse: {_measured(better[0])}, but {_measured(worse[0])}. Somebody has to choose."
    first = verdict.findings[0]
    if verdict.outcome is Outcome.SAME:
        return (
            f"There is no difference that matters: {_measured(first)}, and an effect of "
            f"{_amount(first.metric, first.smallest)} is ruled out. Keep {a}."
        )
    known = sum(first.sizes)
    so_far = f" So far {_measured(first)}." if min(first.sizes) >= 2 else ""
    return (
        f"Nothing is decided yet: the truth about {known:,} records is known, and {verdict.needed:,} to "
        f"{verdict.at_most:,} may be needed.{so_far} Keep both running."
    )


def _broken(guardrail: Guardrail) -> str:
    if guardrail.name == "errors":
        return f"{guardrail.b:.1%} of its requests fail, and {guardrail.a:.1%} of A's"
    return f"its answers take {guardrail.value:.2f} times as long as A's"


def _measured(found: Finding) -> str:
    metric, value = found.metric, float(found.effect.value)
    a, b = (_level(metric, each) for each in found.means)
    low, high = float(found.effect.low), float(found.effect.high)
    within = f", {_signed(metric, low)} to {_signed(metric, high)}" if math.isfinite(low) else ""
    return f"{what(metric)} are {b} with B and {a} with A ({_signed(metric, value)}{within})"


def what(metric: Metric) -> str:
    return WORDS.get(metric.text, metric.name)


def _level(metric: Metric, value: float) -> str:
    return f"{value:.1%}" if metric.is_share else f"{value:.4g}"


def _amount(metric: Metric, value: float) -> str:
    return f"{100 * value:.1f} points" if metric.is_share else f"{value:.3g}"


def _signed(metric: Metric, value: float) -> str:
    return f"{100 * value:+.1f}" + (" points" if metric.is_share else "") if metric.is_share else f"{value:+.3g}"


def _split(plan: Plan) -> str:
    return "/".join(f"{100 * share:g}" for share in plan.shares)


def report(plan: Plan, verdict: Verdict, end: datetime) -> Report:
    start = datetime.fromisoformat(plan.start)
    subtitle = (
        f"{plan.endpoint}: version {plan.a.version} (A) against version {plan.b.version} (B), {_split(plan)}, "
        f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
    )
    worse = [each.metric.name for each in verdict.findings if each.state is State.WORSE]
    named = [*worse, *(each.name for each in verdict.guardrails if each.state == BROKEN)]
    sections: list[Section] = [_metrics(plan, verdict)]
    sections += [_over_time(plan, each) for each in verdict.findings if each.looks]
    sections += [_guardrails(verdict), _ratios(verdict), _power(plan, verdict), _once(plan, verdict)]
    sections.append(_how(plan))
    return Report(
        f"A/B test of {plan.endpoint}", sentence(plan, verdict), GOOD[verdict.outcome], subtitle, named, sections
    )


def _metrics(plan: Plan, verdict: Verdict) -> Table:
    rows = []
    for each in verdict.findings:
        metric, effect = each.metric, each.effect
        sure = math.isfinite(float(effect.low))
        rows.append(
            (
                what(metric),
                _level(metric, each.means[0]),
                _level(metric, each.means[1]),
                _signed(metric, float(effect.value)) if sum(each.sizes) else None,
                f"{_signed(metric, float(effect.low))} to {_signed(metric, float(effect.high))}" if sure else None,
                each.adjusted if sure else None,
                f"{each.removed:.0%}" if each.removed is not None else None,
                Badge(each.state, {State.BETTER: True, State.WORSE: False}.get(each.state)),
            )
        )
    columns = ("Metric", "A", "B", "B less A", f"{1 - plan.alpha:.0%} interval", "p", "CUPED took", "B is")
    return Table("What B does better or worse", columns, rows, WHEN.format(alpha=plan.alpha))


def _over_time(plan: Plan, found: Finding) -> Picture:
    last = found.looks[-1]
    least = _amount(found.metric, found.smallest)
    note = f"The band holds at all times together. Dotted: {least}, the least that matters."
    alt = (
        f"Difference of {what(found.metric)} between B and A over the labelled records; at the end "
        f"{_signed(found.metric, last.value)}, {_signed(found.metric, last.low)} to {_signed(found.metric, last.high)}"
    )
    return Picture(
        f"{what(found.metric).capitalize()}: B less A, as the truth came in", functools.partial(_draw, found), alt, note
    )


def _draw(found: Finding) -> Figure:
    figure, axes = report_pictures.panel(3.0, 8.2, margins=(0.75, 0.5, 0.15, 0.15))
    at = [each.records for each in found.looks]
    values, low, high = (np.array([getattr(each, name) for each in found.looks]) for name in ("value", "low", "high"))
    axes.fill_between(at, low, high, color=report_pictures.CURRENT, alpha=0.2, linewidth=0)
    axes.plot(at, values, color=report_pictures.CURRENT, linewidth=1.8)
    axes.axhline(0, color=report_pictures.INK, linewidth=0.8)
    for limit in (-found.smallest, found.smallest):
        axes.axhline(limit, color=report_pictures.BASELINE, linewidth=0.9, linestyle=":")
    # The first looks are so wide that nothing else would be seen.
    reach = 1.15 * max(float(np.quantile(np.abs(np.concatenate([low, high])), 0.85)), 1.6 * found.smallest)
    axes.set(ylim=(-reach, reach), xlabel="labelled records of both", ylabel=f"{what(found.metric)}, B less A")
    axes.set_xlim(at[0], max(at[-1], at[0] + 1))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    if found.metric.is_share:
        report_pictures.percent(axes.yaxis, None)
    return figure


def _guardrails(verdict: Verdict) -> Table:
    rows = []
    for each in verdict.guardrails:
        share = each.name == "errors"
        level = (lambda value: None if value is None else f"{value:.2%}") if share else _milliseconds
        within = None
        if each.low is not None and each.high is not None:
            within = f"{each.low:+.2%} to {each.high:+.2%}" if share else f"{each.low:.2f} to {each.high:.2f} times"
        allowed = f"{each.limit:+.1%}" if share else f"{each.limit:.2f} times"
        badge = Badge(
            "open" if each.state not in (KEPT, BROKEN) else each.state, {KEPT: True, BROKEN: False}.get(each.state)
        )
        rows.append((each.name, level(each.a), level(each.b), within, allowed, badge, each.note or None))
    note = (
        "By CloudWatch's counts of all requests. Broken: B is certainly worse, and by more than is allowed. "
        "An open one doesn't keep B from winning."
    )
    return Table("Guardrails", ("Guardrail", "A", "B", "B against A", "Allowed", "", "Why"), rows, note)


def _milliseconds(value: float | None) -> str | None:
    return None if value is None else f"{1000 * value:.1f} ms"


def _ratios(verdict: Verdict) -> Table:
    rows = [
        (each.what, *each.counts, each.p_value, Badge("mismatch" if each.broken else "as declared", not each.broken))
        for each in verdict.ratios
    ]
    note = (
        f"χ². Below p = {abtest.SRM_LEVEL:g} something else than chance decides who gets which variant, or whose "
        "answer is known."
    )
    return Table("Sample ratio", ("What", "A", "B", "p", ""), rows, note)


def _power(plan: Plan, verdict: Verdict) -> Table:
    first = verdict.findings[0]
    known = sum(first.sizes)
    rows = [
        ("looked for", _amount(first.metric, first.smallest) if first.sizes[0] > 1 else f"{plan.effect:g}"),
        ("chance to find it", f"{plan.power:.0%}"),
        ("labelled records, if looked at once", verdict.needed),
        ("labelled records, if looked at at any time, at most about", verdict.at_most),
        ("known so far", known),
        ("", Gauge(known / verdict.at_most)),
    ]
    note = "Looking at any time costs the difference of the two; where the effect is larger the test ends much earlier."
    return Table("Power", (f"{what(first.metric)}", ""), rows, note)


def _once(plan: Plan, verdict: Verdict) -> Table:
    rows: list[Any] = []
    for each in verdict.findings:
        once, lift, ranks = each.once, each.lift, each.ranks
        if not math.isfinite(float(once.value)):
            continue
        rows.append(
            (
                what(each.metric),
                f"{_signed(each.metric, float(once.low))} to {_signed(each.metric, float(once.high))}",
                float(once.p_value),
                f"{100 * (float(lift.value) - 1):+.1f} %" if lift else None,
                f"{100 * (float(lift.low) - 1):+.1f} to {100 * (float(lift.high) - 1):+.1f} %" if lift else None,
                f"{float(ranks.superiority):.1%}" if ranks else None,
                float(ranks.p_value) if ranks else None,
            )
        )
    columns = ("Metric", "Interval", "p", "Lift", "Interval of the lift", "B's greater", "p (ranks)")
    note = (
        "What a test would say that is looked at this once and never else: z or Welch's t, Newcombe's interval for "
        "shares. Don't decide by it while the test runs. B's greater: chance that a value of B is the greater "
        "one (Mann–Whitney)."
    )
    return Table("At a single look", columns, rows, note)


def _how(plan: Plan) -> Text:
    paragraphs = [
        "A mixture sequential probability ratio test (Johari, Koomen, Pekelis, Walsh 2022) with the confidence "
        f"sequence that is its dual, no earlier than {FEWEST} records a side; several metrics by Holm. B wins when at "
        "least one metric is better and none is worse, no guardrail is broken and the traffic was split as declared.",
        "A label counts for its request whenever it comes. Where one kind of outcome becomes known earlier than "
        "another, wait until all of a period's are known.",
    ]
    if plan.unit == "customer":
        paragraphs.append("The records of one customer go together: variances are those of customers (delta method).")
    return Text("How it was judged", paragraphs)
