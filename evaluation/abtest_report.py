"""An A/B test for people: the verdict, then what it rests on."""

from __future__ import annotations

import functools
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

import abtest
import abtest_words as words
import numpy as np
import report_pictures
from abtest_guardrails import BROKEN, KEPT, Guardrail
from abtest_plan import Plan
from abtest_sequential import FEWEST
from abtest_verdict import Finding, Outcome, State, Verdict
from analysis_report import Badge, Picture, Report, Section, Table, Text
from scipy import stats

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GOOD = {Outcome.B: True, Outcome.SAME: None, Outcome.OPEN: None}  # the others are bad news
A, B, BOTH = report_pictures.MORE[0], report_pictures.CURRENT, report_pictures.INK
WHEN = (
    "The intervals hold at all times together: the test may be looked at and be stopped at any time. If both versions "
    "were alike, the chance of ever calling one better would be at most {alpha:.0%}, over all metrics. Shares are "
    "compared in points of a hundred."
)
ONCE = (
    "What a test would say that is looked at this once and never else: z or Welch's t, Newcombe's interval for shares. "
    "Don't decide by it while the test runs. Would find: the effect that a test of this many records finds with the "
    "chance that was asked for. B's greater: chance that a value of B is the greater one (Mann–Whitney)."
)


def report(plan: Plan, verdict: Verdict, end: datetime) -> Report:
    start = datetime.fromisoformat(plan.start)
    subtitle = (
        f"Version {plan.a.version} (A, {plan.a.name}) against version {plan.b.version} (B, {plan.b.name}), "
        f"{words.split(plan)}, {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"
    )
    worse = [each.metric.name for each in verdict.findings if each.state is State.WORSE]
    named = [*worse, *(each.name for each in verdict.guardrails if each.state == BROKEN)]
    sections: list[Section] = [_metrics(plan, verdict)]
    sections += [_over_time(each) for each in verdict.findings if each.looks]
    sections += [_guardrails(verdict), _ratios(verdict), _power(plan, verdict), _once(plan, verdict), _how(plan)]
    good = GOOD.get(verdict.outcome, False)
    return Report(f"A/B test of {plan.endpoint}", words.sentence(plan, verdict), good, subtitle, named, sections)


def _metrics(plan: Plan, verdict: Verdict) -> Table:
    rows = []
    for each in verdict.findings:
        metric, effect = each.metric, each.effect
        sure = math.isfinite(float(effect.low))
        rows.append(
            (
                metric.text,
                Badge(each.state, {State.BETTER: True, State.WORSE: False}.get(each.state)),
                *(words.level(metric, mean) for mean in each.means),
                words.signed(metric, float(effect.value)) if min(each.sizes) > 1 else None,
                words.interval(metric, effect.low, effect.high) if sure else None,
                words.p_value(each.adjusted) if sure else None,
                f"{each.removed:.0%}" if each.removed is not None else None,
            )
        )
    columns = ("Metric", "B is", "A", "B", "B less A", f"{1 - plan.alpha:.0%} interval", "p", "CUPED took")
    return Table("What B does better or worse", columns, rows, WHEN.format(alpha=plan.alpha))


def _over_time(found: Finding) -> Picture:
    metric, last = found.metric, found.looks[-1]
    note = (
        f"In the order of the requests. The band holds at all times together; dotted: "
        f"{words.amount(metric, found.smallest)}, the least that matters."
    )
    alt = (
        f"{metric.name} of A and B, and their difference, over the labelled records; at the end "
        f"{words.signed(metric, last.value)} ({words.interval(metric, last.low, last.high)})"
    )
    draw = functools.partial(lambda shown: [_draw_levels(shown), _draw_difference(shown)], found)
    return Picture(f"{metric.name.capitalize()}, as the truth came in", draw, alt, note)


def _draw_levels(found: Finding) -> Figure:
    figure, axes = report_pictures.panel(margins=(0.78, 0.5, 0.15, 0.32))
    at = [each.records for each in found.looks]
    for name, values, colour in (
        ("A", [each.a for each in found.looks], A),
        ("B", [each.b for each in found.looks], B),
    ):
        axes.plot(at, values, color=colour, linewidth=1.8, label=name)
    axes.set_ylabel(found.metric.name)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, borderaxespad=0.2, frameon=False)
    _finish(axes, found)
    return figure


def _draw_difference(found: Finding) -> Figure:
    figure, axes = report_pictures.panel(margins=(0.78, 0.5, 0.15, 0.32))
    at = [each.records for each in found.looks]
    values, low, high = (np.array([getattr(each, name) for each in found.looks]) for name in ("value", "low", "high"))
    axes.fill_between(at, low, high, color=BOTH, alpha=0.18, linewidth=0)
    axes.plot(at, values, color=BOTH, linewidth=1.8)
    axes.axhline(0, color=BOTH, linewidth=0.8)
    for limit in (-found.smallest, found.smallest):
        axes.axhline(limit, color=report_pictures.BASELINE, linewidth=1, linestyle=":")
    # The first looks are so wide that nothing else would be seen.
    reach = 1.1 * max(float(np.quantile(np.abs(np.concatenate([low, high])), 0.8)), 1.5 * found.smallest)
    top, bottom = min(reach, 1.1 * max(high.max(), found.smallest)), max(-reach, 1.1 * min(low.min(), -found.smallest))
    axes.set(ylim=(bottom, top), ylabel="B less A")
    _finish(axes, found)
    return figure


def _finish(axes: Any, found: Finding) -> None:
    first, last = found.looks[0].records, found.looks[-1].records
    axes.set(xlabel="labelled records of both", xlim=(first, max(last, first + 1)))
    axes.locator_params(nbins=6)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    if found.metric.is_share:
        report_pictures.percent(axes.yaxis, None)


def _guardrails(verdict: Verdict) -> Table:
    note = (
        "By CloudWatch's counts of all requests. Broken: B is certainly worse, and by more than is allowed. "
        "An open one doesn't keep B from winning."
    )
    columns = ("Guardrail", "It is", "A", "B", "B against A", "Allowed", "Why")
    return Table("Guardrails", columns, [_guardrail(each) for each in verdict.guardrails], note)


def _guardrail(each: Guardrail) -> tuple[Any, ...]:
    state = Badge(each.state, {KEPT: True, BROKEN: False}.get(each.state))
    levels: list[str | None]
    if each.name == "errors":
        levels = [None if value is None else f"{value:.2%}" for value in (each.a, each.b)]
        within, allowed = f"{100 * (each.low or 0):+.2f} to {100 * (each.high or 0):+.2f}", f"{100 * each.limit:+.2f}"
    else:
        levels = [None if value is None else f"{1000 * value:.1f} ms" for value in (each.a, each.b)]
        within, allowed = f"× {each.low or 0:.2f} to {each.high or 0:.2f}", f"× {each.limit:.2f}"
    return each.name, state, *levels, within if each.low is not None else None, allowed, each.note or None


def _ratios(verdict: Verdict) -> Table:
    rows = [
        (
            each.what,
            Badge("mismatch" if each.broken else "as declared", not each.broken),
            *each.counts,
            words.p_value(each.p_value),
        )
        for each in verdict.ratios
    ]
    note = (
        f"χ². Below p = {abtest.SRM_LEVEL:g} something else than chance decides who gets which variant, or whose "
        "answer is known."
    )
    return Table("Sample ratio", ("What", "Split", "A", "B", "p"), rows, note)


def _power(plan: Plan, verdict: Verdict) -> Table:
    first = verdict.findings[0]
    sought = words.amount(first.metric, plan.effect) if first.metric.is_share else f"{plan.effect:g} std. dev."
    known = sum(first.sizes)
    row = (sought, f"{plan.power:.0%}", verdict.needed, verdict.at_most, known, f"{known / verdict.at_most:.0%}")
    columns = ("Looked for", "Chance to find it", "Records, one look", "At any time, up to", "Known", "Of that")
    note = "Looking at any time costs the difference of the two; where the effect is larger the test ends much earlier."
    return Table("Power", columns, [row], note)


def _once(plan: Plan, verdict: Verdict) -> Table:
    rows = [_at_once(plan, each) for each in verdict.findings if math.isfinite(float(each.once.value))]
    columns = ("Metric", "Interval", "p", "Would find", "Lift", "Interval of the lift", "B's greater", "p (ranks)")
    return Table("At a single look", columns, rows, ONCE)


def _at_once(plan: Plan, found: Finding) -> tuple[Any, ...]:
    metric, once, lift, ranks = found.metric, found.once, found.lift, found.ranks
    error = float(once.high - once.low) / 2 / stats.norm.isf(plan.alpha / 2)
    finds = error * (stats.norm.isf(plan.alpha / 2) + stats.norm.ppf(plan.power))
    return (
        metric.text,
        words.interval(metric, once.low, once.high),
        words.p_value(float(once.p_value)),
        words.amount(metric, finds),
        f"{100 * (float(lift.value) - 1):+.1f} %" if lift else None,
        f"{100 * (float(lift.low) - 1):+.1f} to {100 * (float(lift.high) - 1):+.1f} %" if lift else None,
        f"{float(ranks.superiority):.1%}" if ranks else None,
        words.p_value(float(ranks.p_value)) if ranks else None,
    )


def _how(plan: Plan) -> Text:
    paragraphs = [
        "A mixture sequential probability ratio test (Johari, Koomen, Pekelis, Walsh 2022) with the confidence "
        f"sequence that is its dual, no earlier than {FEWEST} records a side; several metrics by Holm. B wins when at "
        "least one metric is better and none is worse, no guardrail is broken and the traffic was split as declared.",
        "A label counts for its request whenever it comes. Where one kind of outcome becomes known earlier than "
        "another, wait until all of a period's are known.",
    ]
    if plan.covariate:
        paragraphs.append(f"CUPED takes away what {plan.covariate} explains, which no variant can change.")
    if plan.unit == "customer":
        paragraphs.append("The records of one customer go together: variances are those of customers (delta method).")
    return Text("How it was judged", paragraphs)
