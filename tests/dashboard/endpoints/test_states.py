"""The page of one endpoint in every state, where nothing but DescribeEndpoint may be called."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st
from botocore.exceptions import ClientError
from streamlit.testing.v1 import AppTest

from dashboard import account

ARN = "arn:aws:sagemaker:us-east-1:000000000000:endpoint/tiny"
NOW = datetime.now(UTC)
LIVE = {
    "VariantName": "blue", "CurrentWeight": 1.0, "DesiredWeight": 1.0, "CurrentInstanceCount": 1,
    "DesiredInstanceCount": 1,
}  # fmt: skip
BAKING = {
    "Status": "Baking",
    "StatusMessage": "Baking for 60 seconds (TerminationWaitInSeconds) with traffic enabled on all.",
    "StartTime": NOW,
}
PENDING = {
    "EndpointConfigName": "new",
    "StartTime": NOW,
    "ProductionVariants": [{**LIVE, "VariantStatus": [BAKING]}],
}
STATES: dict[str, dict[str, Any]] = {
    "Creating": {},
    "Failed": {"FailureReason": "The *container* of blue did not [answer](x) /ping."},
    "Updating": {"ProductionVariants": [LIVE], "PendingDeploymentSummary": PENDING},
    "RollingBack": {"ProductionVariants": [LIVE], "PendingDeploymentSummary": PENDING},
    "UpdateRollbackFailed": {"ProductionVariants": [LIVE], "FailureReason": "No capacity."},
    "OutOfService": {},
    "InService": {"ProductionVariants": [LIVE], "FailureReason": "An alarm rang."},
}
SAID = {
    "Creating": "old is made",
    "Failed": r"The \*container\* of blue",
    "Updating": "Bakes 60 s",
    "RollingBack": "Going back to old from new",
    "UpdateRollbackFailed": r"No capacity\.",
    "OutOfService": "It has no variants yet.",
    "InService": "The last deployment went back",
}


class Client:
    """Of any service: describes the endpoint, and is refused everything else."""

    def __init__(self, endpoint: dict[str, Any]) -> None:
        self._endpoint = endpoint

    def __getattr__(self, operation: str) -> Any:
        def call(**_: Any) -> dict[str, Any]:
            if operation == "describe_endpoint":
                return self._endpoint
            said = {"Code": "AccessDeniedException", "Message": f"You may not call {operation}."}
            raise ClientError({"Error": said, "ResponseMetadata": {"RequestId": "r"}}, operation)  # type: ignore[typeddict-item]

        return call

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=getattr(self, operation))


@pytest.mark.parametrize("status", STATES)
def test_an_endpoint_in_any_state_is_shown_though_little_may_be_read(
    status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint = {
        "EndpointName": "tiny", "EndpointArn": ARN, "EndpointConfigName": "old", "EndpointStatus": status,
        "CreationTime": NOW, "LastModifiedTime": NOW, **STATES[status],
    }  # fmt: skip
    client = Client(endpoint)
    monkeypatch.setattr(account, "client", lambda _: client)
    target = SimpleNamespace(account="000000000000", region="us-east-1", client=lambda _: client)
    monkeypatch.setattr(account, "target", lambda: target)
    monkeypatch.setattr(sys, "argv", ["dashboard", "--target", "laptop"])
    st.cache_data.clear()
    page = AppTest.from_string("from dashboard import app\napp.main('endpoints')", default_timeout=60)
    page.query_params["endpoint"] = "tiny"
    shown = page.run()
    assert not shown.exception
    said = [each.value for each in (*shown.markdown, *shown.caption, *shown.warning, *shown.error)]
    said += [each.proto.text for each in shown.get("progress")]
    assert any(SAID[status] in each for each in said), said
    assert any("not of this project" in each for each in said)
    assert any("AccessDeniedException" in each for each in said)
