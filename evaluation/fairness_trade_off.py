"""What did reducing a model's bias cost? Two models, with and without mitigation, on data that neither saw.

    python evaluation/fairness_trade_off.py --model DIR --mitigated DIR --test DIR --output DIR [--facets A,B]

Differences between groups are fairlearn's (https://fairlearn.org, "Common fairness metrics"): demographic parity is the
largest difference in the share of records that are labelled 1, equalized odds the same among records of one true label.
The curve of the mitigation's strengths was measured on validation when the model was trained, and lies in the artifact;
the two models are measured on test, each at its own threshold. Writes trade_off.json, trade_off.png, report.html and
report.pdf.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import analysis_report
import evaluation_job
import model_artifact
import pandas as pd
import report_pictures
from analysis_report import Picture, Report, Section, Table, Text
from sklearn.metrics import roc_auc_score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BEFORE, AFTER = "without mitigation", "with mitigation"
DIFFERENCES = {"demographic_parity_difference": "demographic parity", "equalized_odds_difference": "equalized odds"}

RATES = {
    "selection_rate": "labelled 1",
    "true_positive_rate": "labelled 1 of true 1",
    "false_positive_rate": "labelled 1 of true 0",
}


@dataclass
class Args:
    model: str = "/opt/ml/processing/input/model"
    """folder with model.tar.gz, or with an unpacked model: the one without mitigation"""
    mitigated: str = "/opt/ml/processing/input/mitigated"
    """the same, with mitigation: its metadata.json has `trade_off`"""
    test: str = "/opt/ml/processing/input/test"
    """folder with CSV files (header, features, label as 0 or 1)"""
    output: str = "/opt/ml/processing/output/trade_off"
    """folder for the results"""
    facets: str = ""
    """columns whose groups are compared, with commas between; without any, the one that was mitigated"""


def main(args: Args) -> None:
    with tempfile.TemporaryDirectory() as workspace:
        folders = [Path(workspace) / name for name in ("before", "after")]
        models = [
            model_artifact.load(Path(given), folder)
            for given, folder in zip((args.model, args.mitigated), folders, strict=True)
        ]
        curve = models[1].metadata.get("trade_off")
        if not curve:
            raise ValueError(
                f"The model in {args.mitigated} has no trade_off in its metadata.json: it is not mitigated."
            )
        label = models[1].metadata["label"]
        test = evaluation_job.read(Path(args.test), [label])
        facets = args.facets.split(",") if args.facets else [curve["facet"]]
        scored = [model.predict(model.records(test.drop(columns=label))) for model in models]
    found = {
        "curve": curve,
        "test": {name: measure(test, label, each, facets) for name, each in zip((BEFORE, AFTER), scored, strict=True)},
    }
    output = Path(args.output)
    output.mkdir(parents=True, exist_ok=True)
    (output / "trade_off.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    draw(found).savefig(output / "trade_off.png", dpi=150, bbox_inches="tight")
    report = describe(found)
    analysis_report.write(report, output)
    print(report.verdict)


def measure(test: pd.DataFrame, label: str, scored: pd.DataFrame, facets: Sequence[str]) -> dict[str, Any]:
    """`auc`, `accuracy` and by facet the differences, and by group what is labelled 1, how many, and how rightly.

    Raises ValueError for a facet that is no column.
    """
    from fairlearn import metrics

    if unknown := [facet for facet in facets if facet not in test]:
        raise ValueError(f"facet {', '.join(unknown)} is no column of the test split: {', '.join(test.columns)} are.")
    answers, labels = test[label], scored["label"]
    by_group = {
        "records": metrics.count,
        "selection_rate": metrics.selection_rate,
        "true_positive_rate": metrics.true_positive_rate,
        "false_positive_rate": metrics.false_positive_rate,
    }
    found: dict[str, Any] = {
        "auc": float(roc_auc_score(answers, scored["probability"])),
        "accuracy": float((answers == labels).mean()),
        "facets": {},
    }
    for facet in facets:
        frame = metrics.MetricFrame(metrics=by_group, y_true=answers, y_pred=labels, sensitive_features=test[facet])
        found["facets"][facet] = {
            **{
                name: float(getattr(metrics, name)(answers, labels, sensitive_features=test[facet]))
                for name in DIFFERENCES
            },
            "groups": json.loads(frame.by_group.astype(float).to_json(orient="index")),
        }
    return found


def describe(found: dict[str, Any]) -> Report:
    before, after = found["test"][BEFORE], found["test"][AFTER]
    facet = found["curve"]["facet"]
    gaps = [side["facets"][facet]["demographic_parity_difference"] for side in (before, after)]
    verdict = (
        f"Between the groups of {facet}, the share that is labelled 1 differed by {gaps[0]:.1%} and now differs by "
        f"{gaps[1]:.1%}; that cost {before['auc'] - after['auc']:.3f} of a ROC-AUC of {before['auc']:.3f}."
    )
    sections: list[Section] = [
        Picture(
            "The trade-off", lambda: draw(found), "ROC-AUC against the difference between groups, for each strength"
        ),
        Text("How to read it", [_odds(before, after, facet)]),
        *(_groups(found["test"], each) for each in after["facets"]),
    ]
    return Report("Fairness: with and without mitigation", verdict, gaps[1] < gaps[0], sections=sections)


def _odds(before: dict[str, Any], after: dict[str, Any], facet: str) -> str:
    odds = [side["facets"][facet]["equalized_odds_difference"] for side in (before, after)]
    moved = "fell" if odds[1] < odds[0] else "rose"
    return (
        f"Reweighing aims at demographic parity: equal shares of positive answers. It cannot have equal error rates as "
        f"well where the groups' true shares differ: the difference by equalized odds {moved} from {odds[0]:.1%} to "
        f"{odds[1]:.1%}. Which of the two matters is a decision about the use, not about the model."
    )


def _groups(test: dict[str, Any], facet: str) -> Table:
    sides = [test[name]["facets"][facet] for name in (BEFORE, AFTER)]
    before, after = (side["groups"] for side in sides)
    sides = [test[name]["facets"][facet] for name in (BEFORE, AFTER)]
    before, after = (side["groups"] for side in sides)
    rows = [
        [
            group,
            int(before[group]["records"]),
            *(f"{before[group][rate]:.1%} → {after[group][rate]:.1%}" for rate in RATES),
        ]
        for group in before
    ]
    gaps = [f"{text} {sides[0][key]:.3f} to {sides[1][key]:.3f}" for key, text in DIFFERENCES.items()]
    return Table(
        f"By {facet}, without → with mitigation",
        [facet, "records", *RATES.values()],
        rows,
        note=f"Largest differences between groups: {', '.join(gaps)}.",
    )


def draw(found: dict[str, Any]) -> Figure:
    """ROC-AUC against the demographic parity difference: the strengths on validation, the two models on test."""
    curve, facet = found["curve"]["points"], found["curve"]["facet"]
    figure, axes = report_pictures.panel(height=4.2, width=6.4)
    gaps, scores = ([point[name] for point in curve] for name in ("demographic_parity_difference", "auc"))
    axes.plot(gaps, scores, "o-", color=report_pictures.BASELINE, label="strengths, on validation")
    for point in curve:
        place = (point["demographic_parity_difference"], point["auc"])
        axes.annotate(f"{point['strength']:g}", place, xytext=(5, -11), textcoords="offset points", fontsize=8)
    for name, marker in ((BEFORE, "s"), (AFTER, "D")):
        side = found["test"][name]
        place = (side["facets"][facet]["demographic_parity_difference"], side["auc"])
        axes.plot(*place, marker, markersize=9, label=f"{name}, on test")
    axes.set(xlabel=f"difference between the groups of {facet} in the share labelled 1", ylabel="ROC-AUC")
    axes.legend()
    return figure


def parse(argv: list[str] | None = None) -> Args:
    return evaluation_job.parse(Args, __doc__, argv)


if __name__ == "__main__":
    main(parse())
