"""Card transactions that never happened: customers, terminals and three kinds of fraud, the same for the same seed.

    python -m data.fraud_simulation FILE.parquet [--customers 5000] [--days 180] [--seed 0] [--concept-drift-day 90] …

Written anew after what the Fraud Detection Handbook says of its simulator (Le Borgne, Siblini, Lebichot and Bontempi,
2022, chapter 3, "Transaction data simulator"):

- A customer lives somewhere on a square map, pays 0 to 4 times a day on average (a Poisson number) and between 5 and
  100 euros on average (normal, with half of that as standard deviation; a negative draw becomes a uniform one from 0
  to twice the mean), at about noon (normal, with 20,000 seconds; what falls outside the day does not take place).
- Terminals are spread evenly over the map. A customer pays at those within a radius of home, each as likely. Here a
  customer without any pays at the nearest one; the Handbook's pays nothing.
- Fraud, of which a later kind overwrites an earlier one: 1, every amount over 220 euros; 2, each day two of 10,000
  terminals are compromised, and whatever is paid there for 28 days is fraud; 3, each day the credentials of three of
  5,000 customers are stolen, and for 14 days a third of their payments is fraud, of five times the amount.

Three things can be switched on. Nothing changes before the day from which one holds: a switch draws from a sequence of
its own.

- Covariate drift, a holiday season: from `covariate_drift_day` on customers pay four hours later in the day, up to
  three times as far from home, and 20 % less at a time. What is fraud stays the same.
- Concept drift, a fraud that was not there: from `concept_drift_day` on thieves test stolen card numbers (scenario 4).
  Each day cards of two of 5,000 customers are tried 6 to 14 times within minutes at night, at one group of five
  terminals at least 30 km from home, with 0.50 to 5 euros: no single amount is suspicious, and the customers'
  own payments go on.
- Label delay: with `label_delay` the table says when each label is known (`labelled_at`): a fraud's some time after its
  first day and at most that many days after the transaction, a genuine one's when these days are over.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

VERSION = "1"  # of what a seed makes: a change of any value in a table is a new version
DAY = 86_400
MAP_SIDE = 100.0  # kilometres
LARGE_AMOUNT = 220.0
COMPROMISED_A_DAY, COMPROMISED_DAYS = 2 / 10_000, 28  # a terminal's chance, and for how long
STOLEN_A_DAY, STOLEN_DAYS = 3 / 5_000, 14  # a customer's
STOLEN_SHARE, STOLEN_FACTOR = 1 / 3, 5.0
TESTED_A_DAY = 2 / 5_000
FAR = 30.0  # kilometres
HOLIDAY_LATER, HOLIDAY_RADIUS, HOLIDAY_AMOUNT = 4 * 3600, 3.0, 0.8
COLUMNS = ("transaction_id", "transaction_time", "customer_id", "terminal_id", "amount", "x", "y", "fraud", "scenario")


@dataclass(frozen=True)
class Simulation:
    customers: int = 5_000
    """people with a card each"""
    terminals: int = 10_000
    """where they pay"""
    days: int = 180
    """from the start"""
    start: str = "2026-01-05"
    """the first day, UTC; a Monday"""
    radius: float = 5.0
    """kilometres from home within which a customer pays"""
    seed: int = 0
    """the same seed makes the same table"""
    covariate_drift_day: int = -1
    """day, from 0, from which customers behave as on holiday; -1: never"""
    concept_drift_day: int = -1
    """day, from 0, from which scenario 4 appears; -1: never"""
    fraud_rate: float = 1.0
    """how many times the Handbook's number of terminals are compromised and credentials are stolen"""
    tests_rate: float = 1.0
    """how many times the number above of cards are tried in scenario 4"""
    label_delay: int = -1
    """days until every label is known, as the column labelled_at; -1: no such column"""


@dataclass(frozen=True)
class Profiles:
    """What customers and terminals are like: an array each, a place in kilometres."""

    home: np.ndarray  # customers × 2
    mean_amount: np.ndarray
    daily_payments: np.ndarray
    terminals: np.ndarray  # terminals × 2, to 100 metres


@dataclass(frozen=True)
class Payments:
    """Transactions, not yet in order: an array each."""

    customer: np.ndarray
    terminal: np.ndarray
    time: np.ndarray  # seconds since the start
    amount: np.ndarray
    scenario: np.ndarray

    @property
    def day(self) -> np.ndarray:
        return self.time // DAY


def simulate(wanted: Simulation) -> pd.DataFrame:
    """COLUMNS, and `labelled_at` if asked for, by time. Raises ValueError for numbers that make no table."""
    check(wanted)
    # One sequence for each part: what is switched on leaves the draws of the others alone.
    profile_draws, payment_draws, fraud_draws, test_draws, label_draws = (
        np.random.default_rng(each) for each in np.random.SeedSequence(wanted.seed).spawn(5)
    )
    profiles = draw_profiles(wanted, profile_draws)
    payments = with_fraud(draw_payments(wanted, profiles, payment_draws), wanted, fraud_draws)
    if 0 <= wanted.concept_drift_day < wanted.days:
        payments = joined(payments, card_tests(wanted, profiles, test_draws))
    table = as_table(payments, wanted, profiles)
    if wanted.label_delay >= 0:
        table["labelled_at"] = labelled_at(table, wanted.label_delay, label_draws)
    return table


def check(wanted: Simulation) -> None:
    for name in ("customers", "terminals", "days"):
        if getattr(wanted, name) < 1:
            raise ValueError(f"{name} = {getattr(wanted, name)}: at least 1 is needed.")
    if not 0 < wanted.radius <= MAP_SIDE:
        raise ValueError(f"radius = {wanted.radius}: more than 0 and at most {MAP_SIDE:.0f} km are needed.")
    for name in ("fraud_rate", "tests_rate"):
        if not 0 <= getattr(wanted, name) <= 100:
            raise ValueError(f"{name} = {getattr(wanted, name)}: from 0 to 100 is needed.")


def draw_profiles(wanted: Simulation, draws: np.random.Generator) -> Profiles:
    return Profiles(
        home=draws.uniform(0, MAP_SIDE, (wanted.customers, 2)),
        mean_amount=draws.uniform(5, 100, wanted.customers),
        daily_payments=draws.uniform(0, 4, wanted.customers),
        terminals=draws.uniform(0, MAP_SIDE, (wanted.terminals, 2)).round(1),
    )


def draw_payments(wanted: Simulation, profiles: Profiles, draws: np.random.Generator) -> Payments:
    """All that customers themselves pay."""
    numbers = draws.poisson(profiles.daily_payments[:, None], (wanted.customers, wanted.days))
    customer = np.repeat(np.arange(wanted.customers), numbers.sum(axis=1))
    day = np.repeat(np.tile(np.arange(wanted.days), wanted.customers), numbers.ravel())
    second = draws.normal(DAY / 2, 20_000, len(day)).astype(np.int64)
    mean = profiles.mean_amount[customer]
    amount = draws.normal(mean, mean / 2)
    amount = np.where(amount < 0, draws.uniform(0, 2 * mean), amount)
    chance = draws.random(len(day))
    terminal = chosen(customer, chance, within_reach(profiles, wanted.radius))
    takes_place = (second > 0) & (second < DAY)
    if wanted.covariate_drift_day >= 0:
        holiday = day >= wanted.covariate_drift_day
        second = np.where(holiday, (second + HOLIDAY_LATER) % DAY, second)
        amount = np.where(holiday, amount * HOLIDAY_AMOUNT, amount)
        farther = within_reach(profiles, wanted.radius * HOLIDAY_RADIUS)
        terminal[holiday] = chosen(customer[holiday], chance[holiday], farther)
    payments = Payments(customer, terminal, day * DAY + second, amount, np.zeros(len(day), dtype=np.int64))
    return taken(payments, takes_place)


def within_reach(profiles: Profiles, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Terminals of each customer, one customer after the other, and how many each has; at least the nearest one."""
    tree = cKDTree(profiles.terminals)
    near = tree.query_ball_point(profiles.home, radius, return_sorted=True)
    nearest = tree.query(profiles.home)[1]
    lists = [each or [int(nearest[customer])] for customer, each in enumerate(near)]
    return np.concatenate(lists).astype(np.int64), np.array([len(each) for each in lists])


def chosen(customer: np.ndarray, chance: np.ndarray, reach: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """A terminal for each payment; `chance` from 0 to 1 says which of the customer's."""
    terminals, numbers = reach
    first = np.cumsum(numbers) - numbers
    return terminals[first[customer] + (chance * numbers[customer]).astype(np.int64)]


def with_fraud(payments: Payments, wanted: Simulation, draws: np.random.Generator) -> Payments:
    amount, day = payments.amount.copy(), payments.day
    scenario = np.where(cents(amount) > round(LARGE_AMOUNT * 100), 1, 0)
    chance = COMPROMISED_A_DAY * wanted.fraud_rate
    compromised = affected(wanted.terminals, wanted.days, chance, COMPROMISED_DAYS, draws)
    scenario[compromised[payments.terminal, day]] = 2
    stolen = affected(wanted.customers, wanted.days, STOLEN_A_DAY * wanted.fraud_rate, STOLEN_DAYS, draws)
    misused = stolen[payments.customer, day] & (draws.random(len(day)) < STOLEN_SHARE)
    scenario[misused] = 3
    amount[misused] *= STOLEN_FACTOR
    return Payments(payments.customer, payments.terminal, payments.time, amount, scenario)


def affected(members: int, days: int, chance: float, lasting: int, draws: np.random.Generator) -> np.ndarray:
    """Members × days of truths: each day `chance` of the members begin to be affected, for `lasting` days.

    The numbers are the Handbook's at its size and in proportion at others: of 0.4 a day two in five days.
    """
    found = np.zeros((members, days), dtype=bool)
    for day, number in enumerate(a_day(members * chance, days)):
        who = draws.choice(members, min(number, members), replace=False)
        found[who, day : day + lasting] = True
    return found


def a_day(mean: float, days: int) -> list[int]:
    """Whole numbers whose sum after each day is the mean's, rounded to the nearest."""
    sums = np.floor(mean * np.arange(days + 1) + 0.5).astype(int)
    return [int(number) for number in np.diff(sums)]


def card_tests(wanted: Simulation, profiles: Profiles, draws: np.random.Generator) -> Payments:
    """Scenario 4, which comes on top of what customers pay."""
    days = wanted.days - wanted.concept_drift_day
    numbers = a_day(wanted.customers * TESTED_A_DAY * wanted.tests_rate, days)
    begins = np.repeat(np.arange(days), numbers) + wanted.concept_drift_day
    bursts = len(begins)
    victim = draws.integers(wanted.customers, size=bursts)
    used = far_terminals(profiles, victim, draws)
    sizes = draws.integers(6, 15, bursts)
    burst = np.repeat(np.arange(bursts), sizes)
    first = begins * DAY + draws.integers(1, 5 * 3600, bursts)
    steps = draws.integers(20, 181, len(burst))
    so_far, starts = np.cumsum(steps), np.cumsum(sizes) - sizes
    since = so_far - np.repeat(so_far[starts] - steps[starts], sizes)
    return Payments(
        customer=victim[burst],
        terminal=used[burst, draws.integers(used.shape[1], size=len(burst))],
        time=first[burst] + since,
        amount=draws.uniform(0.5, 5, len(burst)),
        scenario=np.full(len(burst), 4),
    )


def far_terminals(profiles: Profiles, victim: np.ndarray, draws: np.random.Generator, group: int = 5) -> np.ndarray:
    """For each burst the terminals of one group, which stand together at least FAR from the victim's home."""
    tree = cKDTree(profiles.terminals)
    groups = tree.query(profiles.terminals, k=min(group, len(profiles.terminals)))[1].reshape(
        len(profiles.terminals), -1
    )
    found = np.empty((len(victim), groups.shape[1]), dtype=np.int64)
    for burst, customer in enumerate(victim):
        distance = np.hypot(*(profiles.terminals - profiles.home[customer]).T)
        far = np.flatnonzero(distance >= FAR)
        centre = draws.choice(far) if len(far) else distance.argmax()
        found[burst] = groups[centre]
    return found


def joined(first: Payments, second: Payments) -> Payments:
    return Payments(
        *(np.concatenate([getattr(each, field.name) for each in (first, second)]) for field in fields(Payments))
    )


def taken(payments: Payments, rows: np.ndarray) -> Payments:
    return Payments(*(getattr(payments, field.name)[rows] for field in fields(Payments)))


def as_table(payments: Payments, wanted: Simulation, profiles: Profiles) -> pd.DataFrame:
    ordered = taken(payments, np.argsort(payments.time, kind="stable"))
    place = profiles.terminals[ordered.terminal]
    start = np.datetime64(wanted.start, "us")
    return pd.DataFrame(
        {
            "transaction_id": np.arange(len(ordered.time)),
            "transaction_time": start + ordered.time.astype("timedelta64[s]"),
            "customer_id": ordered.customer,
            "terminal_id": ordered.terminal,
            "amount": np.maximum(cents(ordered.amount), 1) / 100,
            "x": place[:, 0],
            "y": place[:, 1],
            "fraud": (ordered.scenario > 0).astype(np.int64),
            "scenario": ordered.scenario,
        }
    )


def cents(amount: np.ndarray) -> np.ndarray:
    return np.rint(amount * 100).astype(np.int64)


def labelled_at(table: pd.DataFrame, days: int, draws: np.random.Generator) -> pd.Series:
    """When it is known whether a transaction was fraud; never more than `days` after it."""
    reported = np.minimum(DAY, days * DAY) + draws.random(len(table)) * max(0, days - 1) * DAY
    after = np.where(table["fraud"] == 1, reported, days * DAY).astype(np.int64)
    return table["transaction_time"] + after.astype("timedelta64[s]")


def parse(argv: list[str] | None = None) -> tuple[Path, Simulation]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="parquet to write")
    for field in fields(Simulation):
        flag = "--" + field.name.replace("_", "-")
        parser.add_argument(flag, dest=field.name, type=type(field.default), default=field.default)  # type: ignore[arg-type]
    found = vars(parser.parse_args(argv))
    return found.pop("file"), Simulation(**found)


def main() -> None:
    path, wanted = parse()
    table = simulate(wanted)
    table.to_parquet(path, index=False)
    print(f"{path}: {len(table):,} simulated transactions, {table['fraud'].mean():.2%} of them fraud.")


if __name__ == "__main__":
    main()
