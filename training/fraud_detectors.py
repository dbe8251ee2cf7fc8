"""Members that never see a label: how unusual is a transaction? Fitted by scikit-learn, served as arrays of NumPy."""

from __future__ import annotations

import numpy as np
from fraud_scores import IsolationForest, OneClass, scale, scaler

MOST = 50_000  # that the one-class SVM learns from: what is usual is no different in more of them


def isolation_forest(matrix: np.ndarray, trees: int, sample: int, share: float, seed: int) -> IsolationForest:
    """`sample`: transactions that each tree is made of; `share` of the features that it may split."""
    from sklearn.ensemble import IsolationForest as Fitted

    forest = Fitted(n_estimators=trees, max_samples=min(sample, len(matrix)), max_features=share, random_state=seed)
    forest.fit(matrix.astype("float32"))
    feature, threshold, children, length = (list[np.ndarray]() for _ in range(4))
    roots, depth = list[int](), 0
    for estimator, columns in zip(forest.estimators_, forest.estimators_features_, strict=True):
        tree, start = estimator.tree_, sum(map(len, feature))
        own = np.arange(tree.node_count)
        leaf = tree.children_left < 0
        roots.append(start)
        feature.append(columns[np.where(leaf, 0, tree.feature)])
        threshold.append(tree.threshold)
        pair = np.stack([np.where(leaf, own, tree.children_left), np.where(leaf, own, tree.children_right)], axis=1)
        children.append(pair + start)
        length.append(levels(tree.children_left, tree.children_right) + usual_path(tree.n_node_samples))
        depth = max(depth, tree.max_depth)
    return IsolationForest(
        np.concatenate(feature),
        np.concatenate(threshold),
        np.concatenate(children),
        np.concatenate(length),
        np.array(roots),
        np.array(depth),
        usual_path(np.array([forest.max_samples_]))[0],
    )


def levels(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Of each node, how many splits lie above it; parents come before their children."""
    found = np.zeros(len(left))
    for node in np.flatnonzero(left >= 0):
        found[left[node]] = found[right[node]] = found[node] + 1
    return found


def usual_path(records: np.ndarray) -> np.ndarray:
    """How many splits it takes on average to isolate one of so many records (Liu, Ting and Zhou, 2008, equation 1)."""
    many = np.maximum(records.astype(float), 3)
    average = 2 * (np.log(many - 1) + np.euler_gamma) - 2 * (many - 1) / many
    return np.where(records <= 1, 0.0, np.where(records == 2, 1.0, average))


def one_class_svm(matrix: np.ndarray, gamma: float, nu: float, components: int, seed: int) -> OneClass:
    """A One-Class SVM by stochastic gradient descent, which takes any number of records, on Nystroem's features.

    `gamma`: how fast the kernel falls with the distance, times the number of features; `nu`: about the share of
    transactions that are taken for unusual. MOST transactions, drawn at random, are learnt from.
    """
    from sklearn.kernel_approximation import Nystroem
    from sklearn.linear_model import SGDOneClassSVM

    center, spread = scaler(matrix)
    drawn = np.random.default_rng(seed).permutation(len(matrix))[:MOST]
    scaled = scale(matrix[np.sort(drawn)], center, spread)
    components = min(components, len(scaled))
    kernel = Nystroem(gamma=gamma / scaled.shape[1], n_components=components, random_state=seed).fit(scaled)
    svm = SGDOneClassSVM(nu=nu, random_state=seed).fit(kernel.transform(scaled))
    weights = kernel.normalization_.T @ svm.coef_.ravel()
    return OneClass(center, spread, kernel.components_, weights, np.array(kernel.gamma))
