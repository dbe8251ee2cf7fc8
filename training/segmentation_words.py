"""Segments in a manager's words: a name and a sentence for each, from what its customers are like among all of them.

A segment is low, middling or high in a column as its median customer is among the lower, middle or upper third of all.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

LOW, MIDDLE, HIGH = "low", "middle", "high"
RECENCY = {LOW: "Active", MIDDLE: "Cooling", HIGH: "Lapsed"}
MONEY = {LOW: "small-spending", MIDDLE: "", HIGH: "big-spending"}
ORDERS = {LOW: "occasional buyers", MIDDLE: "repeat buyers", HIGH: "regulars"}
ONCE = "one-time buyers"
NOBODY = "Like nobody else"


def profiles(table: pd.DataFrame, labels: np.ndarray) -> dict[int, dict[str, float]]:
    """By segment: `customers`, `share` of them, `money_share`, and the medians of the columns."""
    total = table["monetary"].sum() or 1.0
    return {
        int(label): {
            "customers": len(rows),
            "share": len(rows) / len(table),
            "money_share": float(rows["monetary"].sum() / total),
            **{name: float(rows[name].median()) for name in table.columns},
        }
        for label, rows in table.groupby(labels)
    }


def levels(profile: Mapping[str, float], table: pd.DataFrame) -> dict[str, str]:
    """Low, middle or high by column; of equal values, such as the many with one order, half count as lower."""
    found = {}
    for name in table.columns:
        below = float((table[name] < profile[name]).mean() + (table[name] == profile[name]).mean() / 2)
        found[name] = LOW if below < 1 / 3 else HIGH if below > 2 / 3 else MIDDLE
    return found


def names(found: Mapping[int, Mapping[str, float]], table: pd.DataFrame) -> dict[int, str]:
    """Distinct ones; two segments of the same levels are told apart by a number, the more valuable first."""
    plain = {label: name(label, profile, levels(profile, table)) for label, profile in found.items()}
    told: dict[int, str] = {}
    for label in sorted(plain, key=lambda each: -found[each]["monetary"]):
        alike = sum(plain[each] == plain[label] for each in told)
        told[label] = f"{plain[label]} {alike + 1}" if alike else plain[label]
    return told


def name(label: int, profile: Mapping[str, float], level: Mapping[str, str]) -> str:
    if label < 0:
        return NOBODY
    orders = ONCE if profile["frequency"] <= 1 else ORDERS[level["frequency"]]
    return " ".join(filter(None, [RECENCY[level["recency"]], MONEY[level["monetary"]], orders]))


def sentence(profile: Mapping[str, float], level: Mapping[str, str], currency: str) -> str:
    orders = "one order" if profile["frequency"] <= 1 else f"{profile['frequency']:.0f} orders"
    return (
        f"{profile['customers']:,.0f} customers ({profile['share']:.0%}) bring {profile['money_share']:.0%} of the "
        f"money. The typical one last ordered {profile['recency']:,.0f} days ago, placed {orders} and spent "
        f"{currency}{profile['monetary']:,.0f}. {advice(level)}"
    )


def advice(level: Mapping[str, str]) -> str:
    valuable = HIGH in (level["frequency"], level["monetary"])
    if level["recency"] == HIGH:
        return "Win them back first." if valuable else "A cheap reminder, and no more, is worth it."
    if level["recency"] == MIDDLE:
        return "Reach them before they are gone." if valuable else "Give them a reason for the next order."
    return "Keep them: losing one of these costs most." if valuable else "They come along well: make them regulars."
