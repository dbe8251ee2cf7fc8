"""How `mlops demo fraud` ends: the days with their figures, whether the story went as told, and what is left."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.verdicts import Verdict
from mlops import console, fraud_labels, fraud_performance, monitoring
from mlops.errors import Failure
from mlops.fraud_town import DAYS, LABELS, NEW_FRAUD, OPENING, PROMOTION, RETRAINING, Town
from mlops.targets import Target

if TYPE_CHECKING:
    import pandas as pd

USE_CASE, STAGE = "fraud", "rehearsal"
NEW = 4  # the new fraud's scenario
PERIODS = {
    "before the new fraud": (OPENING, NEW_FRAUD),
    "the new fraud is missed": (NEW_FRAUD, RETRAINING),
    "challenger in shadow": (RETRAINING, PROMOTION),
    "after the promotion": (PROMOTION, DAYS),
}


@dataclass
class Story:
    """What happened, for the summary."""

    champion: int = 0  # versions
    challenger: int = 0
    comparison: dict[str, Any] = field(default_factory=dict)
    answers: list[tuple[Verdict, Path | None]] = field(default_factory=list)
    approved: list[int] = field(default_factory=list)
    scored: dict[str, float] = field(default_factory=dict)  # payments a second, by the way they came


def judged(target: Target, town: Town, reports: Path) -> pd.DataFrame:
    """Every day with its figures, by the truth that labels told; the simulation adds which fraud was which."""
    scored = fraud_labels.table(
        target, USE_CASE, town.moment(OPENING).date(), town.moment(DAYS - 1).date(), town.moment(DAYS + LABELS + 1)
    )
    kinds = town.table.set_index("transaction_id")["scenario"]
    mine = scored[scored["transaction_id"].isin(kinds.index)]
    mine = mine.assign(scenario=mine["transaction_id"].map(kinds).where(mine["truth"] == 1, 0))
    events = {
        town.name(NEW_FRAUD): "a new fraud appears",
        town.name(NEW_FRAUD + LABELS): "its first labels are complete",
        town.name(RETRAINING): "retrained on its first week, in shadow",
        town.name(PROMOTION): "promoted",
    }
    return fraud_performance.judge(mine, reports / USE_CASE / "demo", new=NEW, events=events)


def figures(days: pd.DataFrame) -> pd.DataFrame:
    """Means of the days of each period."""
    import pandas as pd

    start = datetime.fromisoformat(str(days.index[0])).date() - timedelta(days=OPENING)
    named = {
        name: days[
            (days.index >= (start + timedelta(days=first)).isoformat())
            & (days.index < (start + timedelta(days=end)).isoformat())
        ]
        for name, (first, end) in PERIODS.items()
    }
    columns = ["frauds", "alerts", "average_precision", "card_precision", "precision", "recall", "recall_4"]
    return pd.DataFrame({name: part.reindex(columns=columns).mean() for name, part in named.items()}).T


def caught(days: pd.DataFrame, first: int, end: int) -> str:
    """The share of the new fraud that alerts found from one day of the story to before another, with its 95 % interval
    by resamples of whole days, in words.
    """
    import numpy as np

    part = days.iloc[first - OPENING : end - OPENING]
    frauds = part[f"frauds_{NEW}"].fillna(0).to_numpy()
    hits = (part[f"recall_{NEW}"].fillna(0) * frauds).to_numpy()
    drawn = np.random.default_rng(0).integers(0, len(part), (1000, len(part)))
    low, high = np.quantile(hits[drawn].sum(axis=1) / np.maximum(frauds[drawn].sum(axis=1), 1), (0.025, 0.975))
    return f"{hits.sum() / frauds.sum():.0%} of {frauds.sum():.0f} (95 %: {low:.0%} to {high:.0%})"


def check(days: pd.DataFrame) -> None:
    """Raises Failure unless the new fraud was missed before the promotion, and is caught after it."""
    recall = figures(days)["recall_4"]
    before, after = recall["the new fraud is missed"], recall["after the promotion"]
    if not before < 0.5 < after:
        raise Failure(f"Alerts found {before:.0%} of the new fraud before the promotion, and {after:.0%} after it.")


def summarise(story: Story, days: pd.DataFrame, reports: Path, seconds: float) -> None:
    console.stdout().print()
    headings = (
        "",
        "frauds",
        "alerts",
        "average precision",
        "card precision",
        "precision",
        "recall",
        "of the new fraud",
    )
    rows = [(name, *(fraud_performance.shown(value) for value in row)) for name, row in figures(days).iterrows()]
    console.show(headings, rows, title="Means of the days; truth as labels told it")
    console.say(
        f"The new fraud: alerts found {caught(days, NEW_FRAUD, PROMOTION)} before the promotion, "
        f"{caught(days, PROMOTION, DAYS)} after it."
    )
    console.say(story.comparison["sentence"])
    for verdict, page in story.answers:
        console.say(f"{verdict.kind}: {monitoring.sentence(verdict)}{f' ({page})' if page else ''}")
    folder, mlops = reports / USE_CASE / "demo", console.command()
    rates = ", ".join(f"{rate:.0f} a second {how}" for how, rate in story.scored.items())
    console.say(f"It took {seconds / 60:.1f} minutes; payments scored: {rates} (labels included where replayed)")
    console.say(f"The picture: {folder / 'performance.png'}, the page: {folder / 'report.html'}")
    console.say(f"The alerts, with their reasons and labels: {mlops} dashboard, page Fraud")
    console.say("Both versions are rejected, so nothing deploys what learnt from a simulation.")
    console.say(
        f"The stage stays up: {mlops} undeploy {USE_CASE} --stage {STAGE} takes it down, {mlops} down all that runs."
    )
