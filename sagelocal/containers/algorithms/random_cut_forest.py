"""Random cut forest: anomaly scores from trees of random cuts (Guha, Mishra, Roy and Schrijvers, ICML 2016).

A tree cuts the bounding box of its sample in a dimension chosen in proportion to the box's sides, at a uniformly random
place, until each leaf holds one distinct point. A point's score in a tree is what AWS's published forest computes: with
the probability that a cut of the box, stretched to hold the point, separates it there, it is the inverse of that
depth plus one; the score of the leaf where it ends counts the leaf's duplicates. Scores are scaled by log2(size + 1)
and averaged over the trees, so about 1 is an ordinary point.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import tabular
from .answers import CSV, JSON, JSON_LINES, RECORDIO
from .errors import UserError
from .hyperparameters import Parameter, validated
from .job import Job, progress, scored

_METRICS = ("accuracy", "precision_recall_fscore")
_CHUNK = 4096  # rows scored at once
KNOWN = {
    "feature_dim": Parameter(int, required=True, low=1, high=10000),
    "eval_metrics": Parameter(default=json.dumps(_METRICS)),
    "num_samples_per_tree": Parameter(int, 256, low=1, high=2048),
    "num_trees": Parameter(int, 100, low=50, high=1000),
    "mini_batch_size": Parameter(int, 1000, low=1),  # not documented, but SDK v2 sends it; it changes no result
}


def train(job: Job) -> None:
    """Raises UserError."""
    values = validated(job.hyperparameters, KNOWN)
    metrics = _metrics(values["eval_metrics"])
    tabular.channels(job, {"train": True, "test": False})
    _check_distribution(job)
    started = time.monotonic()
    loaded = tabular.load(job, "train", values["feature_dim"], labels=False)
    assert loaded is not None
    rng = np.random.default_rng(0)
    size = min(values["num_samples_per_tree"], len(loaded[0]))
    samples = (
        loaded[0][rng.choice(len(loaded[0]), size, replace=False)].astype(np.float64)
        for _ in range(values["num_trees"])
    )
    forest = Forest.joined([grown(sample, rng) for sample in samples], size)
    tabular.save(job, {"feature_dim": values["feature_dim"], "size": size}, **forest.arrays())
    progress(job, 1, 1, len(loaded[0]), time.monotonic() - started)
    if test := tabular.load(job, "test", values["feature_dim"], labels=True):
        _score(job, forest, *test, metrics)


def _metrics(text: str) -> list[str]:
    """A JSON list, or names separated by commas."""
    try:
        names = json.loads(text)
    except ValueError:
        names = [part.strip() for part in text.split(",")]
    if not isinstance(names, list) or not set(names) <= set(_METRICS):
        raise UserError(f"eval_metrics is {text}: it must be a list of {' and '.join(_METRICS)}.")
    return names


def _check_distribution(job: Job) -> None:
    for name, expected in (("train", "ShardedByS3Key"), ("test", "FullyReplicated")):
        channel = job.channels.get(name)
        if channel and channel.distribution != expected:
            raise UserError(
                "Unable to initialize the algorithm. Failed to validate input data configuration. (caused by "
                f"ValidationError): the S3DataDistributionType of channel {name}, {channel.distribution!r}, is not one "
                f"of ['{expected}']"
            )


def _score(job: Job, forest: Forest, features: np.ndarray, truth: Any, metrics: list[str]) -> None:
    """The labelled test channel against scores beyond three standard deviations from the mean."""
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    scores = forest.scores(features)
    predicted = scores > scores.mean() + 3 * scores.std()
    found: dict[str, float] = {}
    if "accuracy" in metrics:
        found["accuracy"] = float(accuracy_score(truth, predicted))
    if "precision_recall_fscore" in metrics:
        values = precision_recall_fscore_support(truth, predicted, average="binary", zero_division=0)[:3]
        found |= dict(zip(("precision", "recall", "f1"), map(float, values), strict=True))
    for name, value in found.items():
        scored(job, name, value)


def grown(points: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A tree as arrays, a row a node: `left` and `right` (-1 for a leaf), cut, bounding box and number of points."""
    nodes: list[tuple[np.ndarray, int, float]] = []
    children: list[list[int]] = []
    boxes: list[tuple[np.ndarray, np.ndarray]] = []
    waiting = [(points, -1, 0)]
    while waiting:
        held, parent, side = waiting.pop()
        number = len(nodes)
        if parent >= 0:
            children[parent][side] = number
        low, high = held.min(axis=0), held.max(axis=0)
        ranges = high - low
        total = ranges.sum()
        boxes.append((low, high))
        children.append([-1, -1])
        if total <= 0:
            nodes.append((held, -1, 0.0))
            continue
        dimension = min(int(np.searchsorted(np.cumsum(ranges), rng.random() * total, side="right")), len(ranges) - 1)
        while ranges[dimension] <= 0:  # rounding at the very end of the sum
            dimension -= 1
        cut = low[dimension] + rng.random() * ranges[dimension]
        left = held[:, dimension] <= cut
        if left.all():  # a cut that rounding put on the upper side
            cut = low[dimension]
            left = held[:, dimension] <= cut
        nodes.append((held, dimension, cut))
        waiting += [(held[left], number, 0), (held[~left], number, 1)]
    pairs = np.array(children, dtype=np.int32)
    return {
        "left": pairs[:, 0],
        "right": pairs[:, 1],
        "dimension": np.array([dimension for _, dimension, _ in nodes], dtype=np.int32),
        "cut": np.array([cut for _, _, cut in nodes]),
        "mass": np.array([len(held) for held, _, _ in nodes], dtype=np.int32),
        "low": np.array([low for low, _ in boxes]),
        "high": np.array([high for _, high in boxes]),
    }


@dataclass(frozen=True)
class Forest:
    """All trees' nodes in one table; `roots` are the trees' first rows, `size` each tree's number of points."""

    size: int
    roots: np.ndarray
    left: np.ndarray
    right: np.ndarray
    dimension: np.ndarray
    cut: np.ndarray
    mass: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def joined(cls, trees: list[dict[str, np.ndarray]], size: int) -> Forest:
        roots = np.cumsum([0, *(len(tree["cut"]) for tree in trees[:-1])])
        for tree, root in zip(trees, roots, strict=True):
            for side in ("left", "right"):
                tree[side] = np.where(tree[side] < 0, -1, tree[side] + root).astype(np.int32)
        return cls(size, roots, **{name: np.concatenate([tree[name] for tree in trees]) for name in trees[0]})

    def arrays(self) -> dict[str, np.ndarray]:
        return {name: value for name, value in vars(self).items() if name != "size"}

    def scores(self, features: np.ndarray) -> np.ndarray:
        """(rows,): the mean score over the trees."""
        points = features.astype(np.float64)
        parts = [self._scored(points[start : start + _CHUNK]) for start in range(0, len(points), _CHUNK)]
        return np.concatenate(parts)

    def _scored(self, points: np.ndarray) -> np.ndarray:
        total = np.zeros(len(points))
        for root in self.roots:
            total += self._tree(int(root), points)
        scaled: np.ndarray = total / len(self.roots) * np.log2(self.size + 1)
        return scaled

    def _tree(self, root: int, points: np.ndarray) -> np.ndarray:
        """All points go down one tree at once. `reach` is the probability that no cut has separated a point so far."""
        scores, reach = np.zeros(len(points)), np.ones(len(points))
        rows, nodes, depth = np.arange(len(points)), np.full(len(points), root), 0
        while len(rows):
            at = points[rows]
            low, high = self.low[nodes], self.high[nodes]
            outside = (np.maximum(low - at, 0) + np.maximum(at - high, 0)).sum(axis=1)
            inside = (high - low).sum(axis=1)
            separated = np.where(outside > 0, outside / np.maximum(outside + inside, 1e-300), 0.0)
            scores[rows] += reach[rows] * separated / (depth + 1)
            reach[rows] *= 1 - separated
            leaf = self.left[nodes] < 0
            ended = rows[leaf]
            scores[ended] += reach[ended] / (depth + np.log2(self.mass[nodes[leaf]] + 1))
            rows, nodes = rows[~leaf], nodes[~leaf]
            goes_left = points[rows, self.dimension[nodes]] <= self.cut[nodes]
            nodes = np.where(goes_left, self.left[nodes], self.right[nodes])
            depth += 1
        return scores


class Model:
    key = "scores"
    accepts: tuple[str, ...] = (JSON, JSON_LINES, RECORDIO)
    reads: tuple[str, ...] = (CSV, JSON, JSON_LINES, RECORDIO)

    def __init__(self, forest: Forest, features: int) -> None:
        self._forest, self.features = forest, features

    def predict(self, features: Any, options: Mapping[str, str]) -> list[dict[str, Any]]:
        return [{"score": float(score)} for score in self._forest.scores(tabular.dense(features))]


def load(model_dir: str) -> Model:
    meta, arrays = tabular.restore(model_dir)
    return Model(Forest(meta["size"], **arrays), meta["feature_dim"])
