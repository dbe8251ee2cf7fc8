"""Scored transactions and what became of them, day by day, from the table of scores (deploy/streams.py).

Analysts say of some alerts what they were, chargebacks name the frauds. Nobody says of a payment that it was genuine:
it counts as that once LABEL_DELAY has passed without a word, and until then its truth is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from deploy import streams
from deploy.fraud_labels import plain
from processing import fraud_outcomes
from processing.fraud_outcomes import days as days
from processing.fraud_windows import FIELDS, LABEL_DELAY

Item = dict[str, Any]  # of the table, numbers as Decimal
KEPT = (*FIELDS, "score", "alert", "model", "label", "labelled_by")


def read(dynamodb: Any, table: str, days: Iterable[str], alerts: bool = False) -> Iterator[Item]:
    """KEPT of every transaction of the days (YYYY-MM-DD, of transaction_time), in the order in which they were scored;
    of alerts only, if wanted.

    Raises ClientError.
    """
    index, key = (streams.ALERTS_BY_DAY, "alert_day") if alerts else (streams.BY_DAY, fraud_outcomes.DAY)
    for day in days:
        yield from map(plain, fraud_outcomes.items(dynamodb, table, day, KEPT, index, key))


def truth(item: Mapping[str, Any], as_of: datetime) -> int | None:
    """1 fraud, 0 genuine, None while it is unknown."""
    return fraud_outcomes.truth(item.get("label"), item["transaction_time"], LABEL_DELAY, as_of)
