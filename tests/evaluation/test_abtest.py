"""The library of A/B tests against published values and other implementations, and in 1,000 tests of A against A."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import integrate, stats
from statsmodels.stats import multitest, power, proportion, weightstats

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import abtest
import abtest_cuped
import abtest_power
import abtest_sequential

TESTS = 1000
# Of 1,000 tests at 5 %, so many reject in 99.9 of 100 simulations.
FEWEST, MOST = stats.binom.interval(0.999, TESTS, 0.05)
# Extra hours of sleep with two drugs (Student 1908): R's data set `sleep`.
SLEEP_1 = np.array([0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0])
SLEEP_2 = np.array([1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4])


# Published values.


@pytest.mark.parametrize(
    ("b", "a", "wald", "hybrid"),
    [
        ((56, 70), (48, 80), (0.0575, 0.3425), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.2605, 0.9395), (0.1705, 0.8090)),
        ((5, 56), (0, 29), (0.0146, 0.1640), (-0.0381, 0.1926)),
    ],
)
def test_intervals_of_a_difference_of_shares(
    b: tuple[int, int], a: tuple[int, int], wald: tuple[float, float], hybrid: tuple[float, float]
) -> None:
    """Newcombe, "Interval estimation for the difference between independent proportions" (1998), table II, methods 1
    and 10.
    """
    found = abtest.two_proportions(*a, *b)
    assert (found.low, found.high) == pytest.approx(wald, abs=6e-5)
    assert abtest.newcombe(*a, *b) == pytest.approx(hybrid, abs=6e-5)


@pytest.mark.parametrize(
    ("count", "of", "interval"),
    [(81, 263, (0.2553, 0.3662)), (15, 148, (0.0624, 0.1605)), (0, 20, (0, 0.1611)), (1, 29, (0.0061, 0.1718))],
)
def test_wilsons_interval(count: int, of: int, interval: tuple[float, float]) -> None:
    """Newcombe, "Two-sided confidence intervals for the single proportion" (1998), table I, method 3."""
    assert abtest.wilson(count, of) == pytest.approx(interval, abs=6e-5)


def test_welch_on_students_sleep() -> None:
    """R's documentation of t.test: t.test(extra ~ group, data = sleep)."""
    found = abtest.welch(SLEEP_2, SLEEP_1)
    assert (found.statistic, found.p_value) == pytest.approx((-1.8608, 0.07939), abs=5e-5)
    assert (found.low, found.high) == pytest.approx((-3.3654832, 0.2054832), abs=1e-7)


def test_mann_whitney_on_permeability() -> None:
    """Hollander and Wolfe (1973), page 69: R's documentation of wilcox.test has W = 35 and a one-sided p of 0.1272."""
    term = np.array([0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46])
    early = np.array([1.15, 0.88, 0.90, 0.74, 1.21])
    found = abtest.mann_whitney(early, term)
    assert (found.u, found.p_value) == pytest.approx((35, 2 * 0.1272), abs=1e-4)
    assert (found.superiority, found.rank_biserial) == pytest.approx((0.7, 0.4))


def test_power_and_sample_size() -> None:
    """The examples in R's documentation of power.prop.test and power.t.test."""
    assert abtest_power.proportions_power(0.50, 0.75, 50) == pytest.approx(0.7401659, abs=1e-6)
    assert abtest_power.proportions_size(0.50, 0.75, power=0.90) == 77  # 76.7
    assert abtest_power.proportions_effect(0.50, 76.65294, power=0.90) == pytest.approx(0.25, abs=1e-4)
    assert abtest_power.means_power(1, 1, 20) == pytest.approx(0.8689528, abs=1e-6)
    assert abtest_power.means_size(1, 1, power=0.90) == 23  # 22.02
    assert abtest_power.means_effect(1, 22.02110, power=0.90) == pytest.approx(1, abs=1e-5)


def test_sample_ratio_mismatch() -> None:
    """Kohavi, Tang and Xu, "Trustworthy online controlled experiments" (2020), chapter 21, first scenario."""
    assert abtest.sample_ratio([821_588, 815_482], [1, 1]) == pytest.approx(1.8e-6, rel=0.02)
    assert abtest.sample_ratio([900, 100], [90, 10]) == 1.0


def test_holm() -> None:
    """The four hypotheses of Wikipedia's article on the method; Holm (1979) himself adjusts no p-values."""
    assert abtest.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


# Other implementations.


def test_shares_as_statsmodels_has_them() -> None:
    a, of_a, b, of_b = 231, 2400, 187, 1600
    found = abtest.two_proportions(a, of_a, b, of_b)
    z, p_value = proportion.proportions_ztest([b, a], [of_b, of_a])
    assert (found.statistic, found.p_value) == pytest.approx((z, p_value))
    for method, interval in (("wald", (found.low, found.high)), ("newcomb", abtest.newcombe(a, of_a, b, of_b))):
        assert interval == pytest.approx(proportion.confint_proportions_2indep(b, of_b, a, of_a, method=method))
    assert abtest.wilson(a, of_a) == pytest.approx(proportion.proportion_confint(a, of_a, method="wilson"))
    ratio = abtest.risk_ratio(a, of_a, b, of_b)
    table = sm.stats.Table2x2([[b, of_b - b], [a, of_a - a]])
    assert ratio.value == pytest.approx(table.riskratio)
    assert (ratio.low, ratio.high) == pytest.approx(table.riskratio_confint())
    assert ratio.p_value == pytest.approx(table.riskratio_pvalue())


def test_means_as_statsmodels_has_them() -> None:
    compared = weightstats.CompareMeans.from_data(SLEEP_2, SLEEP_1)
    found = abtest.welch(SLEEP_1, SLEEP_2)
    t, p_value, _ = compared.ttest_ind(usevar="unequal")
    assert (found.statistic, found.p_value) == pytest.approx((t, p_value))
    assert (found.low, found.high) == pytest.approx(compared.tconfint_diff(usevar="unequal"))


def test_sizes_as_statsmodels_has_them() -> None:
    expected = power.tt_ind_solve_power(0.2, 200, 0.05, ratio=2)  # effects in standard deviations
    assert abtest_power.means_power(0.3, 1.5, 200, ratio=2) == pytest.approx(expected, abs=1e-4)
    expected = proportion.power_proportions_2indep(0.02, 0.1, 3000, ratio=0.5).power  # its first group has the 0.12
    assert abtest_power.proportions_power(0.12, 0.1, 3000, ratio=0.5) == pytest.approx(expected, abs=1e-4)
    size = abtest_power.proportions_size(0.1, 0.12, ratio=0.5)
    assert abtest_power.proportions_power(0.1, 0.12, size - 1, ratio=0.5) < 0.8
    assert abtest_power.proportions_power(0.1, 0.12, size, ratio=0.5) >= 0.8


def test_holm_as_statsmodels_has_it() -> None:
    values = list(np.random.default_rng(1).uniform(0, 0.1, 12))
    assert abtest.holm(values) == pytest.approx(multitest.multipletests(values, method="holm")[1])


def test_ratio_of_means_covers_what_it_should() -> None:
    random = np.random.default_rng(2)
    found = abtest.ratio_of_means(random.gamma(2, 1, (TESTS, 400)), random.gamma(2, 1.1, (TESTS, 600)))
    missed = int(np.sum((found.low > 1.1) | (found.high < 1.1)))
    assert FEWEST <= missed <= MOST


def test_clusters_as_statsmodels_has_them() -> None:
    """A regression on nothing but a constant, with errors clustered by customer (its own correction taken out)."""
    random = np.random.default_rng(3)
    counts = random.integers(1, 9, 300)
    rate = random.beta(2, 5, 300)
    sums = random.binomial(counts, rate)
    mean, variance = abtest.clustered_mean(sums, counts)
    values = np.concatenate([np.repeat([1.0, 0.0], [k, n - k]) for k, n in zip(sums, counts, strict=True)])
    customer = np.repeat(np.arange(300), counts)
    fitted = sm.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": customer, "use_correction": False}
    )
    assert mean == pytest.approx(fitted.params[0])
    assert variance == pytest.approx(fitted.cov_params()[0, 0] * 300 / 299)
    assert variance > abtest.mean_variance(values)  # records of one customer are alike


def test_cuped_is_the_regression_on_variant_and_covariate() -> None:
    """Its estimate is that of an analysis of covariance, and its variance 1 − ρ² of the plain one."""
    random = np.random.default_rng(4)
    x = random.normal(5, 2, 4000)
    y = 0.6 * x + random.normal(0, 1, 4000)
    b = np.arange(4000) % 2 == 1
    y[b] += 0.1
    found = abtest_cuped.cuped(y[~b], x[~b], y[b], x[b])
    plain, adjusted = abtest.welch(y[~b], y[b]), abtest.welch(found.a, found.b)
    fitted = sm.OLS(y, sm.add_constant(np.column_stack([b, x]))).fit()
    assert adjusted.value == pytest.approx(fitted.params[1])
    assert adjusted.high - adjusted.low == pytest.approx(2 * 1.96 * fitted.bse[1], rel=2e-3)
    assert found.removed == pytest.approx(np.corrcoef(y[~b], x[~b])[0, 1] ** 2, abs=0.02)
    shrunk = (adjusted.high - adjusted.low) ** 2 / (plain.high - plain.low) ** 2
    assert shrunk == pytest.approx(1 - found.removed, rel=0.01)
    nothing = abtest_cuped.cuped(y[~b], np.ones(2000), y[b], np.ones(2000))
    assert nothing.removed == 0
    np.testing.assert_array_equal(nothing.a, y[~b])


def test_the_mixture_ratio_is_the_integral_that_it_stands_for() -> None:
    """Johari et al.: the likelihood ratio of each effect, weighted by a normal prior of the effects."""
    variance, mixture = 0.0004, 0.0009
    for value in (0.0, 0.013, -0.06):
        null = stats.norm.pdf(value, 0, variance**0.5)
        ratio, _ = integrate.quad(
            lambda effect, value=value, null=null: (
                stats.norm.pdf(value, effect, variance**0.5) / null * stats.norm.pdf(effect, 0, mixture**0.5)
            ),
            -0.4,
            0.4,
            points=[value],
        )
        assert np.exp(abtest_sequential.log_ratio(value, variance, mixture)) == pytest.approx(ratio)


def test_the_confidence_sequence_is_howards_boundary() -> None:
    """Howard et al. (2021), eq. 14, of a sum with intrinsic time t and parameter r: √((t + r) log((t + r)/(r α²)))."""
    deviation, mixture, alpha = 2.0, 0.09, 0.05
    n = np.array([100, 1000, 50_000])
    r = deviation**2 / mixture
    boundary = np.sqrt((n + r) * np.log((n + r) / (r * alpha**2))) * deviation / n
    assert abtest_sequential.margin(deviation**2 / n, mixture, alpha) == pytest.approx(boundary)


def test_p_value_and_interval_agree() -> None:
    at = abtest_sequential.margin(np.array([1e-4]), 4e-4)
    for value, rejected in ((at * 1.0001, True), (at * 0.9999, False)):
        found = abtest_sequential.always_valid(value, 1e-4, 4e-4, size=1000)
        assert bool(found.p_value[0] <= 0.05) is rejected
        assert bool(found.low[0] > 0) is rejected
    early = abtest_sequential.always_valid(0.5, 1e-9, 4e-4, size=99)
    assert (early.p_value, early.low, early.high) == (1.0, -np.inf, np.inf)


# 1,000 tests of A against A.


def rejected(p_values: Any) -> int:
    assert np.shape(p_values) == (TESTS,)
    return int(np.sum(p_values < 0.05))


def test_shares_reject_at_the_nominal_rate() -> None:
    random = np.random.default_rng(10)
    a, b = random.binomial(5000, 0.2, TESTS), random.binomial(3000, 0.2, TESTS)
    assert FEWEST <= rejected(abtest.two_proportions(a, 5000, b, 3000).p_value) <= MOST


def test_welch_rejects_at_the_nominal_rate() -> None:
    random = np.random.default_rng(11)
    a, b = random.lognormal(3, 0.8, (TESTS, 500)), random.lognormal(3, 0.8, (TESTS, 300))
    assert FEWEST <= rejected(abtest.welch(a, b).p_value) <= MOST


def test_mann_whitney_rejects_at_the_nominal_rate() -> None:
    random = np.random.default_rng(12)
    a, b = random.lognormal(3, 2, (TESTS, 200)).round(), random.lognormal(3, 2, (TESTS, 150)).round()  # with ties
    assert FEWEST <= rejected(abtest.mann_whitney(a, b).p_value) <= MOST


def test_cuped_rejects_at_the_nominal_rate_and_finds_more() -> None:
    random = np.random.default_rng(13)
    x = random.gamma(2, 10, (2, TESTS, 400))
    y = x + random.gamma(2, 7, (2, TESTS, 400))
    found = abtest_cuped.cuped(y[0], x[0], y[1], x[1])
    assert FEWEST <= rejected(abtest.welch(found.a, found.b).p_value) <= MOST
    effect = 2.0
    plain, adjusted = abtest.welch(y[0], y[1] + effect), abtest.welch(found.a, found.b + effect)
    assert rejected(adjusted.p_value) > 1.4 * rejected(plain.p_value)


@pytest.mark.parametrize("kind", ["normal", "shares", "skewed"])
def test_peeking_at_every_record_rejects_at_most_at_the_nominal_rate(kind: str) -> None:
    """A look after every pair of records, the variances being estimated; a naive test looks at the same."""
    random, looks = np.random.default_rng(14), 2000
    draw = {
        "normal": lambda: random.normal(size=(TESTS, looks)),
        "shares": lambda: (random.random((TESTS, looks)) < 0.2).astype(float),
        "skewed": lambda: random.exponential(size=(TESTS, looks)),
    }[kind]
    n = np.arange(1, looks + 1)
    means, variances = [], []
    for sample in (draw(), draw()):
        mean = np.cumsum(sample, axis=-1) / n
        means.append(mean)
        variances.append((np.cumsum(sample**2, axis=-1) / n - mean**2) / np.maximum(n - 1, 1))
    effect, variance = means[1] - means[0], variances[0] + variances[1]
    deviation = 0.4 if kind == "shares" else 1.0
    mixture = abtest_sequential.mixture_of(0.15 * deviation)
    found = abtest_sequential.always_valid(effect, variance, mixture, size=n)
    at_any_time = abtest_sequential.running(found.p_value)[:, -1]
    assert rejected(at_any_time) <= stats.binom.ppf(0.999, TESTS, 0.05)
    assert rejected(at_any_time) > 0  # a test that never rejects would pass, too
    late = slice(abtest_sequential.FEWEST - 1, None)
    naive = 2 * stats.norm.sf(np.abs(effect[:, late]) / np.sqrt(variance[:, late]))
    assert rejected(naive.min(axis=-1)) > 200  # four times what it promises
    shifted = abtest_sequential.always_valid(effect + 0.15 * deviation, variance, mixture, size=n)
    assert np.mean(shifted.p_value.min(axis=-1) < 0.05) > 0.9


def test_a_sequential_test_needs_so_many_records_more() -> None:
    """With `size_factor` times the records, a single look at the end finds the effect as often as promised."""
    random = np.random.default_rng(15)
    effect = 0.2
    size = round(abtest_power.means_size(effect, 1.0) * abtest_sequential.size_factor(effect))
    values = effect + random.normal(0, np.sqrt(2 / size), TESTS * 10)
    found = abtest_sequential.always_valid(values, 2 / size, abtest_sequential.mixture_of(effect), size=size)
    assert np.mean(found.p_value < 0.05) == pytest.approx(0.8, abs=0.02)
