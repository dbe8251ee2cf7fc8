"""What each line of a least squares summary says, in words, and with this fit's own numbers where they help."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Summary = Mapping[str, Any]

TITLES = {
    "observations": "No. Observations",
    "df_residuals": "Df Residuals",
    "df_model": "Df Model",
    "covariance_type": "Covariance Type",
    "r_squared": "R-squared",
    "adjusted_r_squared": "Adj. R-squared",
    "f": "F-statistic",
    "f_p": "Prob (F-statistic)",
    "log_likelihood": "Log-Likelihood",
    "aic": "AIC",
    "bic": "BIC",
    "omnibus": "Omnibus",
    "omnibus_p": "Prob(Omnibus)",
    "skew": "Skew",
    "kurtosis": "Kurtosis",
    "durbin_watson": "Durbin-Watson",
    "jarque_bera": "Jarque-Bera (JB)",
    "jarque_bera_p": "Prob(JB)",
    "condition_number": "Cond. No.",
    "coefficient": "coef",
    "standard_error": "std err",
    "t": "t",
    "p": "P>|t|",
    "lower": "[0.025",
    "upper": "0.975]",
}
WHOLE = list(TITLES)[:11]
RESIDUALS = list(TITLES)[11:19]


def title(name: str) -> str:
    return TITLES[name]


def shown(value: Any) -> Any:
    """As a text, so that a very small probability keeps its digits."""
    if isinstance(value, float) and value == 0:
        return "below 1e-300"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 1000 else f"{value:.4g}"
    return value


def says(name: str, summary: Summary) -> str:
    return SAYS[name](summary)


def chance(p: float) -> str:
    """How often, in words."""
    return "practically never" if p < 1e-5 else f"in {p:.2g} of all cases" if p < 0.001 else f"in {p:.1%} of all cases"


SAYS: dict[str, Callable[[Summary], str]] = {
    "observations": lambda s: "n: the records that were learnt from.",
    "df_residuals": lambda s: (
        f"n − p: {s['observations']:,} records less {s['df_model'] + 1} weights that were fitted to them. So many of "
        "the residuals are free; the noise is estimated from these."
    ),
    "df_model": lambda s: "The columns beside the intercept.",
    "covariance_type": lambda s: (
        'The standard errors take the noise to be equally large for all records; "robust" ones would not.'
    ),
    "r_squared": lambda s: (
        f"{s['r_squared']:.1%} of the squared distances from the mean are gone once the model's answer takes the "
        "mean's place. It never falls when a column is added, even a useless one."
    ),
    "adjusted_r_squared": lambda s: (
        "The same with each sum of squares over its degrees of freedom: a useless column does not raise it. "
        + either(
            s["r_squared"] - s["adjusted_r_squared"] < 0.01,
            "Here the two hardly differ: there are many records for each weight.",
            "Here the two differ: there are few records for so many weights.",
        )
    ),
    "f": lambda s: (
        f"What a column explains is {s['f']:,.0f} times what a degree of freedom leaves unexplained. If no column "
        "mattered, it would be about 1."
    ),
    "f_p": lambda s: f"If no column mattered, chance would make so large an F {chance(s['f_p'])}.",
    "log_likelihood": lambda s: (
        "The logarithm of the data's probability density under the fitted normal errors. It says nothing alone; of two "
        "models of the same answers the one with the higher value fits closer."
    ),
    "aic": lambda s: (
        f"−2 log-likelihood + 2 · {s['df_model'] + 1}: a fine of 2 for each weight. Of several models of the same "
        "answers the lowest is expected to predict best."
    ),
    "bic": lambda s: (
        f"The same with a fine of log n = {math.log(s['observations']):.2f} for each weight: it prefers smaller models "
        "than AIC does."
    ),
    "omnibus": lambda s: (
        "D'Agostino and Pearson's test of normal residuals: skew and kurtosis, each made a standard normal number, "
        "squared and added. About 2 if they are normal."
    ),
    "omnibus_p": lambda s: (
        f"Normal errors would reach so large a value {chance(s['omnibus_p'])}: "
        + either(s["omnibus_p"] < 0.05, "these are not normal.", "nothing speaks against normal errors.")
    ),
    "skew": lambda s: (
        "0 where both tails are alike. "
        + either(
            abs(s["skew"]) < 0.1,
            "They are.",
            f"The {'left' if s['skew'] < 0 else 'right'} tail is longer: answers far "
            f"{'below' if s['skew'] < 0 else 'above'} the model's are more frequent than on the other side.",
        )
    ),
    "kurtosis": lambda s: (
        "3 for a normal distribution. "
        + either(
            s["kurtosis"] > 3.2,
            "Here large errors are more frequent than normal ones would be, and so are records outside of very wide "
            "intervals.",
            "Here large errors are hardly more frequent than that.",
        )
    ),
    "durbin_watson": lambda s: (
        "2 where an error tells nothing of the next record's, towards 0 where neighbours are alike, towards 4 where "
        "they alternate. The split shuffled the rows, so it could hardly be far from 2 here: the line is for records "
        "in an order, such as time."
    ),
    "jarque_bera": lambda s: (
        "The same question as Omnibus from the same skew and kurtosis, by their variances in large samples: "
        "n/6 · (skew² + (kurtosis − 3)²/4)."
    ),
    "jarque_bera_p": lambda s: (
        f"Normal errors would reach so large a value {chance(s['jarque_bera_p'])}. The weights, as sums over many "
        "records, are nearly normal all the same; intervals of single answers are what feels it."
    ),
    "condition_number": lambda s: (
        "How many times as long the columns' most favoured direction is as the least. Above 30 or so columns begin to "
        "say the same and weights become unsure. Standardised numbers keep it low."
    ),
}


def either(condition: bool, yes: str, no: str) -> str:
    return yes if condition else no


def introduction(facts: Mapping[str, Any]) -> list[str]:
    summary = facts["summary"]
    return [
        f"A record's log {facts['label']} is taken to be the sum of {summary['df_model']} columns, each times a "
        "weight, and an intercept; what is left, its residual, is taken for noise. Logarithms, because prices "
        "multiply: a garage adds some percent, not some dollars. Numbers enter in standard deviations from their mean, "
        "categories as 0 or 1, with the most frequent as what the others are compared with.",
        "All numbers by hand were computed with NumPy alone, from their definitions: training/regression_statistics.py "
        "explains each step. Beside them stand statsmodels' for the same records.",
    ]


def reading(summary: Summary) -> list[str]:
    rows = [row for row in summary["coefficients"] if row["name"] != "Intercept"]
    surest = max(rows, key=lambda row: abs(row["t"]))
    unsure = max(rows, key=lambda row: row["p"])
    intercept = summary["coefficients"][0]["coefficient"]
    doubt = either(unsure["p"] > 0.05, "so its true weight may well be 0", "so even its true weight is hardly 0")
    return [
        "coef: the weight. As the model is of logarithms, a weight of 0.10 means a price times e^0.10, that is 10.5 % "
        "more; the last column has this percentage. It is the effect of this column among records that are alike in "
        "all others, so of two columns that go together, such as living area and rooms, one may even turn negative.",
        "std err: how much the weight would scatter from one such table to the next. t: the weight in standard errors. "
        f"{surest['name']} is {abs(surest['t']):.1f} of them away from 0, more than any other column.",
        "P>|t|: how often chance takes a weight so far from 0, if its true value is 0. The least sure is "
        f"{unsure['name']}: chance would do that {chance(unsure['p'])}, {doubt}. Marked rows are above 5 %.",
        "[0.025 and 0.975]: the interval that holds the true weight for 95 of 100 such tables.",
        "Intercept: the log price of a record that is average in all numbers and of the most frequent kind in all "
        f"categories: e^{intercept:.3f}, that is {math.exp(intercept):,.0f}.",
    ]


def descent(walks: Sequence[Mapping[str, Any]]) -> list[str]:
    left = max(each["standard_errors"] for each in walks if not each["exact"])
    return [
        "The same weights, by walking downhill from the mean answer. An epoch is one pass over the records. Batch "
        "takes one step a pass, by the exact slope; stochastic takes one for each record, mini-batch one for each few "
        "dozen, by slopes that are right on average only.",
        "Batch arrives at the very same weights, each optimiser at its own pace: momentum rolls through the long "
        "valley that plain descent creeps along, and AdaGrad, RMSProp and Adam give each weight a pace of its own. "
        "Sampled rows get close within a pass or two and then tremble: at the end a weight is off by up to "
        f"{left:.2g} of its own standard errors. Anchored steps (SVRG) subtract the samples' noise, and arrive.",
    ]


WALKS = (
    "In standard errors: the difference as a share of how unsure the weight is anyhow; 0 is below 0.0001. A dash: the "
    "walk never had all weights within 1e-6."
)


def penalties(facts: Mapping[str, Any]) -> list[str]:
    chosen, weights = facts["penalties"]["chosen"], facts["penalties"]["weights"]
    dropped = sum(abs(each) < 1e-12 for each in weights["l1"][1:])
    return [
        "L2 (ridge) charges for squared weights and shrinks all of them; L1 (lasso) charges for their sizes and drops "
        "the useless ones to exactly 0. The strengths with the lowest error on the validation records are "
        f"{chosen['l2']:.2g} and {chosen['l1']:.2g}; there, L1 drops {dropped} of {len(weights['l1']) - 1} columns.",
        "Cross-validation over the training records compares the three. The plain fit is what is served: it alone has "
        "standard errors and intervals that hold by theory.",
    ]
