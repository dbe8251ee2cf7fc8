"""Small tables as processing/fraud.py writes them: features, the label, and the keys that no model sees."""

from __future__ import annotations

import numpy as np
import pandas as pd

from processing.fraud_windows import FEATURES

# What the endpoint is asked with: an ordinary transaction at noon.
RECORD = {
    "amount": 40.0,
    "hour": 12,
    "night": 0,
    "weekend": 0,
    "seconds_since_last": 40_000,
    "distance_from_usual": 1.5,
    "amount_ratio": 1.0,
    **{f"customer_{days}d_count": 2 * days for days in (1, 7, 30)},
    **{f"customer_{days}d_mean_amount": 40.0 for days in (1, 7, 30)},
    **{f"terminal_{days}d_count": days for days in (1, 7, 30)},
    **{f"terminal_{days}d_risk": 0.0 for days in (1, 7, 30)},
}


def split(first_day: str, days: int = 6, a_day: int = 150, seed: int = 0) -> pd.DataFrame:
    """About 5 % fraud of two kinds: large amounts, and payments at terminals with a past."""
    random = np.random.default_rng(seed)
    rows = days * a_day
    found = {name: np.full(rows, float(value)) for name, value in RECORD.items()}
    found["hour"] = random.integers(0, 24, rows)
    found["night"] = (found["hour"] <= 6).astype(int)
    found["amount"] = random.gamma(4, 10, rows).round(2)
    found["amount_ratio"] = found["amount"] / random.uniform(20, 60, rows)
    found["distance_from_usual"] = random.gamma(2, 2, rows)
    found["seconds_since_last"] = random.integers(60, 200_000, rows)
    for name in ("customer_7d_count", "customer_30d_count", "terminal_7d_count", "terminal_30d_count"):
        found[name] = random.integers(1, 30, rows)
    scenario = random.choice([0, 1, 2], rows, p=[0.95, 0.02, 0.03])
    found["amount"][scenario == 1] += 200
    found["terminal_7d_risk"] = np.where(random.random(rows) < 0.02, 0.3, 0.0)
    found["terminal_7d_risk"][scenario == 2] = random.choice([0.0, 0.6], int((scenario == 2).sum()), p=[0.3, 0.7])
    seconds = np.sort(random.integers(0, days * 86_400, rows))
    table = pd.DataFrame(found)[list(FEATURES)]
    table["fraud"] = (scenario > 0).astype(int)
    table["transaction_id"] = np.arange(rows)
    table["transaction_time"] = (pd.Timestamp(first_day) + pd.to_timedelta(seconds, unit="s")).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )
    table["customer_id"] = random.integers(0, 60, rows)
    table["terminal_id"] = random.integers(0, 80, rows)
    table["scenario"] = scenario
    return table
