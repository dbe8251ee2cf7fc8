"""Universal targets of EventBridge Scheduler: a schedule deletes an endpoint, also one that is just changing."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sagelocal import ministack_calls
from sagelocal.config import Settings
from sagelocal.ministack_triggers import due

TARGET = "arn:aws:scheduler:::aws-sdk:sagemaker:deleteModelPackageGroup"


def test_the_operation_of_a_target() -> None:
    assert ministack_calls.operation("arn:aws:scheduler:::aws-sdk:sagemaker:deleteEndpoint") == "DeleteEndpoint"


@pytest.mark.parametrize(
    ("answers", "policy", "calls"),
    [
        ([""], {}, 1),
        ([OSError("refused"), 'Cannot update in-progress endpoint "x"', ""], {}, 3),
        (["Could not find endpoint"], {}, 1),  # no waiting makes it come
        ([OSError("refused")] * 3, {"MaximumRetryAttempts": 1}, 2),
        ([OSError("refused")], {"MaximumEventAgeInSeconds": 0}, 1),
    ],
)
def test_a_call_is_tried_again_as_long_as_waiting_helps(
    answers: list[Any], policy: dict[str, int], calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    def post(port: int, key: str, operation: str, request: dict[str, Any]) -> str:
        made.append((operation, request))
        answer = answers[len(made) - 1]
        if isinstance(answer, OSError):
            raise answer
        return str(answer)

    monkeypatch.setattr(ministack_calls, "post", post)
    ministack_calls.caller(1, "key", pause=0.001)("DeleteEndpoint", '{"EndpointName": "x"}', policy)
    assert made == [("DeleteEndpoint", {"EndpointName": "x"})] * calls


def test_a_one_time_schedule_comes_sooner_by_the_time_scale() -> None:
    nine = datetime(2026, 3, 2, 9, tzinfo=UTC).timestamp()
    one = {"ScheduleExpression": "at(2026-03-02T10:00:00)", "State": "ENABLED", "LastModificationDate": nine}
    assert due(one, None, nine + 59, 60) is None
    assert due(one, None, nine + 60, 60) == nine + 3600


def test_a_schedule_calls_sagemaker_and_goes(laptop: Settings) -> None:
    sagemaker, scheduler = laptop.client("sagemaker"), laptop.client("scheduler")
    sagemaker.create_model_package_group(ModelPackageGroupName="brief")
    scheduler.create_schedule(
        Name="end",
        ScheduleExpression=f"at({datetime.now(UTC) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Target={"Arn": TARGET, "RoleArn": laptop.role_arn, "Input": json.dumps({"ModelPackageGroupName": "brief"})},
    )
    _until(lambda: not sagemaker.list_model_package_groups()["ModelPackageGroupSummaryList"])
    _until(lambda: not scheduler.list_schedules()["Schedules"])


def _until(done: Any, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)
