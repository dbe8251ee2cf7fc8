"""`deploy/prices.toml`: AWS's list prices, each with the date on which it was read."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "prices.toml"
_OLD = timedelta(days=365)
# Looked up where the first has none: asynchronous instances cost what real-time ones do (read for ml.g6e.2xlarge).
_LIKE = {"asynchronous": "real-time"}


@dataclass(frozen=True)
class Price:
    amount: float  # US dollars
    read: date
    source: str  # URL


@dataclass(frozen=True)
class Prices:
    region: str
    instances: dict[tuple[str, str], Price]  # (use, instance type) to an hour's
    units: dict[str, Price]  # by name, which ends with the unit

    def hour(self, use: str, instance_type: str) -> Price | None:
        """Of one instance; None where it wasn't found."""
        found = self.instances.get((use, instance_type))
        return found or (self.hour(_LIKE[use], instance_type) if use in _LIKE else None)

    def old(self, today: date) -> list[str]:
        """The prices that were read more than a year ago, each named with its date."""
        every = {**{f"{name} for {use}": each for (use, name), each in self.instances.items()}, **self.units}
        return [f"{name} ({each.read})" for name, each in every.items() if today - each.read > _OLD]


@functools.cache
def load(file: Path = FILE) -> Prices:
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    if document["currency"] != "USD":
        raise ValueError(f"{file.name} has prices in {document['currency']}, and ceilings are in US dollars.")
    instances: dict[tuple[str, str], Price] = {}
    for group in document["instances"]:
        for name, price in _prices(group, document["sources"]):
            instances |= {(use, name): price for use in group["uses"]}
    units = {name: price for group in document["units"] for name, price in _prices(group, document["sources"])}
    return Prices(document["region"], instances, units)


def _prices(group: dict[str, Any], sources: dict[str, str]) -> Iterator[tuple[str, Price]]:
    for name, amount in group.items():
        if name not in ("uses", "read", "source"):
            yield name, Price(float(amount), group["read"], sources[group["source"]])
