"""What kind of drift it is, in the words of the field, and what the data at hand cannot tell.

X are the inputs, Y the true labels, p the model's probability of the positive label. The kinds are those of
Moreno-Torres et al., "A unifying view on dataset shift in classification" (Pattern Recognition 45, 2012): covariate
shift changes P(X) and keeps P(Y|X); prior-probability shift changes P(Y) and keeps P(X|Y), which Lipton et al.,
"Detecting and correcting for label shift with black box predictors" (ICML 2018), call label shift; concept shift
changes P(Y|X). Gama et al., "A survey on concept drift adaptation" (ACM Computing Surveys 46, 2014), call the last one
real concept drift, whatever P(X) does, and a change of P(X) alone virtual drift. Webb et al., "Characterizing concept
drift" (Data Mining and Knowledge Discovery 30, 2016), tell drift of the whole population from drift of parts of it.

Three confusions are kept apart. A prior-probability shift moves P(X) and P(Y|X) too, by Bayes' rule: it is taken for
what it is where the model's outputs among the records of one label are as before, and concept drift is then what the
probabilities miss once they are corrected for the new prior (Saerens et al., Neural Computation 14, 2002). A covariate
shift moves P(Y) too: then the probabilities, as they are, account for the labels. And a small difference that many
records make certain is no finding: each has to be SMALLEST in size as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from analysis_report import Table

ALPHA = 0.001  # p-value from which on a difference is no accident; a monitor asks every hour
SMALLEST = 0.02  # difference of shares, or of probabilities and what happened, that matters
FEWEST = 100  # labelled records; with fewer nothing is "not seen"
BINS = 10  # of the probability

Counts = Mapping[str, float]
Verdict = Literal["seen", "not seen", "cannot be told"]
GOOD = {"seen": False, "not seen": True, "cannot be told": None}


@dataclass(frozen=True)
class Change:
    """Counts by value, of the baseline and of now."""

    baseline: Counts
    current: Counts


@dataclass(frozen=True)
class Scores:
    """Binary labels, 0 or 1, and the model's probabilities of 1, of the same records."""

    labels: np.ndarray
    probabilities: np.ndarray


@dataclass(frozen=True)
class Metric:
    """A metric of performance; `worse` by the analysis' own threshold."""

    name: str
    baseline: float
    current: float
    worse: bool


@dataclass(frozen=True)
class Evidence:
    """What an analysis has found; None is what it had no data for."""

    violations: Mapping[str, Sequence[str]] | None = None  # drifted features and the checks they failed
    predictions: Change | None = None  # predicted labels, of all records
    labels: Change | None = None  # true labels
    # True label -> predicted labels, or probabilities' ranges, of the records that have it: counts.
    outputs_by_label: Mapping[str, Change] | None = None
    scores: Scores | None = None  # of now
    baseline_scores: Scores | None = None  # without them the model is taken to have been calibrated
    performance: Sequence[Metric] = ()
    segments: Mapping[str, Change] = field(default_factory=dict)  # facet -> records by its value


@dataclass(frozen=True)
class Finding:
    """One kind of drift; `statistic` is empty where nothing was computed."""

    kind: str
    changes: str  # which distribution it changes, which it keeps
    verdict: Verdict
    why: str
    statistic: str = ""


@dataclass(frozen=True)
class _Test:
    size: float
    p: float
    text: str
    records: float

    @property
    def differs(self) -> bool:
        return self.p < ALPHA and self.size >= SMALLEST


def classify(evidence: Evidence) -> list[Finding]:
    """A finding for every kind, whatever the evidence."""
    labels = share_test(evidence.labels) if evidence.labels else None
    within = _within_labels(evidence.outputs_by_label)
    calibration = calibration_test(evidence.scores, evidence.baseline_scores) if evidence.scores else None
    prior = _prior(labels, within, calibration)
    concept = _concept(evidence, labels, prior, calibration)
    return [
        _covariate(evidence, prior, concept),
        prior,
        _labels(labels),
        concept,
        _segments(evidence.segments, prior),
        _predictions(evidence),
    ]


def section(findings: Sequence[Finding]) -> Table:
    """The findings as a table of a report."""
    from analysis_report import Badge, Table

    rows = [
        (each.kind, each.changes, Badge(each.verdict, GOOD[each.verdict]), each.why, each.statistic or "–")
        for each in findings
    ]
    return Table(
        "What kind of drift",
        ("Kind", "What it changes", "Verdict", "Why", "Statistic"),
        rows,
        "X: inputs, Y: true labels. Kinds as in Moreno-Torres et al. (2012), Gama et al. (2014), Webb et al. (2016) "
        f"and Lipton et al. (2018). Seen: p-value below {ALPHA:g} and a difference of {SMALLEST:.0%} or more.",
        frozenset(place for place, each in enumerate(findings) if each.verdict == "seen"),
    )


def of_confusions(
    current: Mapping[str, Counts],
    baseline: Mapping[str, Counts],
    scores: Scores | None = None,
    baseline_scores: Scores | None = None,
    performance: Sequence[Metric] = (),
) -> Evidence:
    """What labels tell, from counts by true, then predicted label, and where there are some the scores."""
    return Evidence(
        predictions=Change(_by_prediction(baseline), _by_prediction(current)),
        labels=Change(by_truth(baseline), by_truth(current)),
        outputs_by_label={label: Change(baseline.get(label, {}), row) for label, row in current.items()},
        scores=scores,
        baseline_scores=baseline_scores,
        performance=performance,
    )


def by_truth(matrix: Mapping[str, Counts]) -> dict[str, float]:
    return {label: float(sum(row.values())) for label, row in matrix.items()}


def _by_prediction(matrix: Mapping[str, Counts]) -> dict[str, float]:
    found: dict[str, float] = {}
    for row in matrix.values():
        for label, count in row.items():
            found[label] = found.get(label, 0.0) + count
    return found


def binned(bins: Mapping[str, Any] | None) -> Scores | None:
    """Records as many as `calibration` of a statistics.json has, each with the mean probability of its tenth: all that
    the test looks at.
    """
    if not bins:
        return None
    labels, probabilities = [], []
    for records, positives, total in zip(bins["records"], bins["positives"], bins["probabilities"], strict=True):
        if records:
            labels.append(np.repeat([1, 0], [int(positives), int(records - positives)]))
            probabilities.append(np.full(int(records), total / records))
    return Scores(np.concatenate(labels), np.concatenate(probabilities)) if labels else None


def share_test(change: Change) -> _Test:
    """Pearson's chi-squared test of both counts having the same shares; size is the largest difference of a share."""
    values = sorted({*change.baseline, *change.current})
    table = np.array(
        [[counts.get(value, 0) for value in values] for counts in (change.baseline, change.current)], float
    )
    totals = table.sum(axis=1, keepdims=True)
    if not totals.all() or len(values) < 2:
        return _Test(0.0, 1.0, "", float(totals.min()))
    shares = table / totals
    largest = int(np.abs(shares[0] - shares[1]).argmax())
    expected = totals * table.sum(axis=0) / table.sum()
    statistic, freedom = float(((table - expected) ** 2 / expected).sum()), len(values) - 1
    p = _chi_squared_p(statistic, freedom)
    before, now = shares[:, largest]
    text = f"{values[largest]}: {before:.1%} to {now:.1%}; chi-squared {statistic:.1f}, {freedom} d.f., {_p_text(p)}"
    return _Test(float(abs(before - now)), p, text, float(totals.min()))


def calibration_test(
    current: Scores, baseline: Scores | None = None, prior: tuple[float, float] | None = None
) -> _Test:
    """Whether y - p of the records is what it was, given p: a z-test of its mean and a chi-squared test over bins of p.

    `prior` are the shares of 1 in the baseline and now, where p is to be corrected for their change. Without a baseline
    the expected difference is 0. The size is the root of the mean squared difference over the bins, less what chance
    alone brings to it.
    """
    p = np.clip(np.asarray(current.probabilities, float), 0, 1)
    corrected = _corrected(p, *prior) if prior else p
    means, variances, counts = _residuals(np.asarray(current.labels, float) - corrected, p, corrected * (1 - corrected))
    if baseline is not None:
        before = np.clip(np.asarray(baseline.probabilities, float), 0, 1)
        expected, spread, known = _residuals(np.asarray(baseline.labels, float) - before, before, before * (1 - before))
        means, variances = means - expected, variances + spread
        counts = np.where(known > 0, counts, 0)
    used = (counts >= FEWEST / BINS) & (variances > 0)
    if not used.any():
        return _Test(0.0, 1.0, "", float(counts.sum()))
    means, variances, counts = means[used], variances[used], counts[used]
    weights = counts / counts.sum()
    mean, error = float(weights @ means), math.sqrt(float(weights**2 @ variances))
    z, chi = mean / error, float((means**2 / variances).sum())
    p_value = min(1.0, 2 * min(math.erfc(abs(z) / math.sqrt(2)), _chi_squared_p(chi, len(means))))
    size = math.sqrt(max(0.0, float(weights @ (means**2 - variances))))
    text = (
        f"mean of y - p {mean:+.3f}, z {z:+.1f}; over {len(means)} bins of p chi-squared {chi:.1f}; {_p_text(p_value)}"
    )
    return _Test(max(size, abs(mean)), p_value, text, float(counts.sum()))


def _corrected(p: np.ndarray, before: float, now: float) -> np.ndarray:
    positive, negative = p * now / max(before, 1e-9), (1 - p) * (1 - now) / max(1 - before, 1e-9)
    return positive / np.maximum(positive + negative, 1e-12)


def _residuals(residuals: np.ndarray, p: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """By bin of p: mean residual, its variance as binomial draws have it, and the number of records."""
    bins = np.minimum((p * BINS).astype(int), BINS - 1)
    counts = np.bincount(bins, minlength=BINS).astype(float)
    held = np.maximum(counts, 1)
    means = np.bincount(bins, residuals, BINS) / held
    return means, np.bincount(bins, np.maximum(variance, 1e-6), BINS) / held**2, counts


def _within_labels(outputs: Mapping[str, Change] | None) -> _Test | None:
    """Whether the outputs among the records of any one label differ: the worst label counts."""
    tests = [(label, share_test(change)) for label, change in (outputs or {}).items()]
    tests = [(label, test) for label, test in tests if test.records >= FEWEST / 4]
    if not tests or len(tests) < len(outputs or {}):
        return None
    label, worst = min(tests, key=lambda each: (not each[1].differs, each[1].p))
    p = min(1.0, worst.p * len(tests))  # as many tests as labels
    return _Test(worst.size, p, f"among label {label}, {worst.text}" if worst.text else "", worst.records)


def _prior(labels: _Test | None, within: _Test | None, calibration: _Test | None) -> Finding:
    kind, changes = "Prior-probability shift (label shift)", "P(Y); P(X|Y) stays"
    if labels is None:
        return Finding(kind, changes, "cannot be told", "It takes true labels, and there are none.")
    if not labels.differs:
        return _absent(kind, changes, labels, "The labels' shares are as before.")
    if calibration and calibration.records >= FEWEST and not calibration.differs:
        why = "The labels' shares changed, but no more than the model's probabilities for these inputs say."
        return Finding(kind, changes, "not seen", why, calibration.text)
    if within is None:
        why = "The labels' shares changed. Whether the records of each label are as before takes more of them."
        return Finding(kind, changes, "cannot be told", why, labels.text)
    if within.differs:
        why = "The labels' shares changed, but so did the model's outputs among the records of one label."
        return Finding(kind, changes, "not seen", why, within.text)
    why = "The labels' shares changed, and among the records of each label the model's outputs are as before."
    return Finding(kind, changes, "seen", why, labels.text)


def _labels(labels: _Test | None) -> Finding:
    kind, changes = "Change of the labels", "P(Y), for whatever cause"
    if labels is None:
        return Finding(kind, changes, "cannot be told", "It takes true labels, and there are none.")
    if labels.differs:
        return Finding(kind, changes, "seen", "The labels' shares changed.", labels.text)
    return _absent(kind, changes, labels, "The labels' shares are as before.")


def _absent(kind: str, changes: str, test: _Test, why: str) -> Finding:
    if test.records < FEWEST:
        why = f"{test.records:g} labelled records are too few to rule it out."
        return Finding(kind, changes, "cannot be told", why, test.text)
    return Finding(kind, changes, "not seen", why, test.text)


def _concept(evidence: Evidence, labels: _Test | None, prior: Finding, calibration: _Test | None) -> Finding:
    kind, changes = "Concept drift (real)", "P(Y|X)"
    if evidence.scores is None or calibration is None or not calibration.records:
        return _concept_by_performance(kind, changes, evidence, labels)
    test, corrected = calibration, ""
    if prior.verdict == "seen" and (shares := _shares(evidence)):
        test = calibration_test(evidence.scores, evidence.baseline_scores, shares)
        corrected = " after correction for the labels' new shares"
    if test.differs:
        return Finding(kind, changes, "seen", f"What happens is not what the probabilities say{corrected}.", test.text)
    return _absent(kind, changes, test, f"What happens is what the probabilities say{corrected}.")


def _shares(evidence: Evidence) -> tuple[float, float] | None:
    """Shares of label 1 in the baseline and now."""
    if evidence.labels is None or evidence.scores is None:
        return None
    positive = next((each for each in evidence.labels.baseline if each in ("1", "1.0", "True", "true")), None)
    if positive is None:
        return None
    before = evidence.labels.baseline[positive] / sum(evidence.labels.baseline.values())
    return before, float(np.mean(evidence.scores.labels))


def _concept_by_performance(kind: str, changes: str, evidence: Evidence, labels: _Test | None) -> Finding:
    if not evidence.performance:
        why = "It takes true labels, and there are none." if labels is None else "It takes the model's probabilities."
        return Finding(kind, changes, "cannot be told", why)
    worse = [each for each in evidence.performance if each.worse]
    text = "; ".join(f"{each.name} {each.baseline:.3g} to {each.current:.3g}" for each in worse or evidence.performance)
    if not worse:
        return Finding(kind, changes, "not seen", "The model performs as before.", text)
    if evidence.violations is not None and not evidence.violations and (labels is None or not labels.differs):
        return Finding(kind, changes, "seen", "The model performs worse on inputs that are as before.", text)
    why = "The model performs worse, which other inputs or other shares of labels may do too: probabilities would tell."
    return Finding(kind, changes, "cannot be told", why, text)


def _covariate(evidence: Evidence, prior: Finding, concept: Finding) -> Finding:
    kind, changes = "Covariate shift", "P(X); P(Y|X) stays"
    if evidence.violations is None:
        return Finding(kind, changes, "cannot be told", "The inputs were not compared with a baseline.")
    if not evidence.violations:
        return Finding(kind, changes, "not seen", "No input is distributed otherwise than in the baseline.")
    names = list(evidence.violations)
    text = f"{len(names)} inputs drifted: {', '.join(names[:5])}{' …' if len(names) > 5 else ''}"
    if prior.verdict == "seen":
        why = "The inputs moved, but so they do where only the labels' shares change."
        return Finding(kind, changes, "not seen" if concept.verdict != "seen" else "cannot be told", why, text)
    held = {
        "seen": "The inputs moved, and what they mean for the label with them: see concept drift.",
        "not seen": "The inputs moved; what they mean for the label did not.",
        "cannot be told": "The inputs moved. Whether they still mean the same for the label cannot be told.",
    }
    return Finding(kind, changes, "seen", held[concept.verdict], text)


def _segments(segments: Mapping[str, Change], prior: Finding) -> Finding:
    kind, changes = "Population (segment) drift", "shares of segments"
    if not segments:
        return Finding(kind, changes, "cannot be told", "No segments or facets are declared.")
    tests = {name: share_test(change) for name, change in segments.items()}
    moved = [name for name, test in tests.items() if test.differs and test.p * len(tests) < ALPHA]
    if moved:
        text = "; ".join(f"{name}: {tests[name].text}" for name in moved[:3])
        if prior.verdict == "seen":
            why = "The segments' shares moved, but so they do where only the labels' shares change."
            return Finding(kind, changes, "not seen", why, text)
        return Finding(kind, changes, "seen", f"The population is made up otherwise: {', '.join(moved[:5])}.", text)
    fewest = min(tests.values(), key=lambda each: each.records)
    if fewest.records < FEWEST:
        return Finding(kind, changes, "cannot be told", f"{fewest.records:g} records are too few to rule it out.")
    return Finding(kind, changes, "not seen", f"Segments have the shares they had: {', '.join(list(tests)[:5])}.")


def _predictions(evidence: Evidence) -> Finding:
    kind, changes = "Prediction drift", "P(predicted Y)"
    if evidence.predictions is None:
        return Finding(kind, changes, "cannot be told", "The predictions were not compared with a baseline.")
    test = share_test(evidence.predictions)
    if test.differs:
        return Finding(kind, changes, "seen", "The model says other things than it did: a consequence.", test.text)
    return _absent(kind, changes, test, "The predictions' shares are as before.")


def _chi_squared_p(statistic: float, freedom: int) -> float:
    from scipy.special import chdtrc  # imports in a fifth of the time of scipy.stats

    return float(chdtrc(freedom, statistic))


def _p_text(p: float) -> str:
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"
