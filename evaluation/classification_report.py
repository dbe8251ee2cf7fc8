"""The page of a binary classifier: what its evaluation measured, in tables, pictures and words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import compared_models
import learning_curves
from analysis_report import Badge, Picture, Report, Section, Table, Text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Metric, what to call it, and one line for a reader who meets it for the first time.
ROWS = [
    (
        "average_precision",
        "Average precision",
        "precision averaged over all recalls; guessing gives the share of positives",
    ),
    ("auc", "ROC-AUC", "chance that a positive is ranked above a negative; guessing gives 0.5"),
    ("precision", "Precision", "of those acted on, the share that was positive"),
    ("recall", "Recall", "of the positives, the share that was acted on"),
    ("f1", "F1", "harmonic mean of precision and recall"),
    ("accuracy", "Accuracy", "share of right labels"),
    ("log_loss", "Log loss", "surprise at the truth, in nats; lower is better"),
    ("brier", "Brier score", "mean squared error of the probability; lower is better"),
]
# File stem, title, what those hear who don't see it, and what is to be seen.
PICTURES = [
    (
        "roc",
        "ROC curve",
        "True positive rate over false positive rate",
        "How many positives are found for how many false alarms, over all thresholds.",
    ),
    (
        "precision_recall",
        "Precision and recall",
        "Precision over recall",
        "How clean the list stays as more positives are found.",
    ),
    (
        "cost",
        "What a threshold costs",
        "Mean cost of a record over the threshold, on validation and on test",
        "What a threshold costs on validation, and what that is worth on unseen records.",
    ),
    (
        "confusion_matrix",
        "Confusion matrix",
        "Counts by true and predicted label",
        "Counts on test at the chosen threshold, and their shares of the row. What is off the diagonal is wrong.",
    ),
    (
        "calibration",
        "Calibration, ten groups of equal size",
        "Observed share of positives over the mean predicted probability",
        "On the diagonal a predicted 30 % happens 30 times in 100. Bars: 95 % of sampling error.",
    ),
    (
        "scores",
        "Predicted probabilities",
        "Histograms of the predicted probability, of positives and of negatives",
        "Test records by predicted probability and what really happened.",
    ),
    (
        "permutation_importance",
        "Permutation importance",
        "Loss of average precision when a feature is shuffled, by feature",
        "What the model loses on test when a feature's values are shuffled. Lines: one standard deviation over the "
        "shuffles.",
    ),
    (
        "shap_summary",
        "SHAP summary",
        "Effects of each feature on single records",
        "Each dot is a test record; the effects of a record add up to its log-odds (TreeSHAP). The value of a category "
        "is its share of positives.",
    ),
]


def describe(evaluation: Mapping[str, Any], drawn: Mapping[str, Figure]) -> Report:
    """`drawn`: figures by file stem; without a `shap_summary` the page says why."""
    dataset, label = evaluation["dataset"], evaluation["model"]["label"]
    records, positive = dataset["records"], dataset["positive"]
    sections: list[Section] = [
        numbers(evaluation["binary_classification_metrics"]),
        costs(evaluation["threshold"], evaluation["model"]["threshold"]),
        *in_service(evaluation["comparison"]),
        *(Picture(title, drawn[name], alt, note=note) for name, title, alt, note in PICTURES if name in drawn),
    ]
    if "shap_summary" not in drawn:
        sections.append(Text("No SHAP summary", ["This artifact's inference.py has no explain_fn."]))
    sections += compared_models.sections(evaluation["models"])
    sections += rivals(evaluation)
    if curves := evaluation["curves"]:
        sections += learning_curves.sections(curves)
    return Report(
        f"{label}: evaluation on the test split",
        verdict(evaluation),
        None,
        subtitle=f"{records:,} records that the model never saw, {positive:,} of them positive "
        f"({positive / records:.1%}). Intervals: percentile bootstrap over the records.",
        sections=sections,
    )


def verdict(evaluation: Mapping[str, Any]) -> str:
    found = evaluation["binary_classification_metrics"]
    auc, bounds = found["auc"]["value"], found["auc"]["confidence_interval"]
    return (
        f"Of two records that the model never saw, it ranks the positive one above the negative one {auc:.1%} of the "
        f"time (ROC-AUC, 95 % interval {bounds['lower']:.3f} to {bounds['upper']:.3f}). At its threshold it finds "
        f"{found['recall']['value']:.0%} of the positives, and {found['precision']['value']:.0%} of those that it "
        "names are positive."
    )


def numbers(found: Mapping[str, Any]) -> Table:
    rows = [[title, f"{found[name]['value']:.4f}", spoken(found[name]), meaning] for name, title, meaning in ROWS]
    return Table("Numbers", ["Metric", "Value", "95 % interval", "Meaning"], rows)


def spoken(metric: Mapping[str, Any], sign: str = "") -> str:
    bounds = metric["confidence_interval"]
    return f"{bounds['lower']:{sign}.4f} to {bounds['upper']:{sign}.4f}"


def costs(threshold: Mapping[str, Any], served: float) -> Table:
    """What acting by the model costs beside acting without one."""
    value, action, miss = (threshold[name] for name in ("value", "action_cost", "miss_cost"))
    own = threshold["mean_cost"]
    rows: list[list[Any]] = [
        ["by the model", f"a probability of {value:.4f} or more", f"{own:,.2f}", Badge("this model", True)],
        *(
            [words, everybody, f"{cost:,.2f}", against(own, cost)]
            for words, everybody, cost in (
                ("on nobody", "–", threshold["mean_cost_acting_on_nobody"]),
                ("on everybody", "–", threshold["mean_cost_acting_on_everybody"]),
            )
        ),
    ]
    prices = f"acting on a record costs {action:g} and missing a positive {miss:g}"
    where = (
        f"The threshold is where, on validation, the least was paid: {prices}."
        if threshold["chosen_on"] == "validation"
        else f"The threshold is the model's own; {prices}."
    )
    note = f"{where} Labels on this page are 1 from there on; the artifact's own from {served:.4f} on."
    return Table("Threshold and cost", ["Acting", "on records with", "mean cost per record", ""], rows, note=note)


def against(own: float, other: float) -> str:
    if not other:
        return ""
    return f"the model costs {abs(own / other - 1):.0%} {'less' if own < other else 'more'}"


def in_service(comparison: Mapping[str, Any]) -> list[Section]:
    if comparison["current_model"] == "none":
        return []
    rows = [
        [
            title,
            f"{comparison[name]['candidate']:.4f}",
            f"{comparison[name]['current']:.4f}",
            f"{comparison[name]['lead']['value']:+.4f}",
            spoken(comparison[name]["lead"], "+"),
        ]
        for name, title, _ in ROWS[:2]
    ]
    note = (
        f"Both judged on these {comparison['records']:,} records, which neither has learnt from. In service: "
        f"{comparison['current_model']}"
    )
    columns = ["Metric", "This model", "In service", "Lead", "95 % interval of the lead"]
    return [Table("Against the model in service", columns, rows, note=note)]


def rivals(evaluation: Mapping[str, Any]) -> list[Section]:
    found = evaluation["rivals"]
    if not found.get("models"):
        return []
    own = evaluation["binary_classification_metrics"]["auc"]["value"]
    return [compared_models.rivals(found["models"], found["chosen"], "ROC-AUC", own)]
