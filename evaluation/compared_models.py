"""Several models side by side, and whether chance alone could have put one ahead.

Of models that were cross-validated in training, `sections` shows the artifact's fact `comparison` (the scores of the
same folds, and the corrected resampled t-test against the best). Of two models that can be asked about a test split,
`paired_bootstrap` judges the difference of any metric on the very same records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import report_pictures
from analysis_report import Badge, Picture, Section, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVEL = 0.95
Metric = Callable[[np.ndarray, np.ndarray], float]  # answers and predictions, a row a record, to a number


def paired_bootstrap(
    answers: np.ndarray, first: np.ndarray, second: np.ndarray, metric: Metric, resamples: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """The metric's difference, first minus second, over resamples of the records that both models are judged on.

    Percentile interval, and the two-sided p of the share of resamples on the other side of zero (Efron and Tibshirani,
    "An Introduction to the Bootstrap", 1993); p is never below 2 / (resamples + 1).

    Args:
        answers: shape (records,); first and second are the models' predictions, labels or numbers, in the same order.
        metric: higher is better. A resample for which it raises ValueError, as one of a single class, is left out.

    Returns:
        `difference`, `level`, `interval` (lower, upper), `p`, `records`.
    """
    random, rows = np.random.default_rng(seed), len(answers)
    drawn = []
    for _ in range(resamples):
        chosen = random.integers(0, rows, rows)
        try:
            drawn.append(metric(answers[chosen], first[chosen]) - metric(answers[chosen], second[chosen]))
        except ValueError:
            continue
    if not drawn:
        raise ValueError(f"The metric has no value in any of {resamples} resamples of {rows} records.")
    differences = np.asarray(drawn)
    low, high = np.quantile(differences, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    beyond = min(np.sum(differences <= 0), np.sum(differences >= 0))
    return {
        "difference": float(metric(answers, first) - metric(answers, second)),
        "level": LEVEL,
        "interval": [float(low), float(high)],
        "p": float(min(1.0, 2 * (beyond + 1) / (len(differences) + 1))),
        "records": rows,
    }


def sections(comparison: Mapping[str, Any] | None) -> list[Section]:
    """A table and a picture; none of an artifact without a comparison."""
    if not comparison:
        return []
    metric, models = comparison["metric"], comparison["models"]
    rows = [
        [
            each["name"],
            round(each["mean"], 5),
            round(each["deviation"], 5),
            None if each["p_against_best"] is None else f"{each['difference']:+.4f}",
            None if each["p_against_best"] is None else spoken(each["interval"]),
            None if each["p_against_best"] is None else p_value(each["p_against_best"]),
            None if each["p_against_best"] is None else p_value(each["p_holm"]),
            verdict(each, comparison["level"]),
        ]
        for each in models
    ]
    title = comparison.get("title", "Models compared")
    columns = ["model", f"{metric}, mean", "deviation", "to the best", "interval", "p", "p (Holm)", ""]
    return [
        Table(title, columns, rows, note=explained(comparison), marks=frozenset({0})),
        Picture(
            "Differences to the best",
            figures(comparison)["model_comparison"],
            f"Each model's difference in {metric} to the best, with its interval",
            note="An interval that reaches the line: the folds cannot tell this model from the best.",
        ),
    ]


def rivals(found: Mapping[str, Any], chosen: str, metric: str, own: float) -> Table:
    """The chosen model beside its rivals on the test split.

    Args:
        found: a rival's name to its score, under the metric's name, and this model's `lead`, of `paired_bootstrap`.
        own: the chosen model's score.
    """
    rows: list[list[Any]] = [[chosen, f"{own:.3f}", None, None, None, Badge("this model", True)]]
    for name, each in sorted(found.items(), key=lambda item: -item[1][metric]):
        lead = each["lead"]
        against = [f"{lead['difference']:+.3f}", spoken(lead["interval"]), p_value(lead["p"])]
        rows.append([name, f"{each[metric]:.3f}", *against, lead_verdict(lead)])
    records = next(iter(found.values()))["lead"]["records"]
    return Table(
        "The same models on the test split",
        ["model", metric, "this model's lead", f"{LEVEL:.0%} interval", "p", ""],
        rows,
        note=f"Paired bootstrap over the {records:,} test records, which no choice was made by.",
        marks=frozenset({0}),
    )


def lead_verdict(lead: Mapping[str, Any]) -> Badge:
    if lead["p"] >= 1 - LEVEL:
        return Badge("no clear difference")
    return Badge("worse", False) if lead["difference"] > 0 else Badge("better", True)


def explained(comparison: Mapping[str, Any]) -> str:
    return (
        f"{comparison['folds']} folds, each learning from {comparison['train_rows']:,} records and judging "
        f"{comparison['test_rows']:,}, the same for all models. Intervals ({comparison['level']:.0%}) and p by the "
        "corrected resampled t-test (Nadeau and Bengio 2003): folds share training records, and the ordinary test is "
        "too sure for that. Holm's correction accounts for several models being compared with the best."
    )


def verdict(model: Mapping[str, Any], level: float) -> Badge | str:
    if model["p_against_best"] is None:
        return Badge("best", True)
    return Badge("worse", False) if model["p_holm"] < 1 - level else Badge("no clear difference")


def p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def spoken(interval: list[float]) -> str:
    return f"{interval[0]:+.4f} to {interval[1]:+.4f}"


def figures(comparison: Mapping[str, Any]) -> dict[str, Figure]:
    """File stem to picture: `model_comparison`."""
    models = comparison["models"]
    names = [report_pictures.plain(each["name"], report_pictures.NAME_LIMIT) for each in models]
    figure, axes = report_pictures.panel(height=0.8 + 0.34 * max(len(models), 3), width=6.4)
    axes.axvline(0, color=report_pictures.LINE, linewidth=1.2)
    for place, each in enumerate(models):
        low, high = each["interval"]
        colour = report_pictures.CURRENT if place == 0 else report_pictures.BASELINE
        axes.plot([low, high], [place, place], color=colour, linewidth=2.4, solid_capstyle="round")
        axes.plot(each["difference"], place, "o", color=colour, markersize=7)
    axes.set_yticks(range(len(names)), names)
    axes.set(
        ylim=(len(names) - 0.5, -0.5), xlabel=f"{report_pictures.plain(comparison['metric'])}, difference to the best"
    )
    return {"model_comparison": figure}
