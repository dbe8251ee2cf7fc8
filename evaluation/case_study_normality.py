"""Is a number normally distributed? Said by eye (normal probability plot, kernel density) and by three tests.

D'Agostino and Pearson's K² looks at skewness and kurtosis, Shapiro and Wilk's W at how straight the probability plot
is, Anderson and Darling's A² at the tails. With many rows all three find departures that matter to nobody; so the
correlation of the probability plot (PPCC, Filliben 1975) says how large the departure is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from analysis_report import Badge, Table
from case_study_bins import edges, numbers
from case_study_chart_guide import Ask, choose
from case_study_moments import varied
from case_study_section import Chart, Section
from case_study_table import CaseTable
from case_study_words import MOST_ROWS, p_text, rows_note, sampled_note
from scipy import stats

FEWEST = 8  # values, which K² needs
SHAPIRO_ROWS = 2000  # beyond it W's p-value is not known to be right (Royston 1995: to 5,000)
NEAR, FAIR = 0.995, 0.98  # PPCC
LEVEL = 0.05
DRAWN = 4  # columns with pictures
POINTS = 200  # of a plot
GRID = 2048  # cells of the density, before it is smoothed


@dataclass(frozen=True)
class Normality:
    values: int
    ppcc: float
    k2_p: float
    shapiro: float
    shapiro_p: float
    anderson: float
    anderson_p: float


def normality(values: np.ndarray, seed: int = 0) -> Normality:
    """`values` are at least FEWEST, not all the same. Anderson–Darling's p-value is Stephens' (1986) approximation for
    mean and variance estimated from the values."""
    some = values
    if len(values) > SHAPIRO_ROWS:
        some = np.random.default_rng(seed).choice(values, SHAPIRO_ROWS, replace=False)
    scaled = (values - values.mean()) / values.std()
    w = stats.shapiro((some - some.mean()) / (some.std() or 1.0))
    statistic = anderson_darling(scaled)
    k2 = float(stats.normaltest(scaled).pvalue)
    return Normality(
        len(values),
        ppcc(values),
        k2,
        float(w.statistic),
        float(w.pvalue),
        statistic,
        anderson_p(statistic, len(values)),
    )


def plotted(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normal order statistic medians (Filliben's) and the ordered values."""
    n = len(values)
    share = (np.arange(1, n + 1) - 0.3175) / (n + 0.365)
    share[0], share[-1] = 1 - 0.5 ** (1 / n), 0.5 ** (1 / n)
    return stats.norm.ppf(share), np.sort(values)


def ppcc(values: np.ndarray) -> float:
    return float(np.corrcoef(*plotted(values))[0, 1])


def anderson_darling(scaled: np.ndarray) -> float:
    """A² of values whose mean and variance are estimated from them."""
    n = len(scaled)
    ordered = np.sort((scaled - scaled.mean()) / scaled.std(ddof=1))
    weights = 2 * np.arange(1, n + 1) - 1
    below, above = stats.norm.logcdf(ordered), stats.norm.logsf(ordered[::-1])
    return float(-n - (weights * (below + above)).sum() / n)


def anderson_p(statistic: float, n: int) -> float:
    """D'Agostino and Stephens (1986), table 4.9."""
    a = statistic * (1 + 0.75 / n + 2.25 / n**2)
    if a >= 0.6:
        return float(np.exp(1.2937 - 5.709 * a + 0.0186 * a**2)) if a < 10 else 0.0
    if a > 0.34:
        return float(np.exp(0.9177 - 4.279 * a - 1.38 * a**2))
    if a > 0.2:
        return float(1 - np.exp(-8.318 + 42.796 * a - 59.938 * a**2))
    return float(1 - np.exp(-13.436 + 101.14 * a - 223.73 * a**2))


def normal_plots(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    sample = table.sample()
    plain = {name: numbers(sample[name]) for name in varied(table)}
    plain = {name: values for name, values in plain.items() if len(values) >= FEWEST and values.min() < values.max()}
    if not plain:
        return None
    found = {name: normality(values, table.seed) for name, values in list(plain.items())[:MOST_ROWS]}
    rows = [row_of(name, each) for name, each in found.items()]
    columns = ["column", "values", "PPCC", "so it is", "K² p", "Shapiro–Wilk W", "p", "Anderson–Darling A²", "p"]
    note = rows_note(len(rows), len(plain)) + sampled_note(table, len(sample), "Figures are")
    worst = sorted(found, key=lambda name: found[name].ppcc)
    measured = [name for name in worst if len(np.unique(plain[name])) > 20] or worst
    drawn = measured[:DRAWN] if len(measured) <= DRAWN else [*measured[: DRAWN - 1], measured[-1]]
    charts = [chart for name in drawn for chart in (probability_plot(name, plain[name]), density(name, plain[name]))]
    return Section(
        "normality", "Normality", WORDS, [Table("Tests of normality", columns, rows, note)], charts, told(found)
    )


WORDS = [
    "The normal probability plot sets the ordered values against those that a normal sample of the same size would "
    "have: a straight line is a normal distribution, ends that bend up on the right and down on the left are heavy "
    "tails, a bow is skewness. Its correlation (PPCC) is the size of the departure; the tests say only whether there "
    "is one, and with thousands of rows there nearly always is. Shapiro and Wilk's is of at most "
    f"{SHAPIRO_ROWS:,} values.",
    "Means and regression coefficients of many rows need no normal values. Prediction intervals and tests of few rows "
    "do, of the residuals rather than of the columns.",
]


def row_of(name: str, each: Normality) -> list[Any]:
    return [
        name, each.values, each.ppcc, judged(each), p_text(each.k2_p), each.shapiro, p_text(each.shapiro_p),
        each.anderson, p_text(each.anderson_p),
    ]  # fmt: skip


def judged(each: Normality) -> Badge:
    if each.ppcc >= NEAR:
        return Badge("near normal", True)
    return Badge("roughly normal") if each.ppcc >= FAIR else Badge("not normal", False)


def told(found: dict[str, Normality]) -> list[str]:
    near = [name for name, each in found.items() if each.ppcc >= NEAR]
    far = sorted((name for name, each in found.items() if each.ppcc < FAIR), key=lambda name: found[name].ppcc)
    said = [f"{len(near)} of {len(found)} numbers are near normal, {len(far)} are not."]
    if far:
        said.append(f"The furthest from normal is {far[0]} (PPCC {found[far[0]].ppcc:.3f}).")
    over = [name for name in near if found[name].values > 1000 and found[name].anderson_p < LEVEL]
    if over:
        said.append(
            f"Tests reject normality of {len(over)} of the near-normal ones, {over[0]} among them: so many rows show "
            "any departure."
        )
    return said


def probability_plot(name: str, values: np.ndarray) -> Chart:
    expected, ordered = plotted(values)
    ends = np.arange(min(5, len(values)))
    chosen = np.unique(np.concatenate([spaced(len(values)), ends, len(values) - 1 - ends]))
    line = values.mean() + values.std() * expected[[0, -1]]
    data = {
        "x": rounded(expected[chosen]),
        "y": rounded(ordered[chosen]),
        "group": ["values"] * len(chosen),
        "curves": {"normal": {"x": rounded(expected[[0, -1]]), "y": rounded(line)}},
        "x_title": "normal quantile",
        "y_title": name,
    }
    some = f" {len(chosen)} of {len(values):,} points, with all of the ends." if len(values) > POINTS else ""
    kind = choose(Ask("correlation", x="number", points=len(chosen))).kind
    return Chart("correlation", kind, f"Normal probability plot of {name}", data, f"Straight is normal.{some}")


def spaced(n: int) -> np.ndarray:
    return np.unique(np.linspace(0, n - 1, min(n, POINTS)).round().astype(int))


def density(name: str, values: np.ndarray) -> Chart:
    """The kernel density over a histogram, and the normal one of the same mean and SD; the outermost 0.5 % of each
    side are left out of the picture."""
    low, high = np.quantile(values, [0.005, 0.995]) if len(values) > 400 else (values.min(), values.max())
    if low == high:
        low, high = values.min(), values.max()
    shown = values[(values >= low) & (values <= high)]
    bins = edges(shown)
    counts = np.histogram(shown, bins)[0]
    x, smooth, width = kernel_density(values)
    inside = (x >= bins[0]) & (x <= bins[-1])
    scale = len(values) * float(np.diff(bins).mean())
    normal = stats.norm(values.mean(), values.std()).pdf(x)
    curves = {
        "kernel density": {"x": rounded(x[inside][::4]), "y": rounded(scale * smooth[inside][::4])},
        "normal": {"x": rounded(x[inside][::4]), "y": rounded(scale * normal[inside][::4])},
    }
    data = {
        "edges": rounded(bins),
        "series": {"values": counts.tolist()},
        "curves": curves,
        "x_title": name,
        "y_title": "rows",
    }
    kind = choose(Ask("distribution", x="number")).kind
    return Chart("distribution", kind, f"Kernel density of {name}", data, f"Gaussian kernel, bandwidth {width:.3g}.")


def kernel_density(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """A grid, the density there, and the bandwidth by Silverman's (1986) rule with the smaller of SD and IQR / 1.34.

    Values are counted in GRID cells and smoothed by a fast Fourier transform, so that it takes no longer for many.
    """
    spread = float(values.std(ddof=1))
    quartiles = float(np.subtract(*np.quantile(values, [0.75, 0.25]))) / 1.34
    width = 0.9 * min(filter(None, [spread, quartiles])) * len(values) ** -0.2
    low, high = np.quantile(values, [0.001, 0.999]) if len(values) > 1000 else (values.min(), values.max())
    low, high = low - 4 * width, high + 4 * width
    counts, bounds = np.histogram(values[(values >= low) & (values <= high)], GRID, (low, high))
    step = (high - low) / GRID
    frequency = np.fft.rfftfreq(2 * GRID, step)
    kernel = np.exp(-0.5 * (2 * np.pi * frequency * width) ** 2)
    smooth = np.fft.irfft(np.fft.rfft(counts, 2 * GRID) * kernel, 2 * GRID)[:GRID] / (len(values) * step)
    return (bounds[:-1] + bounds[1:]) / 2, np.maximum(smooth, 0), width


def rounded(values: np.ndarray) -> list[float]:
    return [float(f"{each:.5g}") for each in values]
