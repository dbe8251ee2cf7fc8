"""A challenger in shadow against the champion, on the same labelled transactions.

    python evaluation/rare_events_challenger.py --answers FILE.parquet --output FILE.json [--resamples 500]

The file has a row a transaction: `card` (whose), `truth` (1 or 0), `amount`, and of each of the two `champion` and
`challenger` (probabilities), `champion_alert` and `challenger_alert` (0 or 1). Both were asked the same.

Better means: the lead in average precision is above 0 beyond chance, the lower end of its 95 % interval being above it.
Resamples draw whole cards, as the frauds of one card are one affair; both models are judged on the same ones.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import classification_metrics
import numpy as np
import pandas as pd
import rare_events_metrics as metrics

BOTH = ("champion", "challenger")
FEWEST = 20  # frauds: with fewer nothing is decided
AT_ONCE = 4_000_000  # weights held in memory at a time: 32 MB


@dataclass
class Args:
    answers: Path
    """parquet of answers and truth"""
    output: Path
    """JSON to write"""
    resamples: int = 500
    """of the cards"""
    seed: int = 0
    """of the draws"""


def compare(table: pd.DataFrame, resamples: int = 500, seed: int = 0) -> dict[str, Any]:
    """Both models' average precision, precision and recall of their alerts and missed amounts, and the `lead`."""
    truth = table["truth"].to_numpy(int)
    values = {
        name: metrics.average_precision(truth, table[name].to_numpy(float)) if truth.any() else 0.0 for name in BOTH
    }
    found: dict[str, Any] = {
        "transactions": len(table),
        "frauds": int(truth.sum()),
        **{name: {"average_precision": values[name], **alerts(table, name)} for name in BOTH},
    }
    if found["frauds"] < FEWEST:
        return found | {
            "better": None,
            "sentence": f"{found['frauds']} frauds among them: {FEWEST} are needed to decide.",
        }
    drawn = resampled(table, resamples, seed)
    lead = metrics.lead(drawn["challenger"], drawn["champion"], values["challenger"] - values["champion"])
    better = lead["interval"][0] > 0
    return found | {"lead": lead, "better": better, "sentence": sentence(found, lead, better)}


def alerts(table: pd.DataFrame, name: str) -> dict[str, float]:
    truth, alert = table["truth"].to_numpy(int), table[f"{name}_alert"].to_numpy(int)
    caught = int((truth * alert).sum())
    return {
        "alerts": int(alert.sum()),
        "precision": caught / max(1, int(alert.sum())),
        "recall": caught / max(1, int(truth.sum())),
        "missed": float(table["amount"].to_numpy(float)[(truth == 1) & (alert == 0)].sum()),
    }


def resampled(table: pd.DataFrame, resamples: int, seed: int) -> dict[str, np.ndarray]:
    """Average precision on each resample, arrays of shape (resamples,)."""
    truth, places = table["truth"].to_numpy(int), pd.factorize(table["card"])[0]
    cards = int(places.max()) + 1
    counts = np.random.default_rng(seed).multinomial(cards, np.full(cards, 1 / cards), size=resamples)
    at_once = max(1, AT_ONCE // len(table))
    parts: dict[str, list[np.ndarray]] = {name: [] for name in BOTH}
    for start in range(0, resamples, at_once):
        weights = counts[start : start + at_once][:, places].astype(float)
        for name in BOTH:
            ranked = classification_metrics.ranking(truth, table[name].to_numpy(float), weights)
            parts[name].append(ranked["average_precision"])
    return {name: np.concatenate(each) for name, each in parts.items()}


def sentence(found: dict[str, Any], lead: dict[str, Any], better: bool) -> str:
    low, high = lead["interval"]
    ours, theirs = found["challenger"], found["champion"]
    verdict = "The challenger is better" if better else "The challenger is not shown to be better"
    return (
        f"{verdict}: average precision {ours['average_precision']:.3f} against {theirs['average_precision']:.3f} on "
        f"the same {found['transactions']:,} transactions with {found['frauds']} frauds, a lead of "
        f"{lead['difference']:+.3f} (95 % {low:+.3f} to {high:+.3f}); its alerts find {ours['recall']:.0%} of the "
        f"frauds, the champion's {theirs['recall']:.0%}."
    )


def main(args: Args) -> None:
    found = compare(pd.read_parquet(args.answers), args.resamples, args.seed)
    args.output.write_text(json.dumps(found, indent=2), encoding="utf-8")
    print(found["sentence"])


def parse() -> Args:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    return Args(**vars(parser.parse_args()))


if __name__ == "__main__":
    main(parse())
