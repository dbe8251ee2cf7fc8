"""One HTML page from an evaluation: numbers, pictures and what they mean, with nothing to load from elsewhere."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import compared_models
import jinja2
import learning_curves
from analysis_report import cell_text

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
CAPTIONS = {
    "roc": "How many positives are found for how many false alarms, over all thresholds.",
    "precision_recall": "How clean the list stays as more positives are found.",
    "cost": "What a threshold costs on validation, and what that is worth on unseen records.",
    "confusion_matrix": "Counts on test at the chosen threshold.",
    "calibration": "On the diagonal a predicted 30 % happens 30 times in 100. Bars: 95 % of sampling error.",
    "scores": "Test records by predicted probability and what really happened.",
    "permutation_importance": "What the model loses on test when a feature's values are shuffled.",
    "shap_summary": "Each dot is a test record; the effects of a record add up to its log-odds (TreeSHAP).",
}


def render(evaluation: dict, images: dict[str, bytes]) -> str:
    """images: PNGs by name, shown in their order."""
    folder = jinja2.FileSystemLoader(Path(__file__).parent)
    page = jinja2.Environment(loader=folder, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return page.get_template("classification_report.html").render(
        metrics=evaluation["binary_classification_metrics"],
        threshold=evaluation["threshold"],
        dataset=evaluation["dataset"],
        model=evaluation["model"],
        comparison=evaluation["comparison"],
        rows=ROWS,
        captions=CAPTIONS | measured_captions(evaluation),
        compared=[*compared_table(evaluation["models"]), *rivals_table(evaluation)],
        images={name: base64.b64encode(png).decode() for name, png in images.items()},
    )


def measured_captions(evaluation: dict) -> dict[str, str]:
    """Of pictures whose captions say what was measured."""
    pictures = [*compared_models.sections(evaluation["models"])[1:]]
    found = {"model_comparison": pictures[0].note} if pictures else {}  # type: ignore[union-attr]
    if curves := evaluation["curves"]:
        found["learning_curve"] = learning_curves.read_learning(curves)
        if "validation" in curves:
            found["validation_curve"] = learning_curves.read_validation(curves)
    return found


def compared_table(models: dict | None) -> list[dict[str, Any]]:
    return [as_text(compared_models.sections(models)[0])] if models else []


def rivals_table(evaluation: dict) -> list[dict[str, Any]]:
    rivals = evaluation["rivals"]
    if not rivals.get("models"):
        return []
    own = evaluation["binary_classification_metrics"]["auc"]["value"]
    return [as_text(compared_models.rivals(rivals["models"], rivals["chosen"], "ROC-AUC", own))]


def as_text(table: Any) -> dict[str, Any]:
    """Title, columns, rows of text, and what they mean."""
    rows = [[cell_text(cell) for cell in row] for row in table.rows]
    return {"title": table.title, "columns": table.columns, "rows": rows, "note": table.note}
