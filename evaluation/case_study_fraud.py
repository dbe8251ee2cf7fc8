"""Card payments: how rare fraud is, how fast customers pay, where, how much, and what each kind of fraud looks like.

Of a table with the columns COLUMNS only; `scenario`, which a simulation knows and no bank does, makes the last section.
All rows count: a few columns of them are in memory, 8 bytes a value.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from analysis_report import Table
from case_study_fraud_charts import (
    FEWEST,
    banded,
    boxes,
    counted,
    histogram,
    hours,
    map_of_payments,
    map_of_terminals,
    over_days,
    rates,
    shares_of_both,
)
from case_study_section import Section
from case_study_table import CaseTable

COLUMNS = ("transaction_time", "customer_id", "terminal_id", "amount", "x", "y", "fraud")
SCENARIOS = {
    0: ("genuine", ""),
    1: ("large amounts", "every payment over a limit"),
    2: ("compromised terminals", "all payments at a terminal, for weeks"),
    3: ("stolen credentials", "some payments of a customer, of several times the amount, for days"),
    4: ("card tests", "bursts of tiny payments at night, far from home"),
}
AMOUNTS = (0, 5, 10, 25, 50, 75, 100, 150, 220, np.inf)  # euros
RATIOS = (0, 0.25, 0.5, 1, 1.5, 2, 3, 4, 5, np.inf)  # of a customer's mean so far
DISTANCES = (0, 1, 2, 3, 4, 5, 7, 10, 20, np.inf)  # kilometres
COUNTS = (1, 2, 3, 4, 5, 6, 8, 11)  # payments of a day
MINUTE, HOUR, DAY = 60, 3_600, 86_400
GAPS = {
    "< 5 min": 5 * MINUTE,
    "< 1 h": HOUR,
    "< 6 h": 6 * HOUR,
    "< 1 day": DAY,
    "< 2 days": 2 * DAY,
    "< 7 days": 7 * DAY,
    "longer, or none": np.inf,
}
RUN = 5  # payments at a terminal in a week, from which its worst week is told
HALF = 0.5
QUANTILES = (0.01, 0.25, 0.5, 0.75, 0.99)
KEPT = "payments"  # in the facts, for the sections after the first
SIMULATED = (
    "The column scenario says by which rule each fraud was made: this is a simulation, no bank's data. What these "
    "sections find are the rules that it was made by."
)


def payments(table: CaseTable, facts: dict[str, Any]) -> pd.DataFrame | None:
    """All rows by customer and time, `fraud` as 0.0 or 1.0, with what the customer did before; None of another table.

    `last` are the seconds since the customer's last payment, `day` how many there were in 24 hours with this one,
    `usual` the customer's mean amount before it, `away` the kilometres from the mean place before it.
    """
    if KEPT in facts:
        return facts[KEPT]
    if not set(COLUMNS) <= set(table.columns) or table.columns["transaction_time"] != "time":
        return None
    names = [*COLUMNS, *(["scenario"] if "scenario" in table.columns else [])]
    found = pd.DataFrame({name: table.column(name) for name in names}).dropna()
    found["fraud"] = found["fraud"].astype(float)
    if not found["fraud"].isin([0, 1]).all() or found["fraud"].nunique() < 2:
        return None
    ordered = found.sort_values(["customer_id", "transaction_time"], ignore_index=True, kind="stable")
    facts[KEPT] = with_past(ordered)
    return facts[KEPT]


def with_past(ordered: pd.DataFrame) -> pd.DataFrame:
    time = ordered["transaction_time"].to_numpy().astype("datetime64[s]").astype(np.int64)
    owner = ordered["customer_id"].ne(ordered["customer_id"].shift()).cumsum().to_numpy()
    grouped = ordered.groupby(owner)
    before = grouped.cumcount().to_numpy()
    keys = owner * (np.ptp(time) + 2 * DAY) + time - time.min()
    sums = {name: grouped[name].cumsum().to_numpy() - ordered[name].to_numpy() for name in ("amount", "x", "y")}
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = {name: np.where(before > 0, total / before, np.nan) for name, total in sums.items()}
    return ordered.assign(
        last=np.where(before > 0, np.diff(time, prepend=time[:1]), np.nan),
        day=np.arange(len(time)) + 1 - np.searchsorted(keys, keys - DAY, side="right"),
        usual=mean["amount"],
        away=np.hypot(ordered["x"] - mean["x"], ordered["y"] - mean["y"]),
    )


def fraud_classes(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    found = payments(table, facts)
    if found is None:
        return None
    fraud, days = found["fraud"], found["transaction_time"].dt.normalize()
    daily = fraud.groupby(days).agg(["sum", "size"])
    share, stolen, money = fraud.mean(), (found["amount"] * fraud).sum(), found["amount"].sum()
    totals = [("payments", len(found), fraud.sum()), ("euros", money, stolen)]
    rows = [
        (
            name,
            f"{all_:,.0f}",
            f"{bad:,.0f}",
            f"{bad / all_:.2%}",
            f"{all_ / len(daily):,.0f}",
            f"{bad / len(daily):,.1f}",
        )
        for name, all_, bad in totals
    ]
    for name, column in (("customers", "customer_id"), ("terminals", "terminal_id")):
        all_, hit = found[column].nunique(), found.loc[fraud == 1, column].nunique()
        daily_all, daily_hit = (part.groupby(days)[column].nunique().mean() for part in (found, found[fraud == 1]))
        rows.append((name, f"{all_:,}", f"{hit:,}", f"{hit / all_:.2%}", f"{daily_all:,.0f}", f"{daily_hit:,.1f}"))
    columns = ["", "all", "with fraud", "share", "all, a day", "with fraud, a day"]
    text = [
        f"Who calls every payment genuine is right in {1 - share:.1%} of them, so accuracy says nothing here. What "
        f"does: average precision, which is {share:.3f} for a model that guesses, and the precision among as many "
        "alerts a day as people can look at.",
    ]
    finding = (
        f"{share:.2%} of {len(found):,} payments are fraud, {daily['sum'].mean():.0f} of {daily['size'].mean():,.0f} a "
        f"day; {stolen / money:.1%} of the money."
    )
    charts = [
        over_days("Payments a day", daily.index, {"payments": daily["size"]}, "payments a day"),
        over_days("Frauds a day", daily.index, {"frauds": daily["sum"]}, "frauds a day"),
    ]
    tables = [Table("How much there is of it", columns, rows, whole=True)]
    warnings = [SIMULATED] if "scenario" in found else []
    return Section("fraud-classes", "Fraud: how rare it is", text, tables, charts, [finding], warnings)


def fraud_velocity(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    found = payments(table, facts)
    if found is None:
        return None
    gaps = pd.cut(found["last"].fillna(np.inf), [-1, *GAPS.values()], labels=list(GAPS))
    days = (found["transaction_time"].max() - found["transaction_time"].min()) / pd.Timedelta(days=1)
    charts = [
        histogram(
            "Payments a day of a customer", found.groupby("customer_id").size() / days, "payments a day", "customers"
        ),
        shares_of_both("Time since the customer's last payment", found["fraud"], gaps),
        rates("Fraud by time since the customer's last payment", found["fraud"], gaps),
        rates("Fraud by payments of the customer in 24 hours", found["fraud"], counted(found["day"], COUNTS)),
    ]
    middle = found.groupby("fraud")["last"].median() / HOUR
    fast = found["last"] < GAPS["< 5 min"]
    findings = [
        f"The median time since the customer's last payment is {middle[1.0]:.1f} hours for a fraud and "
        f"{middle[0.0]:.1f} for a genuine payment.",
        f"{int(fast.sum()):,} payments come within five minutes of the customer's last one"
        + (f"; {found.loc[fast, 'fraud'].mean():.2%} of them are fraud." if fast.sum() >= FEWEST else "."),
    ]
    text = ["Velocity: how fast payments of one customer follow each other, and how many there are within a day."]
    return Section("fraud-velocity", "Fraud: velocity of payments", text, [], charts, findings)


def fraud_places(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    found = payments(table, facts)
    if found is None:
        return None
    first = {"x": ("x", "first"), "y": ("y", "first")}
    terminals = found.groupby("terminal_id").agg(**first, payments=("fraud", "size"), frauds=("fraud", "sum"))
    worst = worst_weeks(found)
    hit = terminals.index.isin(worst.index[worst > HALF])
    charts = [
        map_of_terminals(terminals, hit),
        map_of_payments(found),
        rates(
            "Fraud by distance from the customer's usual place", found["fraud"], banded(found["away"], DISTANCES, " km")
        ),
    ]
    share = terminals.loc[hit, "frauds"].sum() / found["fraud"].sum()
    middle = found.groupby("fraud")["away"].median()
    findings = [
        f"{int(hit.sum())} of {len(terminals):,} terminals have a week in which more than half of at least {RUN} "
        f"payments are fraud; {share:.0%} of all fraud is theirs.",
        f"The median distance from the customer's usual place is {middle[1.0]:.1f} km for a fraud and "
        f"{middle[0.0]:.1f} km for a genuine payment.",
    ]
    text = [
        "A terminal's place is known; a customer's is the mean of those where the customer paid before. Terminals are "
        "marked by their worst week, as one that is compromised for a while is good before and after."
    ]
    return Section("fraud-places", "Fraud: places", text, [], charts, findings)


def worst_weeks(found: pd.DataFrame) -> pd.Series:
    """The greatest share of fraud that each terminal had in a week of at least RUN payments."""
    weeks = found["transaction_time"].dt.to_period("W")
    shares = found.groupby(["terminal_id", weeks])["fraud"].agg(["size", "mean"])
    return shares.loc[shares["size"] >= RUN, "mean"].groupby("terminal_id").max()


def fraud_amounts(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    found = payments(table, facts)
    if found is None:
        return None
    ratio = found["amount"] / found["usual"]
    groups = {name: found.loc[found["fraud"] == label, "amount"] for name, label in (("genuine", 0), ("fraud", 1))}
    rows = [
        (name, f"{len(each):,}", *(f"{each.quantile(share):,.2f}" for share in QUANTILES), f"{each.max():,.2f}")
        for name, each in groups.items()
    ]
    columns = ["", "payments", *(f"{share:.0%}" for share in QUANTILES), "most"]
    charts = [
        histogram("Amounts of genuine payments", groups["genuine"], "euros", "payments"),
        boxes("Amounts", groups, "euros"),
        rates("Fraud by amount", found["fraud"], banded(found["amount"], AMOUNTS, " €")),
        rates("Fraud by amount against the customer's mean so far", found["fraud"], banded(ratio, RATIOS, "×")),
    ]
    times = ratio.groupby(found["fraud"]).median()
    findings = [
        f"The median amount is {groups['fraud'].median():.2f} euros for a fraud and {groups['genuine'].median():.2f} "
        f"for a genuine payment: {times[1.0]:.2f} and {times[0.0]:.2f} times the customer's mean before."
    ]
    text = ["Amounts in euros. Beside the customer's own mean, a large amount of somebody who pays much is none."]
    tables = [Table("Amounts in euros: quantiles", columns, rows, whole=True)]
    return Section("fraud-amounts", "Fraud: amounts", text, tables, charts, findings)


def fraud_scenarios(table: CaseTable, facts: dict[str, Any]) -> Section | None:
    found = payments(table, facts)
    if found is None or "scenario" not in found:
        return None
    kinds = [int(each) for each in sorted(found["scenario"].unique())]
    named = {kind: SCENARIOS.get(kind, (f"scenario {kind}", ""))[0] for kind in kinds}
    of = found["scenario"].map(named)
    weeks = pd.crosstab(found["transaction_time"].dt.to_period("W").dt.start_time, of)
    frauds = found["scenario"].value_counts().drop(0, errors="ignore")
    ratio = found["amount"] / found["usual"]
    charts = [
        over_days(
            "Frauds a week, by scenario",
            weeks.index,
            {named[kind]: weeks[named[kind]] for kind in kinds if kind},
            "frauds",
        ),
        boxes(
            "Amount against the customer's mean so far",
            {named[kind]: ratio[found["scenario"] == kind] for kind in kinds},
            "times the mean",
        ),
        hours(found["transaction_time"], of, list(named.values())),
    ]
    rows = [described(found[found["scenario"] == kind], kind, named[kind]) for kind in kinds]
    columns = ["scenario", "what it is", "payments", "median €", "customers", "terminals", "before 7 h", "km away"]
    note = "Median amounts, and median distances from the customer's usual place."
    findings = [f"{named[int(frauds.idxmax())].capitalize()} are {frauds.max() / frauds.sum():.0%} of the fraud."]
    tables = [Table("Scenarios", columns, rows, note, whole=True)]
    return Section("fraud-scenarios", "Fraud: patterns by scenario", [SIMULATED], tables, charts, findings)


def described(part: pd.DataFrame, kind: int, name: str) -> tuple[str, ...]:
    return (
        name,
        SCENARIOS.get(kind, ("", ""))[1],
        f"{len(part):,}",
        f"{part['amount'].median():,.2f}",
        f"{part['customer_id'].nunique():,}",
        f"{part['terminal_id'].nunique():,}",
        f"{(part['transaction_time'].dt.hour < 7).mean():.1%}",
        f"{part['away'].median():.1f}",
    )
