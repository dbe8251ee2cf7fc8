from __future__ import annotations

from typing import Any

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


def key(kind: str, arguments: dict[str, Any], **siblings: Any) -> str:
    return cache.key({"Type": kind, "Arguments": arguments, **siblings})


@pytest.mark.parametrize(
    "member", ["ProcessingOutputConfig", "RoleArn", "ProcessingResources", "Tags", "StoppingCondition"]
)
def test_outputs_roles_and_machines_do_not_count(member: str) -> None:
    assert key("Processing", PROCESSING | {member: {"other": "value"}}) == key("Processing", PROCESSING)


@pytest.mark.parametrize("member", ["AppSpecification", "Environment", "ProcessingInputs"])
def test_what_counts_for_processing(member: str) -> None:
    assert key("Processing", PROCESSING | {member: {"other": "value"}}) != key("Processing", PROCESSING)


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
    assert key("Training", request | {member: {"other": "value"}}) != key("Training", request)
    assert key("Training", request | {"OutputDataConfig": {}}) == key("Training", request)


def test_an_empty_attribute_is_like_none_and_order_does_not_matter() -> None:
    assert key("Processing", {"Environment": {}}) == key("Processing", {})
    assert key("Processing", {"Environment": {"a": "1", "b": "2"}}) == key(
        "Processing", {"Environment": {"b": "2", "a": "1"}}
    )


def test_for_an_endpoint_config_everything_but_tags_counts() -> None:
    request = {"EndpointConfigName": "c"}
    assert key("EndpointConfig", request | {"Tags": []}) == key("EndpointConfig", request)
    assert key("EndpointConfig", {"EndpointConfigName": "d"}) != key("EndpointConfig", request)


def test_for_a_lambda_step_its_function_counts_and_for_a_check_its_settings() -> None:
    assert key("Lambda", {"a": 1}, FunctionArn="f") != key("Lambda", {"a": 1}, FunctionArn="g")
    assert key("Lambda", {"a": 1}, FunctionArn="f") != key("Lambda", {"a": 2}, FunctionArn="f")
    check = {"CheckType": "DATA_QUALITY", "SkipCheck": True}
    assert key("QualityCheck", {}, **check) != key("QualityCheck", {}, **check | {"SkipCheck": False})
    assert key("QualityCheck", {}, **check) == key("QualityCheck", {}, **check, FailOnViolation=False)


def test_of_a_tuning_step_only_a_part_of_its_training_definition_counts() -> None:
    definition = {"StaticHyperParameters": {"a": "1"}, "RoleArn": "r"}
    same = {"TrainingJobDefinition": definition | {"RoleArn": "other"}}
    assert key("Tuning", {"TrainingJobDefinition": definition}) == key("Tuning", same)
    other = {"TrainingJobDefinition": definition | {"StaticHyperParameters": {"a": "2"}}}
    assert key("Tuning", {"TrainingJobDefinition": definition}) != key("Tuning", other)


def test_differences_go_down_to_the_value_and_name_the_members_of_lists() -> None:
    old = {"A.B": {"x": 1, "y": [1, 2]}, "C": [{"ChannelName": "train", "Uri": "s3://b/1"}], "D": [{"n": 1}]}
    new = {"A.B": {"x": 2, "y": [1, 3]}, "C": [{"ChannelName": "train", "Uri": "s3://b/2"}], "E": "e", "D": [{"n": 2}]}
    assert list(cache.differences(old, new)) == [
        ("A.B.x", 1, 2),
        ("A.B.y", [1, 2], [1, 3]),
        ("C['train'].Uri", "s3://b/1", "s3://b/2"),
        ("D[0].n", 1, 2),
        ("E", None, "e"),
    ]
    assert list(cache.differences(old, dict(old))) == []


def test_the_resource_that_a_step_made() -> None:
    job = "arn:aws:sagemaker:eu-west-1:111122223333:processing-job/j"
    assert cache.made({"ProcessingJob": {"Arn": job}}) == job
    assert cache.made({"QualityCheck": {"CheckType": "DATA_QUALITY", "CheckJobArn": job}}) == job
    assert cache.made({"Lambda": {"Arn": "arn:aws:lambda:eu-west-1:111122223333:function:f"}}) == ""
    assert cache.made({}) == ""


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
