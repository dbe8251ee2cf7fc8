"""Which kinds of customers does the shop have? Segments by recency, frequency and money.

    python training/segmentation.py --train DIR --model-dir DIR

K-means, hierarchical clustering and Gaussian mixtures with 2 to `max_segments` segments, over the scaled columns and
over their principal components, DBSCAN and HDBSCAN. Of those that keep the limits below, the one with the best mean
rank by silhouette, Dunn index, Davies-Bouldin index and elbow is kept (segmentation_choice.py). All of them are in the
artifact's metadata.json as `candidates`. What an autoencoder's code is worth, segmentation_representations.py says.

Prints what a tuning job could take as its objective, `silhouette=…` and `stability=…`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import segmentation_words as words
import training_job
from cross_validation import scheme
from estimator_artifact import save
from model_comparison import compare
from segmentation_choice import Candidate, Limits, chosen, compared, settings
from segmentation_model import COUNTED, Segmentation
from sklearn.base import clone
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits

LABEL = "segment"
ID = "customer_id"  # what a request may carry and the model ignores
MODULES = ("segmentation_model.py",)
SPACES = ("scaled", "pca")  # that segments are sought in


@dataclass
class Args:
    train: str = "/opt/ml/input/data/train"
    """folder of CSV files with recency, frequency and monetary"""
    model_dir: str = "/opt/ml/model"
    """folder for the artifact"""
    min_segments: int = 3
    """fewer say no more than good and bad"""
    max_segments: int = 8
    """more than anybody writes campaigns for"""
    min_share: float = 0.05
    """least share of the customers in a segment"""
    max_unassigned: float = 0.05
    """largest share of the customers in no segment"""
    min_stability: float = 0.8
    """least mean adjusted Rand index over bootstrap samples"""
    resamples: int = 10
    """bootstrap samples behind each stability"""
    folds: int = 5
    """of the cross-validation in which algorithms are compared, repeated twice"""
    currency: str = "£"
    """of the money, in sentences"""
    seed: int = 0
    """of starts, samples and folds"""


def main(args: Args) -> None:
    table = training_job.read_channel(Path(args.train))
    check(table)
    limits = Limits(args.min_segments, args.min_share, args.max_unassigned, args.min_stability)
    with threadpool_limits(1):  # of three columns more threads wait for each other more than they compute
        pairs = compared(table, settings(args.max_segments, SPACES, args.seed), limits, args.resamples)
        model, found = chosen(pairs)
        contest = comparison(table, [each for _, each in pairs], found, args)
    candidates = [each for _, each in pairs]
    profiles = words.profiles(table, model.labels_)
    names = words.names(profiles, table)
    save(
        Path(args.model_dir),
        model,
        table,
        problem="clustering",
        label=LABEL,
        modules=MODULES,
        optional=[ID],
        names={str(label): name for label, name in names.items()},
        descriptions={names[label]: described(profile, table, args.currency) for label, profile in profiles.items()},
        profiles={names[label]: profile for label, profile in profiles.items()},
        candidates=[each.facts() for each in candidates],
        chosen=found.facts(),
        argument=argument(found, candidates),
        comparison=contest,
        curves=curves(model, args),
        allowed=vars(limits),
    )
    print(*(f"{label}: {name}: {profiles[label]['share']:.1%}" for label, name in names.items()), sep="\n")
    print(*argument(found, candidates), sep="\n")
    print(f"silhouette={found.silhouette:.6f} stability={found.stability:.6f} segments={found.segments}")


def check(table: pd.DataFrame) -> None:
    needed = ["recency", "frequency", "monetary"]
    if list(table.columns) != needed:
        raise ValueError(f"Channel train needs the columns {', '.join(needed)}, and has {', '.join(table.columns)}.")
    if table.isna().any(axis=None):
        raise ValueError("Channel train has blank values. Give it the output of the processing script.")


def described(profile: dict[str, float], table: pd.DataFrame, currency: str) -> str:
    return words.sentence(profile, words.levels(profile, table), currency)


def argument(found: Candidate, candidates: Sequence[Candidate]) -> list[str]:
    """Why this one, from the numbers."""
    alike = [each for each in candidates if each.name == found.name]
    ranked = sorted((each for each in candidates if each.rank is not None), key=lambda each: each.rank or 0.0)
    told = [
        f"{found.segments} segments by {found.name}: the best mean rank, {found.rank:.2f}, of {len(ranked)} candidates "
        f"that keep the limits, by silhouette ({found.silhouette:.3f}), Dunn index ({found.dunn:.4f}), Davies-Bouldin "
        f"index ({found.davies_bouldin:.3f}) and elbow."
    ]
    told += [against(each, found) for each in alike if abs(each.segments - found.segments) == 1]
    best = max(alike, key=lambda each: each.silhouette or -1.0)
    if best.segments != found.segments and abs(best.segments - found.segments) > 1:
        told.append(against(best, found))
    unstable = [each for each in ranked if each.refused and (each.rank or 0.0) <= (found.rank or 0.0)]
    told += [f"{each.name} with {each.segments} ranked as high, and was refused: {each.refused}." for each in unstable]
    return told


def against(each: Candidate, found: Candidate) -> str:
    """What speaks for and against another number of segments."""
    assert each.silhouette is not None and found.silhouette is not None
    assert each.davies_bouldin is not None and found.davies_bouldin is not None
    better = [
        name
        for name, won in (
            ("silhouette", each.silhouette > found.silhouette),
            ("Dunn", (each.dunn or 0.0) > (found.dunn or 0.0)),
            ("Davies-Bouldin", each.davies_bouldin < found.davies_bouldin),
            ("elbow", (each.elbow or 0.0) > (found.elbow or 0.0)),
        )
        if won
    ]
    said = f"better by {' and '.join(better)}" if better else "worse by each measure"
    why = f"; out of the question: {each.refused}" if each.refused else ""
    return (
        f"{each.segments} segments: silhouette {each.silhouette:.3f}, Davies-Bouldin {each.davies_bouldin:.3f}, "
        f"{said}{why}."
    )


def comparison(table: pd.DataFrame, candidates: Sequence[Candidate], found: Candidate, args: Args) -> dict[str, Any]:
    """Each algorithm with the chosen number of segments, on customers that it has not seen."""
    models = {
        each.name: Segmentation(each.algorithm, each.segments, each.density, each.representation, seed=args.seed)
        for each in candidates
        if each.segments == found.segments and each.algorithm in COUNTED
    }
    splits = list(scheme("repeated", folds=args.folds, repeats=2, seed=args.seed).split(table))
    scores = {name: [held_out(model, table, *split) for split in splits] for name, model in models.items()}
    return compare(scores, "silhouette of unseen customers", len(splits[0][0]), len(splits[0][1]))


def curves(model: Segmentation, args: Args) -> dict[str, Any] | None:
    """What the evaluation is to vary; algorithms of density have no number of segments."""
    if model.algorithm not in COUNTED:
        return None
    return {"parameter": "segments", "values": list(range(2, args.max_segments + 1))}


def held_out(model: Segmentation, table: pd.DataFrame, train: np.ndarray, test: np.ndarray) -> float:
    fitted, rows = clone(model).fit(table.iloc[train]), table.iloc[test]
    labels = fitted.predict(rows)
    return float(silhouette_score(fitted.transform(rows), labels)) if len(set(labels)) > 1 else -1.0


def parse(argv: list[str] | None = None) -> Args:
    return training_job.parse(Args, __doc__, argv)


if __name__ == "__main__":
    training_job.run(lambda: main(parse()))
