"""CloudWatch's alarms of an endpoint and its monitors: state, since when, why, and what they were before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st
from botocore.exceptions import ClientError

from dashboard import account, look
from dashboard.monitoring.monitors import WORKERS

CHANGES = 50  # of each alarm, at most
_WORDS = {"OK": "OK", "ALARM": "in alarm", "INSUFFICIENT_DATA": "no data yet"}
_MARKS = {"OK": "🟢", "ALARM": "🔴", "INSUFFICIENT_DATA": "⚪"}
SCALING = "TargetTracking-"  # Application Auto Scaling's own, whose state is no news


def show(alarms: Sequence[Mapping[str, Any]]) -> None:
    found = sorted(
        (each for each in alarms if not each["AlarmName"].startswith(SCALING)),
        key=lambda each: (each["StateValue"] != "ALARM", each["AlarmName"]),
    )
    if not found:
        st.caption("No alarm watches it.")
        return
    rows = [
        {
            "alarm": each["AlarmName"],
            "state": word(each["StateValue"]),
            "since": look.moment(since(each)),
            "why": each.get("StateReason", ""),
            "goes off when": each.get("AlarmDescription", ""),
        }
        for each in found
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, alt="Alarms with their state, since when, and why")
    with st.expander("What they were before", icon=":material/history:"):
        changes = history(tuple(each["AlarmName"] for each in found))
        if changes:
            shown = [{**each, "when": look.moment(each["when"])} for each in changes]
            st.dataframe(pd.DataFrame(shown), hide_index=True, alt="Changes of the alarms' states, newest first")
        else:
            st.caption("None of them has ever changed.")


def word(state: str) -> str:
    return f"{_MARKS.get(state, '⚪')} {_WORDS.get(state, state)}"


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

    with ThreadPoolExecutor(WORKERS) as pool:
        found = [each for changed in pool.map(changes, names) for each in changed]
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
        "was": word(old["stateValue"]) if "stateValue" in old else "",
        "became": word(new["stateValue"]) if "stateValue" in new else item.get("HistorySummary", ""),
        "why": new.get("stateReason", ""),
    }
