"""Populations whose drift is known: the taxonomy names it, and names no other."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

from analysis_report import Badge
from data_drift import numeric_distance
from drift_taxonomy import (
    Change,
    Evidence,
    Finding,
    Metric,
    Scores,
    calibration_test,
    classify,
    section,
    share_test,
)

RECORDS = 6000
COVARIATE, PRIOR, LABELS = "Covariate shift", "Prior-probability shift (label shift)", "Change of the labels"
CONCEPT, POPULATION, PREDICTIONS = "Concept drift (real)", "Population (segment) drift", "Prediction drift"


@dataclass(frozen=True)
class Sample:
    """Records with the label that happened and what the model, which knows the baseline's P(Y|X), says of them."""

    x: np.ndarray
    segment: np.ndarray
    y: np.ndarray

    @property
    def p(self) -> np.ndarray:
        return probability(self.x)


def probability(x: np.ndarray, weights: tuple[float, float] = (1.6, -0.8), intercept: float = -0.6) -> np.ndarray:
    return 1 / (1 + np.exp(-(x @ np.array(weights) + intercept)))


def draw(
    random: np.random.Generator,
    shift: float = 0.0,
    north: float = 0.5,
    truth: Callable[[np.ndarray], np.ndarray] = probability,
    count: int = RECORDS,
) -> Sample:
    """Segments differ in their second input; `shift` moves the first."""
    segment = random.random(count) < north
    x = random.normal([shift, 0.0], 1.0, (count, 2))
    x[:, 1] += np.where(segment, 0.7, -0.7)
    return Sample(x, np.where(segment, "north", "south"), (random.random(count) < truth(x)).astype(int))


def draw_with_share(random: np.random.Generator, share: float) -> Sample:
    """The baseline's P(X|Y) with another P(Y)."""
    large = draw(random, count=8 * RECORDS)
    of = [np.flatnonzero(large.y == label) for label in (0, 1)]
    taken = np.concatenate([of[1][: int(RECORDS * share)], of[0][: int(RECORDS * (1 - share))]])
    return Sample(large.x[taken], large.segment[taken], large.y[taken])


def counts(values: np.ndarray) -> dict[str, float]:
    return {str(value): float(count) for value, count in zip(*np.unique(values, return_counts=True), strict=True)}


def evidence(before: Sample, now: Sample) -> Evidence:
    """What the analyses find of two samples."""
    weights = np.ones(len(before.y))
    violations = {
        f"x{place}": ("baseline_drift_check",)
        for place in range(2)
        if numeric_distance(
            (np.sort(before.x[:, place]), weights), (np.sort(now.x[:, place]), np.ones(len(now.y))), "Robust"
        )
        > 0.05
    }
    within = {
        str(label): Change(*(counts(np.floor(each.p[each.y == label] * 5)) for each in (before, now)))
        for label in (0, 1)
    }
    return Evidence(
        violations=violations,
        predictions=Change(counts(before.p > 0.5), counts(now.p > 0.5)),
        labels=Change(counts(before.y), counts(now.y)),
        outputs_by_label=within,
        scores=Scores(now.y, now.p),
        segments={"region": Change(counts(before.segment), counts(now.segment))},
    )


def verdicts(findings: list[Finding]) -> dict[str, str]:
    return {each.kind: each.verdict for each in findings}


def seen(findings: list[Finding]) -> set[str]:
    return {each.kind for each in findings if each.verdict == "seen"}


def reversed_effect(x: np.ndarray) -> np.ndarray:
    return probability(x, (1.6, 0.8))


def more_often(x: np.ndarray) -> np.ndarray:
    return probability(x, intercept=0.2)


CASES: dict[str, tuple[Callable[[np.random.Generator], Sample], set[str]]] = {
    "none": (draw, set()),
    "covariate": (lambda random: draw(random, shift=0.5), {COVARIATE, LABELS, PREDICTIONS}),
    "prior": (lambda random: draw_with_share(random, 0.65), {PRIOR, LABELS, PREDICTIONS}),
    "concept, labels as often": (lambda random: draw(random, truth=reversed_effect), {CONCEPT}),
    "concept, labels more often": (lambda random: draw(random, truth=more_often), {CONCEPT, LABELS}),
    "subpopulation": (lambda random: draw(random, north=0.85), {POPULATION, COVARIATE, LABELS, PREDICTIONS}),
    "covariate and concept": (
        lambda random: draw(random, shift=0.5, truth=reversed_effect),
        {COVARIATE, CONCEPT, LABELS, PREDICTIONS},
    ),
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", CASES)
def test_the_drift_that_was_made_is_named_and_no_other(case: str, seed: int) -> None:
    make, expected = CASES[case]
    before = draw(np.random.default_rng(seed))
    findings = classify(evidence(before, make(np.random.default_rng(seed + 100))))
    assert seen(findings) == expected, [(each.kind, each.why, each.statistic) for each in findings]
    assert "cannot be told" not in verdicts(findings).values()


def test_without_labels_it_says_what_cannot_be_told() -> None:
    random = np.random.default_rng(5)
    full = evidence(draw(random), draw(random, shift=0.5))
    findings = classify(replace(full, labels=None, outputs_by_label=None, scores=None))
    assert verdicts(findings) == {
        COVARIATE: "seen",
        PRIOR: "cannot be told",
        LABELS: "cannot be told",
        CONCEPT: "cannot be told",
        POPULATION: "not seen",
        PREDICTIONS: "seen",
    }
    assert "cannot be told" in findings[0].why
    assert all("labels" in each.why for each in findings if each.kind in (PRIOR, LABELS, CONCEPT))


def test_nothing_at_hand_tells_nothing() -> None:
    assert set(verdicts(classify(Evidence())).values()) == {"cannot be told"}


def test_few_labels_rule_nothing_out() -> None:
    random = np.random.default_rng(6)
    full = evidence(draw(random), draw(random, count=40))
    assert {verdicts(classify(full))[kind] for kind in (PRIOR, LABELS, CONCEPT, POPULATION)} == {"cannot be told"}


def test_many_records_make_no_finding_of_a_small_difference() -> None:
    change = Change({"a": 500_000, "b": 500_000}, {"a": 505_000, "b": 495_000})
    test = share_test(change)
    assert test.p < 1e-6
    assert not test.differs


def test_a_model_that_never_was_calibrated_shows_no_concept_drift_against_its_own_baseline() -> None:
    random = np.random.default_rng(7)
    before, now = draw(random), draw(random)
    bold = [Scores(each.y, each.p**2 / (each.p**2 + (1 - each.p) ** 2)) for each in (before, now)]
    assert calibration_test(bold[1]).differs
    assert not calibration_test(bold[1], bold[0]).differs


@pytest.mark.parametrize("moved", [False, True])
def test_without_probabilities_performance_tells_concept_drift_only_where_the_inputs_held(moved: bool) -> None:
    full = Evidence(
        violations={"x": ("baseline_drift_check",)} if moved else {}, performance=[Metric("f1", 0.8, 0.6, True)]
    )
    finding = next(each for each in classify(full) if each.kind == CONCEPT)
    assert finding.verdict == ("cannot be told" if moved else "seen")
    assert "f1 0.8 to 0.6" in finding.statistic


def test_the_section_marks_what_was_seen_and_names_its_sources() -> None:
    random = np.random.default_rng(8)
    table = section(classify(evidence(draw(random), draw(random, shift=0.5))))
    assert {table.rows[place][0] for place in table.marks} == {COVARIATE, LABELS, PREDICTIONS}
    assert Badge("seen", False) in [row[2] for row in table.rows]
    assert "Moreno-Torres" in table.note
    assert all(len(row) == len(table.columns) for row in table.rows)
