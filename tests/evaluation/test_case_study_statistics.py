"""The statistics of a case study against SciPy, statsmodels or a published value; and tables that have nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from scipy import stats
from sklearn import metrics
from statsmodels.nonparametric.kde import KDEUnivariate
from statsmodels.stats.diagnostic import normal_ad

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import case_study_chi_squared as chi_squared
import case_study_effects as effects
import case_study_fits as fits
import case_study_mcar as mcar
import case_study_moments as moments
import case_study_normality as normality
import case_study_scaling as scaling
import case_study_synthetic as synthetic
from case_study import ANALYSES
from case_study_duplicates import duplicates
from case_study_missing import missing_values
from case_study_outliers import outliers
from case_study_section import Section
from case_study_table import CaseTable

RANDOM = np.random.default_rng(0)
MINE = [
    each
    for each in ANALYSES
    if each.__module__.removeprefix("case_study_")
    in {"quality", "missing", "duplicates", "moments", "fits", "normality", "outliers", "scaling", "chi_squared",
        "effects", "synthetic"}
]  # fmt: skip


def table_of(folder: Path, columns: dict[str, Any], target: str = "", kinds: dict[str, str] | None = None) -> CaseTable:
    frame = pa.table(columns)
    kept = kinds or {}
    told = [each.with_metadata({"kind": kept[each.name]}) if each.name in kept else each for each in frame.schema]
    parquet.write_table(frame.cast(pa.schema(told)), folder / "table.parquet", row_group_size=97)
    return CaseTable(folder, target)


def rows_of(section: Section | None, title: str) -> dict[str, list[Any]]:
    assert section is not None
    (table,) = [each for each in section.tables if each.title == title]
    return {str(row[0]): list(row) for row in table.rows}


# New York's air in 1973, R's data set airquality. The documentation of naniar gives Little's test of it: 35.1 with 14
# degrees of freedom, p 0.00142, of 4 patterns.
AIR = Path(__file__).with_name("airquality.csv")


def test_littles_test_of_a_published_example() -> None:
    found = mcar.little(pd.read_csv(AIR).to_numpy(float))
    assert found is not None
    assert (round(found.statistic, 1), found.freedom, round(found.p_value, 5), found.patterns) == (35.1, 14, 0.00142, 4)


def test_littles_test_holds_its_level() -> None:
    """Of tables whose gaps depend on nothing about one in twenty is rejected."""
    rejected = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        values = random.normal(size=(200, 3)) @ np.array([[1, 0.5, 0.2], [0, 1, 0.4], [0, 0, 1]])
        values[random.random(values.shape) < 0.1] = np.nan
        found = mcar.little(values)
        rejected += found is not None and found.p_value < 0.05
    assert rejected <= 8


@pytest.mark.parametrize(
    "values",
    [
        np.ones((20, 2)),
        np.full((20, 2), np.nan),
        np.zeros((0, 2)),
        np.array([[1.0, np.nan]]),
        RANDOM.normal(size=(9, 2)),
    ],
)
def test_littles_test_says_nothing_where_nothing_can_be_tested(values: np.ndarray) -> None:
    assert mcar.little(values) is None


def test_why_values_may_be_missing(tmp_path: Path) -> None:
    rows = 2000
    x = RANDOM.normal(size=rows)
    garage = RANDOM.choice(["none", "brick", "wood"], rows)
    table = table_of(
        tmp_path,
        {
            "x": x,
            "garage": garage,
            "at_random": np.where(x > 0.8, np.nan, RANDOM.normal(size=rows)),
            "completely": np.where(RANDOM.random(rows) < 0.2, np.nan, RANDOM.normal(size=rows)),
            "age_of_garage": np.where(garage == "none", np.nan, RANDOM.integers(1, 90, rows)),
            "cut_off": np.where(RANDOM.random(rows) < 0.2, np.nan, np.minimum(RANDOM.normal(size=rows), 1.0)),
        },
    )
    found = rows_of(missing_values(table, {}), "What is missing, and what that points to")
    assert {name: row[3].text for name, row in found.items()} == {
        "at_random": "MAR", "completely": "as if MCAR", "age_of_garage": "structural", "cut_off": "MNAR?",
    }  # fmt: skip
    assert "goes with x" in found["at_random"][4]
    assert found["age_of_garage"][4] == "missing where garage is none"


def test_gaps_that_go_together_and_numbers_that_stand_for_them(tmp_path: Path) -> None:
    x, gone = RANDOM.normal(50, 5, 600), RANDOM.random(600) < 0.1
    columns = {name: np.where(gone, np.nan, RANDOM.normal(size=600)) for name in ("a", "b")}
    coded = np.where(RANDOM.random(600) < 0.1, 999.0, x)
    section = missing_values(table_of(tmp_path, columns | {"coded": coded, "rain": np.maximum(x - 50, 0)}), {})
    found = rows_of(section, "What is missing, and what that points to")
    assert found["a"][3].text == "as if MCAR" and found["a"][4].endswith("always together with b")
    assert list(rows_of(section, "Numbers that may stand for missing")) == ["coded"]
    assert any("999 in coded" in said for said in section.findings)


def test_moments_are_scipys_whatever_the_batches(tmp_path: Path) -> None:
    values = RANDOM.lognormal(size=500) + 1e6
    values[::7] = np.nan
    table = table_of(tmp_path, {"x": values, "constant": np.full(500, 0.1), "empty": np.full(500, np.nan)})
    parts = [moments.Moments.of(part[["x"]].to_numpy(float)) for part in table.batches(["x"], rows=41)]
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.merged(part)
    found, known = moments.figures(["x"], whole).loc["x"], values[np.isfinite(values)]
    assert found["count"] == len(known)
    assert found["mean"] == pytest.approx(known.mean())
    assert found["deviation"] == pytest.approx(known.std(ddof=1))
    assert found["mean_error"] == pytest.approx(stats.sem(known))
    assert found["skewness"] == pytest.approx(stats.skew(known))
    assert found["kurtosis"] == pytest.approx(stats.kurtosis(known))
    assert found["raw_3"] == pytest.approx((known**3).mean())
    assert found["raw_4"] == pytest.approx((known**4).mean())
    others = moments.moments(table)
    assert np.isnan(others.loc["constant", "skewness"]) and others.loc["constant", "deviation"] == 0
    assert others.loc["empty", "count"] == 0 and np.isnan(others.loc["empty", "mean"])


def test_standard_errors_are_what_repeated_samples_show() -> None:
    samples = RANDOM.exponential(size=(4000, 300))
    found = moments.figures([str(each) for each in range(4000)], moments.Moments.of(samples.T))
    assert found["mean_error"].mean() == pytest.approx(found["mean"].std(), rel=0.05)
    assert found["deviation_error"].mean() == pytest.approx(found["deviation"].std(), rel=0.2)
    medians = [moments.median_error(sample) for sample in samples[:500]]
    assert np.mean(medians) == pytest.approx(np.median(samples, axis=1).std(), rel=0.1)
    normal = moments.figures([str(each) for each in range(4000)], moments.Moments.of(RANDOM.normal(size=(300, 4000))))
    assert normal["skewness_error"].iloc[0] == pytest.approx(normal["skewness"].std(), rel=0.05)
    assert normal["kurtosis_error"].iloc[0] == pytest.approx(normal["kurtosis"].std(), rel=0.05)


def test_effects_of_two_groups() -> None:
    first, second = RANDOM.normal(0, 1, 40), RANDOM.normal(0.6, 1.5, 60)
    found = effects.two_groups(first, second)
    t = stats.ttest_ind(second, first).statistic  # d is t without the size of the groups
    assert found.d == pytest.approx(t * np.sqrt(1 / 40 + 1 / 60))
    assert found.g == pytest.approx(found.d * (1 - 3 / (4 * 98 - 1)))
    more = (second[:, None] > first).mean() - (second[:, None] < first).mean()
    assert found.rank_biserial == pytest.approx(more)
    assert found.rank_biserial == pytest.approx(2 * metrics.roc_auc_score([0] * 40 + [1] * 60, [*first, *second]) - 1)
    assert found.low < found.g < found.high
    constant = effects.two_groups(np.ones(5), np.ones(5))
    assert np.isnan(constant.d) and np.isnan(constant.p_value) and constant.rank_biserial == 0


def test_effects_of_several_groups() -> None:
    groups = [RANDOM.normal(each, 1, 30) for each in (0.0, 0.3, 1.0)]
    f = stats.f_oneway(*groups).statistic
    eta = f * 2 / (f * 2 + 87)  # of the analysis of variance with 2 and 87 degrees of freedom
    assert effects.eta(groups) == pytest.approx(eta)
    assert effects.omega_squared(groups) == pytest.approx(2 * (f - 1) / (2 * (f - 1) + 90))


def test_fits_are_of_maximum_likelihood() -> None:
    for law, values in (
        ("log-normal", RANDOM.lognormal(1, 0.7, 5000)),
        ("Pareto", stats.pareto(2.5, scale=3).rvs(5000, random_state=0)),
        ("Gaussian", RANDOM.normal(50, 3, 5000)),
    ):
        best, *others = fits.fits(values)
        assert best.name == law and best.distance < 0.02 and len(others) == 2
        assert best.aic < min(each.aic for each in others)
    values = stats.pareto(2.5, scale=3).rvs(5000, random_state=0)
    pareto = fits.pareto(values)
    assert pareto is not None
    shape, _, scale = stats.pareto.fit(values, floc=0, fscale=values.min())
    assert (pareto.parameters["alpha"], pareto.parameters["x_min"]) == (pytest.approx(shape), pytest.approx(scale))
    assert pareto.distance == pytest.approx(stats.kstest(values, stats.pareto(shape, scale=scale).cdf).statistic)
    log_normal = fits.log_normal(values)
    assert log_normal is not None
    sigma, _, scale = stats.lognorm.fit(values, floc=0)
    assert log_normal.parameters["sigma"] == pytest.approx(sigma, rel=1e-3)
    assert log_normal.log_likelihood == pytest.approx(stats.lognorm.logpdf(values, sigma, scale=scale).sum(), rel=1e-6)
    assert log_normal.aic == pytest.approx(4 - 2 * log_normal.log_likelihood)


def test_values_of_no_law() -> None:
    assert [each.name for each in fits.fits(np.array([-1.0, 0.0, 2.0]))] == ["Gaussian"]
    assert fits.fits(np.ones(5)) == []


def test_normality_is_scipys_and_statsmodels() -> None:
    for values in (RANDOM.normal(10, 3, 400), RANDOM.exponential(size=400), RANDOM.normal(size=12)):
        found = normality.normality(values)
        statistic, p_value = normal_ad(values)
        assert found.anderson == pytest.approx(statistic)
        assert found.anderson_p == pytest.approx(p_value, abs=1e-6)
        assert (found.shapiro, found.shapiro_p) == pytest.approx(tuple(stats.shapiro(values)))
        assert found.k2_p == pytest.approx(stats.normaltest(values).pvalue)
        (_, _), (_, _, r) = stats.probplot(values)
        assert found.ppcc == pytest.approx(r)


def test_kernel_density_is_statsmodels() -> None:
    values = RANDOM.normal(3, 2, 800)
    x, smooth, width = normality.kernel_density(values)
    kernel = KDEUnivariate(values)
    kernel.fit(bw=width, fft=False)
    assert smooth == pytest.approx(kernel.evaluate(x), abs=2e-4)
    assert np.trapezoid(smooth, x) == pytest.approx(1, abs=0.005)


def test_chi_squared_is_scipys_and_says_when_it_cannot_be_trusted() -> None:
    counts = np.array([[10.0, 20, 30], [6, 9, 17]])  # an example of SciPy's documentation
    found = chi_squared.independence(counts)
    assert found is not None
    assert (found.statistic, found.freedom) == (pytest.approx(0.27157465150403504), 2)
    assert found.p_value == pytest.approx(0.873028283380073) and found.trusted
    tea = chi_squared.independence(np.array([[3.0, 1], [1, 3]]))  # Fisher's lady
    assert tea is not None and tea.exact and tea.p_value == pytest.approx(0.4857142857)
    thin = chi_squared.independence(np.array([[1.0, 2, 1], [2, 1, 1]]))
    assert thin is not None and not thin.trusted and thin.thin == 1.0
    assert chi_squared.independence(np.array([[1.0, 2], [0, 0]])) is None


def test_scalings() -> None:
    values = np.array([-120.0, 30, 40, 50, 1000])
    assert scaling.z_score(values) == pytest.approx(stats.zscore(values, ddof=1))
    assert scaling.min_max(values) == pytest.approx((values + 120) / 1120)
    assert scaling.decimal(values) == pytest.approx(values / 10_000)
    assert scaling.decimal(np.array([0.02, -0.05])) == pytest.approx([0.2, -0.5])
    assert scaling.over_mean(values).mean() == pytest.approx(1)
    assert scaling.over_mean(values).std(ddof=1) == pytest.approx(stats.variation(values, ddof=1))
    assert np.isnan(scaling.over_mean(np.array([-1.0, 1.0]))).all()
    long = RANDOM.lognormal(size=1000)
    before = scaling.effect(long)
    for method in ("z-score", "min-max", "decimal", "SD over mean"):
        assert scaling.effect(scaling.METHODS[method](long)) == pytest.approx(before)
    assert scaling.effect(scaling.METHODS["clipping"](long))[0] < before[0]


def test_information_is_scikit_learns_less_chance() -> None:
    first = RANDOM.integers(0, 4, 3000)
    second = np.where(RANDOM.random(3000) < 0.5, first, RANDOM.integers(0, 4, 3000))
    nats = metrics.mutual_info_score(first, second)
    assert synthetic.information(first, second) == pytest.approx((nats - 9 / 6000) / np.log(2))
    independent = [synthetic.information(RANDOM.integers(0, 4, 500), RANDOM.integers(0, 4, 500)) for _ in range(50)]
    assert np.mean(independent) < 0.005
    assert synthetic.entropy(np.array([0, 1, 2, 3, -1])) == 2


def test_a_sum_that_decides_is_found(tmp_path: Path) -> None:
    a, b = RANDOM.normal(size=2000), RANDOM.normal(size=2000)
    table = table_of(tmp_path, {"a": a, "b": b, "noise": RANDOM.normal(size=2000), "y": a + b > 0}, "y")
    found = synthetic.binning_and_features(table, {})
    rows = rows_of(found, "New columns: the 12 that gained most when chosen")
    assert next(iter(rows)) == "a + b"
    assert rows["a + b"][3] > 0.4
    assert all(row[3] < 0.05 for name, row in rows.items() if "noise" in name)
    assert found is not None and found.findings[0].startswith("a + b tells")


def test_outliers_are_counted_over_all_rows(tmp_path: Path) -> None:
    values = np.append(RANDOM.normal(size=3000), [50.0, -40.0])
    other = np.append(RANDOM.normal(size=3000), [9.0, -9.0])
    table = table_of(tmp_path, {"x": values, "other": other})
    section = outliers(table, {})
    row = rows_of(section, "One column at a time")["x"]
    q1, q3 = np.quantile(values, [0.25, 0.75])
    assert row[3] == (values < q1 - 1.5 * (q3 - q1)).sum() and row[4] == (values > q3 + 1.5 * (q3 - q1)).sum()
    assert row[6] == (np.abs(stats.zscore(values, ddof=1)) > 3).sum()
    odd = rows_of(section, "Rows that an isolation forest sets apart first")
    assert {"3001", "3002"} == set(list(odd)[:2])


def test_columns_that_say_the_same(tmp_path: Path) -> None:
    letters = RANDOM.choice(["a", "b", "c"], 90)
    names = np.array([{"a": "Anna", "b": "Bert", "c": "Carl"}[each] for each in letters])
    table = table_of(tmp_path, {"short": letters, "long": names, "again": letters, "one": ["x"] * 90})
    section = duplicates(table, {})
    assert ["short", "again", "equal"] in [list(row) for row in section.tables[1].rows]
    assert ["short", "long", "one to one: other names, same groups"] in [list(row) for row in section.tables[1].rows]
    assert any("one has no two different values" in said for said in section.findings)


NOTHING = {
    "one row": {"n": [1.5], "c": ["x"], "b": [True]},
    "two rows": {"n": [1.0, 2.0], "c": ["x", "y"], "b": [True, None]},
    "constants": {"n": [3.0] * 50, "m": [3] * 50, "c": ["x"] * 50, "b": [True] * 50},
    "all missing": {"n": pa.nulls(40, pa.float64()), "c": pa.nulls(40, pa.string()), "b": pa.nulls(40, pa.bool_())},
    "huge": {"n": [1e300, -1e300, 5e299] * 30, "m": [2**62, 1, 2] * 30, "t": [1e-300, 2e-300, 3e-300] * 30},
    "half gone": {"n": [1.0, None] * 40, "m": [None, 2.0] * 40, "c": ["x", None] * 40},
    "infinite": {"n": [np.inf, 1.0, 2.0, -np.inf] * 20, "m": [1.0, 2.0, 3.0, 4.0] * 20},
    "no numbers": {"c": ["x", "y"] * 30, "d": ["u", "v", "w"] * 20},
    "all different": {"c": [f"k{each}" for each in range(60)], "n": list(range(60))},
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("target", ["", "first", "last"])
@pytest.mark.parametrize("name", NOTHING)
def test_tables_with_nothing_to_say(tmp_path: Path, name: str, target: str) -> None:
    columns = NOTHING[name]
    chosen = {"first": next(iter(columns)), "last": list(columns)[-1], "": ""}[target]
    table = table_of(tmp_path, columns, chosen)
    for analysis in MINE:
        section = analysis(table, {})
        assert section is None or (section.id and section.title and "nan" not in " ".join(section.findings))
