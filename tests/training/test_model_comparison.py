"""The corrected resampled t-test against its published formula and its purpose: it is rarely wrong about equals."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))

import model_comparison
from model_comparison import compare, corrected_resampled_t, holm

FIRST = [0.90, 0.92, 0.88, 0.95, 0.91]
SECOND = [0.89, 0.90, 0.88, 0.91, 0.90]


def test_the_statistic_is_nadeaus_and_bengios() -> None:
    """Differences 0.01, 0.02, 0, 0.04, 0.01: mean 0.016, variance 0.00023; 80 records to learn from and 20 judged."""
    found = corrected_resampled_t(FIRST, SECOND, 80, 20)
    t = 0.016 / math.sqrt((1 / 5 + 20 / 80) * 0.00023)
    assert found.mean == pytest.approx(0.016)
    assert found.t == pytest.approx(t)
    assert found.p == pytest.approx(2 * stats.t.sf(t, 4))
    reach = stats.t.ppf(0.975, 4) * 0.016 / t
    assert (found.lower, found.upper) == (pytest.approx(0.016 - reach), pytest.approx(0.016 + reach))


def test_with_no_judged_records_it_is_the_paired_t_test() -> None:
    """Without the correction's term only the ordinary test is left: SciPy's."""
    found, expected = corrected_resampled_t(FIRST, SECOND, 80, 0), stats.ttest_rel(FIRST, SECOND)
    assert (found.t, found.p) == (pytest.approx(expected.statistic), pytest.approx(expected.pvalue))
    assert corrected_resampled_t(FIRST, SECOND, 80, 20).p > found.p


def test_equal_scores_and_constant_differences() -> None:
    same = corrected_resampled_t(FIRST, FIRST, 80, 20)
    assert (same.mean, same.t, same.p) == (0.0, 0.0, 1.0)
    ahead = corrected_resampled_t([0.9, 0.8], [0.8, 0.7], 80, 20)
    assert ahead.t == math.inf and ahead.p == 0.0
    assert (ahead.lower, ahead.upper) == (pytest.approx(0.1), pytest.approx(0.1))


@pytest.mark.parametrize("second", [[0.9], [0.9] * 4])
def test_scores_that_are_no_pairs_are_refused(second: list[float]) -> None:
    with pytest.raises(ValueError, match="Scores of the same two or more folds"):
        corrected_resampled_t([0.9] * len(FIRST) if len(second) > 1 else [0.9], second, 80, 20)


def test_folds_that_share_records_deceive_the_ordinary_test_but_not_this_one() -> None:
    """Two guessers, equally good, judged on overlapping random halves: how often does each test see a difference?"""
    random = np.random.default_rng(0)
    wrong = {"ordinary": 0, "corrected": 0}
    for _ in range(200):
        right = random.integers(0, 2, (2, 60))
        judged = [random.permutation(60)[:30] for _ in range(15)]
        first, second = (np.array([one[part].mean() for part in judged]) for one in right)
        wrong["ordinary"] += stats.ttest_rel(first, second).pvalue < 0.05
        wrong["corrected"] += corrected_resampled_t(first, second, 30, 30).p < 0.05
    assert wrong["corrected"] < 30 < wrong["ordinary"]


def test_compare_ranks_and_is_json() -> None:
    found = compare({"tree": SECOND, "forest": FIRST, "guess": [0.5] * 5}, "accuracy", 80, 20)
    assert [each["name"] for each in found["models"]] == ["forest", "tree", "guess"]
    best, tree, guess = found["models"]
    assert best["p_against_best"] is None and best["difference"] == 0.0
    assert tree["p_against_best"] == corrected_resampled_t(SECOND, FIRST, 80, 20).p
    assert tree["difference"] == pytest.approx(-0.016) and tree["interval"][0] < -0.016 < tree["interval"][1]
    assert guess["p_holm"] == pytest.approx(2 * guess["p_against_best"])
    assert json.loads(json.dumps(found)) == found
    assert "forest: 0.9120" in model_comparison.readable(found)


def test_holm_as_in_his_paper() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
