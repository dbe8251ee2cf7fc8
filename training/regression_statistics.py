"""What a least squares fit is worth: every number of the summary that statistics packages print, from its definition.

The idea behind all of it: the n answers are thought of as Xw* plus n independent normal errors of one variance σ². Then
the weights w that least squares finds are themselves random (other errors would have led to other weights), and from
one table of data it can be said how far they scatter around the true w*, and which of them could just as well be 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from ordinary_least_squares import normal_equations
from tail_probabilities import t_quantile, two_sided_t, upper_chi_squared_2, upper_f

LEVEL = 0.95  # of the intervals


def summarise(X: np.ndarray, y: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """The summary of y on X; X has shape (n, p), the first column 1, and `names` has a name for each column."""
    n, p = X.shape
    w = normal_equations(X, y)
    residuals = y - X @ w

    # Degrees of freedom. n numbers were given, p of them were used up to choose w: the residuals obey the p equations
    # Xᵀr = 0, and only n − p of them could still be anything. The model's own are its columns beside the intercept.
    df_residuals, df_model = n - p, p - 1

    return {
        "observations": n,
        "df_residuals": df_residuals,
        "df_model": df_model,
        # How the standard errors below were come by: with one σ² for all records. ("Robust" ones do without.)
        "covariance_type": "nonrobust",
        "coefficients": coefficients(X, w, residuals, names),
        **fit(y, residuals, df_residuals, df_model),
        **likelihood(residuals, p),
        **shape(residuals),
        "durbin_watson": durbin_watson(residuals),
        "condition_number": condition_number(X),
    }


def noise(residuals: np.ndarray, p: int) -> float:
    """The estimate of σ²: the sum of squared residuals over n − p.

    Over n it would be too small: w was chosen so that the squares are least, and so each of the p weights has taken
    about one σ² out of their sum. Over n − p its mean is exactly σ².
    """
    return float(residuals @ residuals / (len(residuals) - p))


def covariance(X: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """How the weights scatter, together: σ² (XᵀX)⁻¹, shape (p, p).

    w = (XᵀX)⁻¹Xᵀy is linear in y, and a linear map A turns the covariance σ²I of y into A σ²I Aᵀ. With A = (XᵀX)⁻¹Xᵀ
    that is σ² (XᵀX)⁻¹ XᵀX (XᵀX)⁻¹ = σ² (XᵀX)⁻¹. Much data makes XᵀX large and the scatter small; columns that say
    nearly the same make XᵀX nearly singular and the scatter large.
    """
    return noise(residuals, X.shape[1]) * np.linalg.inv(X.T @ X)


def coefficients(X: np.ndarray, w: np.ndarray, residuals: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """A row a column of X: its weight, and how sure it is."""
    degrees = len(residuals) - X.shape[1]
    # The standard deviation of each weight: the roots of the covariance's diagonal.
    errors = np.sqrt(np.diag(covariance(X, residuals)))
    # So many standard errors to either side hold the true weight in 95 of 100 tables. A normal distribution has 1.96;
    # Student's t has a little more, because σ² is itself an estimate.
    reach = t_quantile(LEVEL, degrees)
    return [
        {
            "name": name,
            "coefficient": float(weight),
            "standard_error": float(error),
            # How many standard errors the weight is away from 0 …
            "t": float(weight / error),
            # … and how often chance alone takes it that far, either way, if the true weight is 0.
            "p": two_sided_t(float(weight / error), degrees),
            "lower": float(weight - reach * error),
            "upper": float(weight + reach * error),
        }
        for name, weight, error in zip(names, w, errors, strict=True)
    ]


def fit(y: np.ndarray, residuals: np.ndarray, df_residuals: int, df_model: int) -> dict[str, float]:
    """How much of the answers' variation the model explains, and whether that could be chance."""
    unexplained = float(residuals @ residuals)
    total = float(((y - y.mean()) ** 2).sum())
    explained = total - unexplained
    # The share of the variation around the mean that is gone. A column more can only raise it, even one of dice.
    r_squared = 1 - unexplained / total
    # The same with variances in the place of sums: unexplained/(n−p) over total/(n−1). A useless column raises neither
    # side on average, and a worse than useless one lowers it.
    adjusted = 1 - (unexplained / df_residuals) / (total / (df_residuals + df_model))
    # Explained variation per column over unexplained per degree of freedom. Where all true weights but the intercept
    # are 0, both are estimates of the same σ², and F is about 1.
    f = (explained / df_model) / (unexplained / df_residuals)
    return {
        "r_squared": r_squared,
        "adjusted_r_squared": adjusted,
        "f": f,
        "f_p": upper_f(f, df_model, df_residuals),
    }


def likelihood(residuals: np.ndarray, p: int) -> dict[str, float]:
    """How probable the data are under the fitted model, and two prices for its number of weights.

    A normal error r has the density e^(−r²/2σ²) / √(2πσ²). The logarithm of the product over all records, at the σ²
    that makes it largest, which is Σr²/n, is −n/2 · (log(2πσ²) + 1).
    """
    n = len(residuals)
    largest = -n / 2 * (math.log(2 * math.pi * float(residuals @ residuals) / n) + 1)
    return {
        "log_likelihood": largest,
        # A weight more always raises the likelihood. Akaike charges 1 for it (times −2, as custom has it): then the
        # model with the lowest AIC is the one expected to predict new data best.
        "aic": -2 * largest + 2 * p,
        # Schwarz charges ½ log n: then the lowest BIC finds the true model, if it is among them and n is large.
        "bic": -2 * largest + math.log(n) * p,
    }


def shape(residuals: np.ndarray) -> dict[str, float]:
    """Are the residuals normal? By the third and fourth moments, and two tests that put these together."""
    n = len(residuals)
    centred = residuals - residuals.mean()
    variance = float((centred**2).mean())
    # Mean of the cubes, in standard deviations: 0 where both tails are alike, negative where the left one is longer.
    skew = float((centred**3).mean()) / variance**1.5
    # Mean of the fourth powers: 3 for a normal distribution, more for one with heavy tails.
    kurtosis = float((centred**4).mean()) / variance**2
    # Under normality skew and kurtosis scatter around 0 and 3 with variances of 6/n and 24/n. The sum of the two
    # squared distances, each in its own standard deviations, is χ² with two degrees of freedom (Jarque and Bera, 1980).
    jarque_bera = n / 6 * (skew**2 + (kurtosis - 3) ** 2 / 4)
    # The same idea; but the two are first bent so that they are normal in small samples, too (D'Agostino and Pearson).
    omnibus = normal_skew(skew, n) ** 2 + normal_kurtosis(kurtosis, n) ** 2
    return {
        "omnibus": omnibus,
        "omnibus_p": upper_chi_squared_2(omnibus),
        "skew": skew,
        "kurtosis": kurtosis,
        "jarque_bera": jarque_bera,
        "jarque_bera_p": upper_chi_squared_2(jarque_bera),
    }


def normal_skew(skew: float, n: int) -> float:
    """A sample's skew as a standard normal number, if the errors are normal (D'Agostino, 1970); n ≥ 8.

    The distribution of the skew itself has heavier tails than a normal one. The inverse hyperbolic sine, which grows
    like a logarithm, pulls them in; its two constants are chosen so that variance and kurtosis come out right.
    """
    y = skew * math.sqrt((n + 1) * (n + 3) / (6 * (n - 2)))
    kurtosis = 3 * (n**2 + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2) * (n + 5) * (n + 7) * (n + 9))
    w_squared = -1 + math.sqrt(2 * (kurtosis - 1))
    return math.asinh(y / math.sqrt(2 / (w_squared - 1))) / math.sqrt(math.log(math.sqrt(w_squared)))


def normal_kurtosis(kurtosis: float, n: int) -> float:
    """A sample's kurtosis as a standard normal number, if the errors are normal (Anscombe and Glynn, 1983); n ≥ 20.

    The kurtosis of a sample is itself skewed to the right. It is matched, by its own skew, to a linear function of 1/χ²
    with `a` degrees of freedom, and the cube root of a χ² is very nearly normal (Wilson and Hilferty).
    """
    mean = 3 * (n - 1) / (n + 1)
    variance = 24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    x = (kurtosis - mean) / math.sqrt(variance)
    own_skew = 6 * (n**2 - 5 * n + 2) / ((n + 7) * (n + 9)) * math.sqrt(6 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3)))
    a = 6 + 8 / own_skew * (2 / own_skew + math.sqrt(1 + 4 / own_skew**2))
    ratio = (1 - 2 / a) / (1 + x * math.sqrt(2 / (a - 4)))
    cube_root = math.copysign(abs(ratio) ** (1 / 3), ratio)
    return (1 - 2 / (9 * a) - cube_root) / math.sqrt(2 / (9 * a))


def durbin_watson(residuals: np.ndarray) -> float:
    """Does an error tell of the next? The squared steps between neighbours over the squares.

    (a − b)² is a² + b² − 2ab, so the ratio is about 2 − 2r, with r the correlation of neighbours: 2 for none, towards 0
    where neighbours are alike, towards 4 where they alternate. It speaks of the order of the rows, where that has one.
    """
    return float((np.diff(residuals) ** 2).sum() / (residuals**2).sum())


def condition_number(X: np.ndarray) -> float:
    """How much X stretches its most favoured direction more than its least: the ratio of its singular values.

    Its square is that of XᵀX, and so κ of the bowl that gradient descent walks in. An error in the data, or in
    rounding, can come back this many times as large in the weights.
    """
    values = np.linalg.svd(X, compute_uv=False)
    return float(values[0] / values[-1])
