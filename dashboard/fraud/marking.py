"""What this window's reader marked: written at once and taken back as easily, so nothing asks before.

The board sends every mark until it hears that it was done; each has a number, and none is done twice.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import streamlit as st
from botocore.exceptions import BotoCoreError, ClientError

from dashboard import account, look
from dashboard.fraud import reading
from dashboard.fraud.alerts import Alert
from deploy import fraud_labels

_STAYS = 120.0  # s for which a marked alert stays where a filter would leave it out
_KEY = "fraud-marks"
UNDO = "undo"
NEEDED = f"Marking needs `dynamodb:UpdateItem` of the table {reading.TABLE}."


@dataclass
class Marks:
    """Of one window."""

    done: int = 0  # number of the last one
    alerts: dict[int, tuple[Alert, float]] = field(default_factory=dict)  # as they are now, since when
    problems: dict[int, str] = field(default_factory=dict)

    def recent(self) -> list[Alert]:
        """Those that stay for a while."""
        self.alerts = {at: each for at, each in self.alerts.items() if time.monotonic() - each[1] < _STAYS}
        return [alert for alert, _ in self.alerts.values()]

    def forget(self) -> None:
        """When others are asked for."""
        self.alerts.clear()
        self.problems.clear()


def of_window() -> Marks:
    marks: Marks = st.session_state.setdefault(_KEY, Marks())
    return marks


def take(sent: Iterable[Mapping[str, Any]]) -> None:
    """Does what was not done yet: `number` (rising), `id`, `label` or UNDO, and for that the label's time `since`."""
    marks = of_window()
    for each in sorted(sent, key=lambda one: int(one["number"])):
        if int(each["number"]) > marks.done:
            marks.done = int(each["number"])
            _one(marks, int(each["id"]), str(each["label"]), str(each.get("since", "")))
    st.cache_data.clear()


def _one(marks: Marks, number: int, label: str, since: str) -> None:
    try:
        item = write(account.client("dynamodb"), number, label, since)
    except (ClientError, BotoCoreError, LookupError, ValueError, fraud_labels.Disagreement, account.ReadOnly) as error:
        marks.problems[number] = problem(error)
        if isinstance(error, fraud_labels.Disagreement):  # else a filter leaves out what the problem is about
            marks.alerts[number] = (Alert.of(error.item), time.monotonic())
    else:
        marks.problems.pop(number, None)
        marks.alerts[number] = (Alert.of(item), time.monotonic())


def write(dynamodb: Any, number: int, label: str, since: str) -> fraud_labels.Item:
    if label == UNDO:
        return fraud_labels.unmark(dynamodb, reading.TABLE, number, fraud_labels.ANALYST, since)
    return fraud_labels.mark(dynamodb, reading.TABLE, number, label, fraud_labels.ANALYST, datetime.now(UTC))


def problem(error: Exception) -> str:
    """What to say where nothing was written."""
    refused = isinstance(error, ClientError) and error.response["Error"]["Code"] == "AccessDeniedException"
    needed = f" {NEEDED.replace('`', '')}" if refused else ""
    return f"Nothing was written. {look.sentence(error)}{needed}"
