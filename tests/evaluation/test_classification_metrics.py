from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from evaluation import classification_metrics as ours


@pytest.fixture(scope="module")
def scored() -> tuple[np.ndarray, np.ndarray]:
    """Answers and probabilities, many of them tied."""
    random = np.random.default_rng(0)
    probability = random.uniform(0.01, 0.99, 400).round(2)
    return (random.uniform(size=400) < probability).astype(int), probability


def test_values_are_scikit_learn_s(scored: tuple[np.ndarray, np.ndarray]) -> None:
    answers, probability = scored
    labels = (probability >= 0.3).astype(int)
    found = ours.metrics(answers, probability, 0.3, np.ones((1, len(answers))))
    expected = {
        "accuracy": reference.accuracy_score(answers, labels),
        "precision": reference.precision_score(answers, labels),
        "recall": reference.recall_score(answers, labels),
        "f1": reference.f1_score(answers, labels),
        "auc": reference.roc_auc_score(answers, probability),
        "average_precision": reference.average_precision_score(answers, probability),
        "log_loss": reference.log_loss(answers, probability),
        "brier": reference.brier_score_loss(answers, probability),
    }
    for name, value in expected.items():
        assert found[name][0] == pytest.approx(value), name
    assert found["true_positive_rate"] + found["false_negative_rate"] == pytest.approx(1)
    assert found["true_negative_rate"] + found["false_positive_rate"] == pytest.approx(1)


def test_a_weight_means_that_a_record_was_drawn_so_often(scored: tuple[np.ndarray, np.ndarray]) -> None:
    answers, probability = scored
    weights = np.random.default_rng(1).multinomial(len(answers), np.full(len(answers), 1 / len(answers)), size=3)
    together = ours.metrics(answers, probability, 0.3, weights.astype(float))
    for row, drawn in enumerate(weights):
        rows = np.repeat(np.arange(len(answers)), drawn)
        alone = ours.metrics(answers[rows], probability[rows], 0.3, np.ones((1, len(rows))))
        for name, value in alone.items():
            assert together[name][row] == pytest.approx(value[0]), name


def test_intervals_hold_the_value_and_shrink_with_records(scored: tuple[np.ndarray, np.ndarray]) -> None:
    answers, probability = scored
    few = ours.with_intervals(answers, probability, 0.3, resamples=200, seed=0)
    many = ours.with_intervals(np.tile(answers, 9), np.tile(probability, 9), 0.3, resamples=200, seed=0)
    for name, metric in few.items():
        bounds = metric["confidence_interval"]
        assert bounds["lower"] < metric["value"] < bounds["upper"], name
        assert many[name]["standard_deviation"] == pytest.approx(metric["standard_deviation"] / 3, rel=0.35), name


def test_resamples_do_not_depend_on_how_many_fit_into_memory(
    scored: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ours.with_intervals(*scored, 0.3, resamples=50, seed=0)
    monkeypatch.setattr(ours, "AT_ONCE", 7 * len(scored[0]))
    for name, metric in ours.with_intervals(*scored, 0.3, resamples=50, seed=0).items():
        assert metric["standard_deviation"] == pytest.approx(whole[name]["standard_deviation"]), name
        assert metric["confidence_interval"] == pytest.approx(whole[name]["confidence_interval"]), name


def test_nobody_chosen_is_no_division_by_zero() -> None:
    found = ours.metrics(np.array([0, 1]), np.array([0.1, 0.2]), 0.9, np.ones((1, 2)))
    assert found["precision"][0] == found["f1"][0] == 0


def test_the_cheapest_threshold_is_worth_what_the_curve_says(scored: tuple[np.ndarray, np.ndarray]) -> None:
    answers, probability = scored
    thresholds, cost = ours.costs(answers, probability, action=1, miss=5)
    for threshold, expected in zip(thresholds, cost, strict=True):
        assert ours.cost_at(answers, probability, threshold, 1, 5) == pytest.approx(expected)
    chosen = ours.cheapest(thresholds, cost)
    everywhere = [ours.cost_at(answers, probability, threshold, 1, 5) for threshold in np.linspace(0, 1.01, 500)]
    assert ours.cost_at(answers, probability, chosen, 1, 5) == pytest.approx(min(everywhere))


def test_when_acting_never_pays_nobody_is_chosen() -> None:
    answers, probability = np.array([0, 1, 1]), np.array([0.2, 0.5, 0.9])
    assert ours.cheapest(*ours.costs(answers, probability, action=9, miss=5)) > 0.9


def test_confusion_counts_actual_then_predicted() -> None:
    found = ours.confusion(np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 0, 1]))
    assert found == {"0": {"0": 2, "1": 1}, "1": {"0": 1, "1": 1}}


def test_calibration_groups_are_of_equal_size() -> None:
    probability = np.linspace(0, 1, 100)
    points = ours.calibration((probability > 0.5).astype(int), probability, bins=4)
    assert points["records"] == [25, 25, 25, 25]
    assert points["observed_share"] == [0, 0, 1, 1]
    assert points["mean_probability"] == sorted(points["mean_probability"])


def test_a_thinned_curve_keeps_its_ends() -> None:
    thinned = ours.thin(np.arange(1000), most=10)
    assert len(thinned) == 10
    assert (thinned[0], thinned[-1]) == (0, 999)
    assert ours.thin(np.arange(3), most=10) == [0, 1, 2]
