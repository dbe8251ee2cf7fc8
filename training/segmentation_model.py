"""The segmentation itself, as an estimator over raw columns; the artifact carries this file and what it imports.

Amounts are taken as logarithms, as a customer with ten orders differs from one with a single order about as much as one
with a hundred from him, and scaled to a mean of 0 and a deviation of 1. In that space segments are made and judged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import DBSCAN, HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.decomposition import PCA
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

REPRESENTATIONS = ("scaled", "pca", "autoencoder")
ALGORITHMS = ("kmeans", "hierarchical", "gaussian_mixture", "dbscan", "hdbscan")
COUNTED = ALGORITHMS[:3]  # that are told how many segments to make
STARTS = 3  # of k-means, of which the best is kept
NEIGHBOURS = 10  # that make a point of DBSCAN a core


class Segmentation(ClusterMixin, BaseEstimator):
    """Segments are numbered from the one with the highest median of `value` down; -1 are those in none.

    Args:
        algorithm: one of ALGORITHMS.
        segments: how many, of the algorithms in COUNTED.
        density: of the others: DBSCAN's radius in the judged space, HDBSCAN's least share of the records in a segment.
        representation: what clusters are sought in: the scaled columns, their first two principal components, or an
            autoencoder's code of two numbers (needs PyTorch to fit, and nothing but NumPy afterwards).
    """

    def __init__(
        self,
        algorithm: str = "kmeans",
        segments: int = 4,
        density: float = 0.0,
        representation: str = "scaled",
        value: str = "monetary",
        seed: int = 0,
    ) -> None:
        self.algorithm = algorithm
        self.segments = segments
        self.density = density
        self.representation = representation
        self.value = value
        self.seed = seed

    def fit(self, table: pd.DataFrame, y: object = None) -> Segmentation:
        self.scaler_ = StandardScaler().fit(logarithms(table))
        scaled = self.transform(table)
        self.coder_ = coder(self.representation, self.seed)
        codes = self.coder_.fit(scaled).transform(scaled) if self.coder_ else scaled
        model = self._model(len(table))
        found = np.asarray(model.fit_predict(codes))
        self.numbers_ = numbered(found, table[self.value].to_numpy(dtype=float))
        self.labels_ = self._renumber(found)
        # Those that place no new record by themselves give it the segment of the nearest one that they placed.
        self.assigner_ = model if hasattr(model, "predict") else KNeighborsClassifier(1).fit(codes, found)
        return self

    def transform(self, table: pd.DataFrame) -> np.ndarray:
        """In the judged space, shape (rows, columns)."""
        return np.asarray(self.scaler_.transform(logarithms(table)))

    def predict(self, table: pd.DataFrame) -> np.ndarray:
        """The segment of each row."""
        scaled = self.transform(table)
        return self._renumber(self.assigner_.predict(self.coder_.transform(scaled) if self.coder_ else scaled))

    def _renumber(self, found: np.ndarray) -> np.ndarray:
        return np.array([self.numbers_[each] for each in found], dtype=int)

    def _model(self, rows: int) -> Any:
        if self.algorithm == "kmeans":
            return KMeans(self.segments, n_init=STARTS, random_state=self.seed)
        if self.algorithm == "hierarchical":
            return AgglomerativeClustering(self.segments, linkage="ward")
        if self.algorithm == "gaussian_mixture":
            return GaussianMixture(self.segments, random_state=self.seed)
        if self.algorithm == "dbscan":
            return DBSCAN(eps=self.density, min_samples=NEIGHBOURS)
        if self.algorithm == "hdbscan":
            return HDBSCAN(min_cluster_size=max(2, round(self.density * rows)), copy=True)
        raise ValueError(f"algorithm {self.algorithm!r} is unknown. Use one of {', '.join(ALGORITHMS)}.")


def logarithms(table: pd.DataFrame) -> np.ndarray:
    """log(1 + x); what lies below 0, such as the money of a customer who returned more than he bought, counts as 0."""
    return np.log1p(np.maximum(table.to_numpy(dtype=float), 0.0))


def coder(representation: str, seed: int) -> Any:
    """Raises ValueError for an unknown one, ImportError naming the extra for an autoencoder without PyTorch."""
    if representation == "scaled":
        return None
    if representation == "pca":
        return PCA(2)
    if representation == "autoencoder":
        from segmentation_autoencoder import Autoencoder

        return Autoencoder(seed=seed)
    raise ValueError(f"representation {representation!r} is unknown. Use one of {', '.join(REPRESENTATIONS)}.")


def numbered(found: np.ndarray, value: np.ndarray) -> dict[int, int]:
    """An algorithm's label to the segment's number."""
    medians = pd.Series(value).groupby(found).median().drop(-1, errors="ignore")
    ordered = medians.sort_values(ascending=False, kind="stable").index
    return {-1: -1, **{int(label): place for place, label in enumerate(ordered)}}
