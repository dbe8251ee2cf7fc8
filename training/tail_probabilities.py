"""How likely a statistic is to be as large as this by chance: tails of Student's t, F and χ², by `math` alone.

All of them come down to one function, the regularised incomplete beta function

    I(x; a, b) = ∫₀ˣ tᵃ⁻¹ (1−t)ᵇ⁻¹ dt / B(a, b),      B(a, b) = Γ(a) Γ(b) / Γ(a+b),

which is the probability that a random number with the beta distribution of a and b is at most x.
"""

from __future__ import annotations

import math

PRECISION = 1e-16  # relative, where the continued fraction is cut off
TERMS = 10_000


def incomplete_beta(x: float, a: float, b: float) -> float:
    """I(x; a, b) for 0 ≤ x ≤ 1 and a, b > 0.

    By its continued fraction (Abramowitz and Stegun, 26.5.8), which converges fast left of the distribution's bulk;
    right of it, 1 − I(1−x; b, a) is the same, because t and 1−t change roles.
    """
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(1 - x, b, a)
    # As logarithms: Γ of a few hundred is beyond what a float can hold, and the ratio is not.
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(logarithm) / a * _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """1/(1 + d₁/(1 + d₂/(1 + …))), from the top down by Lentz's method: each term multiplies the value so far.

    The even terms are d₂ₘ = m(b−m)x / ((a+2m−1)(a+2m)), the odd ones d₂ₘ₊₁ = −(a+m)(a+b+m)x / ((a+2m)(a+2m+1)).
    """
    # Of 1 + 1/(1 + d₁/…), so that no value on the way is 0; the 1 in front is taken off in the end.
    upper, lower = 1.0, 0.0
    value = 1.0
    for term in range(TERMS):
        m = term // 2
        if term == 0:
            d = 1.0
        elif term % 2 == 0:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        else:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        lower = 1 / _not_zero(1 + d * lower)
        upper = _not_zero(1 + d / upper)
        value *= lower * upper
        if abs(1 - lower * upper) < PRECISION:
            break
    return value - 1.0


def _not_zero(value: float) -> float:
    return value if abs(value) > 1e-300 else 1e-300


def two_sided_t(t: float, degrees: float) -> float:
    """P(|T| ≥ |t|) for Student's t with so many degrees of freedom.

    T² / (degrees + T²) has a beta distribution, so the probability of both tails together is I(ν/(ν+t²); ν/2, ½).
    """
    return incomplete_beta(degrees / (degrees + t * t), degrees / 2, 0.5)


def upper_f(f: float, above: float, below: float) -> float:
    """P(F ≥ f) for the ratio of two mean squares, with `above` and `below` degrees of freedom."""
    return incomplete_beta(below / (below + above * f), below / 2, above / 2)


def upper_chi_squared_2(value: float) -> float:
    """P(χ² ≥ value) with two degrees of freedom: half of χ² with 2 is exponentially distributed, so e^(−value/2)."""
    return math.exp(-value / 2)


def t_quantile(level: float, degrees: float) -> float:
    """The t that |T| stays below with probability `level`, such as 0.95: by halving an interval that holds it."""
    low, high = 0.0, 1.0
    while two_sided_t(high, degrees) > 1 - level:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if two_sided_t(middle, degrees) > 1 - level else (low, middle)
    return (low + high) / 2
