"""Bias of labels and predictions between groups: Clarify's metrics, calculated from counts, and their drift.

Values are what the functions of AWS's library smclarify (https://github.com/aws/amazon-sagemaker-clarify) return, as
Clarify's are. Those loop over records, so beyond MOST_WORK, and for the bootstrap's samples, the same formulas are
written here once more for any number of tables of counts at once; tests hold the two equal. `a` is the rest, `d` the
group that the facet lists. The flip test alone compares records: `bias.flip_tests`.

Where smclarify departs from the definitions in AWS's developer guide, so do its values here: the labels that only one
side has are left out of KL, JS, LP, TVD and KS, where KL would be infinite, and can be negative for that; a ratio of 0
to 0 is 0, where a definition has none; and FT is above 0 where the group is favoured, where the guide's is below.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import bias_smclarify
import numpy as np
from analysis_config import Config
from bias_counts import Counts

# Records, and CDDL's and CDDPL's subgroups, each as costly as SUBGROUP records, of all groups together: what smclarify
# takes a second or two for.
MOST_WORK, SUBGROUP = 300_000, 200
RESAMPLES = 1000  # of the bootstrap
Z = 1.96  # 95 % of a normal distribution
ERROR = 0.05  # chance of a violation without drift, of all metrics together
NEUTRAL = {"DI": 1.0}  # a ratio; all others are differences or distances
Array = np.ndarray
# Shape (samples, rest or group, label, predicted label, subgroup) -> a value for each sample.
Formula = Callable[[Array], Array]


class Metric(NamedTuple):
    stage: str
    title: str  # as in Clarify's results
    meaning: str  # half a sentence
    formula: Formula | None  # None for what needs records


class Measured(NamedTuple):
    """One metric of one group; `value` is NaN with an `error`."""

    name: str
    value: float
    deviation: float  # standard deviation over bootstrap samples; NaN where there is none
    interval: tuple[float, float]  # percentiles of 95 %
    error: str | None = None


class Group(NamedTuple):
    """One group of one facet; counts by (rest or group, label, predicted label), None for what was not predicted."""

    facet: str
    text: str  # the value, or the interval of a continuous facet
    value: str  # as the config lists it: an interval ends at the data's own maximum, this stays
    counts: Array
    metrics: list[Measured]


def divided(above: Array, below: Array) -> Array:
    """0 / 0 is 0, anything else / 0 infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((above == 0) & (below == 0), 0.0, np.true_divide(above, below))


def difference(one: Array, other: Array) -> Array:
    """Two that are both infinite differ by 0."""
    with np.errstate(invalid="ignore"):
        return np.where(one == other, 0.0, one - other)


def _labels(cells: Array) -> Array:
    """(samples, rest or group, label)"""
    return cells.sum(axis=(3, 4))


def _predictions(cells: Array) -> Array:
    """(samples, rest or group, predicted label)"""
    return cells.sum(axis=(2, 4))


def _shares(counts: Array) -> tuple[Array, Array]:
    """Shares of outcomes in the rest and in the group; 0 for outcomes that one of them lacks, NaN without any left."""
    with np.errstate(invalid="ignore"):
        shares = counts / counts.sum(axis=-1, keepdims=True)
    common = np.all(counts > 0, axis=1)
    shares = np.where(common[:, None], shares, np.where(common.any(axis=-1)[:, None, None], 0.0, np.nan))
    return shares[:, 0], shares[:, 1]


def _relative(p: Array, q: Array) -> Array:
    """Kullback-Leibler divergence of p from q, in nats, where both have the same zeros."""
    return np.where(p == 0, 0.0, p * np.log(np.where(p == 0, 1.0, p) / np.where(p == 0, 1.0, q))).sum(axis=-1)


def _imbalance(cells: Array) -> Array:
    a, d = np.moveaxis(_labels(cells).sum(axis=-1), 1, 0)
    return (a - d) / (a + d)


def _positive_gap(outcomes: Array) -> Array:
    positive = outcomes[..., 1] / outcomes.sum(axis=-1)
    return positive[:, 0] - positive[:, 1]


def _norm(order: float) -> Formula:
    return lambda cells: np.linalg.norm(np.subtract(*_shares(_labels(cells))), order, axis=-1)


def _jensen_shannon(cells: Array) -> Array:
    a, d = _shares(_labels(cells))
    return 0.5 * (_relative(a, (a + d) / 2) + _relative(d, (a + d) / 2))


def _conditional_disparity(outcomes: Array) -> Array:
    """`outcomes`: (samples, rest or group, outcome, subgroup)."""
    totals, group = outcomes.sum(axis=1), outcomes[:, 1]
    shares = divided(group, totals)
    weights = totals.sum(axis=1)
    found = ((shares[:, 0] - shares[:, 1]) * weights).sum(axis=-1) / weights.sum(axis=-1)
    return np.where((totals.sum(axis=-1) > 0).all(axis=-1), found, np.nan)  # both outcomes are needed


def _impact(cells: Array) -> Array:
    outcomes = _predictions(cells)
    positive = outcomes[..., 1] / outcomes.sum(axis=-1)
    return divided(positive[:, 1], positive[:, 0])


def _gap(above: Callable[[Array], Array], below: Callable[[Array], Array], group_first: bool = False) -> Formula:
    """Difference between rest and group of a ratio; `above` and `below` pick from (…, label, predicted label)."""

    def formula(cells: Array) -> Array:
        confusion = cells.sum(axis=-1)
        ratios = divided(above(confusion), below(confusion))
        a, d = ratios[:, 0], ratios[:, 1]
        return difference(d, a) if group_first else difference(a, d)

    return formula


def _entropy(cells: Array) -> Array:
    confusion = cells.sum(axis=(1, 4))
    benefits, total = np.array([[1.0, 2.0], [0.0, 1.0]]), confusion.sum(axis=(1, 2))
    mean = (confusion * benefits).sum(axis=(1, 2)) / total
    with np.errstate(invalid="ignore", divide="ignore"):
        return ((confusion * benefits**2).sum(axis=(1, 2)) / (total * mean**2) - 1) / 2


def _true(at: int) -> Callable[[Array], Array]:
    return lambda confusion: confusion[..., at, at]


def _having(at: int) -> Callable[[Array], Array]:
    return lambda confusion: confusion[..., at, :].sum(axis=-1)


def _answered(at: int) -> Callable[[Array], Array]:
    return lambda confusion: confusion[..., at].sum(axis=-1)


PRE, POST = "pre_training", "post_training"
METRICS = {
    "CDDL": Metric(
        PRE, "Conditional Demographic Disparity in Labels (CDDL)",
        "how much larger the group's part of rejections is than its part of acceptances, over subgroups",
        lambda cells: _conditional_disparity(cells.sum(axis=3)),
    ),
    "CI": Metric(PRE, "Class Imbalance (CI)", "how much smaller the group is than the rest", _imbalance),
    "DPL": Metric(
        PRE, "Difference in Positive Proportions in Labels (DPL)",
        "how much less often the group has the positive label", lambda cells: _positive_gap(_labels(cells)),
    ),
    "JS": Metric(
        PRE, "Jensen-Shannon Divergence (JS)", "how far both distributions of labels are from their mean",
        _jensen_shannon,
    ),
    "KL": Metric(
        PRE, "Kullback-Liebler Divergence (KL)", "how far the rest's distribution of labels is from the group's",
        lambda cells: _relative(*_shares(_labels(cells))),
    ),
    "KS": Metric(
        PRE, "Kolmogorov-Smirnov Distance (KS)", "the largest gap between the shares of any label", _norm(np.inf)
    ),
    "LP": Metric(PRE, "L-p Norm (LP)", "the Euclidean distance between the shares of labels", _norm(2)),
    "TVD": Metric(
        PRE, "Total Variation Distance (TVD)", "half the sum of gaps between the shares of labels",
        lambda cells: _norm(1)(cells) / 2,
    ),
    "AD": Metric(
        POST, "Accuracy Difference (AD)", "how much less accurate predictions are for the group",
        _gap(lambda confusion: confusion[..., 0, 0] + confusion[..., 1, 1], lambda confusion: confusion.sum((-1, -2))),
    ),
    "CDDPL": Metric(
        POST, "Conditional Demographic Disparity in Predicted Labels (CDDPL)",
        "how much larger the group's part of predicted rejections is than of acceptances, over subgroups",
        lambda cells: _conditional_disparity(cells.sum(axis=2)),
    ),
    "DAR": Metric(
        POST, "Difference in Acceptance Rates (DAR)", "how much less often a positive prediction is right in the group",
        _gap(_true(1), _answered(1)),
    ),
    "DCA": Metric(
        POST, "Difference in Conditional Acceptance (DCA)",
        "how many fewer positive labels the group has for each positive prediction", _gap(_having(1), _answered(1)),
    ),
    "DCR": Metric(
        POST, "Difference in Conditional Rejection (DCR)",
        "how many more negative labels the group has for each negative prediction",
        _gap(_having(0), _answered(0), group_first=True),
    ),
    "DI": Metric(
        POST, "Disparate Impact (DI)",
        "the group's share of positive predictions divided by the rest's; below 0.8 is a common alarm", _impact,
    ),
    "DPPL": Metric(
        POST, "Difference in Positive Proportions in Predicted Labels (DPPL)",
        "how much less often the group gets the positive prediction", lambda cells: _positive_gap(_predictions(cells)),
    ),
    "DRR": Metric(
        POST, "Difference in Rejection Rates (DRR)", "how much more often a negative prediction is right in the group",
        _gap(_true(0), _answered(0), group_first=True),
    ),
    "FT": Metric(
        POST, "Flip Test (FT)", "how often the group is favoured over those of the rest who are most alike", None
    ),
    "GE": Metric(
        POST, "Generalized Entropy (GE)", "how unequally the benefit of predictions is spread over all records",
        _entropy,
    ),
    "RD": Metric(
        POST, "Recall Difference (RD)", "how much less often a positive label is found in the group",
        _gap(_true(1), _having(1)),
    ),
    "SD": Metric(
        POST, "Specificity Difference (SD)", "how much more often a negative label is found in the group",
        _gap(_true(0), _having(0), group_first=True),
    ),
    "TE": Metric(
        POST, "Treatment Equality (TE)", "how many more misses the group has for each false alarm",
        _gap(lambda confusion: confusion[..., 1, 0], lambda confusion: confusion[..., 0, 1], group_first=True),
    ),
}  # fmt: skip
CONDITIONAL = ("CDDL", "CDDPL")


def chosen(config: Config, stage: str) -> list[str]:
    """Codes of the metrics that the config asks for; of all those only that it has a group variable for.

    Raises:
        ValueError: an unknown metric.
    """
    methods = config["methods"][f"{stage}_bias"].get("methods", "all")
    known = [name for name, metric in METRICS.items() if metric.stage == stage]
    if methods == "all":
        return [name for name in known if config.get("group_variable") is not None or name not in CONDITIONAL]
    if unknown := sorted(set(methods) - set(known)):
        raise ValueError(f"methods.{stage}_bias.methods has {', '.join(unknown)}; it knows {', '.join(known)}")
    return [name for name in known if name in methods]


def measure(counts: Counts, wanted: Sequence[str], grouped: bool, seed: int = 0) -> list[Group]:
    """The wanted metrics but the flip test, with intervals by a bootstrap of the records."""
    generator = np.random.default_rng(seed)
    few = sum(cells.sum() + SUBGROUP * cells.shape[-1] for _, _, cells in counts.groups()) <= MOST_WORK
    found = []
    for facet, (text, value), cells in counts.groups():
        samples = resample(cells, generator)
        metrics = _measured([name for name in wanted if METRICS[name].formula], cells, samples, grouped, few)
        found.append(Group(facet.name, text, value, cells.sum(axis=-1), metrics))
    return found


def resample(cells: Array, generator: np.random.Generator) -> Array:
    """RESAMPLES tables as records drawn with replacement would give: counts of cells are multinomial."""
    total = int(cells.sum())
    shares = cells.reshape(-1) / max(total, 1)
    return generator.multinomial(total, shares / max(shares.sum(), 1e-300), RESAMPLES).reshape(RESAMPLES, *cells.shape)


def _measured(names: Sequence[str], cells: Array, samples: Array, grouped: bool, few: bool) -> list[Measured]:
    errors = {name: _problem(name, cells, grouped) for name in names}
    defined = [name for name in names if not errors[name]]
    found = bias_smclarify.values(defined, cells) if few else {name: by_formula(name, cells) for name in defined}
    return [
        Measured(name, found[name], *_chance(name, samples))
        if name in found
        else Measured(name, math.nan, math.nan, (math.nan, math.nan), errors[name])
        for name in names
    ]


def by_formula(name: str, cells: Array) -> float:
    """A metric's value without smclarify, of one table of counts."""
    formula = METRICS[name].formula
    assert formula
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(formula(cells[None])[0])


def _chance(name: str, samples: Array) -> tuple[float, tuple[float, float]]:
    """Standard deviation and 95 % interval over the samples that have a value."""
    formula = METRICS[name].formula
    assert formula
    with np.errstate(divide="ignore", invalid="ignore"):
        values = formula(samples)
    values = values[np.isfinite(values)]
    if not len(values):
        return math.nan, (math.nan, math.nan)
    low, high = np.percentile(values, [2.5, 97.5])
    return float(values.std()), (float(low), float(high))


def _problem(name: str, cells: Array, grouped: bool) -> str | None:
    """Why a metric has no value; smclarify raises for the same."""
    sizes = cells.sum(axis=(1, 2, 3))
    if name == "GE":
        right = cells.sum() - cells[:, 1, 0].sum()
        return None if right else "every prediction is a false negative" if cells.sum() else "there is no record"
    if not sizes[1]:
        return "no record is in the facet's group"
    if not sizes[0]:
        return "no record is outside of the facet's group"
    if name in CONDITIONAL:
        outcomes = cells.sum(axis=(0, 2, 3)) if name == "CDDL" else cells.sum(axis=(0, 1, 3))
        what = "label" if name == "CDDL" else "predicted label"
        if not grouped:
            return "the analysis config has no group_variable"
        return f"no record has a {('negative', 'positive')[int(outcomes[0] > 0)]} {what}" if 0 in outcomes else None
    if name in ("KL", "JS", "LP", "TVD", "KS") and not (cells.sum(axis=(2, 3)) > 0).all(axis=0).any():
        return "the facet's group and the rest have no label in common"
    return None


def document(config: Config, counts: Counts, label: str, groups: Iterable[Group], deviations: bool) -> dict[str, Any]:
    """`pre_training_bias_metrics` or `post_training_bias_metrics` of analysis.json.

    Args:
        deviations: whether each metric also has its `standard_deviation`, which Clarify's files lack.
    """
    facets: dict[str, list[Any]] = {}
    for group in groups:
        metrics = [
            {"name": each.name, "description": METRICS[each.name].title, "value": _plain(each.value)}
            | ({"error": each.error} if each.error else {})
            | ({"standard_deviation": each.deviation} if deviations and math.isfinite(each.deviation) else {})
            for each in group.metrics
        ]
        facets.setdefault(group.facet, []).append({"value_or_threshold": group.text, "metrics": metrics})
    return {"label": label, "label_value_or_threshold": counts.label, "facets": facets}


def compare(groups: Sequence[Group], baseline: dict[str, Any]) -> list[dict[str, str]]:
    """Violations: metrics farther from neutral than the baseline's, beyond what chance does.

    Chance is the bootstrap's. A baseline of Clarify's has no standard deviations; then the rule is Clarify's: a 95 %
    interval of these records alone that overlaps the allowed range is no drift (developer guide, "Monitor bias
    drift"). With 33 metrics of three groups, and nothing changed, that rule found violations in a third of comparisons
    of 1400 records with 1400, and in nine tenths with 5000. With the baseline's deviations chance is that of both, and
    95 % is for all metrics together (Bonferroni).
    """
    limit = NormalDist().inv_cdf(1 - ERROR / max(1, sum(len(group.metrics) for group in groups)))
    violations = []
    for group in groups:
        before = earlier(baseline, group)
        for metric in group.metrics:
            old = before.get(metric.name) or {}
            if exceeds(metric, old.get("value"), old.get("standard_deviation"), limit):
                violations.append(
                    {
                        "facet": group.facet,
                        "facet_value": group.value,
                        "metric_name": metric.name,
                        "constraint_check_type": "bias_drift_check",
                        "description": f"Value {_plain(metric.value)} does not meet the constraint requirement",
                    }
                )
    return violations


def exceeds(metric: Measured, old: Any, old_deviation: float | None, limit: float) -> bool:
    """Whether a value is farther from neutral than the old one; by `limit` standard deviations, if both have one."""
    if old is None or math.isnan(metric.value):
        return False
    neutral = NEUTRAL.get(metric.name, 0.0)
    far, allowed = abs(metric.value - neutral), abs(float(old) - neutral)
    if math.isinf(far):
        return not math.isinf(allowed)
    deviation = 0.0 if math.isnan(metric.deviation) else metric.deviation
    chance = Z * deviation if old_deviation is None else limit * math.hypot(deviation, old_deviation)
    return far - allowed > chance


def earlier(baseline: dict[str, Any], group: Group) -> dict[str, Any]:
    """The baseline's metrics of the same group by name: intervals are the same if they begin so."""
    reports = (baseline.get("facets") or {}).get(group.facet, [])
    same = [each for each in reports if each["value_or_threshold"] == group.text]
    bound = group.text.partition(",")[0] if group.text.startswith("(") else None
    same = same or [each for each in reports if bound and each["value_or_threshold"].partition(",")[0] == bound]
    return {metric["name"]: metric for metric in same[0]["metrics"]} if same else {}


def _plain(value: float) -> float | str | None:
    """JSON has neither infinities nor NaN; Clarify writes them so."""
    if math.isnan(value):
        return None
    return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"
