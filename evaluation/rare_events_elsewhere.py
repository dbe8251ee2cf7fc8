"""Scores from elsewhere, such as Amazon Fraud Detector's or AutoGluon's, beside this project's on the same test days.

    python evaluation/rare_events_elsewhere.py --model DIR --test DIR --scores FILE.csv --output FILE.json

`--model` and `--test` are the ensemble's model.tar.gz and the test split of a run of the pipeline. `--scores` has a row
for each transaction of it, `transaction_id` and `score`, in any unit: the higher, the more suspicious. Neither may have
seen these days or their labels.

Ranking needs scores alone. Alerts need a threshold, and theirs is set so that it gives as many alerts as ours: what is
then compared is what the same analysts find. Intervals are of whole days drawn again, the same ones for both.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import model_artifact
import numpy as np
import pandas as pd
import rare_events
import rare_events_metrics as metrics
from rare_events_metrics import Events

ID, SCORE = "transaction_id", "score"
OURS, THEIRS = "ours", "theirs"


@dataclass
class Args:
    model: Path
    """folder with model.tar.gz, or with an unpacked model"""
    test: Path
    """folder with the CSV files of the test split"""
    scores: Path
    """CSV: transaction_id, score"""
    output: Path
    """JSON to write"""
    top: int = 100
    """cards that analysts can look at a day"""
    resamples: int = 500
    """of the days"""
    seed: int = 0
    """of the draws"""


def matched(ids: pd.Series, scores: pd.DataFrame) -> np.ndarray:
    """The score of each transaction. Raises ValueError for columns, numbers or transactions that are missing."""
    if lacking := {ID, SCORE} - set(scores):
        raise ValueError(f"The scores have no column {' or '.join(sorted(lacking))}, but {', '.join(scores)}.")
    found = ids.map(scores.drop_duplicates(ID).set_index(ID)[SCORE]).to_numpy(dtype=float)
    if count := int((~np.isfinite(found)).sum()):
        first = ids[~np.isfinite(found)].iloc[0]
        raise ValueError(f"{count:,} of {len(ids):,} transactions have no score, {first} first: each needs one.")
    return found


def compare(events: Events, ours: np.ndarray, alerts: np.ndarray, theirs: np.ndarray, args: Args, cost: float) -> Any:
    """Of both: average precision, card precision and, with equally many alerts, recall and euros a day; our lead.

    Args:
        ours, theirs: scores, shape (records,).
        alerts: of the model here, bool, shape (records,).
        cost: euros of an alert.
    """
    order = np.argsort(-theirs, kind="stable")  # of equal scores those that came first
    same = np.zeros(len(events), dtype=bool)
    same[order[: int(alerts.sum())]] = True
    counts = metrics.day_counts(events.days, args.resamples, args.seed)
    found, drawn = {}, {}
    for name, scores, alert in ((OURS, ours, alerts), (THEIRS, theirs, same)):
        drawn[name] = metrics.resampled(events, scores, 0.0, counts, ranking_only=True)["average_precision"]
        value = metrics.average_precision(events.answers, scores)
        found[name] = {
            "average_precision": metrics.interval(value, drawn[name]),
            "card_precision": float(metrics.card_precision(events, scores, args.top)["card_precision"].mean()),
            "alerts": int(alert.sum()),
            "recall": float(alert[events.answers == 1].mean()),
            "cost_a_day": metrics.cost(events, alert, cost) / len(np.unique(events.days)),
        }
    difference = found[OURS]["average_precision"]["value"] - found[THEIRS]["average_precision"]["value"]
    return found | {"lead": metrics.lead(drawn[OURS], drawn[THEIRS], difference)}


def sentence(found: dict[str, Any]) -> str:
    ours, theirs, (low, high) = found[OURS], found[THEIRS], found["lead"]["interval"]
    mine, other = (each["average_precision"]["value"] for each in (ours, theirs))
    return (
        f"Average precision {mine:.3f} against {other:.3f} elsewhere, a lead of {found['lead']['difference']:+.3f} "
        f"(95 % {low:+.3f} to {high:+.3f}); card precision {ours['card_precision']:.3f} against "
        f"{theirs['card_precision']:.3f}; with {ours['alerts']:,} alerts each {ours['recall']:.0%} of the frauds "
        f"against {theirs['recall']:.0%}, {ours['cost_a_day']:,.0f} euros a day against {theirs['cost_a_day']:,.0f}."
    )


def main(args: Args) -> None:
    with tempfile.TemporaryDirectory() as workspace:
        artifact = model_artifact.load(args.model, Path(workspace))
        facts = artifact.metadata
        table = rare_events.read(args.test, facts["label"])
        test = rare_events.judge(artifact, table)
    theirs = matched(table[ID], pd.read_csv(args.scores))
    alerts = test.probability >= float(facts["threshold"])
    found = compare(test.events, test.probability, alerts, theirs, args, facts["costs"]["alert"])
    args.output.write_text(json.dumps(found, indent=2), encoding="utf-8")
    print(sentence(found))


def parse() -> Args:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "test", "scores", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name, default in (("top", 100), ("resamples", 500), ("seed", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    return Args(**vars(parser.parse_args()))


if __name__ == "__main__":
    main(parse())
