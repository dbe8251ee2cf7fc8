"""Paired bootstrap and the sections of a comparison."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import compared_models
from analysis_report import Badge, Picture, Table


def model(name: str, mean: float, difference: float, interval: list[float], p: float | None) -> dict[str, Any]:
    judged = {"difference": difference, "interval": interval, "p_against_best": p, "p_holm": p}
    return {"name": name, "mean": mean, "deviation": 0.02, **judged}


COMPARISON = {
    "metric": "accuracy",
    "folds": 10,
    "train_rows": 90,
    "test_rows": 10,
    "level": 0.95,
    "models": [
        model("svm", 0.97, 0.0, [0.0, 0.0], None),
        model("knn", 0.96, -0.01, [-0.03, 0.01], 0.3),
        model("guess", 0.33, -0.64, [-0.7, -0.6], 1e-9),
    ],
}


def predictions(rows: int = 300) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Answers, a model that is right 95 times in 100 and one that is right 80 times."""
    random = np.random.default_rng(0)
    answers = random.integers(0, 2, rows)
    good, bad = (np.where(random.random(rows) < share, answers, 1 - answers) for share in (0.95, 0.8))
    return answers, good, bad


def right(answers: np.ndarray, labels: np.ndarray) -> float:
    return float((answers == labels).mean())


def test_the_better_model_is_clearly_better() -> None:
    answers, good, bad = predictions()
    found = compared_models.paired_bootstrap(answers, good, bad, right, resamples=400)
    assert found["difference"] == pytest.approx(right(answers, good) - right(answers, bad))
    assert 0 < found["interval"][0] < found["difference"] < found["interval"][1]
    assert found["p"] == pytest.approx(2 / 401)
    turned = compared_models.paired_bootstrap(answers, bad, good, right, resamples=400)
    assert turned["difference"] == -found["difference"] and turned["p"] == found["p"]


def test_the_interval_is_that_of_the_paired_difference() -> None:
    """For means the bootstrap's spread is the paired differences' own standard error."""
    answers, good, bad = predictions()
    found = compared_models.paired_bootstrap(answers, good, bad, right, resamples=2000)
    paired = (answers == good).astype(float) - (answers == bad)
    error = paired.std() / np.sqrt(len(paired))
    assert (found["interval"][1] - found["interval"][0]) / (2 * 1.96) == pytest.approx(error, rel=0.1)


def test_equal_models_are_not_told_apart_and_one_class_has_no_auc() -> None:
    answers, good, _ = predictions()
    assert compared_models.paired_bootstrap(answers, good, good, right, resamples=50)["p"] == 1.0
    few = compared_models.paired_bootstrap(
        np.array([0, 0, 0, 1]), np.array([0.1, 0.2, 0.3, 0.9]), np.zeros(4), auc, resamples=50
    )
    assert few["difference"] == 0.5
    with pytest.raises(ValueError, match="no value in any of 5 resamples of 4 records"):
        compared_models.paired_bootstrap(np.zeros(4), np.zeros(4), np.zeros(4), auc, resamples=5)


def auc(answers: np.ndarray, scores: np.ndarray) -> float:
    if len(set(answers)) < 2:
        raise ValueError("one class")
    return float(roc_auc_score(answers, scores))


def test_sections_show_names_differences_and_verdicts() -> None:
    table, picture = compared_models.sections(COMPARISON)
    assert isinstance(table, Table) and isinstance(picture, Picture)
    assert [row[0] for row in table.rows] == ["svm", "knn", "guess"]
    assert [row[-1].text for row in table.rows] == ["best", "no clear difference", "worse"]
    assert table.rows[2][-1] == Badge("worse", False) and table.rows[2][5] == "< 0.001"
    assert "Nadeau and Bengio" in table.note and "10 folds" in table.note
    axes = compared_models.figures(COMPARISON)["model_comparison"].axes[0]
    assert [each.get_text() for each in axes.get_yticklabels()] == ["svm", "knn", "guess"]


def test_an_artifact_without_a_comparison_has_no_sections() -> None:
    assert compared_models.sections(None) == []
