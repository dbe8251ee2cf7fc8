"""Do the assumptions of least squares hold? Tests of a linear model's residuals on its training records.

| assumption | test | says it is violated where |
|---|---|---|
| linearity | Ramsey's RESET: do powers of the fitted values explain more? | p is small |
| homoscedasticity | Breusch-Pagan (Koenker's): do squared residuals follow the fitted values? | p is small |
| normal residuals | Jarque-Bera, of skewness and kurtosis | p is small |
| no autocorrelation | Durbin-Watson in a given order | it is far from 2 |
| | correlation with the nearest record's residual | p is small |
| no multicollinearity | variance inflation factors | above 10 |

Of thousands of records each p is small long before a violation matters, so what is found comes with its size. Tests are
statsmodels'.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from scipy.linalg import qr
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler
from statsmodels.api import OLS, add_constant
from statsmodels.stats.diagnostic import het_breuschpagan, linear_reset
from statsmodels.stats.outliers_influence import variance_inflation_factor
from statsmodels.stats.stattools import durbin_watson, jarque_bera

MOST_POINTS = 600  # of fitted values and residuals that a picture gets


def check(design: np.ndarray, answers: np.ndarray, order: np.ndarray, place: np.ndarray) -> dict[str, Any]:
    """What the tests find for least squares of `answers` on `design`.

    Args:
        design: shape (rows, columns), without a constant; columns may be collinear.
        answers: shape (rows,).
        order: shape (rows,), what the records are sorted by for Durbin-Watson, such as their time.
        place: shape (rows, 2), where records lie: each is compared with the nearest.
    """
    fit = OLS(answers, add_constant(independent(design))).fit()
    fitted, residual = np.asarray(fit.fittedvalues), np.asarray(fit.resid)
    reset = linear_reset(fit, power=3, test_type="fitted", use_f=True)
    heteroscedastic, heteroscedastic_p, *_ = het_breuschpagan(residual, add_constant(fitted))
    normal, normal_p, skew, kurtosis = jarque_bera(residual)
    nearest = stats.pearsonr(residual, residual[nearest_other(place)])
    shown = np.random.default_rng(0).permutation(len(residual))[:MOST_POINTS]
    return {
        "records": len(residual),
        "r2": float(fit.rsquared),
        "linearity": {"statistic": float(reset.statistic), "p": float(reset.pvalue), "bend": bend(fitted, residual)},
        "homoscedasticity": {
            "statistic": float(heteroscedastic),
            "p": float(heteroscedastic_p),
            "ratio": spread_ratio(fitted, residual),
        },
        "normality": {
            "statistic": float(normal),
            "p": float(normal_p),
            "skew": float(skew),
            "excess_kurtosis": float(kurtosis - 3),
        },
        "autocorrelation": {"durbin_watson": float(durbin_watson(residual[np.argsort(order, kind="stable")]))},
        "neighbours": {"correlation": float(nearest.statistic), "p": float(nearest.pvalue)},
        "fitted": fitted[shown].round(6).tolist(),
        "residual": residual[shown].round(6).tolist(),
    }


def independent(design: np.ndarray) -> np.ndarray:
    """The columns that no others and no constant give: a category's last column, or a sum beside its parts, goes."""
    standard = StandardScaler().fit_transform(design)
    triangle, columns = qr(standard, mode="r", pivoting=True)
    size = np.abs(np.diag(triangle))
    return design[:, np.sort(columns[: int((size > 1e-8 * size[0]).sum())])]


def bend(fitted: np.ndarray, residual: np.ndarray) -> float:
    """The largest mean residual of a tenth of the records by fitted value, in standard deviations of the residuals."""
    parts = np.array_split(np.argsort(fitted, kind="stable"), 10)
    means = [residual[part].mean() for part in parts if len(part)]
    return float(np.abs(means).max() / residual.std())


def spread_ratio(fitted: np.ndarray, residual: np.ndarray) -> float:
    """Standard deviation of the residuals in the top fifth of the fitted values, to that in the bottom fifth."""
    parts = np.array_split(np.argsort(fitted, kind="stable"), 5)
    return float(residual[parts[-1]].std() / residual[parts[0]].std())


def nearest_other(place: np.ndarray) -> np.ndarray:
    """Position of each record's nearest other."""
    _, found = NearestNeighbors(n_neighbors=2).fit(place).kneighbors(place)
    return np.where(found[:, 0] == np.arange(len(place)), found[:, 1], found[:, 0])


def inflation(numbers: pd.DataFrame) -> dict[str, float | None]:
    """Variance inflation factor of each column among the others, largest first; None where those give it exactly."""
    varied = numbers.loc[:, numbers.nunique() > 1]
    design = add_constant(StandardScaler().fit_transform(varied))
    with warnings.catch_warnings(), np.errstate(divide="ignore"):
        warnings.simplefilter("ignore")  # of columns that others give: that is what is asked
        found = {name: float(variance_inflation_factor(design, at)) for at, name in enumerate(varied, 1)}
    ranked = sorted(found.items(), key=lambda pair: -pair[1])
    return {name: value if value < 1e6 else None for name, value in ranked}
