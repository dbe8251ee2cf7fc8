"""Why did the model answer so? SHAP and LIME for single records, beside each other.

    python evaluation/single_records.py --model DIR --train DIR --test DIR --output DIR

Explained are records of the test set that teach most: those it is surest of either way, the nearest to its threshold,
and its worst mistakes. Both methods ask the model about records in which some columns are those of the record and the
others are of training records. Kernel SHAP (Lundberg and Lee 2017, https://arxiv.org/abs/1705.07874) divides the
difference to the average answer among the columns, and its values add up to it. LIME (Ribeiro et al. 2016,
https://arxiv.org/abs/1602.04938) fits a weighted line to the answers near the record, and says by its R² how far to
trust it. Writes report.html, report.pdf and explanations.json.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import analysis_report
import evaluation_job
import model_artifact
import numpy as np
import pandas as pd
import report_pictures
import shap_values
from analysis_report import Picture, Report, Section, Table, Text
from artifact_scores import ArtifactScores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 4  # of a number, for LIME: by quartiles
BLANK, NEW = "blank", "new"  # as values of a column; new is what no training record has


@dataclass
class Args:
    model: str = "/opt/ml/processing/input/model"
    """folder with model.tar.gz, or with an unpacked model of two classes"""
    train: str = "/opt/ml/processing/input/train"
    """folder with CSV files (header, features, label): what absent columns are taken from"""
    test: str = "/opt/ml/processing/input/test"
    """the same: whose records are explained"""
    output: str = "/opt/ml/processing/output/explanations"
    """folder for the report"""
    background: int = 50
    """training records that stand for absent columns in SHAP"""
    samples: int = 2000
    """records that either method asks about, for each explained one"""
    seed: int = 0
    """of all draws"""


@dataclass(frozen=True)
class Explained:
    """A record's answer, and what each column has to do with it, by both methods."""

    why: str  # it was chosen
    answer: int  # the true label
    probability: float
    average: float  # SHAP's: what the model answers about the background
    values: dict[str, Any]
    shap: dict[str, float]
    lime: dict[str, float]
    fit: float  # R² of LIME's line


def main(args: Args) -> None:
    with tempfile.TemporaryDirectory() as workspace:
        artifact = model_artifact.load(Path(args.model), Path(workspace))
        if artifact.metadata.get("problem") != "binary":
            raise ValueError(f"The model in {args.model} has not two classes: problem must be binary in metadata.json.")
        model, label = ArtifactScores(artifact), artifact.metadata["label"]
        columns = [*model.names, label]
        train, test = (evaluation_job.read(Path(folder), columns)[columns] for folder in (args.train, args.test))
        chosen = choose(model.scores(test[model.names])[:, 0], test[label].to_numpy(), artifact.metadata["threshold"])
        found = explain(model, train[model.names], test, label, chosen, args)
    output = Path(args.output)
    output.mkdir(parents=True, exist_ok=True)
    (output / "explanations.json").write_text(json.dumps([vars(each) for each in found], indent=1) + "\n")
    report = describe(found, label)
    analysis_report.write(report, output)
    print(report.verdict)


def choose(probability: np.ndarray, answers: np.ndarray, threshold: float) -> dict[int, str]:
    """Place of a record to why it is explained; a record has one reason."""
    wrong = np.where(answers == 1, 1 - probability, probability) * ((probability >= threshold) != answers)
    reasons = {
        "surest of a 1": probability,
        "surest of a 0": -probability,
        "nearest to the threshold": -np.abs(probability - threshold),
        "worst miss: a 1 taken for a 0": np.where(answers == 1, wrong, 0),
        "worst false alarm: a 0 taken for a 1": np.where(answers == 0, wrong, 0),
    }
    chosen = dict[int, str]()
    for why, score in reasons.items():
        best = int(np.argmax(score))
        if "worst" not in why or score[best] > 0:
            chosen.setdefault(best, why)
    return chosen


def explain(
    model: ArtifactScores, train: pd.DataFrame, test: pd.DataFrame, label: str, chosen: dict[int, str], args: Args
) -> list[Explained]:
    records = test.iloc[list(chosen)]
    background = train.sample(min(args.background, len(train)), random_state=args.seed)
    config = {
        "baseline": background.astype(object).to_numpy().tolist(),
        "num_samples": args.samples,
        "seed": args.seed,
        "save_local_shap_values": False,
    }
    by_shap = shap_values.kernel(config, records[model.names], model, Path(args.output))  # type: ignore[arg-type]
    lime = Lime(model, train, args)
    answers = model.scores(records[model.names])[:, 0]
    found = []
    for place, (at, why) in enumerate(chosen.items()):
        record = test.iloc[at]
        weights, fit = lime.weights(record[model.names])
        found.append(
            Explained(
                why,
                int(record[label]),
                float(answers[place]),
                float(by_shap.expected[0]),
                {name: plain(record[name]) for name in model.names},
                dict(zip(by_shap.names, by_shap.shown.found[place, :, 0].tolist(), strict=True)),
                weights,
                fit,
            )
        )
    return found


class Lime:
    """LIME over columns as they are: a number counts as the same in its quartile, a text where it is equal, and a blank
    is a value of its own.
    """

    def __init__(self, model: ArtifactScores, train: pd.DataFrame, args: Args) -> None:
        from lime.lime_tabular import LimeTabularExplainer

        self._model, self._samples = model, args.samples
        self._random = np.random.default_rng(args.seed)
        self._edges = {name: quartiles(train[name]) for name in train if pd.api.types.is_numeric_dtype(train[name])}
        bins = pd.DataFrame({name: self._binned(name, train[name]) for name in train})
        self._known = {name: sorted(bins[name].unique()) for name in bins}
        self._members = {
            name: [train[name][(bins[name] == each).to_numpy()].to_numpy() for each in known]
            for name, known in self._known.items()
        }
        codes = np.column_stack([[self._known[name].index(each) for each in bins[name]] for name in bins])
        self._explainer = LimeTabularExplainer(
            codes.astype(float),
            feature_names=list(train),
            categorical_features=list(range(codes.shape[1])),
            categorical_names={place: [*known, NEW] for place, known in enumerate(self._known.values())},
            random_state=args.seed,
        )

    def weights(self, record: pd.Series) -> tuple[dict[str, float], float]:
        """How much the answer rises because a column is as it is, and the R² of the line that says so."""
        known = {name: [*values] for name, values in self._known.items()}
        codes = []
        for name in known:
            bin_ = self._binned(name, pd.Series([record[name]])).iloc[0]
            codes.append(known[name].index(bin_) if bin_ in known[name] else len(known[name]))

        def answers(asked: np.ndarray) -> np.ndarray:
            table = {}
            for place, name in enumerate(known):
                column = np.empty(len(asked), dtype=object)
                for code in np.unique(asked[:, place]).astype(int):
                    rows = asked[:, place] == code
                    same = code == codes[place]
                    column[rows] = (
                        record[name] if same else self._random.choice(self._members[name][code], int(rows.sum()))
                    )
                table[name] = column
            positive = self._model.scores(pd.DataFrame(table))[:, 0]
            return np.column_stack([1 - positive, positive])

        found = self._explainer.explain_instance(
            np.array(codes, dtype=float), answers, num_features=len(known), num_samples=self._samples
        )
        names = list(known)
        return {names[place]: float(weight) for place, weight in found.local_exp[1]}, float(found.score)

    def _binned(self, name: str, values: pd.Series) -> pd.Series:
        if name not in self._edges:
            return values.astype(object).where(values.notna(), BLANK).astype(str)
        places = np.searchsorted(self._edges[name], values.astype(float), side="left")
        return pd.Series(places.astype(str), index=values.index).where(values.notna(), BLANK)


def quartiles(values: pd.Series) -> np.ndarray:
    return np.unique(np.nanquantile(values, np.arange(1, BINS) / BINS))


def describe(found: list[Explained], label: str) -> Report:
    agreements = [agreement(each) for each in found]
    verdict = (
        f"{len(found)} records explained. SHAP and LIME name the same column as the weightiest in "
        f"{sum(top(each.shap) == top(each.lime) for each in found)} of them, and rank all columns alike with a "
        f"correlation of {np.mean(agreements):.2f}."
    )
    told = Text(
        "How to read this",
        [
            f"Each bar says how far a column moved the probability of {label} = 1. SHAP: from the average answer to "
            "this one, in steps that add up. LIME: how much less it would be, on average and near this record, if the "
            "column were like another training record's. A line fits badly where the answers bend: the R² says so, and "
            "where it is low SHAP is the one to believe.",
            "Columns vary independently in both, so they ask about records too that cannot be, such as a man whose "
            "name says Mrs.",
        ],
    )
    sections: list[Section] = [told]
    for number, each in enumerate(found, start=1):
        sections += of_record(number, each, label)
    return Report("Single records explained", verdict, None, sections=sections)


def of_record(number: int, found: Explained, label: str) -> list[Section]:
    title = f"{number}. {found.why[0].upper()}{found.why[1:]}"
    ranked = sorted(found.shap, key=lambda name: -abs(found.shap[name]))
    names = [f"{name} = {shown(found.values[name])}" for name in ranked]
    columns = [[method[name] for name in ranked] for method in (found.shap, found.lime)]
    rows = [[name, f"{shap:+.3f}", f"{lime:+.3f}"] for name, shap, lime in zip(names, *columns, strict=True)]
    moved = found.probability - found.average
    note = (
        f"Probability {found.probability:.3f}, truth {label} = {found.answer}. The average is {found.average:.3f}, and "
        f"SHAP's values add up to the difference, {moved:+.3f}. LIME's R² is {found.fit:.2f}."
    )
    return [
        Table(title, ["column", "SHAP", "LIME"], rows, note=note),
        Picture(
            "",
            lambda: [bars(method, names, values) for method, values in zip(("SHAP", "LIME"), columns, strict=True)],
            f"Bars of {title}",
        ),
    ]


def plain(value: Any) -> Any:
    """As JSON has it."""
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def shown(value: Any) -> str:
    if value is None:
        return BLANK
    return f"{value:g}" if isinstance(value, float) else str(value)


def bars(method: str, names: list[str], values: list[float]) -> Figure:
    figure, axes = report_pictures.panel(height=0.8 + 0.24 * len(names))
    colours = [report_pictures.CURRENT if value >= 0 else report_pictures.MORE[0] for value in values]
    axes.barh(range(len(names)), values, color=colours, height=0.7)
    axes.axvline(0, color=report_pictures.LINE, linewidth=1)
    axes.set_yticks(range(len(names)), [report_pictures.plain(name, report_pictures.NAME_LIMIT) for name in names])
    axes.invert_yaxis()
    axes.set(title=method, xlabel="change of the probability")
    return figure


def top(weights: dict[str, float]) -> str:
    return max(weights, key=lambda name: abs(weights[name]))


def agreement(found: Explained) -> float:
    """Spearman's rank correlation of both methods' values."""
    both = pd.DataFrame({"shap": found.shap, "lime": found.lime})
    return float(both["shap"].corr(both["lime"], method="spearman"))


def parse(argv: list[str] | None = None) -> Args:
    return evaluation_job.parse(Args, __doc__, argv)


if __name__ == "__main__":
    main(parse())
