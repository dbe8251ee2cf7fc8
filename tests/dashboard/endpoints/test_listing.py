"""The list of endpoints, where some are gone and little may be read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime.now(UTC)
CREATED = {"mine": NOW, "theirs": NOW - timedelta(hours=1), "gone": NOW - timedelta(hours=3)}


def summaries(**asked: Any) -> dict[str, Any]:
    """Older ones there are unless some are asked for."""
    if asked.get("NameContains") == "nothing":
        return {"Endpoints": []}
    found = [
        {"EndpointName": name, "EndpointStatus": "InService", "CreationTime": when} for name, when in CREATED.items()
    ]
    return {"Endpoints": found, **({} if "CreationTimeBefore" in asked else {"NextToken": "more"})}


def described(EndpointName: str) -> dict[str, Any] | str | None:
    if EndpointName == "theirs":
        return None
    if EndpointName == "gone":
        return "Could not find endpoint."
    return {
        "EndpointName": "mine", "EndpointArn": "arn", "EndpointConfigName": "c", "EndpointStatus": "Failed",
        "FailureReason": "It broke.", "CreationTime": NOW, "LastModifiedTime": NOW,
    }  # fmt: skip


ANSWERS = {"list_endpoints": summaries, "describe_endpoint": described}


def test_what_may_not_be_read_is_said_and_hides_nothing(answering: Callable[..., Any]) -> None:
    shown = answering("endpoints", ANSWERS).run()
    assert not shown.exception
    rows = shown.dataframe[0].value[["endpoint", "status", "why"]].values.tolist()
    assert rows == [["mine", ["Failed"], "It broke."], ["theirs", ["InService"], ""], ["gone", ["Deleted"], ""]]
    refused = [each.value for each in shown.caption if "AccessDeniedException" in each.value]
    assert len(refused) == 4  # the alarms; their endpoint; config and tags of mine


def test_older_ones_and_an_endpoint_have_an_address(answering: Callable[..., Any]) -> None:
    shown = answering("endpoints", ANSWERS).run()
    next(each for each in shown.button if each.label == "Older").click().run()
    assert datetime.fromisoformat(shown.query_params["before"]) == CREATED["gone"]
    assert [each.label for each in shown.button] == ["Newest"]
    shown.selectbox(key="endpoints-open").select("mine").run()
    assert shown.query_params["endpoint"] == "mine"
    assert shown.header[0].value == "mine"


def test_a_name_that_none_has_is_said(answering: Callable[..., Any]) -> None:
    shown = answering("endpoints", ANSWERS, name="nothing").run()
    assert [each.value for each in shown.info] == ["No endpoint here whose name contains nothing."]
