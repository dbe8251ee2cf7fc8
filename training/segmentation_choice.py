"""How many segments, and by which algorithm: what is measured of each candidate, and how one of them is chosen.

All candidates are judged in the same space, that of `Segmentation.transform`, whatever space their clusters were sought
in: a silhouette in two dimensions is always higher than one of the same clusters in three.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import ConvexHull, QhullError, cKDTree
from scipy.stats import rankdata
from segmentation_model import COUNTED, Segmentation
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score, davies_bouldin_score, silhouette_score

RADII = (0.2, 0.3, 0.4, 0.5, 0.7)  # of DBSCAN
LEAST_SHARES = (0.01, 0.02, 0.04)  # of HDBSCAN
MOST_DIMENSIONS = 5  # beyond, a convex hull costs more than it saves


@dataclass(frozen=True)
class Candidate:
    """One segmentation of the training records; measures are None where there are fewer than two segments."""

    algorithm: str
    representation: str
    segments: int  # found
    density: float  # that was asked for, of DBSCAN and HDBSCAN
    unassigned: float  # share of the records in no segment; measures are of the others
    smallest: float  # share of the records in the smallest segment
    within: float  # sum of squared distances to the segments' means, for the elbow
    silhouette: float | None = None  # Rousseeuw 1987: -1 to 1
    dunn: float | None = None  # Dunn 1974: least distance between two segments over the widest segment
    davies_bouldin: float | None = None  # Davies and Bouldin 1979: lower is better
    elbow: float | None = None  # how far the curve of `within` bends at this number of segments, 0 to 1
    stability: float | None = None  # mean adjusted Rand index between this and segmentations of bootstrap samples
    refused: str = ""  # why it was out of the question
    rank: float | None = None  # mean of its ranks by the four measures, among those that were not

    @property
    def name(self) -> str:
        return self.algorithm if self.representation == "scaled" else f"{self.algorithm} on {self.representation}"

    def facts(self) -> dict[str, Any]:
        return {"name": self.name, **asdict(self)}


@dataclass(frozen=True)
class Limits:
    """What a candidate must keep to be of use."""

    fewest: int  # segments
    smallest: float  # share of a segment
    unassigned: float  # share in no segment
    stability: float  # adjusted Rand index


def settings(most: int, representations: Sequence[str], seed: int) -> Iterator[Segmentation]:
    """All that are tried: the counted algorithms with 2 to `most` segments, those of density with a few settings."""
    for representation in representations:
        common = {"representation": representation, "seed": seed}
        for algorithm in COUNTED:
            for segments in range(2, most + 1):
                yield Segmentation(algorithm, segments, **common)
        if representation == "scaled":
            yield from (Segmentation("dbscan", 0, radius, **common) for radius in RADII)
            yield from (Segmentation("hdbscan", 0, share, **common) for share in LEAST_SHARES)


def measured(model: Segmentation, table: pd.DataFrame) -> Candidate:
    """Of a fitted segmentation of the table, without elbow and stability."""
    points, labels = model.transform(table), model.labels_
    placed = labels >= 0
    points, labels = points[placed], labels[placed]
    sizes = np.bincount(labels) if len(labels) else np.zeros(1)
    found = Candidate(
        algorithm=model.algorithm,
        representation=model.representation,
        segments=len(sizes) if len(labels) else 0,
        density=model.density,
        unassigned=float(1 - placed.mean()),
        smallest=float(sizes.min() / len(table)),
        within=sum(float(((points[labels == each] - points[labels == each].mean(axis=0)) ** 2).sum())
                   for each in np.unique(labels)),
    )  # fmt: skip
    if found.segments < 2:
        return found
    return replace(
        found,
        silhouette=float(silhouette_score(points, labels)),
        dunn=dunn(points, labels),
        davies_bouldin=float(davies_bouldin_score(points, labels)),
    )


def dunn(points: np.ndarray, labels: np.ndarray) -> float:
    """Least distance between two segments over the largest distance inside one; exact.

    Not all pairs are looked at: two points farthest from each other are corners of the convex hull, and the nearest one
    of another segment is found by a tree.
    """
    parts = [points[labels == each] for each in np.unique(labels)]
    widest = max(diameter(part) for part in parts)
    others = [np.vstack([other for other in parts if other is not part]) for part in parts]
    nearest = min(float(cKDTree(rest).query(part)[0].min()) for part, rest in zip(parts, others, strict=True))
    return nearest / widest if widest else float("inf")


def diameter(points: np.ndarray) -> float:
    corners = np.unique(points, axis=0)
    if corners.shape[1] <= MOST_DIMENSIONS and len(corners) > corners.shape[1] + 1:
        with contextlib.suppress(QhullError):  # all in one plane
            corners = corners[ConvexHull(corners).vertices]
    return max(float(np.sqrt(((corners - each) ** 2).sum(axis=1).max())) for each in corners)


def bends(within: Sequence[float]) -> list[float]:
    """How far each point of a falling curve lies below the line from its first to its last, both axes from 0 to 1.

    The elbow is where that is most (Satopää et al., "Finding a Kneedle in a Haystack", 2011).
    """
    values = np.asarray(within, dtype=float)
    if len(values) < 3 or np.ptp(values) == 0:
        return [0.0] * len(values)
    height = (values - values[-1]) / (values[0] - values[-1])
    return [float(each) for each in 1 - np.linspace(0, 1, len(values)) - height]


def stability(model: Segmentation, table: pd.DataFrame, resamples: int) -> float:
    """Mean adjusted Rand index over bootstrap samples: do customers stay together when others are drawn?

    A segmentation of each sample places the whole table, and is compared with that of the table itself (Hubert and
    Arabie 1985; 1 is the same, 0 no more alike than by chance).
    """
    random = np.random.default_rng(model.seed)
    found = []
    for _ in range(resamples):
        drawn = clone(model).fit(table.iloc[random.integers(0, len(table), len(table))])
        found.append(adjusted_rand_score(model.labels_, drawn.predict(table)))
    return float(np.mean(found))


def compared(
    table: pd.DataFrame, tried: Iterator[Segmentation], limits: Limits, resamples: int
) -> list[tuple[Segmentation, Candidate]]:
    """All candidates, each fitted, with the rank of those that keep the limits of size.

    Stability costs as many fits as there are resamples, so it is asked from the best rank down until one is stable, and
    then of the same algorithm's other numbers of segments, for comparison.
    """
    models = [model.fit(table) for model in tried]
    found = with_elbows([measured(model, table) for model in models])
    found = ranked([replace(each, refused=refusal(each, limits)) for each in found])

    def asked(place: int) -> None:
        each = replace(found[place], stability=stability(models[place], table, resamples))
        found[place] = replace(each, refused=each.refused or refusal(each, limits))

    for place in sorted((place for place, each in enumerate(found) if each.rank is not None), key=order(found)):
        asked(place)
        if not found[place].refused:
            for other, each in enumerate(found):
                if each.name == found[place].name and each.stability is None:
                    asked(other)
            break
    return list(zip(models, found, strict=True))


def order(found: Sequence[Candidate]) -> Callable[[int], tuple[float, float]]:
    """By the mean rank, of equal ones the higher silhouette first."""
    return lambda place: (found[place].rank or 0.0, -(found[place].silhouette or 0.0))


def with_elbows(found: Sequence[Candidate]) -> list[Candidate]:
    """The bend is one of a curve over numbers of segments, which algorithms of density don't have."""
    curves: dict[tuple[str, str], list[int]] = {}
    for place, each in enumerate(found):
        if each.algorithm in COUNTED:
            curves.setdefault((each.algorithm, each.representation), []).append(place)
    bent = list(found)
    for places in curves.values():
        for place, bend in zip(places, bends([found[each].within for each in places]), strict=True):
            bent[place] = replace(found[place], elbow=bend)
    return bent


def refusal(each: Candidate, limits: Limits) -> str:
    if each.segments < limits.fewest:
        return f"fewer than {limits.fewest} segments"
    if each.unassigned > limits.unassigned:
        return f"{each.unassigned:.0%} of the customers in no segment"
    if each.smallest < limits.smallest:
        return f"a segment of {each.smallest:.1%}"
    if each.stability is not None and each.stability < limits.stability:
        return f"stability {each.stability:.2f}"
    return ""


def ranked(found: Sequence[Candidate]) -> list[Candidate]:
    """Ties share their mean rank; one that has no elbow ranks last by it. Lower is better."""
    good = [place for place, each in enumerate(found) if not each.refused]
    if not good:
        return list(found)
    scores: Mapping[str, list[float]] = {
        "silhouette": [-(found[place].silhouette or 0.0) for place in good],
        "dunn": [-(found[place].dunn or 0.0) for place in good],
        "davies_bouldin": [found[place].davies_bouldin or np.inf for place in good],
        "elbow": [-bend if (bend := found[place].elbow) is not None else np.inf for place in good],
    }
    ranks = np.mean([rankdata(each) for each in scores.values()], axis=0)
    result = list(found)
    for place, rank in zip(good, ranks, strict=True):
        result[place] = replace(found[place], rank=float(rank))
    return result


def chosen(pairs: Sequence[tuple[Segmentation, Candidate]]) -> tuple[Segmentation, Candidate]:
    """The best mean rank among those that are stable. Raises ValueError where none keeps the limits."""
    found = [each for _, each in pairs]
    good = [place for place, each in enumerate(found) if not each.refused]
    if not good:
        near = max(found, key=lambda each: each.silhouette or -1.0)
        raise ValueError(
            f"No segmentation keeps the limits. The nearest, {near.name} with {near.segments} segments, was refused "
            f"for {near.refused}. Lower min_stability, min_share or min_segments, or give more customers."
        )
    return pairs[min((place for place in good if found[place].stability is not None), key=order(found))]
