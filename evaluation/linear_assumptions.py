"""The assumptions of least squares as sections of a page: the tests that training made, with sizes and pictures.

`found` is an artifact's fact `assumptions`: `targets`, what was modelled ("price", "log price") to what the tests say
(linearity, homoscedasticity, normality, autocorrelation, neighbours, and points to draw), `vif`, and `model`, `remedy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import regression_pictures as draw
from analysis_report import Badge, Picture, Section, Table, Text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALL_P = 0.01
BEND, RATIO, KURTOSIS, SKEW, WATSON, NEIGHBOURS = (
    0.25,
    1.5,
    1.0,
    0.5,
    0.2,
    0.1,
)  # violations smaller than these hardly matter
MANY = 10.0  # a variance inflation factor that is said to be too large
SHOWN = 15
Tests = Mapping[str, Any]


def sections(found: Mapping[str, Any]) -> list[Section]:
    targets: Mapping[str, Tests] = found["targets"]
    told: list[Section] = [
        Text(
            "Assumptions of the linear model",
            [
                f"Least squares ({found['model']}) on the training records. With so many records a test finds the "
                "smallest violation, so beside its p stands the size of what it found.",
                *([found["remedy"]] if found.get("remedy") else []),
            ],
        ),
        *(
            Table(f"Assumptions: {name}", ["Assumption", "Test", "Found", "p", "Size", ""], rows(tests))
            for name, tests in targets.items()
        ),
        Picture(
            "Residuals of the linear model",
            lambda: [each for name, tests in targets.items() for each in pictures(name, tests)],
            "Residuals against fitted values, and their normal quantile plot, for each target",
            note="Left: a flat, even band means linear and homoscedastic. Right: points on the line mean normal.",
        ),
    ]
    return [*told, inflation(found["vif"])] if found.get("vif") else told


def rows(tests: Tests) -> list[list[Any]]:
    linear, even, normal = tests["linearity"], tests["homoscedasticity"], tests["normality"]
    near, watson = tests["neighbours"], tests["autocorrelation"]["durbin_watson"]
    ratio = max(even["ratio"], 1 / even["ratio"])
    shape = abs(normal["excess_kurtosis"]) / KURTOSIS, abs(normal["skew"]) / SKEW
    return [
        [
            "Linearity",
            "Ramsey RESET",
            f"F = {linear['statistic']:.1f}",
            small(linear["p"]),
            f"mean of a tenth up to {linear['bend']:.2f} standard deviations off",
            verdict(linear["p"], linear["bend"] / BEND),
        ],
        [
            "Homoscedasticity",
            "Breusch–Pagan",
            f"LM = {even['statistic']:.1f}",
            small(even["p"]),
            f"residuals of the top fifth spread {even['ratio']:.2f} times the bottom fifth's",
            verdict(even["p"], (ratio - 1) / (RATIO - 1)),
        ],
        [
            "Normal residuals",
            "Jarque–Bera",
            f"JB = {normal['statistic']:,.0f}",
            small(normal["p"]),
            f"skewness {normal['skew']:.2f}, excess kurtosis {normal['excess_kurtosis']:.1f}",
            verdict(normal["p"], max(shape)),
        ],
        [
            "Independence in time",
            "Durbin–Watson",
            f"{watson:.2f}",
            None,
            "2 is none; in the order of sale",
            Badge("violated", False) if abs(watson - 2) > WATSON else Badge("holds", True),
        ],
        [
            "Independence in space",
            "Correlation with the nearest",
            f"r = {near['correlation']:.2f}",
            small(near["p"]),
            f"{near['correlation'] ** 2:.1%} of the variance",
            verdict(near["p"], abs(near["correlation"]) / NEIGHBOURS),
        ],
    ]


def small(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def verdict(p: float, size: float) -> Badge:
    """`size` is 1 where a violation begins to matter."""
    if p >= SMALL_P:
        return Badge("holds", True)
    return Badge("violated", False) if size >= 1 else Badge("found, but small")


def pictures(name: str, tests: Tests) -> list[Figure]:
    fitted, residual = np.array(tests["fitted"]), np.array(tests["residual"])
    drawn = [draw.against_prediction(fitted, residual, "", "residual"), draw.quantiles(residual)]
    for figure in drawn:
        figure.axes[0].set_title(name, fontsize=9, loc="left")
    drawn[0].axes[0].set_xlabel("fitted value")
    return drawn


def inflation(found: Mapping[str, float | None]) -> Table:
    shown = list(found.items())[:SHOWN]
    rows = [
        [
            name,
            "exactly given by the others" if value is None else f"{value:,.1f}",
            Badge("collinear", False) if value is None or value > MANY else Badge("fine", True),
        ]
        for name, value in shown
    ]
    beyond = sum(value is None or value > MANY for value in found.values())
    return Table(
        "Multicollinearity of the numbers",
        ["Feature", "Variance inflation factor", ""],
        rows,
        "By how much a coefficient's variance grows because other features say the same; "
        f"{beyond} of {len(found)} are above {MANY:g}. Predictions do not suffer, single coefficients cannot be read; "
        "ridge and lasso are meant for this.",
    )
