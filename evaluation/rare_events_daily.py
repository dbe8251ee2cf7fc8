"""How good alerts on rare events were, day by day, as far as their truth is known.

    python evaluation/rare_events_daily.py --scored FILE.parquet --output DIR [--new 4] [--top 100] [--events JSON]

The file has a row a scored record: `day` (YYYY-MM-DD), `card` (whose), `amount`, `score`, `alert` (0 or 1), `truth`
(1, 0 or NaN while it is unknown), `scenario` (what kind of event; 0 of those that are none, -1 where nobody knows) and
`model`, the version that scored it. Writes daily.csv, performance.png and the page report.html with report.pdf.

A day is judged when all of it is known: labels of frauds come before those of the rest, so a day half known would look
better, or worse, than it was.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import analysis_report
import classification_metrics
import numpy as np
import pandas as pd
import rare_events_daily_pictures as pictures
import rare_events_metrics as metrics
from analysis_report import Picture, Report, Table

HANDBOOK = 100 / 9_200  # cards looked at a day, of a day's transactions: 100 at the Handbook's size
WEEK = 7  # days of a model that its later scores are compared with
RESAMPLES = 200  # of a day's cards, for the limits of its average precision
FEWEST = 3  # frauds: a day with fewer has no average precision, which would be chance
UNKNOWN = -1  # of a scenario
SHOWN = {  # columns of the page's table, with their decimals
    "transactions": 0,
    "frauds": 0,
    "alerts": 0,
    "average_precision": 3,
    "card_precision": 2,
    "possible": 2,
    "precision": 2,
    "recall": 2,
    "missed": 0,
    "score_shift": 2,
}


@dataclass
class Args:
    scored: Path
    """parquet of scored records"""
    output: Path
    """folder for the results"""
    new: int = UNKNOWN
    """a scenario to follow; -1: none"""
    top: int = 0
    """cards looked at a day; 0: as many for the day's volume as the Handbook's 100"""
    events: str = ""
    """a JSON object of texts by day, which are marked"""


def by_day(table: pd.DataFrame, top: int = 0) -> pd.DataFrame:
    """A row a day, by day: counts, `known` (share whose truth is), and where all of it is known `average_precision`
    with the limits `_low` and `_high` of 95 % of its resamples, `precision` and `recall` of the alerts,
    `card_precision` (of the `top` cards; 0: as many for the day's volume as the Handbook's 100) with `possible`, and
    `recall_<scenario>` of each kind; NaN where there is nothing to measure.
    `score_shift`, which needs no truth, is the largest distance between the distributions of the day's scores and of
    those of the first WEEK days that the same model scored (Kolmogorov's and Smirnov's).
    """
    firsts = {model: first_days(part) for model, part in table.groupby("model")}
    rows = {}
    for day, part in table.groupby("day", sort=True):
        known = float(part["truth"].notna().mean())
        models = ", ".join(sorted(map(str, part["model"].unique())))
        row = {"transactions": len(part), "alerts": int(part["alert"].sum()), "known": known, "models": models}
        if part["model"].nunique() == 1:
            row["score_shift"] = distance(part["score"].to_numpy(float), firsts[part["model"].iloc[0]])
        rows[day] = row | (of_day(part, top) if known == 1 else {})
    return pd.DataFrame.from_dict(rows, orient="index")


def first_days(part: pd.DataFrame) -> np.ndarray:
    """Scores of the first WEEK days of a model, ascending."""
    days = sorted(part["day"].unique())[:WEEK]
    return np.sort(part.loc[part["day"].isin(days), "score"].to_numpy(float))


def distance(scores: np.ndarray, reference: np.ndarray) -> float:
    """Of two samples, the second ascending: the greatest difference of their distribution functions."""
    every = np.concatenate([scores, reference])
    own, other = (np.searchsorted(np.sort(each), every, side="right") / len(each) for each in (scores, reference))
    return float(np.abs(own - other).max())


def of_day(part: pd.DataFrame, top: int) -> dict[str, float]:
    truth, alert, score = (part[name].to_numpy(float) for name in ("truth", "alert", "score"))
    events = metrics.Events(truth, *(part[name].to_numpy() for name in ("day", "card", "amount", "scenario")))
    cards = top or max(1, round(HANDBOOK * len(part)))
    first = metrics.card_precision(events, score, cards).iloc[0]
    caught, frauds = float((truth * alert).sum()), float(truth.sum())
    found = {
        "frauds": frauds,
        **ranked(events, score),
        "precision": caught / alert.sum() if alert.sum() else np.nan,
        "recall": caught / frauds if frauds else np.nan,
        "cards": cards,
        "card_precision": first["card_precision"],
        "possible": first["possible"],
        "missed": float(part["amount"].to_numpy(float)[(truth == 1) & (alert == 0)].sum()),
    }
    for scenario in np.unique(events.scenarios[truth == 1]):
        if scenario != UNKNOWN:
            own = (truth == 1) & (events.scenarios == scenario)
            found |= {f"recall_{scenario}": float(alert[own].mean()), f"frauds_{scenario}": float(own.sum())}
    return found


def ranked(events: metrics.Events, score: np.ndarray) -> dict[str, float]:
    """Average precision of a day, and where 95 % of it lie when cards are drawn anew: the frauds of one card are one
    affair. NaN for a day of few frauds.
    """
    names = ("average_precision", "average_precision_low", "average_precision_high")
    if events.answers.sum() < FEWEST:
        return dict.fromkeys(names, np.nan)
    places = pd.factorize(events.cards)[0]
    cards = int(places.max()) + 1
    counts = np.random.default_rng(0).multinomial(cards, np.full(cards, 1 / cards), size=RESAMPLES)
    weights = counts[:, places].astype(float)
    weights = weights[weights[:, events.answers == 1].any(axis=1)]  # without a fraud there is nothing to rank
    drawn = classification_metrics.ranking(events.answers, score, weights)["average_precision"]
    return dict(
        zip(names, (metrics.average_precision(events.answers, score), *np.quantile(drawn, (0.025, 0.975))), strict=True)
    )


def report(days: pd.DataFrame, events: Mapping[str, str], new: int | None) -> Report:
    judged = days[days["known"] == 1]
    newest = judged.iloc[-7:].mean(numeric_only=True) if len(judged) else pd.Series(dtype=float)
    sentence = f"None of {len(days)} days is wholly labelled yet."
    if "average_precision" in newest:
        sentence = (
            f"Average precision {newest['average_precision']:.2f}, recall {newest['recall']:.0%} and precision of the "
            f"alerts {newest['precision']:.0%}: means of the newest {min(7, len(judged))} of the days whose labels are "
            f"known.{of_the_new(judged, new)}"
        )
    columns = [name for name in SHOWN if name in days]
    rows = [[day, row["models"], *(_cell(row[name], SHOWN[name]) for name in columns)] for day, row in days.iterrows()]
    note = (
        f"A day is judged when every label of it is known, which {len(judged)} of {len(days)} are. card precision: of "
        "the day's most suspicious cards the share with a fraud, possible: what a model that knows all could reach. "
        "missed: amounts of frauds without an alert. score shift: how far the day's scores lie from those of the "
        "model's first week, which shows without labels."
    )
    picture = Picture(
        "Day by day",
        lambda: pictures.over_time(days, events, new),
        "Average precision, precision at the top, precision and recall of the alerts, and their numbers, by day",
        "; ".join(f"{day}: {text}" for day, text in sorted(events.items())),
    )
    headings = ["day", "model", *(name.replace("_", " ") for name in columns)]
    sections = (picture, *by_kind(judged, new), Table("The days", headings, rows, note, whole=True))
    subtitle = (
        f"{len(days)} days, {days.index[0]} to {days.index[-1]}, {int(days['transactions'].sum()):,} transactions"
    )
    return Report("Alerts day by day", sentence, None, subtitle, (), sections)


def of_the_new(judged: pd.DataFrame, new: int | None) -> str:
    """How much of it alerts found at first and find now; empty where none is followed."""
    if new is None or f"recall_{new}" not in judged:
        return ""
    met = judged[judged[f"frauds_{new}"] > 0]
    first, newest = (recall_of(part, new) for part in (met.iloc[:WEEK], met.iloc[-WEEK:]))
    return f" Of the new fraud (scenario {new}) alerts found {first:.0%} at first, and find {newest:.0%} now."


def recall_of(part: pd.DataFrame, kind: int | str) -> float:
    """Of all frauds of a kind on some days."""
    frauds = part[f"frauds_{kind}"].fillna(0)
    return float((part[f"recall_{kind}"].fillna(0) * frauds).sum() / frauds.sum())


def by_kind(judged: pd.DataFrame, new: int | None = None) -> tuple[Table, ...]:
    """Recall of each kind of event by the model in service; nothing where kinds are not known."""
    kinds = [name.removeprefix("frauds_") for name in judged if name.startswith("frauds_")]
    rows = []
    for models, part in judged.groupby("models", sort=False):
        for kind in sorted(kinds):
            frauds = part[f"frauds_{kind}"].fillna(0)
            if frauds.sum():
                name = f"scenario {kind}, the new one" if kind == str(new) else f"scenario {kind}"
                rows.append([models, name, f"{frauds.sum():,.0f}", f"{recall_of(part, kind):.0%}"])
    note = "Of the days whose labels are known. Kinds are what the simulation, or investigators, say that a fraud was."
    return (
        (Table("Recall by kind of fraud", ["model", "kind", "frauds", "with an alert"], rows, note, whole=True),)
        if rows
        else ()
    )


def _cell(value: float, decimals: int) -> str:
    return "" if pd.isna(value) else f"{value:,.{decimals}f}"


def main(args: Args) -> None:
    events = json.loads(args.events) if args.events else {}
    new = None if args.new == UNKNOWN else args.new
    days = by_day(pd.read_parquet(args.scored), args.top)
    args.output.mkdir(parents=True, exist_ok=True)
    days.to_csv(args.output / "daily.csv", index_label="day")
    pictures.over_time(days, events, new).savefig(args.output / "performance.png", dpi=150, facecolor="white")
    analysis_report.write(report(days, events, new), args.output)


def parse() -> Args:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scored", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--new", type=int, default=UNKNOWN)
    parser.add_argument("--top", type=int, default=0)
    parser.add_argument("--events", default="")
    return Args(**vars(parser.parse_args()))


if __name__ == "__main__":
    main(parse())
