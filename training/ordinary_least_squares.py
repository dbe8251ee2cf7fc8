"""The weights of a linear model at one stroke: the normal equations, and what becomes of them with a penalty.

As in gradient_descent.py, X holds n records in rows, its first column is 1 for the intercept, and the loss is

    J(w) = 1/(2n) · ‖Xw − y‖²  +  l1 · Σⱼ |wⱼ|  +  l2/2 · Σⱼ wⱼ²          (sums without the intercept)
"""

from __future__ import annotations

import numpy as np


def solve(X: np.ndarray, y: np.ndarray, l1: float = 0.0, l2: float = 0.0) -> np.ndarray:
    """The weights with the least J, shape (p,)."""
    return coordinate_descent(X, y, l1, l2) if l1 else normal_equations(X, y, l2)


def normal_equations(X: np.ndarray, y: np.ndarray, l2: float = 0.0) -> np.ndarray:
    """Where the slope is 0 in every direction: (XᵀX + n·l2·D) w = Xᵀy, with D the identity without the intercept.

    At the lowest point the gradient 1/n · Xᵀ(Xw − y) + l2·Dw is zero. Multiplied by n and sorted by w, that is a system
    of p linear equations in p unknowns, however many records there are. Read without the penalty it says Xᵀ(y − Xw) =
    0: the errors stand at right angles ("normal") to every column of X. Nothing in the columns can explain any more of
    them.

    The penalty adds a positive number to the diagonal of XᵀX. So with l2 > 0 there is always exactly one solution, even
    for columns that depend on each other, and its weights are smaller (ridge regression: Hoerl and Kennard, 1970).

    Raises ValueError where columns depend on each other and there is no penalty: many w are equally good then.
    """
    rank = np.linalg.matrix_rank(X)
    if not l2 and rank < X.shape[1]:
        raise ValueError(
            f"The {X.shape[1]} columns depend on each other (their rank is {rank}), so infinitely many weights fit "
            "equally well. Leave out columns that are constant or say the same as others, or set l2 above 0."
        )
    n, penalty = len(y), np.full(X.shape[1], l2)
    penalty[0] = 0.0
    return np.linalg.solve(X.T @ X + n * np.diag(penalty), X.T @ y)


def soft_threshold(value: float, by: float) -> float:
    """`value` moved towards 0 by `by`, and 0 if it gets there: where a weight's own loss with |w| is least.

    For a single weight, ½a(w − v)² + l1·|w| has its minimum at v ∓ l1/a, but on the far side of 0 the sign of the
    penalty turns. So within l1/a of 0 the lowest point is the kink at exactly 0: this is how the lasso drops columns.
    """
    return float(np.sign(value) * max(abs(value) - by, 0.0))


def coordinate_descent(
    X: np.ndarray, y: np.ndarray, l1: float, l2: float = 0.0, *, tolerance: float = 1e-12, rounds: int = 100_000
) -> np.ndarray:
    """The least J with |w| in it (the lasso: Tibshirani, 1996), one weight at a time until none of them moves.

    |w| has no slope at 0, so there are no normal equations. But with all other weights fixed, J is a parabola in wⱼ
    plus l1·|wⱼ|, whose minimum `soft_threshold` knows. Taking the weights in turn, again and again, arrives at the
    lowest point of all, because J is convex and its kinks lie along the axes (Tseng, 2001).

    Raises ValueError where the weights still move after `rounds` rounds.
    """
    n, p = X.shape
    w = np.zeros(p)
    curvature = (X**2).sum(axis=0) / n  # of J along each axis
    errors = y.astype(float).copy()  # y − Xw; kept up to date, so a weight costs n operations instead of n·p
    for _ in range(rounds):
        moved = 0.0
        for j in range(p):
            # The correlation of column j with what the other columns leave unexplained.
            pull = X[:, j] @ errors / n + curvature[j] * w[j]
            charge = (l1, l2) if j else (0.0, 0.0)
            new = soft_threshold(pull, charge[0]) / (curvature[j] + charge[1])
            if new != w[j]:
                errors -= X[:, j] * (new - w[j])
                moved, w[j] = max(moved, abs(new - w[j])), new
        if moved < tolerance:
            return w
    raise ValueError(f"Coordinate descent still moved by {moved:g} after {rounds:,} rounds: columns nearly coincide.")


def strongest_l1(X: np.ndarray, y: np.ndarray) -> float:
    """From this l1 on, every weight but the intercept is 0: the pull of no column on y − mean(y) overcomes it."""
    return float(np.abs(X[:, 1:].T @ (y - y.mean())).max() / len(y))
