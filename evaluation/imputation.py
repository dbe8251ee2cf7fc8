"""Which way to fill blanks is best? A report of what a training job compared.

    python evaluation/imputation.py --model DIR --output DIR

The artifact's fact `imputers` has both judgements: the model's score with each way, and how far each is from known
values that it was not shown. Writes report.html, report.pdf and imputation.json.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import analysis_report
import compared_models
import evaluation_job
import model_artifact
import report_pictures
from analysis_report import Badge, Picture, Report, Section, Table, Text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WITH_INDICATORS = " + indicators"
# By the names of training/imputers.py: what to call each way, and what it does, for a reader who meets it first here.
WAYS = {
    "mean": ("mean", "a number by the column's mean, a category by the most frequent one"),
    "median": ("median", "a number by the column's median, a category by the most frequent one"),
    "most_frequent": ("most frequent", "the most frequent value of the column"),
    "constant": ('constant "Unknown"', 'a category by the word "Unknown", a number by the median'),
    "group": ("category-specific", "median or most frequent value of the records that are alike in some categories"),
    "knn": ("nearest neighbours", "mean of the nearest records by all columns"),
    "mice": (
        "MICE",
        "chained equations: draws from each column's regression on the others, several times over, averaged",
    ),
    "bayesian_ridge": ("Bayesian ridge", "the same chain of regressions, with their expectation in place of draws"),
    "bayesian_pca": ("Bayesian PCA", "as many principal components as the known values support"),
    "model": ("predictive model", "a random forest for each column, from the others"),
    "forward fill": ("forward fill", "the value of the record before, where rows are ordered"),
    "backward fill": ("backward fill", "the value of the record after, where rows are ordered"),
    "interpolation": ("interpolation", "the line between the records before and after, where rows are ordered"),
}


@dataclass
class Args:
    model: str = "/opt/ml/processing/input/model"
    """folder with model.tar.gz, or with an unpacked model"""
    output: str = "/opt/ml/processing/output/imputation"
    """folder for the report"""


def main(args: Args) -> None:
    with tempfile.TemporaryDirectory() as workspace:
        facts = model_artifact.load(Path(args.model), Path(workspace)).metadata
    if "imputers" not in facts:
        raise ValueError(
            f"The model in {args.model} compared no ways to fill blanks: its metadata.json has no imputers."
        )
    output = Path(args.output)
    output.mkdir(parents=True, exist_ok=True)
    (output / "imputation.json").write_text(json.dumps(facts["imputers"], indent=1) + "\n")
    report = describe(facts["imputers"])
    analysis_report.write(report, output)
    print(report.verdict)


def describe(found: Mapping[str, Any]) -> Report:
    """`found` is the fact: `served` and `model` (a comparison), `hidden_values`, `blank`, `order`."""
    judged = {**found["model"], "models": [{**each, "name": called(each["name"])} for each in found["model"]["models"]]}
    by_name = {each["name"]: each for each in judged["models"]}
    served, best = by_name[called(found["served"])], judged["models"][0]
    worse = served["p_holm"] is not None and served["p_holm"] < 1 - judged["level"]
    verdict = f"This model fills blanks by “{served['name']}”: {judged['metric']} {served['mean']:.3f}"
    if served is best:
        verdict += f", the best of {len(by_name)} ways."
    else:
        against = "less than" if worse else "no clear difference to"
        verdict += f", {against} the best of {len(by_name)} ways, “{best['name']}” ({best['mean']:.3f})."
    sections = [blank_columns(found), hidden_table(found), hidden_picture(found), *model_sections(judged), ways(found)]
    return Report("Ways to fill blanks", verdict, not worse, sections=sections)


def called(name: str) -> str:
    way, indicators, _ = name.partition(WITH_INDICATORS)
    return WAYS.get(way, (way, ""))[0] + (", marked" if indicators else "")


def names_of(found: Mapping[str, Any]) -> list[str]:
    return list(next(iter(found["hidden_values"].values())))


def ways(found: Mapping[str, Any]) -> Section:
    rows = [list(WAYS.get(name, (name, ""))) for name in names_of(found)]
    return Table("The ways", ["name", "what stands in for a blank"], rows)


def blank_columns(found: Mapping[str, Any]) -> Section:
    rows = sorted(found["blank"].items(), key=lambda each: -each[1])
    return Table(
        "What is blank",
        ["feature", "blank records"],
        [[name, f"{share:.1%}"] for name, share in rows],
        note="Of the records that the comparison was made with.",
    )


def hidden_table(found: Mapping[str, Any]) -> Section:
    hidden = found["hidden_values"]
    least = {name: min(errors.values()) for name, errors in hidden.items()}
    rows = [
        [called(way), *(cell(errors[way], errors[way] == least[name]) for name, errors in hidden.items())]
        for way in names_of(found)
    ]
    note = (
        "A fifth of the known values was hidden and guessed, several times over. Of a number: root mean squared error "
        "over the standard deviation, so that 1 is no better than the mean. Of a category: the share of wrong guesses. "
        '"Unknown" is never the hidden category, and always wrong here; it may serve the model best all the same.'
    )
    if found.get("order"):
        note += (
            f" Forward fill, backward fill and interpolation take neighbours in the order of {found['order']}. A "
            "record that is asked about alone has no neighbours, so no served model can use them."
        )
    return Table("Guesses of known values that were hidden", ["way", *hidden], rows, note=note)


def cell(error: float, best: bool) -> Badge | str:
    return Badge(f"{error:.3f}", True) if best else f"{error:.3f}"


def hidden_picture(found: Mapping[str, Any]) -> Section:
    return Picture(
        "Errors of the guesses",
        lambda: [errors_of(name, errors) for name, errors in found["hidden_values"].items()],
        "Error of each way to fill blanks, a plot a feature",
        note="Shorter is better.",
    )


def errors_of(name: str, errors: Mapping[str, float]) -> Figure:
    ways = sorted(errors, key=lambda way: errors[way])
    figure, axes = report_pictures.panel(height=0.7 + 0.2 * len(ways))
    colours = [report_pictures.CURRENT, *[report_pictures.BASELINE] * (len(ways) - 1)]
    drawn = axes.barh(range(len(ways)), [errors[way] for way in ways], color=colours, height=0.7)
    axes.bar_label(drawn, fmt="{:.2f}", padding=3, fontsize=8, color=report_pictures.INK)
    axes.set_yticks(range(len(ways)), [called(way) for way in ways], fontsize=8)
    axes.invert_yaxis()
    axes.set(title=report_pictures.plain(name), xlim=(0, 1.15 * max(errors.values())))
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)
    return figure


def model_sections(judged: Mapping[str, Any]) -> list[Section]:
    told = Text(
        "What the model makes of it",
        [
            "The same model, trained and judged with each way to fill blanks; imputers learn from the training folds "
            "alone. Where it says “marked”, missing indicators tell the model what was blank."
        ],
    )
    return [told, *compared_models.sections({**judged, "title": "The model with each way to fill blanks"})]


def parse(argv: list[str] | None = None) -> Args:
    return evaluation_job.parse(Args, __doc__, argv)


if __name__ == "__main__":
    main(parse())
