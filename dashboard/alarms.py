"""CloudWatch's alarms: state, since when, why, and what they were before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st
from botocore.exceptions import ClientError

from dashboard import account, look

CHANGES = 50  # of each alarm, at most
WORDS = {"OK": "OK", "ALARM": "in alarm", "INSUFFICIENT_DATA": "no data yet"}
SCALING = "TargetTracking-"  # Application Auto Scaling's own, whose state is no news


def show(alarms: Sequence[Mapping[str, Any]], key: str) -> None:
    """DescribeAlarms' entries, those in alarm first, autoscaling's own last. `key` tells two such tables apart."""
    found = sorted(
        alarms,
        key=lambda each: (each["AlarmName"].startswith(SCALING), each["StateValue"] != "ALARM", each["AlarmName"]),
    )
    if not found:
        st.caption("No alarm watches it.")
        return
    rows = [
        {
            "alarm": look.plain(each["AlarmName"]),
            "state": word(each["StateValue"]),
            "since": look.moment(since(each)),
            "why": look.plain(each.get("StateReason", "")),
        }
        for each in found
    ]
    st.table(pd.DataFrame(rows), border="horizontal", hide_index=True, alt="Alarms: state, since when, why")
    with st.expander(
        "What they were before", icon=":material/history:", key=f"history-{key}", on_change="rerun"
    ) as before:
        if before.open:
            _changes(tuple(each["AlarmName"] for each in found))


def _changes(names: tuple[str, ...]) -> None:
    changed = history(names)
    if not changed:
        st.caption("None of them has ever changed.")
        return
    rows = [{**each, "when": look.moment(each["when"])} for each in changed]
    st.dataframe(pd.DataFrame(rows), hide_index=True, placeholder="", alt="Changes of the alarms' states, newest first")


def word(state: str) -> str:
    """Markdown."""
    return look.badge(state, WORDS.get(state, state))


def since(alarm: Mapping[str, Any]) -> datetime | None:
    """When it got the state that it has."""
    return alarm.get("StateTransitionedTimestamp") or alarm.get("StateUpdatedTimestamp")


@account.kept
def history(names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Changes of state of all of them, newest first."""
    cloudwatch = account.client("cloudwatch")

    def changes(name: str) -> list[dict[str, Any]]:
        query = {"AlarmName": name, "HistoryItemType": "StateUpdate", "MaxRecords": CHANGES}
        try:
            items = cloudwatch.describe_alarm_history(**query)["AlarmHistoryItems"]
        except ClientError:  # an alarm that is gone, or a permission
            return []
        return [change(name, each) for each in items]

    found = [each for changed in account.together(changes, names) for each in changed]
    return sorted(found, key=lambda each: each["when"], reverse=True)


def change(name: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """Of an AlarmHistoryItem, whose data is JSON."""
    try:
        data = json.loads(item.get("HistoryData") or "{}")
    except ValueError:
        data = {}
    old, new = (data.get(each, {}) for each in ("oldState", "newState"))
    return {
        "when": item["Timestamp"],
        "alarm": name,
        "was": WORDS.get(old.get("stateValue", ""), old.get("stateValue", "")),
        "became": WORDS.get(new.get("stateValue", ""), item.get("HistorySummary", "")),
        "why": new.get("stateReason", ""),
    }
