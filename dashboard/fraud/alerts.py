"""One alert as the page says it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard import look
from deploy import fraud_labels
from deploy.fraud_labels import Item

_WORDS = {fraud_labels.FRAUD: "Fraud", fraud_labels.GENUINE: "Genuine"}
_BY = {fraud_labels.ANALYST: "an analyst", fraud_labels.CHARGEBACK: "a chargeback"}


@dataclass(frozen=True)
class Alert:
    id: int
    time: datetime  # of the transaction
    customer: int
    terminal: int
    amount: float  # euros
    score: float
    reasons: tuple[str, ...]  # strongest first
    model: str
    scored_at: str
    milliseconds: float | None  # from the put to the score
    label: str = ""
    labelled_by: str = ""
    labelled_at: str = ""

    @classmethod
    def of(cls, item: Item) -> Alert:
        scored_at = item["scored_at"]
        return cls(
            id=int(item["transaction_id"]),
            time=datetime.fromisoformat(item["transaction_time"]),
            customer=int(item["customer_id"]),
            terminal=int(item["terminal_id"]),
            amount=float(item["amount"]),
            score=float(item["score"]),
            reasons=tuple(item.get("reasons", ())),
            model=item.get("model", ""),
            scored_at=scored_at,
            milliseconds=_between(item["put_at"], scored_at) if item.get("put_at") else None,
            **{name: item.get(name, "") for name in ("label", "labelled_by", "labelled_at")},
        )

    @property
    def order(self) -> tuple[str, int]:
        return self.scored_at, self.id


def _between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds() * 1000


def merged(found: Iterable[Alert], marked: Iterable[Alert]) -> list[Alert]:
    """Newest first; one that was just marked stays, as it is now, where a filter would leave it out."""
    every = {each.id: each for each in found}
    every.update({each.id: each for each in marked})
    return sorted(every.values(), key=lambda each: each.order, reverse=True)


def said(alert: Alert, problem: str = "") -> dict[str, Any]:
    """For the board: what it draws, all of it words but the score."""
    return {
        "id": alert.id,
        "score": alert.score,
        "percent": percent(alert.score),
        "amount": f"{alert.amount:,.2f} €",
        "who": f"customer {alert.customer} at terminal {alert.terminal}",
        "time": look.moment(alert.time),
        "reasons": list(alert.reasons),
        "more": _more(alert),
        "label": alert.label,
        "labelled": labelled(alert),
        "undo": alert.labelled_at if alert.labelled_by == fraud_labels.ANALYST else "",
        "problem": problem,
    }


def percent(score: float) -> str:
    """Never 100 %, which no model can say."""
    return f"{min(score, 0.999):.1%}"


def labelled(alert: Alert) -> str:
    if not alert.label:
        return ""
    by = _BY.get(alert.labelled_by, alert.labelled_by)
    when = f"\n{look.moment(datetime.fromisoformat(alert.labelled_at))}" if alert.labelled_at else ""
    return f"{_WORDS.get(alert.label, alert.label)}, says {by}{when}"


def _more(alert: Alert) -> str:
    took = f" {alert.milliseconds:,.0f} ms after it came in" if alert.milliseconds is not None else ""
    model = f", model {alert.model}" if alert.model else ""
    return f"transaction {alert.id}, scored{took}{model}"
