"""A regression's evaluation as a page: the verdict, metrics, residuals, intervals, importance, model choice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import compared_models
import learning_curves
import linear_assumptions
import numpy as np
import pandas as pd
import regression_pictures as draw
from analysis_report import Badge, Picture, Report, Section, Table, Text

NAMES = {
    "mse": "Mean squared error",
    "rmse": "Root mean squared error (RMSE)",
    "mae": "Mean absolute error (MAE)",
    "r2": "R²",
    "adjusted_r2": "Adjusted R²",
    "rmse_log": "RMSE of the logarithm",
    "r2_log": "R² of the logarithm",
}
MEANINGS = {
    "mse": "what least squares minimises; in squared units, so it has no picture",
    "rmse": "a typical error, in which large ones weigh more",
    "mae": "the average error",
    "r2": "share of the variance that the predictions explain",
    "adjusted_r2": "the same, with a price on each of the {regressors} columns",
    "rmse_log": "a typical relative error: 0.1 is about 10 %",
    "r2_log": "share of the variance of the logarithm that is explained",
}
FEWEST = 8  # records of a group that is shown
Found = Mapping[str, np.ndarray]


def describe(
    evaluation: Mapping[str, Any],
    facts: Mapping[str, Any],
    table: pd.DataFrame,
    answers: np.ndarray,
    found: Found,
    importance: pd.DataFrame,
) -> Report:
    """`found`: prediction, perhaps lower and upper; `importance` as `regression.permutation_importance` has it."""
    unit, log = facts.get("unit", ""), facts.get("scale") == "log"
    sections: list[Section] = [
        metric_table(evaluation["regression_metrics"], evaluation["dataset"]["regressors"]),
        *residual_pictures(answers, found["prediction"], unit, log),
    ]
    if "interval" in evaluation:
        sections += interval_sections(evaluation["interval"], facts, answers, found)
    on = "the logarithm's RMSE" if log else f"RMSE{draw.of(unit)}"
    sections.append(
        Picture(
            "Feature importance",
            lambda: draw.importance(importance, f"rise of {on} when the feature is shuffled"),
            "Bars: how much worse the model gets without what each feature says",
            note="Permutation importance on test, with one standard deviation over the shuffles. Features that say the "
            "same share their importance, as each can stand in for the other.",
        )
    )
    sections += [section for name in facts.get("groups", []) if (section := by_group(name, table, answers, found))]
    sections += compared_models.sections(facts.get("comparison"))
    for each in facts.get("comparisons", []):
        sections += compared_models.sections(each)[:1]  # the table
    if assumptions := facts.get("assumptions"):
        sections += linear_assumptions.sections(assumptions)
    if curves := evaluation.get("curves"):
        sections += learning_curves.sections(curves)
    return Report(
        title=f"{facts['label']}: how good are the predictions?",
        verdict=verdict(evaluation, unit),
        good=None,
        subtitle=f"{evaluation['dataset']['records']:,} records of the test split, which the model never saw.",
        sections=sections,
    )


def verdict(evaluation: Mapping[str, Any], unit: str) -> str:
    found = evaluation["regression_metrics"]
    said = (
        f"Predictions are off by {number(found['mae']['value'])}{' ' + unit if unit else ''} on average and explain "
        f"{found['r2']['value']:.1%} of the variance."
    )
    if interval := evaluation.get("interval"):
        said += f" Intervals of {interval['level']:.0%} hold {interval['coverage']:.1%} of the true values."
    return said


def metric_table(found: Mapping[str, Any], regressors: int) -> Table:
    rows = []
    for name, each in found.items():
        bounds = each["confidence_interval"]
        interval = f"{number(bounds['lower'])} to {number(bounds['upper'])}"
        rows.append(
            [
                NAMES.get(name, name),
                number(each["value"]),
                interval,
                MEANINGS.get(name, "").format(regressors=regressors),
            ]
        )
    note = "Intervals hold the metric with 95 % confidence: percentiles of bootstrap resamples of the records."
    return Table("Metrics on test", ["Metric", "Value", "95 % interval", "What it is"], rows, note)


def residual_pictures(answers: np.ndarray, predicted: np.ndarray, unit: str, log: bool) -> list[Section]:
    residual = np.log(answers) - np.log(predicted) if log else answers - predicted
    axis = "residual of the logarithm" if log else f"residual{draw.of(unit)}"
    plain = [lambda: draw.against_prediction(predicted, answers - predicted, unit, f"residual{draw.of(unit)}")]
    both = [*plain, lambda: draw.against_prediction(predicted, residual, unit, axis, log=True)] if log else plain
    skew, kurtosis = moments(residual)
    spread = "Errors grow with the value; those of the logarithm, which are relative, hardly do. " if log else ""
    return [
        Picture(
            "Predictions and residuals",
            lambda: [draw.answers(answers, predicted, unit, log), *(each() for each in both)],
            "Truth against prediction, and residuals against prediction",
            note=f"Residual: truth minus prediction. {spread}The orange line is the mean of a tenth of the records: "
            "where it leaves 0, predictions of that size are off to one side.",
        ),
        Picture(
            "Distribution of the residuals",
            lambda: [draw.distribution(residual, axis), draw.quantiles(residual)],
            "Histogram and normal quantile plot of the residuals",
            note=f"Skewness {skew:.2f}, excess kurtosis {kurtosis:.2f}; both are 0 for a normal distribution. Points "
            "that leave the line at the ends are errors larger than a normal distribution knows: intervals that assume "
            "one would be too narrow there.",
        ),
    ]


def moments(values: np.ndarray) -> tuple[float, float]:
    standard = (values - values.mean()) / (values.std() or 1.0)
    return float((standard**3).mean()), float((standard**4).mean() - 3)


def interval_sections(
    interval: Mapping[str, Any], facts: Mapping[str, Any], answers: np.ndarray, found: Found
) -> list[Section]:
    unit, log = facts.get("unit", ""), facts.get("scale") == "log"
    bounds, level, chance = interval["confidence_interval"], interval["level"], interval["standard_error"]
    off = interval["coverage"] - level
    method = facts.get("interval", {}).get("method", "")
    rows = [
        [
            f"{number(part['from'])} to {number(part['to'])}",
            part["records"],
            f"{part['coverage']:.1%}",
            f"{part['confidence_interval']['lower']:.1%} to {part['confidence_interval']['upper']:.1%}",
            number(part["median_width"]),
        ]
        for part in interval["parts"]
    ]
    paragraphs = [
        f"{interval['coverage']:.1%} of the {len(answers):,} true values lie inside their interval "
        f"({bounds['lower']:.1%} to {bounds['upper']:.1%} with 95 % confidence); {level:.0%} is nominal, so it is "
        f"{abs(off) * 100:.1f} points {'above' if off >= 0 else 'below'}. In so many records chance alone moves the "
        f"share by {chance * 100:.1f} points (one standard error). Half of the intervals are wider than "
        f"{number(interval['median_width'])}{' ' + unit if unit else ''}.",
        *([method] if method else []),
    ]
    columns = ["Prediction", "Records", "Truth inside", "with 95 % confidence", "Median width"]
    return [
        Text("Intervals", paragraphs),
        Picture(
            "Intervals of single records",
            lambda: draw.bands(answers, found, unit, log),
            "Intervals of records in the order of their predictions, with the true values",
            note="At most 250 records, drawn at random.",
        ),
        Picture(
            "Coverage by size",
            lambda: draw.coverage(interval["parts"], level),
            "Share of true values inside, by fifth of the prediction",
            note="The guarantee is for all records together; a part may be over or under.",
        ),
        Table("Coverage and width by size", columns, rows),
    ]


def by_group(name: str, table: pd.DataFrame, answers: np.ndarray, found: Found) -> Table | None:
    """Relative errors by a column's values: is any group valued too high or too low?"""
    relative = (found["prediction"] - answers) / np.abs(answers)
    groups = pd.DataFrame({"group": table[name].astype(str), "off": relative})
    groups["inside"] = (found["lower"] <= answers) & (answers <= found["upper"]) if "lower" in found else np.nan
    rows: list[list[Any]] = []
    marks: set[int] = set()
    for group, part in sorted(groups.groupby("group"), key=lambda pair: -len(pair[1])):
        if len(part) < FEWEST:
            continue
        mean, error = part["off"].mean(), part["off"].std(ddof=1) / np.sqrt(len(part))
        clear = abs(mean) > 3 * error
        if clear:
            marks.add(len(rows))
        said = "too high" if mean > 0 else "too low"
        inside = None if part["inside"].isna().any() else f"{part['inside'].mean():.0%}"
        share = f"{part['off'].abs().median():.1%}"
        badge = Badge(said, False) if clear else Badge("no clear difference", True)
        rows.append([group, len(part), f"{mean:+.1%}", f"{error:.1%}", share, inside, badge])
    if not rows:
        return None
    columns = [name, "Records", "Mean error", "Standard error", "Median absolute error", "Truth inside", "On average"]
    note = (
        f"Errors relative to the truth, of groups of {FEWEST} records and more. Clear is beyond three standard errors."
    )
    return Table(f"By {name}", columns, rows, note, frozenset(marks))


def number(value: float) -> str:
    """Four digits, or all of a larger number's; thousands apart."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
