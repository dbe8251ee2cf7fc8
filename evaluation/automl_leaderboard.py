"""The page on an AutoML search: what was tried, how far each got, and what the model is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import compared_models
import numpy as np
import report_pictures
from analysis_report import Badge, Picture, Report, Section, Table, Text
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOSSES = ("logloss", "mlogloss", "rmse", "mse", "mae")
SHOWN = 12  # rows of the leaderboard; a longer table would be folded
COLOURS = ("#d9622b", "#2f6f9f", "#2f855a", "#8250a8", "#b7791f", "#c2417c", "#8a97a6")  # a family each
NAMES = {
    "auc": "ROC-AUC",
    "aucpr": "average precision",
    "logloss": "log loss",
    "mlogloss": "log loss",
    "f1": "F1",
    "f1_macro": "macro F1",
    "balanced_accuracy": "balanced accuracy",
    "rmse": "RMSE",
    "mse": "mean squared error",
    "mae": "mean absolute error",
    "r2": "R²",
}
Facts = Mapping[str, Any]


def describe(facts: Facts, evaluation: Mapping[str, Any]) -> Report:
    board, tried = facts["leaderboard"], facts["tried"]
    metric = str(NAMES.get(facts["metric"], facts["metric"]))
    chosen = next(each for each in board if each.get("chosen"))
    members = [each for each in board if each.get("weight")]
    made = f"{len(members)} models" if len(members) > 1 else "one model"
    verdict = (
        f"The model for {facts['label']} is the {chosen['name']} of {made}, with a cross-validated {metric} of "
        f"{chosen['score']:.4g}, out of {len(tried)} configurations of {len({each['family'] for each in tried})} "
        f"families; on the test set its skill is {evaluation['automl']['skill']['value']:.1%} of a perfect answer's."
    )
    sections: list[Section] = [
        leaderboard(board, metric),
        Picture(
            "What the model is made of",
            lambda: weights(members),
            "Bars: each member's weight in the model",
            "Weights by greedy selection on answers for records that the members had not learnt from; of a stack they "
            "are equal, as a linear model decides.",
        ),
        Picture(
            "How the search went",
            lambda: progress(tried, facts["metric"]),
            "The cross-validated score of each configuration that saw all folds, by family, in the order of trying",
        ),
        halving(tried),
        *compared_models.sections(facts.get("comparison")),
        Text("How to read it", explanation(metric)),
    ]
    return Report(
        "AutoML leaderboard", verdict, None, f"target {facts['label']}, {facts['problem']}", sections=sections
    )


def leaderboard(board: Sequence[Facts], metric: str) -> Table:
    rows = [
        [
            number,
            Badge(words(each["name"]), True) if each.get("chosen") else words(each["name"]),
            each["score"],
            f"{each['weight']:.0%}" if each.get("weight") else None,
            each.get("seconds"),
            settings(each.get("config", {})),
        ]
        for number, each in enumerate(board[:SHOWN], 1)
    ]
    marks = frozenset(place for place, each in enumerate(board[:SHOWN]) if each.get("chosen"))
    columns = ["", "model", metric, "weight", "s a fit", "settings"]
    note = "Scores are of records that a model has not learnt from. The coloured row is registered."
    return Table("Leaderboard", columns, rows, note, marks)


def words(name: str) -> str:
    return name.replace("_", " ")


def settings(config: Mapping[str, Any]) -> str:
    shown = (
        f"{words(name)} {value:.3g}" if isinstance(value, float) else f"{words(name)} {value}"
        for name, value in config.items()
    )
    return ", ".join(shown)


def weights(members: Sequence[Facts]) -> Figure:
    figure, axes = report_pictures.panel(height=0.9 + 0.26 * len(members))
    labels = [f"{words(each['name'])} ({each['score']:.4g})" for each in members]
    places = range(len(members))  # not labels: two members may have the same
    axes.barh(places, [each["weight"] for each in members], color=report_pictures.CURRENT, tick_label=labels)
    axes.invert_yaxis()
    axes.set_xlabel("weight")
    return figure


def progress(tried: Sequence[Facts], metric: str) -> Figure:
    figure, axes = report_pictures.panel(height=3.4, width=2 * report_pictures.WIDTH)
    families = list(dict.fromkeys(each["family"] for each in tried))
    values = [each["score"] for each in tried if each["state"] == "complete"]
    for number, family in enumerate(families):
        own = [each for each in tried if each["family"] == family]
        points = [(place, each["score"]) for place, each in enumerate(own, 1) if each["state"] == "complete"]
        if points:
            axes.plot(*zip(*points, strict=True), "o", color=COLOURS[number % len(COLOURS)], label=words(family), ms=4)
    if len(values) > 4:  # a failure of a model is no reason to see nothing of the others
        low, high = np.quantile(values, [0.0, 0.9] if metric in LOSSES else [0.1, 1.0])
        reach = 0.1 * (high - low) or 1e-3
        axes.set_ylim(low - reach, high + reach)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("configuration of its family")
    axes.set_ylabel(NAMES.get(metric, metric))
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)
    return figure


def halving(tried: Sequence[Facts]) -> Table:
    """By family: how many configurations reached which rung."""
    top = max(each["rung"] for each in tried)
    rows = []
    for family in dict.fromkeys(each["family"] for each in tried):
        own = [each for each in tried if each["family"] == family]
        reached = [sum(each["rung"] >= rung for each in own) for rung in range(1, top + 1)]
        states = Counter(each["state"] for each in own)
        failed = sum(count for state, count in states.items() if state not in ("complete", "halved", "out of time"))
        rows.append([words(family), len(own), *reached, failed])
    columns = ["family", "tried", *(f"rung {rung}" for rung in range(1, top + 1)), "failed"]
    note = (
        "Each rung has more records or folds than the one before, and one configuration in three goes on to the next."
    )
    return Table("Successive halving", columns, rows, note)


def explanation(metric: str) -> list[str]:
    return [
        f"A configuration is a preprocessing, a model and its settings. Its {metric} is measured by cross-validation "
        "inside the training records; the test set has no part in any choice.",
        "“Blend” is a weighted mean of several models' answers, “stack” a linear model on top of them. Their scores "
        "are cross-validated once more over those answers, so they can be compared with the single models' scores.",
    ]
