"""A least squares fit made by hand: does it agree with other people's libraries, and what does each number say?

    python evaluation/ols_summary.py --model DIR --train DIR --output DIR

The artifact has weights found in many ways and the summary of the fit (training/linear_regression.py). Here the same
training records are given to scikit-learn and statsmodels. Writes `evaluation.json`, in which a pipeline's gate reads
`linear_regression.largest_difference.value` (of any weight, or any number of the summary relative to its size),
`report.html` and `report.pdf`, in which each line of the summary is explained.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import analysis_report
import compared_models
import evaluation_job
import model_artifact
import numpy as np
import ols_lines
import ols_pictures
from analysis_report import Badge, Report, Section, Table, Text

AGREED = 1e-6  # what counts as the same
OURS = "the normal equations"


@dataclass
class Args:
    model: str = "/opt/ml/processing/input/model"
    """folder with model.tar.gz, or with an unpacked model"""
    train: str = "/opt/ml/processing/input/train"
    """folder with the CSV files that it learnt from"""
    output: str = "/opt/ml/processing/output/evaluation"
    """folder for evaluation.json and the report"""


@dataclass(frozen=True)
class Difference:
    what: str
    library: str
    value: float  # the largest of several


def main(args: Args) -> None:
    with tempfile.TemporaryDirectory() as workspace:
        artifact = model_artifact.load(Path(args.model), Path(workspace))
        facts, model = artifact.metadata, artifact.model.estimator
        table = evaluation_job.read(Path(args.train), [facts["label"]])
        X = model.design(table.drop(columns=facts["label"]))
        y = model.targets(table[facts["label"]])
    found = statsmodels_summary(X, y)
    differences = [*of_weights(facts, X, y, model.weights_), *of_summary(facts["summary"], found)]
    largest = max(each.value for each in differences)
    output = Path(args.output)
    output.mkdir(parents=True, exist_ok=True)
    (output / "evaluation.json").write_text(json.dumps(evaluation(differences, largest), indent=2) + "\n")
    report = describe(facts, found, differences, X, y)
    analysis_report.write(report, output)
    print(f"largest_difference={largest:.3e}")
    print(report.verdict)


# The second opinions ----------------------------------------------------------------------------------------------


def of_weights(facts: Mapping[str, Any], X: np.ndarray, y: np.ndarray, weights: np.ndarray) -> list[Difference]:
    """Each way to the weights against the libraries that go there, too. Theirs have the intercept apart."""
    import statsmodels.api as sm
    from sklearn.linear_model import Lasso, LinearRegression, Ridge

    penalties, columns = facts["penalties"], X[:, 1:]
    # scikit-learn leaves out the mean over the records where ours has it: its ridge penalty is n times ours.
    ridge = Ridge(alpha=len(y) * penalties["chosen"]["l2"]).fit(columns, y)
    lasso = Lasso(alpha=penalties["chosen"]["l1"], tol=1e-13, max_iter=1_000_000).fit(columns, y)
    theirs = {
        "scikit-learn": joined(LinearRegression().fit(columns, y)),
        "statsmodels": sm.OLS(y, X).fit().params,
    }
    ways = {OURS: weights, **{each["name"]: np.array(each["weights"]) for each in facts["walks"] if each["exact"]}}
    found = [
        Difference(f"weights by {way}", library, apart(ours, other))
        for way, ours in ways.items()
        for library, other in theirs.items()
    ]
    penalised = {"l2": ("L2 by the normal equations", ridge), "l1": ("L1 by coordinate descent", lasso)}
    for name, (way, other) in penalised.items():
        ours = np.array(penalties["weights"][name])
        found.append(Difference(f"weights with {way}", "scikit-learn", apart(ours, joined(other))))
    return found


def joined(fitted: Any) -> np.ndarray:
    return np.concatenate([[fitted.intercept_], fitted.coef_])


def apart(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours - theirs).max())


def statsmodels_summary(X: np.ndarray, y: np.ndarray) -> dict[str, Any]:
    """The numbers of its summary by the names of `ols_lines`; those of the coefficients are arrays."""
    import statsmodels.api as sm
    from statsmodels.stats import stattools

    fit = sm.OLS(y, X).fit()
    omnibus, jarque_bera = stattools.omni_normtest(fit.resid), stattools.jarque_bera(fit.resid)
    lower, upper = fit.conf_int().T
    return {
        "observations": int(fit.nobs),
        "df_residuals": int(fit.df_resid),
        "df_model": int(fit.df_model),
        "covariance_type": fit.cov_type,
        "r_squared": fit.rsquared,
        "adjusted_r_squared": fit.rsquared_adj,
        "f": fit.fvalue,
        "f_p": fit.f_pvalue,
        "log_likelihood": fit.llf,
        "aic": fit.aic,
        "bic": fit.bic,
        "omnibus": omnibus.statistic,
        "omnibus_p": omnibus.pvalue,
        "skew": jarque_bera[2],
        "kurtosis": jarque_bera[3],
        "durbin_watson": float(stattools.durbin_watson(fit.resid)),
        "jarque_bera": jarque_bera[0],
        "jarque_bera_p": jarque_bera[1],
        "condition_number": fit.condition_number,
        "coefficient": fit.params,
        "standard_error": fit.bse,
        "t": fit.tvalues,
        "p": fit.pvalues,
        "lower": lower,
        "upper": upper,
    }


def of_summary(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[Difference]:
    """Each line against statsmodels', relative to its size where that is above 1."""
    found = []
    for name, other in theirs.items():
        if isinstance(other, str):
            value = 0.0 if ours[name] == other else float("inf")
        else:
            mine = [row[name] for row in ours["coefficients"]] if np.ndim(other) else ours[name]
            value = float(np.max(np.abs(np.subtract(mine, other)) / np.maximum(1, np.abs(other))))
        found.append(Difference(ols_lines.title(name), "statsmodels", value))
    return found


def evaluation(differences: Sequence[Difference], largest: float) -> dict[str, Any]:
    return {
        "linear_regression": {
            "largest_difference": {"value": largest, "standard_deviation": 0.0},
            "differences": [vars(each) for each in differences],
        }
    }


# The page ---------------------------------------------------------------------------------------------------------


def describe(
    facts: Mapping[str, Any], theirs: Mapping[str, Any], differences: Sequence[Difference], X: np.ndarray, y: np.ndarray
) -> Report:
    summary, largest = facts["summary"], max(each.value for each in differences)
    agreed = largest <= AGREED
    same = "agree with" if agreed else "differ from"
    verdict = (
        f"{len(differences)} results computed by hand {same} scikit-learn's and statsmodels', to {largest:.1g}; "
        f"the model explains {summary['r_squared']:.1%} of the variation of log {facts['label']}."
    )
    sections: list[Section] = [
        Text("The model", ols_lines.introduction(facts)),
        lines("The fit as a whole", ols_lines.WHOLE, summary, theirs),
        coefficient_table(summary),
        Text("How to read a row", ols_lines.reading(summary)),
        ols_pictures.intervals(summary),
        lines("The residuals", ols_lines.RESIDUALS, summary, theirs),
        ols_pictures.residuals(X, y, facts),
        agreement(differences),
        Text("Gradient descent", ols_lines.descent(facts["walks"])),
        ols_pictures.losses(facts["walks"]),
        walks(facts["walks"]),
        ols_pictures.surfaces(facts["surface"]),
        Text("Penalties", ols_lines.penalties(facts)),
        ols_pictures.penalties(facts),
        *compared_models.sections(facts.get("comparison")),
    ]
    subtitle = f"{summary['observations']:,} training records, {summary['df_model']} columns beside the intercept"
    return Report("Linear regression by hand", verdict, agreed, subtitle, sections=sections)


def lines(title: str, names: Sequence[str], ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Table:
    """A part of the summary with what each line says."""
    rows = [
        [ols_lines.title(name), ols_lines.shown(ours[name]), ols_lines.shown(theirs[name]), ols_lines.says(name, ours)]
        for name in names
    ]
    return Table(title, ["line", "by hand", "statsmodels", "what it says"], rows)


def coefficient_table(summary: Mapping[str, Any]) -> Table:
    columns = ["column", "coef", "std err", "t", "P>|t|", "[0.025", "0.975]", "on the price"]
    rows = [
        [
            row["name"],
            *(f"{row[name]:.4f}" for name in ("coefficient", "standard_error")),
            f"{row['t']:.2f}",
            f"{row['p']:.3f}",
            *(f"{row[name]:.4f}" for name in ("lower", "upper")),
            None if row["name"] == "Intercept" else f"{np.expm1(row['coefficient']):+.1%}",
        ]
        for row in summary["coefficients"]
    ]
    doubtful = frozenset(place for place, row in enumerate(summary["coefficients"]) if row["p"] > 0.05)
    note = (
        "Of a number, a row is about one standard deviation more of it; of a category, about it in the place of the "
        "most frequent."
    )
    return Table("The coefficients", columns, rows, note=note, marks=doubtful, whole=True)


def agreement(differences: Sequence[Difference]) -> Table:
    rows = [
        [
            each.what,
            each.library,
            f"{each.value:.1e}",
            Badge("same" if each.value <= AGREED else "differs", each.value <= AGREED),
        ]
        for each in differences
    ]
    note = (
        f"The same is: within {AGREED:g}; of weights their difference, of lines of the summary relative to their size."
    )
    return Table("By hand and by library", ["result", "library", "largest difference", ""], rows, note=note)


def walks(walked: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        [
            each["name"],
            each["epochs"][-1],
            each["arrived"],
            f"{each['difference']:.1e}",
            f"{each['standard_errors']:.2g}" if each["standard_errors"] > 1e-4 else "0",
        ]
        for each in walked
    ]
    columns = ["rows, optimiser", "epochs", "within 1e-6 after", "largest difference of a weight", "in standard errors"]
    return Table("Where each walk ended", columns, rows, note=ols_lines.WALKS, whole=True)


def parse(argv: list[str] | None = None) -> Args:
    return evaluation_job.parse(Args, __doc__, argv)


if __name__ == "__main__":
    main(parse())
