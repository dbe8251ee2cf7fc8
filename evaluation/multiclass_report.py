"""The page of a classifier of several classes: what its evaluation measured, in tables, pictures and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import classification_plots
import compared_models
import decision_boundaries
import learning_curves
import numpy as np
import pandas as pd
import permutation_importance
import report_pictures
from analysis_report import Picture, Report, Section, Table, Text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Metric, what to call it, and a line for a reader who meets it for the first time.
ROWS = [
    ("accuracy", "Accuracy", "share of right answers"),
    ("macro_precision", "Precision", "of those called a class, the share that is of it; mean over the classes"),
    ("macro_recall", "Recall", "of those that are of a class, the share that is found; mean over the classes"),
    ("macro_f1", "F1", "harmonic mean of precision and recall; mean over the classes"),
    ("log_loss", "Log loss", "surprise at the truth, in nats; lower is better, 0 is certainty"),
    ("accuracy_best_constant_classifier", "Guessing", "accuracy of always naming the most frequent class"),
]
WRONG_SHOWN = 20


@dataclass(frozen=True)
class Judged:
    """A data set with the model's opinion."""

    table: pd.DataFrame  # the records, without the label
    answers: np.ndarray  # classes as text, shape (records,)
    labels: np.ndarray  # the same, as predicted
    probability: np.ndarray  # shape (records, classes)
    classes: list[str]


def describe(
    evaluation: Mapping[str, Any], facts: Mapping[str, Any], judged: Judged, drawn: dict[str, Figure]
) -> Report:
    records, label = evaluation["dataset"]["records"], facts["label"]
    accuracy = evaluation["multiclass_classification_metrics"]["accuracy"]
    wrong = int((judged.labels != judged.answers).sum())
    bounds = accuracy["confidence_interval"]
    verdict = (
        f"{records - wrong} of {records} records that the model never saw are right: accuracy {accuracy['value']:.3f} "
        f"(95 % interval {bounds['lower']:.3f} to {bounds['upper']:.3f})."
    )
    if not wrong:
        verdict = (
            f"All {records} records that the model never saw are right. That does not prove it perfect: with "
            f"95 % confidence its accuracy is {least(records):.3f} or more."
        )
    sections: list[Section] = [
        numbers(evaluation),
        by_class(evaluation, label),
        Picture("Confusion matrix", drawn["confusion_matrix"], "Counts by true and predicted class", note=CONFUSION),
        *mistakes(judged, label),
        *boundaries(facts, drawn),
        *compared_models.sections(facts.get("comparison")),
        *rivals(evaluation, facts),
        *(learning_curves.sections(evaluation["curves"]) if "curves" in evaluation else []),
        Picture(
            "What the model goes by",
            drawn["permutation_importance"],
            "Loss of accuracy when a feature is shuffled, by feature",
            note="Permutation importance: what accuracy loses on test when one feature's values change places. Lines: "
            "one standard deviation over the shuffles.",
        ),
    ]
    chosen = facts.get("chosen", "")
    subtitle = f"Model: {decision_boundaries.words(chosen)}. " if chosen else ""
    return Report(
        f"{label}: evaluation on the test split",
        verdict,
        None,
        subtitle=f"{subtitle}Classes: {', '.join(judged.classes)}. Intervals: percentile bootstrap over the records.",
        sections=sections,
    )


def least(records: int) -> float:
    """The accuracy below which so many answers without a wrong one are rarer than 5 in 100.

    The exact binomial bound (Clopper and Pearson, 1934).
    """
    return float(0.05 ** (1 / records))


CONFUSION = "A row is what the records are, a column what the model called them. What is off the diagonal is wrong."


def spoken(metric: Mapping[str, Any]) -> str:
    bounds = metric["confidence_interval"]
    return f"{bounds['lower']:.3f} to {bounds['upper']:.3f}"


def numbers(evaluation: Mapping[str, Any]) -> Table:
    found = evaluation["multiclass_classification_metrics"]
    rows = [[title, f"{found[name]['value']:.3f}", spoken(found[name]), meaning] for name, title, meaning in ROWS]
    note = (
        "Of records that are all right every resample is all right, too: these intervals cannot see the errors to come."
        if found["accuracy"]["value"] == 1
        else ""
    )
    return Table("Numbers", ["metric", "value", "95 % interval", "meaning"], rows, note=note)


def by_class(evaluation: Mapping[str, Any], label: str) -> Table:
    names = ("precision", "recall", "f1")
    rows = [
        [
            name,
            each["records"],
            *(cell for metric in names for cell in (f"{each[metric]['value']:.3f}", spoken(each[metric]))),
        ]
        for name, each in evaluation["classes"].items()
    ]
    return Table(f"By {label}", [label, "records", *(cell for name in names for cell in (name, "interval"))], rows)


def mistakes(judged: Judged, label: str) -> list[Section]:
    """The records that are wrong, with what the model was sure of."""
    wrong = np.flatnonzero(judged.labels != judged.answers)
    if not len(wrong):
        return [Text("Wrong answers", ["None on this test split."])]
    order = wrong[np.argsort(-judged.probability.max(axis=1)[wrong])][:WRONG_SHOWN]
    rows = [
        [
            *judged.table.iloc[at].tolist(),
            judged.answers[at],
            judged.labels[at],
            f"{judged.probability[at].max():.2f}",
        ]
        for at in order
    ]
    columns = [*judged.table.columns, label, "called", "probability"]
    note = f"The {WRONG_SHOWN} that the model was surest of." if len(wrong) > WRONG_SHOWN else ""
    return [Table("Wrong answers", columns, rows, note=note)]


def boundaries(facts: Mapping[str, Any], drawn: Mapping[str, Figure]) -> list[Section]:
    sections: list[Section] = []
    for pair in facts.get("boundaries", []):
        first, second = map(decision_boundaries.words, pair)
        here = [figure for name, figure in drawn.items() if name.startswith(f"boundary-{'-'.join(pair)}")]
        sections.append(
            Picture(
                f"Decision boundaries over {first} and {second}",
                here,
                f"Areas of the classes over {first} and {second}, with the records",
                note="The model's answers with its other features at their median. Large dots: the test records; small "
                "ones: what it learnt from; ringed: wrong.",
            )
        )
    return sections


def rivals(evaluation: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Section]:
    found = evaluation.get("rivals")
    if not found:
        return []
    accuracy = evaluation["multiclass_classification_metrics"]["accuracy"]["value"]
    return [compared_models.rivals(found, facts["chosen"], "accuracy", accuracy)]


def figures(
    evaluation: Mapping[str, Any],
    facts: Mapping[str, Any],
    models: Mapping[str, Any],
    records: decision_boundaries.Records,
    judged: Judged,
) -> dict[str, Figure]:
    """File stem to picture. `models` are fitted estimators by name, each of which draws its own boundaries."""
    matrix = evaluation["multiclass_classification_metrics"]["confusion_matrix"]
    drawn = {
        "confusion_matrix": classification_plots.confusion(matrix, facts["label"]),
        "permutation_importance": importance(evaluation["feature_importance"]["permutation"]),
    }
    asked = {decision_boundaries.words(name): each.predict for name, each in models.items()}
    for pair in facts.get("boundaries", []):
        pictures = decision_boundaries.figures(asked, records, pair, judged.classes)
        for name, figure in zip(models, pictures, strict=True):
            drawn[f"boundary-{'-'.join(pair)}-{name}".replace(" ", "-")] = figure
    if "curves" in evaluation:
        drawn |= learning_curves.figures(evaluation["curves"])
    if facts.get("comparison"):
        drawn |= compared_models.figures(facts["comparison"])
    return drawn


def importance(found: Mapping[str, Mapping[str, float]]) -> Figure:
    table = pd.DataFrame.from_dict(found, orient="index").rename(index=decision_boundaries.words)
    figure = permutation_importance.figure(table, "accuracy lost when shuffled")
    report_pictures.percent(figure.axes[0].xaxis)
    return figure
