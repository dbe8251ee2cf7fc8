from __future__ import annotations

import pytest

from sagelocal.workflow import cache

PROCESSING = {
    "AppSpecification": {"ImageUri": "i"},
    "Environment": {"A": "1"},
    "ProcessingInputs": [{"InputName": "x", "S3Input": {"S3Uri": "s3://b/1"}}],
    "ProcessingOutputConfig": {"Outputs": []},
    "RoleArn": "r",
    "ProcessingResources": {"ClusterConfig": {"InstanceType": "ml.m5.large"}},
}


@pytest.mark.parametrize(
    "member", ["ProcessingOutputConfig", "RoleArn", "ProcessingResources", "Tags", "StoppingCondition"]
)
def test_outputs_roles_and_machines_do_not_count(member: str) -> None:
    assert cache.key("Processing", PROCESSING | {member: {"other": "value"}}) == cache.key("Processing", PROCESSING)


@pytest.mark.parametrize("member", ["AppSpecification", "Environment", "ProcessingInputs"])
def test_what_counts_for_processing(member: str) -> None:
    assert cache.key("Processing", PROCESSING | {member: {"other": "value"}}) != cache.key("Processing", PROCESSING)


@pytest.mark.parametrize(
    "member",
    [
        "AlgorithmSpecification",
        "CheckpointConfig",
        "DebugHookConfig",
        "Environment",
        "HyperParameters",
        "InputDataConfig",
    ],
)
def test_what_counts_for_training(member: str) -> None:
    request = {"HyperParameters": {"a": "1"}, "OutputDataConfig": {"S3OutputPath": "s3://b"}}
    assert cache.key("Training", request | {member: {"other": "value"}}) != cache.key("Training", request)
    assert cache.key("Training", request | {"OutputDataConfig": {}}) == cache.key("Training", request)


def test_an_empty_attribute_is_like_none_and_order_does_not_matter() -> None:
    assert cache.key("Processing", {"Environment": {}}) == cache.key("Processing", {})
    assert cache.key("Processing", {"Environment": {"a": "1", "b": "2"}}) == cache.key(
        "Processing", {"Environment": {"b": "2", "a": "1"}}
    )


def test_for_an_endpoint_config_everything_but_tags_counts() -> None:
    request = {"EndpointConfigName": "c"}
    assert cache.key("EndpointConfig", request | {"Tags": []}) == cache.key("EndpointConfig", request)
    assert cache.key("EndpointConfig", {"EndpointConfigName": "d"}) != cache.key("EndpointConfig", request)


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("P30D", 30 * 86400), ("p30d", 30 * 86400), ("P4DT12H", 4.5 * 86400), ("T12H", 43200), ("PT1H30M5S", 5405),
     ("P1W", 7 * 86400), ("P1Y2M", 425 * 86400), ("PT0.5S", 0.5), ("30D", 30 * 86400)],
)  # fmt: skip
def test_durations(duration: str, seconds: float) -> None:
    assert cache.seconds(duration) == seconds


@pytest.mark.parametrize("duration", ["", "P", "PT", "30 days", "P1H", "P30", "1"])
def test_what_is_no_duration(duration: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        cache.seconds(duration)


def test_the_window() -> None:
    step = {"CacheConfig": {"Enabled": True, "ExpireAfter": "PT10S"}}
    assert cache.is_fresh(step, ended=100, now=110)
    assert not cache.is_fresh(step, ended=100, now=110.1)
    assert cache.is_fresh({"CacheConfig": {"Enabled": True}}, ended=0, now=1e12)
    assert not cache.enabled({"CacheConfig": {"Enabled": False}})
    assert not cache.enabled({})
