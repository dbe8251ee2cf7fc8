"""The page of one endpoint in every state, where nothing but DescribeEndpoint may be called."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

ARN = "arn:aws:sagemaker:us-east-1:000000000000:endpoint/tiny"
NOW = datetime.now(UTC)
ENDPOINT = {
    "EndpointName": "tiny", "EndpointArn": ARN, "EndpointConfigName": "old", "CreationTime": NOW,
    "LastModifiedTime": NOW,
}  # fmt: skip
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


@pytest.mark.parametrize("status", STATES)
def test_an_endpoint_in_any_state_is_shown_though_little_may_be_read(
    status: str, answering: Callable[..., Any]
) -> None:
    endpoint = {**ENDPOINT, "EndpointStatus": status, **STATES[status]}
    shown = answering("endpoints", {"describe_endpoint": lambda **_: endpoint}, endpoint="tiny").run()
    assert not shown.exception
    said = [each.value for each in (*shown.markdown, *shown.caption, *shown.warning, *shown.error)]
    said += [each.proto.text for each in shown.get("progress")]
    assert any(SAID[status] in each for each in said), said
    assert any("not of this project" in each for each in said)
    assert any("AccessDeniedException" in each for each in said)


def test_inference_components_are_listed(answering: Callable[..., Any]) -> None:
    answers = {
        "describe_endpoint": lambda **_: {**ENDPOINT, "EndpointStatus": "InService", "ProductionVariants": [LIVE]},
        "describe_endpoint_config": lambda **_: {
            "EndpointConfigName": "old",
            "ProductionVariants": [{"VariantName": "blue", "InstanceType": "ml.g5.xlarge"}],
        },
        "list_inference_components": lambda **_: {"InferenceComponents": [{"InferenceComponentName": "chat"}]},
        "describe_inference_component": lambda **_: {
            "InferenceComponentName": "chat",
            "InferenceComponentStatus": "Creating",
            "RuntimeConfig": {"CurrentCopyCount": 0, "DesiredCopyCount": 2},
        },
    }
    shown = answering("endpoints", answers, endpoint="tiny").run()
    assert not shown.exception
    table = next(each.value for each in shown.dataframe if "copies" in each.value)
    assert table[["inference component", "copies"]].values.tolist() == [["chat", "0 → 2"]]
