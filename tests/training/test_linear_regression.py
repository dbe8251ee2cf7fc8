"""Linear regression by hand, with scikit-learn, statsmodels and SciPy as second opinions."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge
from statsmodels.stats import stattools

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))
sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import gradient_descent as descent
import model_artifact
import ordinary_least_squares as least_squares
import regression_statistics
import tail_probabilities as tails
from linear_model import LinearModel

SCRIPT = Path(__file__).parents[2] / "training" / "linear_regression.py"
SAME = 1e-6


def houses(rows: int = 300, seed: int = 0) -> pd.DataFrame:
    """A split as processing writes it, fewer columns; errors with heavier tails on the left."""
    random = np.random.default_rng(seed)
    area = random.normal(1500, 400, rows).round()
    table = pd.DataFrame(
        {
            "Gr_Liv_Area": area,
            "TotRms_AbvGrd": (area / 250 + random.normal(0, 0.8, rows)).round(),
            "Year_Built": random.integers(1900, 2010, rows),
            "Bldg_Type": random.choice(["OneFam", "Duplex", "Twnhs"], rows, p=[0.7, 0.2, 0.1]),
            "Central_Air": random.choice(["Y", "N"], rows, p=[0.9, 0.1]),
        }
    )
    log = 11 + area / 2000 + table["Year_Built"] / 400 - 0.2 * (table["Central_Air"] == "N")
    log -= random.gamma(2, 0.1, rows)
    return table.assign(Sale_Price=np.exp(log).round())


TABLE = houses()
ROWS, PRICES = TABLE.drop(columns="Sale_Price"), TABLE["Sale_Price"]
MODEL = LinearModel().fit(ROWS, PRICES)
X, Y = MODEL.design(ROWS), MODEL.targets(PRICES)
START = np.concatenate([[Y.mean()], np.zeros(X.shape[1] - 1)])
LOW, HIGH = descent.curvatures(X)


def joined(fitted: Any) -> np.ndarray:
    return np.concatenate([[fitted.intercept_], fitted.coef_])


# Weights ----------------------------------------------------------------------------------------------------------


def test_the_normal_equations_find_what_the_libraries_find() -> None:
    assert np.abs(MODEL.weights_ - joined(LinearRegression().fit(X[:, 1:], Y))).max() < SAME
    assert np.abs(MODEL.weights_ - sm.OLS(Y, X).fit().params).max() < SAME


@pytest.mark.parametrize("l2", [1e-4, 0.1, 10.0])
def test_l2_is_scikit_learns_ridge(l2: float) -> None:
    theirs = joined(Ridge(alpha=l2 * len(Y)).fit(X[:, 1:], Y))
    assert np.abs(least_squares.solve(X, Y, l2=l2) - theirs).max() < SAME


@pytest.mark.parametrize("l1", [1e-4, 0.01, 0.1])
def test_l1_is_scikit_learns_lasso_and_drops_the_same_columns(l1: float) -> None:
    ours = least_squares.solve(X, Y, l1=l1)
    theirs = joined(Lasso(alpha=l1, tol=1e-13, max_iter=1_000_000).fit(X[:, 1:], Y))
    assert np.abs(ours - theirs).max() < SAME
    assert (ours == 0).tolist() == (theirs == 0).tolist()


def test_both_penalties_are_scikit_learns_elastic_net() -> None:
    theirs = ElasticNet(alpha=0.03, l1_ratio=1 / 3, tol=1e-13, max_iter=1_000_000).fit(X[:, 1:], Y)
    assert np.abs(least_squares.solve(X, Y, l1=0.01, l2=0.02) - joined(theirs)).max() < SAME


def test_the_strongest_l1_is_the_first_that_drops_every_column() -> None:
    strongest = least_squares.strongest_l1(X, Y)
    assert (least_squares.solve(X, Y, l1=strongest * 1.0001)[1:] == 0).all()
    assert (least_squares.solve(X, Y, l1=strongest * 0.99)[1:] != 0).sum() == 1


def test_columns_that_depend_on_each_other_have_no_single_answer_but_by_a_penalty() -> None:
    twice = np.hstack([X, X[:, 1:2]])
    with pytest.raises(ValueError, match="7 columns depend on each other .their rank is 6."):
        least_squares.solve(np.hstack([X[:, :6], X[:, 1:2]]), Y)
    shared = least_squares.solve(twice, Y, l2=0.01)
    assert shared[1] == pytest.approx(shared[-1])


# Gradient descent -------------------------------------------------------------------------------------------------


def test_the_gradient_is_the_slope_of_the_loss() -> None:
    w, step = np.linspace(-1, 1, X.shape[1]), 1e-6
    slopes = [
        (descent.loss(X, Y, w + step * axis, 0.3) - descent.loss(X, Y, w - step * axis, 0.3)) / (2 * step)
        for axis in np.eye(len(w))
    ]
    assert descent.gradient(X, Y, w, 0.3) == pytest.approx(slopes, abs=1e-6)


BATCH = {
    "plain": lambda: descent.Walk(descent.Plain(1 / HIGH), 3000),
    "momentum": lambda: descent.Walk(descent.Momentum.best(LOW, HIGH), 500),
    "AdaGrad": lambda: descent.Walk(descent.AdaGrad(0.3), 3000),
    "RMSProp": lambda: descent.Walk(descent.RMSProp(0.01), 3000, schedule=descent.Falling(400)),
    "Adam": lambda: descent.Walk(descent.Adam(0.03), 2000, schedule=descent.Falling(400)),
    "anchored mini-batches": lambda: descent.Walk(descent.Plain(0.05), 500, rows=32, anchored=True),
}


@pytest.mark.parametrize("name", BATCH)
def test_exact_slopes_lead_to_the_same_weights(name: str) -> None:
    walk = BATCH[name]()
    walk.start = START
    assert np.abs(walk.passes(X, Y)[-1] - MODEL.weights_).max() < SAME


def test_l2_by_gradient_descent_is_the_normal_equations_too() -> None:
    walk = descent.Walk(descent.Plain(1 / (HIGH + 0.1)), 3000, l2=0.1, start=START)
    assert np.abs(walk.passes(X, Y)[-1] - least_squares.solve(X, Y, l2=0.1)).max() < SAME


SAMPLED: dict[str, descent.Optimiser] = {
    "plain": descent.Plain(0.02),
    "momentum": descent.Momentum(0.002),
    "AdaGrad": descent.AdaGrad(0.1),
    "RMSProp": descent.RMSProp(0.005, memory=0.999),
    "Adam": descent.Adam(0.005),
}


@pytest.mark.parametrize("rows", [1, 32])
@pytest.mark.parametrize("name", SAMPLED)
def test_sampled_rows_lead_near(name: str, rows: int) -> None:
    """A tenth of the start's loss above the lowest is left, at most; closer they tremble."""
    least = descent.loss(X, Y, MODEL.weights_)
    walk = descent.Walk(SAMPLED[name], 30, rows=rows, schedule=descent.Harmonic(5), start=START)
    found = walk.passes(X, Y)
    assert found.shape == (31, X.shape[1])
    assert descent.loss(X, Y, found[-1]) - least < 0.1 * (descent.loss(X, Y, START) - least)


def test_momentum_is_faster_through_a_valley() -> None:
    arrived = {}
    for name in ("plain", "momentum"):
        walk = BATCH[name]()
        walk.start = START
        off = np.abs(walk.passes(X, Y) - MODEL.weights_).max(axis=1)
        arrived[name] = int(np.argmax(off < SAME))
    assert arrived["momentum"] * 3 < arrived["plain"]


def test_too_high_a_rate_is_told() -> None:
    with pytest.raises(ValueError, match="diverged: its learning rate .* is too high here"):
        descent.Walk(descent.Plain(3 / LOW), 2000).passes(X, Y)


# The summary ------------------------------------------------------------------------------------------------------


def test_each_number_of_the_summary_is_statsmodels() -> None:
    ours, fit = regression_statistics.summarise(X, Y, MODEL.names), sm.OLS(Y, X).fit()
    omnibus, jarque_bera = stattools.omni_normtest(fit.resid), stattools.jarque_bera(fit.resid)
    theirs = {
        "observations": fit.nobs,
        "df_residuals": fit.df_resid,
        "df_model": fit.df_model,
        "r_squared": fit.rsquared,
        "adjusted_r_squared": fit.rsquared_adj,
        "f": fit.fvalue,
        "f_p": fit.f_pvalue,
        "log_likelihood": fit.llf,
        "aic": fit.aic,
        "bic": fit.bic,
        "omnibus": omnibus[0],
        "omnibus_p": omnibus[1],
        "skew": jarque_bera[2],
        "kurtosis": jarque_bera[3],
        "jarque_bera": jarque_bera[0],
        "jarque_bera_p": jarque_bera[1],
        "durbin_watson": stattools.durbin_watson(fit.resid),
        "condition_number": fit.condition_number,
    }
    rows = ours.pop("coefficients")
    assert ours.pop("covariance_type") == fit.cov_type
    assert ours == {name: pytest.approx(float(value), rel=SAME) for name, value in theirs.items()}
    columns = {
        "coefficient": fit.params,
        "standard_error": fit.bse,
        "t": fit.tvalues,
        "p": fit.pvalues,
        "lower": fit.conf_int()[:, 0],
        "upper": fit.conf_int()[:, 1],
    }
    for name, values in columns.items():
        assert [row[name] for row in rows] == pytest.approx(values, rel=SAME), name
    assert [row["name"] for row in rows] == MODEL.names


@pytest.mark.parametrize("degrees", [1, 4, 30, 1500])
def test_tails_are_scipys(degrees: int) -> None:
    for t in (0.0, 0.1, 1.0, 1.96, 5.0, 40.0):
        assert tails.two_sided_t(t, degrees) == pytest.approx(2 * stats.t.sf(t, degrees), rel=1e-9)
    for f in (0.01, 0.8, 3.0, 200.0):
        assert tails.upper_f(f, 3, degrees) == pytest.approx(stats.f.sf(f, 3, degrees), rel=1e-9)
    assert tails.t_quantile(0.95, degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=1e-9)
    assert tails.upper_chi_squared_2(7.0) == pytest.approx(stats.chi2.sf(7.0, 2))


# The estimator ----------------------------------------------------------------------------------------------------


def test_columns_are_standardised_numbers_and_categories_beside_the_most_frequent() -> None:
    assert MODEL.names == [
        "Intercept",
        "Gr_Liv_Area",
        "TotRms_AbvGrd",
        "Year_Built",
        "Bldg_Type=Duplex",
        "Bldg_Type=Twnhs",
        "Central_Air=N",
    ]
    assert X[:, 1:4].mean(axis=0) == pytest.approx(0, abs=1e-12)
    assert X[:, 1:4].std(axis=0) == pytest.approx(1)
    assert X[:, 4].tolist() == (ROWS["Bldg_Type"] == "Duplex").astype(float).tolist()


def test_an_interval_is_statsmodels_prediction_interval() -> None:
    new = houses(20, seed=1).drop(columns="Sale_Price")
    theirs = sm.OLS(Y, X).fit().get_prediction(MODEL.design(new)).summary_frame(alpha=0.05)
    lower, upper = MODEL.predict_interval(new)
    assert np.log(MODEL.predict(new)) == pytest.approx(theirs["mean"].to_numpy(), rel=SAME)
    assert np.log(lower) == pytest.approx(theirs["obs_ci_lower"].to_numpy(), rel=SAME)
    assert np.log(upper) == pytest.approx(theirs["obs_ci_upper"].to_numpy(), rel=SAME)


def test_an_interval_of_a_penalised_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="Intervals are known for l1 = l2 = 0 alone"):
        LinearModel(l2=0.1).fit(ROWS, PRICES).predict_interval(ROWS)


def test_an_unknown_category_is_an_average_house_in_that_respect() -> None:
    shares = (ROWS["Bldg_Type"] == "Duplex").mean(), (ROWS["Bldg_Type"] == "Twnhs").mean()
    found = MODEL.design(ROWS.head(1).assign(Bldg_Type="Castle"))[0]
    assert found[4:6] == pytest.approx(shares)


def test_a_column_without_variation_is_named() -> None:
    with pytest.raises(ValueError, match="Column Year_Built is 1980 in every record"):
        LinearModel().fit(ROWS.assign(Year_Built=1980), PRICES)


def test_the_estimator_is_clonable_by_scikit_learn() -> None:
    from sklearn.base import clone

    assert clone(LinearModel(l1=0.1)).set_params(l2=0.2).get_params() == {"l1": 0.1, "l2": 0.2}


# The script -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("channels")
    for seed, name in enumerate(["train", "validation"]):
        (folder / name).mkdir()
        houses(200 - 100 * seed, seed).to_csv(folder / name / f"{name}.csv", index=False)
    channels = [part for name in ("train", "validation") for part in (f"--{name}", str(folder / name))]
    fast = ["--sampled-epochs", "20", "--folds", "3", "--model-dir", str(folder / "model")]
    command = [sys.executable, str(SCRIPT), *channels, *fast]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "model", done.stdout


def test_the_artifact_has_what_an_evaluation_shows(trained: tuple[Path, str]) -> None:
    facts = json.loads((trained[0] / "metadata.json").read_text())
    assert [each["name"] for each in facts["walks"]][:5] == [
        f"batch, {name}" for name in ("plain", "momentum", "AdaGrad", "RMSProp", "Adam")
    ]
    assert len(facts["walks"]) == 16
    assert max(each["difference"] for each in facts["walks"] if each["exact"]) < SAME
    assert {each["name"] for each in facts["comparison"]["models"]} == {"no penalty", "L1", "L2"}
    assert set(facts["penalties"]["weights"]) == {"l1", "l2"}
    assert f"validation_rmse={facts['validation']['rmse']:.6f}" in trained[1]


def ask(model: Any, handler: Any, **changed: Any) -> Any:
    record = {**json.loads(houses(1).drop(columns="Sale_Price").to_json(orient="records"))[0], **changed}
    answer = handler.predict_fn(handler.input_fn(json.dumps(record), "application/json"), model)
    return getattr(answer, "why", answer)


def test_the_artifact_answers_raw_records_and_refuses_nonsense(trained: tuple[Path, str], tmp_path: Path) -> None:
    artifact = model_artifact.load(trained[0], tmp_path)
    handler, model = artifact.handler, artifact.model
    found = ask(model, handler)
    assert found["lower"][0] < found["prediction"][0] < found["upper"][0]
    assert ask(model, handler, Bldg_Type="Castle")["prediction"][0] > 0
    assert "Column Gr_Liv_Area holds 15000, and the model knows nothing of" in ask(model, handler, Gr_Liv_Area=15000)
    assert "'large' where a number is needed" in ask(model, handler, Gr_Liv_Area="large")
    assert "Blank values in Central_Air" in ask(model, handler, Central_Air="")
