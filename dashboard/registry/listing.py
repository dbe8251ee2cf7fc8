"""The versions of a group."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import look
from dashboard.registry import measured, versions
from dashboard.registry.reading import Document
from dashboard.registry.versions import Group, Page
from evaluation.version_differences import gates
from mlops import models

_APPROVALS = {"All": "", "Waiting": "PendingManualApproval", "Approved": "Approved", "Rejected": "Rejected"}
_WORDS = {status: word for word, status in _APPROVALS.items() if status}


def show(group: Group) -> None:
    chosen = st.segmented_control(
        "Approval",
        list(_APPROVALS),
        default="All",
        required=True,
        key="approval",
        bind="query-params",
        on_change=look.first_page,
    )
    approval, before = _APPROVALS[chosen or "All"], _before()
    found = versions.page(group.name, approval, before)
    if not found.packages:
        _nothing(group, approval, before)
        return
    _table(group, found)
    look.turn(f"{found.older.timestamp():.3f}" if found.older else "")


def _before() -> datetime | None:
    try:
        return datetime.fromtimestamp(float(st.query_params.get("before", "")), UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _nothing(group: Group, approval: str, before: datetime | None) -> None:
    if approval or before:
        st.info("No version like that.", icon=":material/info:")
        return
    case = group.arn.rsplit("/", 1)[-1]
    what = f"The group {group.title} has no versions yet."
    look.empty(what, *([f"mlops run {case}"] if group.use_case else []))


def _table(group: Group, found: Page) -> None:
    serving = versions.serving(group)
    table = pd.DataFrame([row(each, serving) for each in found.packages])
    numbers = [str(each["ModelPackageVersion"]) for each in found.packages]
    place = look.pick(
        table,
        key=f"versions-{group.name}-{numbers[0]}",
        alt=f"Versions of {group.title}, newest first",
        height="content",
        column_config=_columns(),
    )
    if place is not None:
        _open(numbers[place])
    chosen = st.selectbox("Open a version", numbers, index=None, placeholder="Its number", key="open-version")
    if chosen:
        _open(chosen)


def _open(number: str) -> None:
    st.query_params.pop("before", None)
    st.query_params["version"] = number
    st.rerun()


def _columns() -> dict[str, Any]:
    return {
        "version": st.column_config.NumberColumn("Version", format="%d", width=70),
        "approval": st.column_config.MultiselectColumn(
            "Approval", options=list(_WORDS.values()), color=[look.colour(each) for each in _WORDS], width=95
        ),
        "serves": st.column_config.ListColumn("Serves"),
        "metrics": st.column_config.TextColumn("Metrics"),
        "checks": st.column_config.TextColumn("Checks found"),
        "made": st.column_config.DatetimeColumn("Made", format="distance"),
        "decided": st.column_config.TextColumn("Decided"),
        "reason": st.column_config.TextColumn("Reason", width="medium"),
    }


def row(package: Document, serving: dict[str, list[str]]) -> dict[str, Any]:
    status = package.get("ModelApprovalStatus", "")
    properties = package.get("CustomerMetadataProperties", {})
    return {
        "version": package["ModelPackageVersion"],
        "approval": [_WORDS.get(status, status)] if status else [],
        "serves": versions.endpoints_of(package, serving),
        "metrics": headline(properties),
        "checks": models.checks(properties),
        "made": package["CreationTime"],
        "decided": decided(package),
        "reason": package.get("ApprovalDescription", ""),
    }


def headline(properties: Document) -> str:
    """The metrics that the version was registered with, the gate's with its bound; nothing of what it met."""
    said, bounds = [], {gate.name: gate for gate in gates(properties) if gate.reached is not None}
    for name, value in properties.items():
        if models.is_number(value) and not name.startswith(("Min", "Max", "Current")):
            gate = bounds.get(name)
            bound = f" ({'≥' if gate.least else '≤'} {models.number(gate.bound)})" if gate else ""
            said.append(f"{name} {measured.number(float(value))}{bound}")
    return ", ".join(said)


def decided(package: Document) -> str:
    """When and by whom, as far as DescribeModelPackage knows: its last change."""
    if package.get("ModelApprovalStatus") not in ("Approved", "Rejected") or "LastModifiedTime" not in package:
        return ""
    by = who(package.get("LastModifiedBy") or {})
    return look.ago(package["LastModifiedTime"]) + (f" by {by}" if by else "")


def who(context: Document) -> str:
    """A person's or a session's own name: a user of Studio, or how an ARN ends."""
    return str(context.get("UserProfileName") or context.get("IamIdentity", {}).get("Arn", "").rpartition("/")[2])
