"""Judges a segmentation: how distinct its segments are, whether they hold on records that it never saw and in bootstrap
samples, and who is in them.

    python evaluation/clustering.py --model DIR --train DIR --test DIR --output DIR --predictions DIR

Writes `evaluation.json` (`clustering_metrics.<metric>.value` for a pipeline's condition), PNGs, `report.html` and
`report.pdf`, and `predictions.csv`: all records, train and test, with the segment's name in a column named as the
model's label. That is also what a monitor compares shares of segments with.

The artifact's estimator has `transform` (records in the space that they are judged in), can be cloned and fitted anew,
and has labels from 0 on, -1 for none. What its metadata.json says, the page shows: `descriptions` (a sentence by
segment), `candidates`, `chosen` and `argument` of a choice among segmentations, `comparison`, and `curves`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import analysis_report
import clustering_report
import evaluation_job
import learning_curves
import model_artifact
import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.metrics import (
    adjusted_rand_score,
    calinski_harabasz_score,
    davies_bouldin_score,
    silhouette_samples,
    silhouette_score,
)
from sklearn.model_selection import KFold, validation_curve
from threadpoolctl import threadpool_limits

LEVEL = 0.95


@dataclass
class Args:
    model: str = "/opt/ml/processing/input/model"
    """folder with model.tar.gz, or with an unpacked model"""
    train: str = "/opt/ml/processing/input/train"
    """folder with CSV files (header, features): what segments were made of"""
    test: str = "/opt/ml/processing/input/test"
    """the same: records that no segment was made of"""
    output: str = "/opt/ml/processing/output/evaluation"
    """folder for evaluation.json, the PNGs and the report"""
    predictions: str = "/opt/ml/processing/output/predictions"
    """folder for predictions.csv"""
    resamples: int = 50
    """bootstrap samples of the training records, each segmented anew, behind the stability"""
    folds: int = 5
    """behind each point of the curves"""
    seed: int = 0
    """of the samples"""


@dataclass(frozen=True)
class Placed:
    """A data set with the segments that the model gives it."""

    table: pd.DataFrame
    points: np.ndarray  # in the space that segments are judged in, shape (rows, columns)
    labels: np.ndarray  # -1: in no segment
    names: np.ndarray

    @property
    def inside(self) -> np.ndarray:
        return self.labels >= 0


def main(args: Args) -> None:
    with tempfile.TemporaryDirectory() as workspace:
        artifact = model_artifact.load(Path(args.model), Path(workspace))
        facts, estimator = artifact.metadata, artifact.estimator()
        train, test = (place(artifact, estimator, read(Path(folder))) for folder in (args.train, args.test))
        with threadpool_limits(1):  # of a few columns more threads wait for each other more than they compute
            held = stability(estimator, train, args.resamples, args.seed)
            curves = measure_curves(estimator, train.table, facts.get("curves"), args.folds)
    evaluation = evaluate(train, test, facts, held, args)
    if curves:
        evaluation["curves"] = curves
    report = clustering_report.describe(evaluation, facts, train, test)
    evaluation_job.write(evaluation, report, analysis_report.figures(report), Path(args.output))
    write_predictions([train, test], facts["label"], Path(args.predictions))
    print(*(f"test:{name}={each['value']:.6f}" for name, each in evaluation["clustering_metrics"].items()))
    print(report.verdict)


def read(folder: Path) -> pd.DataFrame:
    """All CSV files of the folder. Raises ValueError for a set that cannot be judged."""
    table = evaluation_job.read(folder)
    if len(table) < 3:
        raise ValueError(f"{folder} holds {len(table)} records, and 3 are needed to say how distinct segments are.")
    return table


def place(artifact: model_artifact.Artifact, estimator: Any, table: pd.DataFrame) -> Placed:
    found = artifact.predict(artifact.records(table))
    return Placed(table, estimator.transform(table), found["label"].to_numpy(dtype=int), found["name"].to_numpy(str))


@dataclass(frozen=True)
class Held:
    """What bootstrap samples say of a segmentation."""

    agreement: np.ndarray  # adjusted Rand index with each sample's segmentation, shape (resamples,)
    overlaps: pd.DataFrame  # a row a sample, a column a segment: its Jaccard overlap with the most alike segment there


def stability(estimator: Any, train: Placed, resamples: int, seed: int) -> Held:
    """Segmentations of bootstrap samples place all training records, and are compared with the model's own.

    Overlaps are Hennig's clusterwise stability ("Cluster-wise assessment of cluster stability", 2007): above 0.75 a
    segment is found again, below 0.5 it dissolves.
    """
    random, rows = np.random.default_rng(seed), len(train.table)
    agreement, overlaps = [], []
    for _ in range(resamples):
        drawn = clone(estimator).fit(train.table.iloc[random.integers(0, rows, rows)]).predict(train.table)
        agreement.append(adjusted_rand_score(train.labels, drawn))
        both = pd.crosstab(train.labels, drawn)
        union = both.sum(axis=1).to_numpy()[:, None] + both.sum(axis=0).to_numpy() - both.to_numpy()
        overlaps.append(dict(zip(both.index, (both.to_numpy() / union).max(axis=1), strict=True)))
    return Held(np.array(agreement), pd.DataFrame(overlaps))


def evaluate(train: Placed, test: Placed, facts: Mapping[str, Any], held: Held, args: Args) -> dict[str, Any]:
    """Distinctness is measured on test, stability on bootstrap samples of train."""
    points, labels = test.points[test.inside], test.labels[test.inside]
    if len(set(labels)) < 2:
        raise ValueError("All records of the test set are in one segment: there is nothing to judge.")
    single = silhouette_samples(points, labels)
    random = np.random.default_rng(args.seed)
    means = single[random.integers(0, len(single), (1000, len(single)))].mean(axis=1)
    shares = pd.DataFrame({"train": share(train), "test": share(test)}).fillna(0.0)
    found: dict[str, Any] = {
        "silhouette": with_interval(float(single.mean()), means),
        "davies_bouldin": {"value": float(davies_bouldin_score(points, labels))},
        "calinski_harabasz": {"value": float(calinski_harabasz_score(points, labels))},
        "stability": with_interval(float(held.agreement.mean()), held.agreement),
        "segments": {"value": len(set(train.labels) - {-1})},
        "unassigned": {"value": float(1 - test.inside.mean())},
        # Half the sum of differences: the share of records that would have to change their segment.
        "share_difference": {"value": float((shares["train"] - shares["test"]).abs().sum() / 2)},
    }
    if "chosen" in facts:
        found["dunn"] = {"value": float(facts["chosen"]["dunn"])}  # on train, where the extremes are
    names = dict(zip(train.labels.tolist(), train.names.tolist(), strict=True))
    by_segment = pd.Series(single).groupby(labels).mean()
    return {
        "clustering_metrics": found,
        "segments": [
            {
                "label": label,
                "name": names[label],
                "train_share": float(shares.loc[names[label], "train"]),
                "test_share": float(shares.loc[names[label], "test"]),
                "silhouette": float(by_segment[label]) if label in by_segment else None,
                "overlap": float(held.overlaps[label].mean()),
            }
            for label in sorted(names)
        ],
        "agreement": [float(each) for each in held.agreement],
        "dataset": {"train": len(train.table), "test": len(test.table)},
        "model": {"label": facts["label"]},
    }


def share(placed: Placed) -> pd.Series:
    return pd.Series(placed.names).value_counts(normalize=True)


def with_interval(value: float, drawn: np.ndarray) -> dict[str, Any]:
    """As the other evaluations write it: percentiles of resamples."""
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return {
        "value": value,
        "standard_deviation": float(drawn.std(ddof=1)) if len(drawn) > 1 else 0.0,
        "confidence_interval": {"level": LEVEL, "lower": float(low), "upper": float(high)},
    }


def judged(estimator: Any, table: pd.DataFrame, answers: object = None) -> float:
    """Silhouette of a table as the estimator segments it: a scorer. NaN where it has none, as of a single segment."""
    points, labels = estimator.transform(table), estimator.predict(table)
    inside = labels >= 0
    if not 2 <= len(set(labels[inside])) < inside.sum():
        return float("nan")
    return float(silhouette_score(points[inside], labels[inside]))


def measure_curves(
    estimator: Any, table: pd.DataFrame, plan: Mapping[str, Any] | None, folds: int
) -> dict[str, Any] | None:
    """Silhouettes by the number of records to learn from and by the plan's parameter, as learning_curves.py draws."""
    if not plan:
        return None
    options = {"scoring": judged, "cv": KFold(folds, shuffle=True, random_state=learning_curves.SEED)}
    again, name, values = clone(estimator), plan["parameter"], np.asarray(plan["values"])
    train, test = validation_curve(again, table, None, param_name=name, param_range=plan["values"], **options)
    there = ~np.isnan(train + test).any(axis=1)
    return {
        "scoring": "silhouette",
        "folds": folds,
        "learning": learning_curves.learn(again, table, None, learning_curves.SIZES, options),
        "validation": {
            "parameter": name,
            "called": learning_curves.short(name),
            "values": values[there].tolist(),
            "scale": "linear",
            "chosen": again.get_params()[name],
            **learning_curves.points(train[there], test[there]),
        },
    }


def write_predictions(parts: list[Placed], label: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tables = [each.table.assign(**{label: each.names}) for each in parts]
    pd.concat(tables, ignore_index=True).to_csv(folder / "predictions.csv", index=False)


def parse(argv: list[str] | None = None) -> Args:
    return evaluation_job.parse(Args, __doc__, argv)


if __name__ == "__main__":
    main(parse())
