"""New columns tried: bins of numbers, and what can be made of one column or of two; and what each tells of the target.

The measure is mutual information in bits, less what chance shows (Miller 1955). With so many tried the best looks good
by luck alone: columns are chosen on one half of the sample, and their gain is measured on the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from analysis_report import Table
from case_study_bins import codes, crossed
from case_study_chart_guide import Ask, choose
from case_study_moments import varied
from case_study_section import Chart, Section
from case_study_table import CaseTable
from case_study_words import MOST_ROWS, listed, rows_note

ROWS = 20_000
FEWEST = 60  # rows, below which halves tell nothing
PARENTS = 8  # numbers that are combined with each other: those that tell most
BINS = 16  # of a number when its information is measured
FEW_BINS = (3, 5, 10)
SHOWN = 20
USEFUL = 0.01  # bits
FLOAT32 = 1e38  # what a tree can hold
LEAVES = 8  # of bins that are cut where the target changes most


@dataclass(frozen=True)
class Tried:
    """`information` and that of the best column it is made of, both in bits and on rows that it was not chosen by."""

    name: str
    made_of: tuple[str, ...]
    information: float
    parents: float

    @property
    def gain(self) -> float:
        return self.information - self.parents


def information(feature: np.ndarray, target: np.ndarray) -> float:
    """Bits that two columns of codes share, -1 left out; never below 0."""
    counts = crossed(feature, target)
    counts = counts[counts.sum(1) > 0][:, counts.sum(0) > 0] if counts.size else counts
    if min(counts.shape, default=0) < 2:
        return 0.0
    total = counts.sum()
    share = counts / total
    alone = np.outer(share.sum(1), share.sum(0))
    there = share > 0
    found = float((share[there] * np.log2(share[there] / alone[there])).sum())
    chance = (counts.shape[0] - 1) * (counts.shape[1] - 1) / (2 * total * np.log(2))
    return max(0.0, found - chance)


def entropy(found: np.ndarray) -> float:
    """Of codes, in bits."""
    counts = np.bincount(found[found >= 0])
    share = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(share * np.log2(share)).sum())


def binning_and_features(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    sample = table.sample()
    rows = sample.sample(min(ROWS, len(sample)), random_state=table.seed)
    plain = [name for name in varied(table) if name != table.target and rows[name].nunique() > 2]
    if len(rows) < FEWEST or not (plain or table.of_kind("time", "text")):
        return None
    note = f"Of {len(rows):,} rows. " if len(rows) < table.rows else ""
    if not table.target or not rows[table.target].nunique() > 1:
        return untargeted(rows, plain, note) if plain else None
    target = codes(rows[table.target], table.columns[table.target])[0]
    half = np.random.default_rng(table.seed).random(len(rows)) < 0.5
    binned = [
        row for name in plain[:MOST_ROWS] for row in bins_compared(name, rows[name].to_numpy(float), target, half)
    ]
    made = tried(rows, plain, table, target, half)
    tables = [bins_table(binned, len(plain), note)] if binned else []
    tables += [features_table(made, note)] if made else []
    drawn = charts(made)
    return Section(
        "binning-and-features", "Binning and synthetic features", words(table), tables, drawn,
        told(binned, made, table.target),
    )  # fmt: skip


def words(table: CaseTable) -> list[str]:
    return [
        f"What a column tells of the target {table.target} is measured in bits of mutual information, of {BINS} "
        "quantile bins where nothing else is said and with missing as a value of its own, corrected for what chance "
        "would show. One bit would answer a yes-or-no question asked of even halves. Everything was chosen on one half "
        "of the rows and measured on the other.",
        "Bins lose what lies within them. They gain where a course is not straight and the model can only draw "
        "straight lines; trees cut their own.",
    ]


# Cuts of a number, given the target's codes, by the half of the rows to choose on.
def equal_width(values: np.ndarray, target: np.ndarray, count: int) -> np.ndarray:
    return np.linspace(values.min(), values.max(), count + 1)[1:-1]


def equal_frequency(values: np.ndarray, target: np.ndarray, count: int) -> np.ndarray:
    return np.unique(np.quantile(values, np.linspace(0, 1, count + 1)[1:-1]))


def supervised(values: np.ndarray, target: np.ndarray, count: int) -> np.ndarray:
    """Where a small decision tree cuts."""
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(
        criterion="entropy", max_leaf_nodes=count, min_samples_leaf=max(5, len(values) // 50), random_state=0
    )
    fitted = tree.fit(np.clip(values, -FLOAT32, FLOAT32)[:, None], target).tree_
    return np.sort(fitted.threshold[fitted.feature >= 0])


WAYS: Mapping[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "equal width": equal_width,
    "equal frequency": equal_frequency,
    "cut by the target": supervised,
}


def bins_compared(name: str, values: np.ndarray, target: np.ndarray, half: np.ndarray) -> Iterator[list[Any]]:
    """Column, bits as it is, the best binning, its bins, its bits, the share kept."""
    known = np.isfinite(values) & (target >= 0)
    first, second = known & half, known & ~half
    if min(first.sum(), second.sum()) < FEWEST / 3 or len(np.unique(values[first])) < 3:
        return
    fine = information(quantile_codes(values, known)[second], target[second])
    best: tuple[float, str, np.ndarray] | None = None
    for way, count in [*itertools.product(("equal width", "equal frequency"), FEW_BINS), ("cut by the target", LEAVES)]:
        cuts = WAYS[way](values[first], target[first], count)
        found = information(np.searchsorted(cuts, values[first]), target[first])
        if best is None or found > best[0]:
            best = found, way, cuts
    assert best is not None
    kept = information(np.searchsorted(best[2], values[second]), target[second])
    yield [name, fine, best[1], len(best[2]) + 1, ", ".join(f"{cut:.4g}" for cut in best[2][:6]), kept]


def quantile_codes(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    return codes(pd.Series(np.where(known, values, np.nan)), "number", BINS)[0]


def tried(rows: pd.DataFrame, plain: list[str], table: CaseTable, target: np.ndarray, half: np.ndarray) -> list[Tried]:
    """The columns that gained most on the first half, best first, as the second half has them."""
    parts = table.features("number", "category", "boolean", "time")
    alone = {name: codes(rows[name], table.columns[name])[0] + 1 for name in parts}  # what is missing is a level, too
    chosen = {name: information(found[half], target[half]) for name, found in alone.items()}
    tested = {name: information(found[~half], target[~half]) for name, found in alone.items()}
    strongest = sorted(plain, key=lambda name: -chosen[name])[:PARENTS]
    ranked = []
    for name, made_of, made in candidates(rows, strongest, table):
        found = made if made.dtype.kind == "i" else quantile_codes(made, np.isfinite(made)) + 1
        ranked.append((information(found[half], target[half]) - most(chosen, made_of), name, made_of, found))
    ranked.sort(key=lambda row: -row[0])
    kept = [
        Tried(name, made_of, information(found[~half], target[~half]), most(tested, made_of))
        for _, name, made_of, found in ranked[:SHOWN]
    ]
    return sorted(kept, key=lambda each: -each.gain)


def most(bits: Mapping[str, float], names: tuple[str, ...]) -> float:
    return max((bits.get(name, 0.0) for name in names), default=0.0)


def candidates(
    rows: pd.DataFrame, strongest: list[str], table: CaseTable
) -> Iterator[tuple[str, tuple[str, ...], np.ndarray]]:
    """Name, what it is made of, and values (float) or codes (int)."""
    plain = {name: rows[name].to_numpy(float) for name in strongest}
    with np.errstate(all="ignore"):
        for first, second in itertools.combinations(strongest, 2):
            a, b = plain[first], plain[second]
            yield f"{first} × {second}", (first, second), finite(a * b)
            yield f"{first} + {second}", (first, second), finite(a + b)
            yield f"{first} − {second}", (first, second), finite(a - b)
            yield f"{first} / {second}", (first, second), finite(np.where(b != 0, a / np.where(b != 0, b, 1), np.nan))
    for name in table.features("time"):
        moment = rows[name].dt
        for part, values in (("hour", moment.hour), ("weekday", moment.dayofweek), ("month", moment.month)):
            if values.nunique() > 1:
                yield f"{part} of {name}", (name,), values.fillna(-1).to_numpy(int) + 1
    for name in table.features("text"):
        if rows[name].notna().any():
            yield f"length of {name}", (name,), rows[name].str.len().to_numpy(float, na_value=np.nan)
            yield f"words in {name}", (name,), (rows[name].str.count(r"\s+") + 1).to_numpy(float, na_value=np.nan)
    for name in table.features("number", "category", "boolean", "time", "text"):
        gone = rows[name].isna().to_numpy()
        if gone.any() and not gone.all():
            yield f"{name} is missing", (name,), gone.astype(int)


def finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan)


def bins_table(binned: list[list[Any]], there: int, note: str) -> Table:
    ranked = sorted(binned, key=lambda row: -row[1])
    columns = ["column", "bits as it is", "best bins", "how many", "cuts", "bits in bins"]
    return Table("Bins of numbers", columns, ranked, rows_note(len(ranked), there) + note)


def features_table(made: list[Tried], note: str) -> Table:
    rows = [[each.name, each.information, each.parents, each.gain] for each in made]
    columns = ["new column", "bits", "bits of its best part", "gain"]
    return Table(f"New columns: the {len(made)} that gained most when chosen", columns, rows, note)


def told(binned: list[list[Any]], made: list[Tried], target: str) -> list[str]:
    useful = [each for each in made if each.gain >= USEFUL]
    said = []
    if useful:
        best = useful[0]
        said.append(
            f"{best.name} tells {best.information:.2f} bits of {target}, its parts at most {best.parents:.2f}"
            + (f"; {listed([each.name for each in useful[1:]], 3)} gain too." if useful[1:] else ".")
        )
    else:
        said.append(f"No new column tells noticeably more of {target} than those it is made of.")
    better = [row[0] for row in binned if row[5] >= row[1] + USEFUL]
    if better:
        said.append(f"A few bins tell as much as the whole scale, or more, of {listed(better, 4)}.")
    return said


def untargeted(rows: pd.DataFrame, plain: list[str], note: str) -> Section:
    """Without a target, what bins keep of a number: their entropy."""
    body = []
    for name in plain[:MOST_ROWS]:
        values = rows[name].dropna().to_numpy(float)
        for way in ("equal width", "equal frequency"):
            kept = [entropy(np.searchsorted(WAYS[way](values, values, count), values)) for count in FEW_BINS]
            body.append([name, way, *kept])
    said = [
        "There is no target, so nothing tells which new column would help. What bins keep of a number is their "
        "entropy: at most log2 of their number, when all hold equally many rows. Equal widths of a skewed number waste "
        "most bins."
    ]
    columns = ["column", "bins", *(f"bits kept by {count}" for count in FEW_BINS)]
    return Section("binning-and-features", "Binning", said, [Table("Bins of numbers", columns, body, note)])


def charts(made: list[Tried]) -> list[Chart]:
    gained = [each for each in made if each.gain > 0]
    if len(gained) < 2:
        return []
    choice = choose(Ask("ranking", labels=len(gained)))
    top = gained[: choice.most]
    data = {
        "labels": [each.name for each in top],
        "values": [round(each.gain, 4) for each in top],
        "y_title": "bits gained",
    }
    caption = "Over the best column that each is made of, on rows that it was not chosen by."
    return [Chart("ranking", choice.kind, "What new columns gain", data, caption)]
