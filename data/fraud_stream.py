"""What happens after the data set's last day: transactions of the same customers at the same terminals, for a stream.

Customers and terminals are those of `data.fraud`, their payments other ones. A drift begins with the first of these
days: `concept`, a fraud that was not there before, or `covariate`, customers on holiday (see `fraud_simulation`).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pandas as pd

from data.fraud import SIMULATION
from data.fraud_simulation import Simulation, simulate

DRIFTS = ("concept", "covariate")
KEY = "customer_id"  # whose order a stream keeps
ID, TIME = "transaction_id", "transaction_time"
LABELS = ("fraud", "scenario")  # what no record says
_SETTLED = 28  # days that a fraud lasts at most; before the first one that is taken


def events(count: int, seed: int = 0, drift: str = "", base: Simulation = SIMULATION) -> pd.DataFrame:
    """`count` transactions in their order, the columns of `fraud_simulation`. Raises ValueError for another drift.

    `seed` says which day after the data set's last one they begin with, so that two seeds give different ones.
    """
    if drift not in ("", *DRIFTS):
        raise ValueError(f"A drift is {' or '.join(DRIFTS)}, not {drift!r}.")
    if count < 1 or seed < 0:
        raise ValueError(f"{count} transactions of seed {seed}: at least 1, of at least 0, are needed.")
    first = base.days + _SETTLED * (seed % 13)
    days = math.ceil(count / (1.5 * base.customers)) + 1  # about two payments a customer a day
    begins: dict[str, Any] = {f"{drift}_drift_day": first} if drift else {}
    while True:
        table = simulate(replace(base, days=first + days, label_delay=-1, **begins))
        start = pd.Timestamp(base.start) + pd.Timedelta(days=first)
        found = table[table[TIME] >= start]
        if len(found) >= count:
            return found.head(count).reset_index(drop=True)
        days *= 2
