"""Gradient descent for linear regression, in NumPy alone: three ways to choose rows, five ways to take a step.

The problem
-----------
There are n records. A record is a row x of p numbers (the first is always 1), and its answer is a number y. A linear
model answers with the weighted sum x·w, and learning is the search for the weights w whose answers are nearest to the
true ones. Written for all records at once, X is the matrix of the n rows, and the model's answers are Xw.

"Nearest" is measured by the loss: half the mean of the squared errors, plus a price on large weights if wanted,

    J(w) = 1/(2n) · Σᵢ (xᵢ·w − yᵢ)²  +  l2/2 · Σⱼ wⱼ²          (the intercept w₀ is never charged)

It is a bowl: J is quadratic in w, and wherever X has independent columns it has a single lowest point. The normal
equations (ordinary_least_squares.py) jump there at once. Gradient descent walks: it asks for the slope where it stands
and goes downhill. That is slower here, yet it is all that remains when a model has no formula for its lowest point, or
when n or p are so large that solving a system of p equations, of n rows each, is out of the question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


def loss(X: np.ndarray, y: np.ndarray, w: np.ndarray, l2: float = 0.0) -> float:
    """J(w) as above. X has shape (n, p), y (n,), w (p,)."""
    errors = X @ w - y
    return float(errors @ errors / (2 * len(y)) + l2 / 2 * (w[1:] @ w[1:]))


def gradient(X: np.ndarray, y: np.ndarray, w: np.ndarray, l2: float = 0.0) -> np.ndarray:
    """The slope of J in each direction at w, shape (p,).

    By the chain rule the square (xᵢ·w − yᵢ)² has the derivative 2 (xᵢ·w − yᵢ) xᵢⱼ with respect to wⱼ. The 2 cancels the
    ½ of the loss (that is why it is there), and the mean over the records is 1/n · Xᵀ(Xw − y): each record pulls at the
    weights in the direction of its own row, as hard as its error is large.
    """
    slope = X.T @ (X @ w - y) / len(y)
    # The derivative of l2/2 · wⱼ² is l2 · wⱼ: a pull towards 0, proportional to the weight.
    slope[1:] += l2 * w[1:]
    return slope


# How far to go ----------------------------------------------------------------------------------------------------
#
# A gradient says which way is down, not how far. The five optimisers differ in just this. Each gets the gradient of the
# moment and returns the change: the weights become w − change. What an optimiser remembers between steps lives in it.


class Optimiser(Protocol):
    rate: float  # the learning rate

    def change(self, slope: np.ndarray) -> np.ndarray: ...


@dataclass
class Plain:
    """Straight downhill: w ← w − rate · g.

    In a bowl whose steepest direction has the curvature L, a step of rate 1/L lands at the bottom of that direction,
    and one beyond 2/L lands higher than it started: the walk diverges. In the flattest direction, of curvature μ, the
    same rate closes only the fraction μ/L of the way. So a long valley (a large condition number κ = L/μ) makes the
    walk slow: the distance shrinks by a factor of 1 − 1/κ a step. Standardised columns keep κ small; that is what they
    are for.
    """

    rate: float

    def change(self, slope: np.ndarray) -> np.ndarray:
        return self.rate * slope


@dataclass
class Momentum:
    """A heavy ball (Polyak, 1964): v ← memory · v + g,  w ← w − rate · v.

    v is a running sum of gradients in which old ones fade. Across a valley they alternate in sign and cancel; along it
    they agree and add up, to 1/(1 − memory) times a single one. With the best rate and memory, those of `best`, the
    distance shrinks by 1 − 2/√κ a step or so: in a valley of κ = 100 that is twenty times as fast.
    """

    rate: float
    memory: float = 0.9
    velocity: np.ndarray | float = 0.0

    @classmethod
    def best(cls, smallest: float, largest: float) -> Momentum:
        """Polyak's for a bowl whose curvatures lie between these two: both ends shrink at the same pace."""
        low, high = np.sqrt(smallest), np.sqrt(largest)
        return cls(rate=float((2 / (low + high)) ** 2), memory=float(((high - low) / (high + low)) ** 2))

    def change(self, slope: np.ndarray) -> np.ndarray:
        self.velocity = self.memory * self.velocity + slope
        return self.rate * self.velocity


TINY = 1e-8  # keeps a division by a gradient that has been 0 so far from being one by 0


@dataclass
class AdaGrad:
    """A learning rate for each weight (Duchi, Hazan and Singer, 2011): s ← s + g²,  w ← w − rate · g / √s.

    A weight whose gradients were large takes smaller steps, one that was seldom moved takes larger ones, so that steep
    and flat directions are walked at a similar pace. s only grows, so steps only shrink. That is right in a fixed bowl,
    and too early a standstill where the ground changes under way.
    """

    rate: float
    squares: np.ndarray | float = 0.0

    def change(self, slope: np.ndarray) -> np.ndarray:
        self.squares = self.squares + slope**2
        return self.rate * slope / (np.sqrt(self.squares) + TINY)


@dataclass
class RMSProp:
    """AdaGrad that forgets (Hinton's lecture, 2012): s ← memory · s + (1 − memory) · g²,  w ← w − rate · g / √s.

    √s is the root mean square of the recent gradients, so a step is about `rate` long however flat the ground is. Near
    the lowest point the gradients shrink, and s with them: steps do not, and the walk circles the point at a distance
    of about `rate`. To arrive, the rate has to fall (see `falling`).
    """

    rate: float
    memory: float = 0.9
    squares: np.ndarray | float = 0.0

    def change(self, slope: np.ndarray) -> np.ndarray:
        self.squares = self.memory * self.squares + (1 - self.memory) * slope**2
        return self.rate * slope / (np.sqrt(self.squares) + TINY)


@dataclass
class Adam:
    """Momentum and RMSProp together (Kingma and Ba, 2015): w ← w − rate · m̂ / √ŝ.

    m is a running mean of gradients, s one of their squares. Both start at 0 and are therefore too small at first:
    after t steps a mean with memory β has only seen the share 1 − βᵗ of its weights. Dividing by that share (the hats)
    makes the first steps as long as the later ones.
    """

    rate: float
    memory: float = 0.9
    memory_of_squares: float = 0.999
    mean: np.ndarray | float = 0.0
    squares: np.ndarray | float = 0.0
    steps: int = 0

    def change(self, slope: np.ndarray) -> np.ndarray:
        self.steps += 1
        self.mean = self.memory * self.mean + (1 - self.memory) * slope
        self.squares = self.memory_of_squares * self.squares + (1 - self.memory_of_squares) * slope**2
        mean = self.mean / (1 - self.memory**self.steps)
        squares = self.squares / (1 - self.memory_of_squares**self.steps)
        return self.rate * mean / (np.sqrt(squares) + TINY)


# The learning rate over time --------------------------------------------------------------------------------------

Schedule = Callable[[float], float]  # epochs so far to the factor on the learning rate


def constant(epoch: float) -> float:
    """Right where steps shrink by themselves: plain, momentum and AdaGrad over all rows, whose gradients vanish."""
    return 1.0


@dataclass(frozen=True)
class Falling:
    """Divided by ten every `tenfold` epochs: for RMSProp and Adam, whose steps are as long as the rate says."""

    tenfold: float

    def __call__(self, epoch: float) -> float:
        return float(10.0 ** (-epoch / self.tenfold))


@dataclass(frozen=True)
class Harmonic:
    """1 / (1 + epoch/half): for sampled rows (Robbins and Monro, 1951).

    The sum of all rates has to be infinite, or the walk may stop before it arrives; the sum of their squares finite, or
    the samples' noise never averages out. 1/t is the classic that satisfies both.
    """

    half: float

    def __call__(self, epoch: float) -> float:
        return 1.0 / (1.0 + epoch / self.half)


# The walk ---------------------------------------------------------------------------------------------------------


@dataclass
class Walk:
    """Which rows each step looks at, and for how long.

    All of them: batch gradient descent. The exact gradient, and one step for a whole pass over the data.
    One of them: stochastic gradient descent. n cheap steps a pass, each right on average only: the mean of one random
        row's gradient is the whole gradient. Far from the lowest point nearly all rows agree and it gets there in a
        fraction of a pass; close to it, they pull in different directions and it trembles, by the more the higher the
        learning rate.
    Some of them: mini-batches. A mean over b rows has a b-th of the variance, and NumPy multiplies b rows nearly as
    fast
        as one.

    `anchored` takes the tremble out (SVRG: Johnson and Zhang, 2013). At the start of each pass, the exact gradient at
    the weights of that moment, the anchor, is computed. A step then goes by
        gradient of its rows at w − gradient of the same rows at the anchor + exact gradient at the anchor,
    whose mean is still the exact gradient at w, while its noise vanishes as w and the anchor come to the same point.
    """

    optimiser: Optimiser
    epochs: int  # passes over the data
    rows: int = 0  # of a step; 0: all
    schedule: Schedule = constant
    l2: float = 0.0
    anchored: bool = False
    seed: int = 0
    start: np.ndarray | None = field(default=None, repr=False)  # None: at 0

    def steps(self, X: np.ndarray, y: np.ndarray) -> Iterator[np.ndarray]:
        """The weights at the start and after each step, shape (p,) each."""
        random = np.random.default_rng(self.seed)
        optimiser = copy(self.optimiser)  # what it will remember is of this walk alone
        n, rate = len(y), optimiser.rate
        size = self.rows or n
        w = np.zeros(X.shape[1]) if self.start is None else self.start.astype(float)
        yield w
        for epoch in range(self.epochs):
            # A new order each pass: every row is seen exactly once, and no order repeats its own bias.
            order = random.permutation(n) if size < n else np.arange(n)
            anchor, exact = (w, gradient(X, y, w, self.l2)) if self.anchored else (None, None)
            for first in range(0, n, size):
                chosen = order[first : first + size]
                some, answers = (X, y) if size == n else (X[chosen], y[chosen])
                slope = gradient(some, answers, w, self.l2)
                if anchor is not None:
                    slope = slope - gradient(some, answers, anchor, self.l2) + exact
                optimiser.rate = rate * self.schedule(epoch + first / n)
                w = w - optimiser.change(slope)
                yield w

    def passes(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The weights at the start and after each epoch, shape (epochs + 1, p).

        Raises ValueError where the walk left the bowl: the learning rate was too high.
        """
        a_pass = int(np.ceil(len(y) / (self.rows or len(y))))
        with np.errstate(over="ignore", invalid="ignore"):
            found = np.array([w for step, w in enumerate(self.steps(X, y)) if step % a_pass == 0])
        if not np.isfinite(found[-1]).all():
            raise ValueError(f"{self.optimiser} diverged: its learning rate {self.optimiser.rate:g} is too high here.")
        return found


def curvatures(X: np.ndarray, l2: float = 0.0) -> tuple[float, float]:
    """The smallest and the largest curvature of J: how flat and how steep its bowl is.

    The second derivatives of J are the matrix XᵀX/n (+ l2); along an eigenvector of it the bowl is a parabola, and the
    eigenvalue is that parabola's curvature. The largest bounds the learning rate, their ratio is κ.
    """
    values = np.linalg.eigvalsh(X.T @ X / len(X))
    return float(values[0] + l2), float(values[-1] + l2)
