"""Which chart answers which question: the rules, read from top to bottom, the first that fits decides.

    choose(Ask("comparison", labels=5))        -> bar
    choose(Ask("correlation", points=100_000)) -> heatmap, as so many points would hide each other

What lies behind them: positions along a common scale are read most exactly, then lengths, then angles and areas, then
shades (Cleveland and McGill 1984, doi 10.1080/01621459.1984.10478080). So there is no pie here, shades are for what
has two dimensions already, and a chart has as many categories as a reader can tell apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import analysis_report
from case_study_section import Chart, Kind, Question

MOST_BARS = 12  # categories side by side
MOST_RANKS = 15  # of a ranking, which is read from the top
MOST_SERIES = 4  # bars of different colours for each category
MOST_LINES = 6  # colours that are told apart
MOST_PARTS = 6  # of a whole
MOST_POINTS = 2_000  # of a cloud, before they hide each other
MOST_CELLS = 30  # rows or columns of a matrix
FEW_TIMES = 6  # points in time that bars still show as well as a line
DECADES = 2.0  # orders of magnitude from which a linear axis shows one bar and a tail
MOST_LETTERS = 56  # of all names below an axis of a chart's usual width
OTHERS = "others"


@dataclass(frozen=True)
class Ask:
    """What is to be shown. `x` runs along the axis, `y` is what is measured; "shares" of one whole, "values" of each
    record (so that the spread matters), or one "number" for each label."""

    question: Question
    labels: int = 0  # categories, steps, or columns of a matrix
    series: int = 1  # groups, or rows of a matrix
    points: int = 0  # records, or points in time
    x: Literal["category", "number", "time"] = "category"
    y: Literal["number", "values", "shares", "category"] = "number"
    decades: float = 0.0  # log10 of largest over smallest, where all are positive and skewed


@dataclass(frozen=True)
class Choice:
    """`most` labels (or series, of lines) are shown; what is beyond them is added up as OTHERS where it adds up."""

    kind: Kind
    why: str
    most: int = MOST_BARS
    log: bool = False


@dataclass(frozen=True)
class Rule:
    question: Question
    when: str  # as the report says it
    holds: Callable[[Ask], bool]
    choice: Choice


def _always(_: Ask) -> bool:
    return True


RULES: tuple[Rule, ...] = (
    Rule(
        "comparison",
        "every record has a value: spreads are compared",
        lambda ask: ask.y == "values",
        Choice("box", "medians, quartiles and tails of groups on one scale; a bar of means would hide the spread"),
    ),
    Rule(
        "comparison",
        f"more than {MOST_SERIES} series, or more than {MOST_BARS} labels in several",
        lambda ask: ask.series > MOST_SERIES or (ask.series > 1 and ask.labels > MOST_BARS),
        Choice("heatmap", "more coloured bars than a legend explains", MOST_CELLS),
    ),
    Rule("comparison", "otherwise", _always, Choice("bar", "lengths from one base line are compared most exactly")),
    Rule(
        "change",
        f"one series with at most {FEW_TIMES} points in time",
        lambda ask: ask.series == 1 and 0 < ask.points <= FEW_TIMES,
        Choice("bar", "a line through so few points suggests a course that nobody measured"),
    ),
    Rule(
        "change",
        f"more than {MOST_LINES} series",
        lambda ask: ask.series > MOST_LINES,
        Choice("heatmap", "more lines cross than can be followed", MOST_CELLS),
    ),
    Rule("change", "otherwise", _always, Choice("line", "the slope is the change", MOST_LINES)),
    Rule(
        "ranking",
        "always",
        _always,
        Choice("bar", "sorted, largest first, names beside the bars; beyond the first, ranks say little", MOST_RANKS),
    ),
    Rule(
        "flow",
        "always",
        _always,
        Choice("waterfall", "each step begins where the one before ended, so gains and losses add up to the end"),
    ),
    Rule(
        "part_to_whole",
        f"at most {MOST_PARTS} parts",
        lambda ask: ask.labels <= MOST_PARTS,
        Choice("stacked", "parts lie end to end up to 100 %; angles of a pie are read less exactly", MOST_PARTS),
    ),
    Rule(
        "part_to_whole",
        "more parts, of several groups",
        lambda ask: ask.series > 1,
        Choice("heatmap", "inner parts of a stack have no common base line, and there are too many", MOST_CELLS),
    ),
    Rule(
        "part_to_whole",
        "otherwise",
        _always,
        Choice("bar", "sorted shares, the small ones added up", MOST_BARS),
    ),
    Rule("distribution", "categories", lambda ask: ask.x == "category", Choice("bar", "one bar a category, by count")),
    Rule(
        "distribution",
        "of several groups",
        lambda ask: ask.series > MOST_SERIES,
        Choice("box", "more histograms than can lie over each other"),
    ),
    Rule(
        "distribution",
        f"a number with at most {MOST_BARS} different values",
        lambda ask: 0 < ask.labels <= MOST_BARS,
        Choice("bar", "values that repeat are counted, not binned"),
    ),
    Rule(
        "distribution",
        f"positive and skewed over more than {DECADES:g} orders of magnitude",
        lambda ask: ask.decades > DECADES,
        Choice("histogram", "on a logarithmic axis; on a linear one nearly all would stand in the first bar", log=True),
    ),
    Rule("distribution", "otherwise", _always, Choice("histogram", "bins of equal width show the shape")),
    Rule(
        "correlation",
        "more than two columns, or two categories",
        lambda ask: ask.labels > 2 or (ask.x == "category" and ask.y == "category"),
        Choice("heatmap", "a shade for each pair; the strongest stay if there are too many", MOST_CELLS),
    ),
    Rule(
        "correlation",
        "a category and a number",
        lambda ask: ask.x == "category",
        Choice("box", "the number's spread within each category"),
    ),
    Rule(
        "correlation",
        f"two numbers, more than {MOST_POINTS:,} records",
        lambda ask: ask.points > MOST_POINTS,
        Choice("heatmap", "counts in cells; so many points hide each other", MOST_CELLS),
    ),
    Rule("correlation", "otherwise", _always, Choice("scatter", "every record is a point")),
)


def choose(ask: Ask) -> Choice:
    """
    Raises:
        ValueError: a question that no rule is for.
    """
    for rule in RULES:
        if rule.question == ask.question and rule.holds(ask):
            return rule.choice
    raise ValueError(
        f"No rule for the question {ask.question!r}. There are {', '.join(sorted({r.question for r in RULES}))}."
    )


def upright(labels: Sequence[str]) -> bool:
    """Whether bars stand: names that don't fit below each other's bars are read beside lying ones."""
    return len(labels) <= 2 * MOST_BARS and sum(len(label) + 1 for label in labels) <= MOST_LETTERS


def most_frequent(labels: Sequence[str], values: Sequence[float], most: int) -> tuple[list[str], list[float]]:
    """The largest first, and beyond `most - 1` of them what the others add up to; for values that may be added."""
    pairs = sorted(zip(labels, values, strict=True), key=lambda pair: -pair[1])
    if len(pairs) <= most:
        return [label for label, _ in pairs], [value for _, value in pairs]
    kept, rest = pairs[: most - 1], pairs[most - 1 :]
    names = [label for label, _ in kept]
    return [*names, f"{OTHERS} ({len(rest)})"], [*(value for _, value in kept), sum(value for _, value in rest)]


def table(charts: Sequence[Chart]) -> analysis_report.Table:
    """The rules, and how many of these charts follow from the question and the kind of each."""
    used = [(chart.question, chart.kind) for chart in charts]
    rows = [
        (
            rule.question.replace("_", " "),
            rule.when,
            rule.choice.kind,
            rule.choice.why,
            used.count((rule.question, rule.choice.kind)) or None,
        )
        for rule in RULES
    ]
    columns = ["question", "when", "chart", "because", "in this study"]
    return analysis_report.Table("Which chart answers which question", columns, rows)
