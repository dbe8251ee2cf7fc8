"""A deployment under way, from the descriptions that DescribeEndpoint gives of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from dashboard.endpoints import deployment

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BAKING = "Baking for 240 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of 1 instance(s)."


def pending(*states: dict[str, Any]) -> dict[str, Any]:
    variants = [{"VariantName": str(number), "VariantStatus": [each]} for number, each in enumerate(states)]
    return {"PendingDeploymentSummary": {"EndpointConfigName": "c", "ProductionVariants": variants}}


def test_a_bake_tells_what_is_left_of_it() -> None:
    endpoint = pending({"Status": "Baking", "StatusMessage": BAKING, "StartTime": NOON})
    bake = deployment.bake(endpoint)
    assert bake is not None
    assert bake.seconds == 240
    assert bake.left(NOON + timedelta(seconds=100)) == 140
    assert bake.left(NOON + timedelta(seconds=300)) == 0
    assert deployment.current(endpoint) == {"Baking"}
    assert deployment.messages(endpoint) == [BAKING]


def test_of_several_variants_the_bake_that_began_last_counts() -> None:
    first = {"Status": "Baking", "StatusMessage": BAKING, "StartTime": NOON}
    found = deployment.bake(pending(first, {**first, "StartTime": NOON + timedelta(seconds=5)}))
    assert found is not None
    assert found.start == NOON + timedelta(seconds=5)


def test_what_says_nothing_of_a_bake_has_none() -> None:
    assert deployment.bake({}) is None
    assert deployment.bake(pending({"Status": "Creating", "StatusMessage": "Launching 1 instance(s)."})) is None
    assert deployment.bake(pending({"Status": "Baking"})) is None


def test_strategies_in_words() -> None:
    share = {"Type": "CAPACITY_PERCENT", "Value": 10}
    routing = {"Type": "CANARY", "CanarySize": share, "WaitIntervalInSeconds": 300}
    policy = {
        "TrafficRoutingConfiguration": routing,
        "TerminationWaitInSeconds": 120,
        "MaximumExecutionTimeoutInSeconds": 3600,
    }
    said = deployment.in_words({"BlueGreenUpdatePolicy": policy})
    assert said == (
        "Canary: 10 % first, baked 300 s, then the rest; the old fleet stays 120 s more. Given up after 1 h 0 min."
    )
    linear = {"Type": "LINEAR", "LinearStepSize": {"Type": "INSTANCE_COUNT", "Value": 2}, "WaitIntervalInSeconds": 60}
    said = deployment.in_words({"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": linear}})
    assert said.startswith("Linear: 2 instances more after each bake of 60 s")
    rolling = {"MaximumBatchSize": share, "WaitIntervalInSeconds": 60}
    assert deployment.in_words({"RollingUpdatePolicy": rolling}) == "Rolling: 10 % at a time, each batch baked 60 s."
    assert deployment.in_words({}) == ""


def test_the_alarms_that_take_it_back_are_named_by_its_config() -> None:
    config = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": "a"}]}}
    assert deployment.rollback_alarms({"LastDeploymentConfig": config}) == ["a"]
    assert deployment.rollback_alarms({}) == []
