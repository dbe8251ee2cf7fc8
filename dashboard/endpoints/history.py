"""What was deployed to an endpoint, when and by whom: from SageMaker's lineage, from its CloudWatch dashboard's
annotations where there is none, and from the endpoint configs that were made for it.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st
from botocore.exceptions import BotoCoreError, ClientError

from dashboard import account, look
from dashboard.endpoints.described import Found
from deploy import names, view
from deploy.lineage import RELEASE
from deploy.state import find

_MOST = 20
Entry = dict[str, Any]  # at (datetime), what, status, config, by


def show(found: Found) -> None:
    entries, problems = read(found.name, found.endpoint["EndpointArn"])
    for sentence in problems:
        st.caption(f":material/warning: {look.plain(sentence)}")
    if not entries:
        st.caption("Neither lineage nor endpoint configs tell of deployments to it.")
        return
    st.dataframe(
        [
            {"at": look.moment(each["at"]), "what": each["what"], "outcome": _outcome(found, each)}
            | ({"by": each["by"]} if any(one["by"] for one in entries) else {})
            | {"endpoint config": each["config"]}
            for each in entries
        ],
        hide_index=True,
        width="stretch",
        alt=f"Deployments to {found.name}, the newest first",
    )


def _outcome(found: Found, entry: Entry) -> str:
    pending = (found.endpoint.get("PendingDeploymentSummary") or {}).get("EndpointConfigName")
    if entry["config"] and entry["config"] == pending != found.endpoint["EndpointConfigName"]:
        return "under way"
    return "in service" if entry["config"] == found.endpoint["EndpointConfigName"] else str(entry["status"])


def moments(found: Found) -> dict[pd.Timestamp, str]:
    """When what was deployed, for charts. Nothing where it can't be read: the history says why."""
    entries, _ = read(found.name, found.endpoint["EndpointArn"])
    return {
        pd.Timestamp(each["at"]).tz_convert("UTC"): each["what"] for each in entries if each["status"] == "deployed"
    }


@account.kept
def read(endpoint: str, arn: str) -> tuple[list[Entry], list[str]]:
    """The newest first, and what could not be read, a sentence each."""
    entries: list[Entry] = []
    problems: list[str] = []
    for source in (_actions, _annotations, _configs):
        if source is _annotations and any(each["status"] == "deployed" for each in entries):
            continue
        try:
            entries += source(endpoint, arn, {each["config"] for each in entries})
        except (ClientError, BotoCoreError) as error:
            problems.append(look.sentence(error))
    return sorted(entries, key=lambda each: each["at"], reverse=True)[:_MOST], problems


def _actions(endpoint: str, arn: str, known: set[str]) -> list[Entry]:
    sagemaker = account.client("sagemaker")
    query = {"SourceUri": arn, "SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": _MOST}
    found = []
    for each in sagemaker.list_actions(**query)["ActionSummaries"]:
        described = sagemaker.describe_action(ActionName=each["ActionName"])
        properties = described.get("Properties", {})
        config = properties.get("EndpointConfigName", "")
        if each["ActionType"] == RELEASE:
            facts = {**properties, **described.get("MetadataProperties", {})}
            commit, build = facts.get("CommitId", "")[:12], facts.get("Build", "")
            by = facts.get("Pipeline", "") or build
            found.append(_entry(each["CreationTime"], f"release of commit {commit}", "released", "", by))
        elif config:
            found.append(_entry(each["CreationTime"], view.model(config), "deployed", config))
    return found


def _annotations(endpoint: str, arn: str, known: set[str]) -> list[Entry]:
    """`mlops deploy` draws its deployments into the endpoint's dashboard."""
    found = find(account.client("cloudwatch").get_dashboard, DashboardName=endpoint)
    widgets = json.loads(found["DashboardBody"]).get("widgets", []) if found else []
    marks = {
        mark["value"]: mark["label"]
        for widget in widgets
        for mark in widget.get("properties", {}).get("annotations", {}).get("vertical", [])
    }
    return [_entry(datetime.fromisoformat(when), what, "deployed", "") for when, what in marks.items()]


def _configs(endpoint: str, arn: str, known: set[str]) -> list[Entry]:
    """Configs that were made for it and of which no deployment is known: it is to come, or went back."""
    sagemaker = account.client("sagemaker")
    page = sagemaker.list_endpoint_configs(
        NameContains=f"{endpoint}-", SortBy="CreationTime", SortOrder="Descending", MaxResults=_MOST
    )
    listed = [each for each in page["EndpointConfigs"] if names.owned(endpoint, each["EndpointConfigName"])]
    return [
        _entry(
            each["CreationTime"],
            view.model(each["EndpointConfigName"]),
            "no deployment of it is known",
            each["EndpointConfigName"],
        )
        for each in listed
        if each["EndpointConfigName"] not in known
    ]


def _entry(at: datetime, what: str, status: str, config: str, by: str = "") -> Entry:
    return {"at": at, "what": what, "status": status, "config": config, "by": by}
