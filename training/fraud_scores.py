"""What the members of fraud's ensemble say of transactions: NumPy and XGBoost alone, so that it serves.

A member is a folder with `member.json` and its numbers: `arrays.npz`, or XGBoost's `trees.ubj`. However it was learnt,
its `scores` turn a matrix of the features (records, features), float64, into suspicion, shape (records,): higher is
more suspicious, on a scale of its own that `fraud_stack.py` weighs. Trees also say which feature contributed what.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

AT_ONCE = 20_000  # records that a forest looks at together: 16 MB a matrix of 100 trees
Arrays = Mapping[str, np.ndarray]


class Member(Protocol):
    def scores(self, matrix: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Rules:
    """A list of conditions: the first that a record meets says how suspicious it is, in log-odds."""

    feature: np.ndarray  # of each rule, its column
    threshold: np.ndarray
    above: np.ndarray  # bool: met from the threshold on, or below it
    log_odds: np.ndarray  # of each rule, and last of the records that meet none

    def scores(self, matrix: np.ndarray) -> np.ndarray:
        values = matrix[:, self.feature]
        met = np.where(self.above, values >= self.threshold, values < self.threshold)
        first = np.column_stack([met, np.ones(len(met), dtype=bool)]).argmax(axis=1)
        return np.asarray(self.log_odds[first], dtype=float)


@dataclass(frozen=True)
class IsolationForest:
    """Nodes of all trees in one row; a leaf is its own child. `length` is what a leaf adds to a record's path."""

    feature: np.ndarray
    threshold: np.ndarray
    children: np.ndarray  # shape (nodes, 2): where a record goes that is at most the threshold, or above it
    length: np.ndarray
    roots: np.ndarray
    depth: np.ndarray
    normal: np.ndarray  # length of a usual path

    def scores(self, matrix: np.ndarray) -> np.ndarray:
        """The anomaly score of Liu, Ting and Zhou, "Isolation Forest", 2008: near 1 anomalous, 0.5 and less usual."""
        found = [self._part(matrix[start : start + AT_ONCE]) for start in range(0, len(matrix), AT_ONCE)]
        return np.concatenate(found) if found else np.zeros(0)

    def _part(self, matrix: np.ndarray) -> np.ndarray:
        values, width = matrix.astype("float32").ravel(), matrix.shape[1]  # as scikit-learn splits
        rows = (np.arange(len(matrix)) * width)[:, np.newaxis]
        node = np.broadcast_to(self.roots, (len(matrix), len(self.roots)))
        children = self.children.ravel()
        for _ in range(int(self.depth)):
            node = children[2 * node + (values[rows + self.feature[node]] > self.threshold[node])]
        return np.asarray(2.0 ** (-self.length[node].mean(axis=1) / float(self.normal)))


@dataclass(frozen=True)
class OneClass:
    """A One-Class SVM in the features of Nystroem's approximation of the RBF kernel (Williams and Seeger, 2001)."""

    center: np.ndarray
    spread: np.ndarray
    basis: np.ndarray  # shape (components, features): records that the kernel is measured to
    weights: np.ndarray  # of each
    gamma: np.ndarray

    def scores(self, matrix: np.ndarray) -> np.ndarray:
        scaled = scale(matrix, self.center, self.spread)
        squares = (scaled**2).sum(axis=1)[:, np.newaxis] + (self.basis**2).sum(axis=1)
        distances = np.maximum(squares - 2 * scaled @ self.basis.T, 0)
        return np.asarray(-(np.exp(-float(self.gamma) * distances) @ self.weights))


@dataclass(frozen=True)
class Network:
    """A network of ReLU layers whose last one gives log-odds."""

    center: np.ndarray
    spread: np.ndarray
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]  # weights, shape (out, in), and biases, in float32

    def scores(self, matrix: np.ndarray) -> np.ndarray:
        values = scale(matrix, self.center, self.spread).astype("float32")
        for place, (weights, biases) in enumerate(self.layers):
            values = values @ weights.T + biases
            if place < len(self.layers) - 1:
                values = np.maximum(values, 0)
        return values[:, 0].astype(float)


@dataclass(frozen=True)
class Trees:
    """XGBoost's: boosted ones give log-odds, a forest's 4 × share of fraud in the leaves − 2, a linear scale."""

    booster: Any

    def scores(self, matrix: np.ndarray) -> np.ndarray:
        margins = self.booster.inplace_predict(matrix.astype("float32"), predict_type="margin", validate_features=False)
        return np.asarray(margins, dtype=float)

    def contributions(self, matrix: np.ndarray) -> np.ndarray:
        """Exact TreeSHAP values of the scores, shape (records, features) (Lundberg et al., 2020)."""
        import xgboost

        names = self.booster.feature_names
        found = self.booster.predict(xgboost.DMatrix(matrix.astype("float32"), feature_names=names), pred_contribs=True)
        return np.asarray(found[:, :-1], dtype=float)


def scale(matrix: np.ndarray, center: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Logarithms of amounts, counts and times, standardised, and none farther out than 8: few features are bounded."""
    return np.clip((np.sign(matrix) * np.log1p(np.abs(matrix)) - center) / spread, -8, 8)


def scaler(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`center` and `spread` for `scale`."""
    logs = np.sign(matrix) * np.log1p(np.abs(matrix))
    spread = logs.std(axis=0)
    return logs.mean(axis=0), np.where(spread > 0, spread, 1.0)


def calibrated(log_odds: np.ndarray, by: Mapping[str, float]) -> np.ndarray:
    """Probabilities; `low` and `high` are by how much log-odds well below and well above 0 are stretched, `shift` is
    added: beta calibration (Kull, Silva Filho and Flach, 2017). 1, 1 and 0 leave them as they are.
    """
    stretched = by["shift"] - by["low"] * np.logaddexp(0, -log_odds) + by["high"] * np.logaddexp(0, log_odds)
    return np.asarray(1 / (1 + np.exp(-np.clip(stretched, -700, 700))))


PLAIN = {"rules": Rules, "isolation_forest": IsolationForest, "one_class_svm": OneClass}
TREES = ("random_forest", "boosted_trees")


def save(folder: Path, member: Any, facts: Mapping[str, Any]) -> None:
    """`facts`: `member`, its name, and whatever else there is to know of it."""
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(member, Trees):
        member.booster.save_model(folder / "trees.ubj")
    elif isinstance(member, Network):
        layers = {f"w_{place}": weights for place, (weights, _) in enumerate(member.layers)}
        layers |= {f"b_{place}": biases for place, (_, biases) in enumerate(member.layers)}
        arrays: dict[str, Any] = {"center": member.center, "spread": member.spread, **layers}
        np.savez(folder / "arrays.npz", **arrays)
    else:
        np.savez(folder / "arrays.npz", **vars(member))
    (folder / "member.json").write_text(json.dumps(facts, indent=2) + "\n")


def load(folder: Path) -> tuple[Member, dict[str, Any]]:
    """The member and its facts. Raises ValueError for a name that is none."""
    facts = json.loads((folder / "member.json").read_text())
    name = facts["member"]
    if name in TREES:
        import xgboost

        # One thread: a request holds few records, and waking others takes longer than they would save.
        return Trees(xgboost.Booster({"nthread": 1}, model_file=folder / "trees.ubj")), facts
    with np.load(folder / "arrays.npz") as stored:
        arrays = dict(stored)
    if name == "network":
        pairs = [(arrays[f"w_{place}"], arrays[f"b_{place}"]) for place in range((len(arrays) - 2) // 2)]
        return Network(arrays["center"], arrays["spread"], tuple(pairs)), facts
    if name not in PLAIN:
        raise ValueError(f"{folder} holds a member {name!r}. Known: {', '.join([*PLAIN, *TREES, 'network'])}.")
    return PLAIN[name](**arrays), facts
