"""What distributions numbers follow: Gaussian, log-normal and Pareto, each by maximum likelihood.

Which of them is nearest is said by Akaike's criterion, how near by the Kolmogorov–Smirnov distance: the largest gap
between the values' share below any number and the fit's. A p-value of that distance would be too large, as the fit has
seen the values (Lilliefors 1967), so none is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from analysis_report import Badge, Table
from case_study_bins import decades, edges, numbers
from case_study_chart_guide import Ask, choose
from case_study_moments import varied
from case_study_section import Chart, Section
from case_study_table import CaseTable
from case_study_words import MOST_ROWS, rows_note, sampled_note
from scipy import stats

FEWEST = 20  # values, below which no distribution is told from another
DISCRETE = 20  # different values, up to which a number is counted and not fitted
DRAWN = 4  # columns with a picture
POINTS = 120  # of a curve
GOOD, FAIR = 0.03, 0.08  # Kolmogorov–Smirnov distances


@dataclass(frozen=True)
class Fit:
    name: str
    parameters: dict[str, float]
    log_likelihood: float
    aic: float
    distance: float  # Kolmogorov–Smirnov
    density: Callable[[np.ndarray], np.ndarray]
    below: Callable[[np.ndarray], np.ndarray]  # the distribution function


def gaussian(values: np.ndarray) -> Fit | None:
    spread = float(values.std())
    if not 0 < spread < np.inf:
        return None
    mean = float(values.mean())
    return fitted("Gaussian", {"mean": mean, "SD": spread}, stats.norm(mean, spread), values)


def log_normal(values: np.ndarray) -> Fit | None:
    """None for values that are not all above 0."""
    if values.min() <= 0:
        return None
    logs = np.log(values)
    if not logs.std() > 0:
        return None
    mu, sigma = float(logs.mean()), float(logs.std())
    return fitted("log-normal", {"mu": mu, "sigma": sigma}, stats.lognorm(sigma, scale=np.exp(mu)), values)


def pareto(values: np.ndarray) -> Fit | None:
    """None for values that are not all above 0. The scale is the smallest value, the exponent Hill's (1975)."""
    low = float(values.min())
    if low <= 0 or values.max() <= low:
        return None
    alpha = len(values) / float(np.log(values / low).sum())
    return fitted("Pareto", {"x_min": low, "alpha": alpha}, stats.pareto(alpha, scale=low), values)


def fitted(name: str, parameters: dict[str, float], law: Any, values: np.ndarray) -> Fit:
    likelihood = float(np.sum(law.logpdf(values)))
    aic = 2 * len(parameters) - 2 * likelihood
    return Fit(name, parameters, likelihood, aic, distance(law.cdf, values), law.pdf, law.cdf)


def distance(below: Callable[[np.ndarray], np.ndarray], values: np.ndarray) -> float:
    """Of the empirical distribution function, from above and from below each value."""
    ordered = np.sort(values)
    expected = below(ordered)
    steps = np.arange(len(ordered) + 1) / len(ordered)
    return float(max((steps[1:] - expected).max(), (expected - steps[:-1]).max()))


def fits(values: np.ndarray) -> list[Fit]:
    """Those that can be, best first."""
    with np.errstate(over="ignore", divide="ignore"):
        found = [fit(values) for fit in (gaussian, log_normal, pareto)]
    return sorted((each for each in found if each and np.isfinite(each.aic)), key=lambda each: each.aic)


def distributions_fitted(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    sample = table.sample()
    plain = {name: numbers(sample[name]) for name in varied(table)}
    plain = {name: values for name, values in plain.items() if len(values) >= FEWEST and values.min() < values.max()}
    counted = {name: values for name, values in plain.items() if len(np.unique(values)) <= DISCRETE}
    smooth = {name: values for name, values in plain.items() if name not in counted}
    found = {name: best for name, values in smooth.items() if (best := fits(values))}
    if not counted and not found:
        return None
    note = sampled_note(table, len(sample), "All figures are")
    tables = [fit_table(found, note)] if found else []
    tables += [mass_table(counted, note)] if counted else []
    drawn = sorted(found, key=lambda name: -abs(stats.skew(smooth[name])))[:DRAWN]
    charts = [chart for name in drawn for chart in pictures(name, smooth[name], found[name])]
    charts += [mass_chart(name, values) for name, values in list(counted.items())[:DRAWN]]
    return Section("distribution-fits", "Distributions and fits", WORDS, tables, charts, told(found))


WORDS = [
    "A probability mass function (PMF) says how often each value of a counted number occurs; a density (PDF) does so "
    "for measured ones, by area; the distribution function (CDF) is the share of values up to a number. Three laws are "
    "fitted to measured numbers by maximum likelihood: Gaussian (many small sums), log-normal (many small factors) and "
    "Pareto (no typical size). The smallest AIC is the best of the three, which need not be good: that says the "
    f"Kolmogorov–Smirnov distance, below {GOOD} good, above {FAIR} poor.",
]


def fit_table(found: dict[str, list[Fit]], note: str) -> Table:
    rows = []
    for name, best in list(found.items())[:MOST_ROWS]:
        for place, each in enumerate(best):
            told = ", ".join(f"{key} {value:.4g}" for key, value in each.parameters.items())
            verdict = judged(each.distance) if place == 0 else None
            rows.append([name, each.name, told, each.log_likelihood, each.aic, each.distance, verdict])
        if len(best) == 1:
            rows.append([name, "log-normal, Pareto", "need values above 0", None, None, None, None])
    columns = ["column", "law", "parameters", "log-likelihood", "AIC", "KS distance", "best of three"]
    return Table("Fits by maximum likelihood", columns, rows, rows_note(min(len(found), MOST_ROWS), len(found)) + note)


def judged(gap: float) -> Badge:
    if gap < GOOD:
        return Badge("good", True)
    return Badge("fair") if gap < FAIR else Badge("poor", False)


def mass_table(counted: dict[str, np.ndarray], note: str) -> Table:
    rows = []
    for name, values in list(counted.items())[:MOST_ROWS]:
        found, times = np.unique(values, return_counts=True)
        share = times / times.sum()
        entropy = float(-(share * np.log2(share)).sum())
        most = int(np.argmax(times))
        rows.append([name, len(found), float(found[most]), f"{share[most]:.1%}", entropy, 2**entropy])
    columns = ["column", "different values", "most frequent", "its share", "entropy (bits)", "as many as even values"]
    return Table("Counted numbers", columns, rows, note)


def pictures(name: str, values: np.ndarray, best: list[Fit]) -> list[Chart]:
    """The density with the fits over a histogram, and the distribution function."""
    choice = choose(Ask("distribution", x="number", decades=decades(values)))
    log = choice.log and values.min() > 0
    low, high = (values.min(), values.max()) if log else np.quantile(values, [0.001, 0.999])
    shown = values[(values >= low) & (values <= high)]
    bins = edges(shown, log=log)
    counts = np.histogram(shown, bins)[0]
    middles = np.sqrt(bins[:-1] * bins[1:]) if log else (bins[:-1] + bins[1:]) / 2
    curves = {
        each.name: {
            "x": plain(middles),
            "y": plain(len(values) * (each.below(bins[1:]) - each.below(bins[:-1]))),
        }
        for each in best
    }
    data = {
        "edges": plain(bins),
        "series": {"values": counts.tolist()},
        "curves": curves,
        "x_title": name,
        "y_title": "rows",
    }
    data |= {"log": ["x"]} if log else {}
    caption = f"Density with what each law expects in the same bins; {best[0].name} is nearest by AIC."
    grid = np.geomspace(low, high, POINTS) if log else np.linspace(low, high, POINTS)
    series = {"values": plain(np.searchsorted(np.sort(values), grid, side="right") / len(values))}
    series |= {each.name: plain(each.below(grid)) for each in best}
    line = {"x": plain(grid), "series": series, "x_title": name, "y_title": "share up to here"}
    line |= {"log": ["x"]} if log else {}
    return [
        Chart("distribution", "histogram", f"Density of {name}", data, caption),
        Chart("distribution", "line", f"Distribution function of {name}", line, "Where lines part, the law is wrong."),
    ]


def mass_chart(name: str, values: np.ndarray) -> Chart:
    found, times = np.unique(values, return_counts=True)
    data = {
        "labels": [f"{each:g}" for each in found],
        "values": plain(times / times.sum()),
        "x_title": name,
        "y_title": "share of values",
    }
    return Chart("distribution", "bar", f"Probability mass of {name}", data)


def plain(values: np.ndarray) -> list[float]:
    return [float(f"{each:.6g}") for each in values]


def told(found: dict[str, list[Fit]]) -> list[str]:
    said = []
    for law in ("log-normal", "Pareto", "Gaussian"):
        names = [name for name, best in found.items() if best[0].name == law and best[0].distance < FAIR]
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            said.append(f"{', '.join(names[:3])}{more}: about {law}.")
    poor = [name for name, best in found.items() if best[0].distance >= FAIR]
    if poor:
        said.append(
            f"None of the three laws is near {len(poor)} of {len(found)} numbers, {poor[0]} among them: take quantiles "
            "and not formulas there."
        )
    return said
