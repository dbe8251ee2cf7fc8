"""Deployments in an account that exists only in memory: which calls are made, and that a second time makes none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from deploy import apply, names, plan, registry, wanted
from deploy.changes import Change
from deploy.declaration import Alarm, Asynchronous, Autoscaling, Deployment, Mode, Schedule, Serverless, Variant
from deploy.strategies import AllAtOnce, Canary

ACCOUNT = "123456789012"
PLACE = wanted.Place("aws", ACCOUNT, "us-east-1", f"arn:aws:iam::{ACCOUNT}:role/execution", "bucket")  # the fixture's
NAME = "churn-staging"
BUSY = Deployment(
    variants=(Variant(instance_count=2),),
    strategy=Canary(size="50%"),
    alarms=(Alarm("Invocation5XXErrors", 0.01), Alarm("ModelLatency", 1e6, "p99", rollback=False)),
    autoscaling=Autoscaling(70, 2, 4, schedules=(Schedule("night", "cron(0 22 * * ? *)", 1, 2),)),
)


B = Variant("B", weight=0.1, instance_count=2)


def said(changes: Sequence[Change]) -> list[str]:
    return [f"{each.sign} {each.kind}" for each in changes]


def calls(changes: Sequence[Change], operation: str) -> list[dict[str, Any]]:
    return [call.request for change in changes for call in change.calls if call.operation == operation]


def test_a_version_goes_in_service_with_data_capture(account: Any, package: Callable[..., str]) -> None:
    arn = package()
    changes = account.deploy(Deployment(variants=(Variant(instance_type="ml.c5.large", instance_count=2),)))
    assert said(changes) == ["+ model", "+ endpoint config", "+ endpoint"]
    (variant,) = account.config["ProductionVariants"]
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.c5.large", 2)
    capture = account.config["DataCaptureConfig"]
    assert (capture["EnableCapture"], capture["DestinationS3Uri"]) == (True, "s3://bucket/data-capture")
    model = account.sagemaker.describe_model(ModelName=variant["ModelName"])
    assert model["Containers"] == [{"ModelPackageName": arn}]
    tags = account.sagemaker.list_tags(ResourceArn=model["ModelArn"])["Tags"]
    assert tags == [{"Key": "mlops:use-case", "Value": "churn"}]


def test_an_update_keeps_the_previous_config_and_drops_older_ones(account: Any, package: Callable[..., str]) -> None:
    package()
    stranger = "churn-staging-eu-1-0123abcd"  # another endpoint's, whose name only begins alike
    model = {"ModelName": stranger, "ExecutionRoleArn": PLACE.role, "Containers": [{"ModelPackageName": "churn/1"}]}
    account.sagemaker.create_model(**model)
    variant = {"VariantName": "A", "ModelName": stranger, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    account.sagemaker.create_endpoint_config(EndpointConfigName=stranger, ProductionVariants=[variant])
    used = []
    for _ in range(3):
        account.deploy(Deployment())
        used.append(account.config["EndpointConfigName"])
        package()
    assert len(set(used)) == 3
    configs = {each["EndpointConfigName"] for each in account.sagemaker.list_endpoint_configs()["EndpointConfigs"]}
    models = {each["ModelName"].split("-")[2] for each in account.sagemaker.list_models()["Models"]}
    assert configs == {*used[1:], stranger}
    assert models == {"2", "3", "eu"}


def test_the_diff_says_from_what_to_what(account: Any, package: Callable[..., str]) -> None:
    package()
    account.deploy(Deployment())
    package()
    (update,) = [each for each in account.plan(BUSY) if each.kind == "endpoint"]
    assert update.sign == "~"
    text = "\n".join(update.details)
    assert "variant AllTraffic: model version 1 (" in text and "→ version 2 (" in text
    assert "how: canary: 50% of the traffic for 300 s, then the rest; an alarm takes it back" in text
    assert "data capture" not in text  # the same before and after


def test_alarms_come_before_the_update_that_names_them_and_scaling_after(
    account: Any, package: Callable[..., str]
) -> None:
    package()
    changes = account.deploy(BUSY)
    assert said(changes) == [
        "+ model",
        "+ endpoint config",
        "+ alarm",
        "+ alarm",
        "+ endpoint",
        "+ scalable target",
        "+ scaling policy",
        "+ scheduled action",
    ]
    rollback, watching = calls(changes, "put_metric_alarm")
    config = account.config["EndpointConfigName"]
    assert rollback["AlarmName"] == f"{config}-AllTraffic-Invocation5XXErrors-Average"
    assert {"Name": "EndpointConfigName", "Value": config} in rollback["Dimensions"]
    assert (watching["AlarmName"], watching["ExtendedStatistic"]) == (f"{NAME}-AllTraffic-ModelLatency-p99", "p99")
    assert [each["Name"] for each in watching["Dimensions"]] == ["EndpointName", "VariantName"]

    package()
    update = account.deploy(BUSY)
    (request,) = calls(update, "update_endpoint")
    alarms = request["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]
    new = account.config["EndpointConfigName"]
    assert alarms == [{"AlarmName": f"{new}-AllTraffic-Invocation5XXErrors-Average"}]
    # Scaling has its say about counts, the declaration about weights and capture.
    assert request["RetainAllVariantProperties"] is True
    assert {each["VariantPropertyType"] for each in request["ExcludeRetainedVariantProperties"]} == {
        "DesiredWeight",
        "DataCaptureConfig",
    }
    assert said(update)[-1] == "- alarm"  # the old config's
    assert {each["AlarmName"] for each in account.state().alarms if each["AlarmName"].startswith(NAME)} == {
        f"{new}-AllTraffic-Invocation5XXErrors-Average",
        f"{NAME}-AllTraffic-ModelLatency-p99",
    }


def test_weights_and_counts_change_in_place(account: Any, package: Callable[..., str]) -> None:
    package()
    package()
    ab = Deployment(variants=(Variant(version=1), Variant("B", version=2, weight=0.25)))
    account.deploy(ab)
    before = account.config["EndpointConfigName"]
    more = Variant("B", version=2, weight=1.0, instance_count=3)
    changes = account.deploy(dataclasses.replace(ab, variants=(ab.variants[0], more)))
    assert said(changes) == ["~ endpoint"]
    (request,) = calls(changes, "update_endpoint_weights_and_capacities")
    assert request["DesiredWeightsAndCapacities"] == [
        {"VariantName": "B", "DesiredWeight": 1.0, "DesiredInstanceCount": 3}
    ]
    assert changes[0].details == ("variant B: weight 0.25 → 1", "variant B: instances 1 → 3", "how: in place")
    assert account.config["EndpointConfigName"] == before


def test_a_fleet_of_other_variants_comes_all_at_once(account: Any, package: Callable[..., str]) -> None:
    package()
    account.deploy(BUSY)
    (update,) = calls(account.plan(ab := dataclasses.replace(BUSY, variants=(*BUSY.variants, B))), "update_endpoint")
    assert "DeploymentConfig" not in update
    (changed,) = [each for each in account.deploy(ab) if each.kind == "endpoint"]
    assert changed.details[-1] == "how: all at once, as the variants are others; nothing takes it back"


def test_a_scaled_out_count_is_left_alone(account: Any, package: Callable[..., str]) -> None:
    package()
    changes = account.deploy(BUSY)
    assert changes[-1].details == ("1 to 2, cron(0 22 * * ? *) UTC",)
    scaled = [{"VariantName": "AllTraffic", "DesiredWeight": 1.0, "DesiredInstanceCount": 4}]
    account.sagemaker.update_endpoint_weights_and_capacities(EndpointName=NAME, DesiredWeightsAndCapacities=scaled)
    assert account.plan(BUSY) == []


def test_other_instances_leave_scaling_before_and_join_it_after(account: Any, package: Callable[..., str]) -> None:
    package()
    account.deploy(BUSY)
    larger = dataclasses.replace(BUSY, variants=(Variant(instance_type="ml.m5.xlarge", instance_count=2),))
    changes = account.deploy(larger)
    (update,) = [each for each in changes if each.sign == "~"]
    assert update.calls[0].request["RetainAllVariantProperties"] is True
    assert update.details[0] == "variant AllTraffic: instance type ml.m5.large → ml.m5.xlarge"
    order = [each for each in said(changes) if "scal" in each or "sched" in each or "endpoint" in each]
    assert order == [
        "- scheduled action",
        "- scaling policy",
        "- scalable target",
        "+ endpoint config",
        "~ endpoint",
        "+ scalable target",
        "+ scaling policy",
        "+ scheduled action",
    ]


def test_other_limits_change_the_target_alone(account: Any, package: Callable[..., str]) -> None:
    package()
    account.deploy(BUSY)
    scaling = Autoscaling(50, 2, 6)
    changes = account.deploy(dataclasses.replace(BUSY, autoscaling=scaling))
    assert said(changes) == ["- scheduled action", "~ scalable target", "~ scaling policy"]
    assert changes[1].details == ("MaxCapacity 4 → 6",)
    assert changes[2].details == ("TargetTrackingScalingPolicyConfiguration.TargetValue 70.0 → 50.0",)
    assert said(account.deploy(dataclasses.replace(BUSY, autoscaling=None))) == [
        "- scaling policy",
        "- scalable target",
    ]


def test_an_alarm_that_still_rings_is_made_anew(account: Any, package: Callable[..., str]) -> None:
    package()
    account.deploy(BUSY)
    old = account.config["EndpointConfigName"]
    package()
    changes = account.plan(BUSY)
    apply.apply(account.clients, changes[:3])  # model, config and alarm are there; then the update was rolled back
    (ringing,) = calls(changes[:3], "put_metric_alarm")
    cloudwatch = account.clients("cloudwatch")
    cloudwatch.set_alarm_state(AlarmName=ringing["AlarmName"], StateValue="ALARM", StateReason="too many errors")
    again = account.plan(BUSY)
    assert account.config["EndpointConfigName"] == old
    assert said(again)[:2] == ["~ alarm", "~ endpoint"]
    assert [call.operation for call in again[0].calls] == ["delete_alarms", "put_metric_alarm"]


def test_an_asynchronous_endpoint_that_scales_to_zero(account: Any, package: Callable[..., str]) -> None:
    package()
    asynchronous = Deployment(
        mode=Mode.ASYNCHRONOUS,
        asynchronous=Asynchronous(4, notify=True),
        autoscaling=Autoscaling(5, min_capacity=0, max_capacity=2),
    )
    changes = account.deploy(asynchronous)
    (config,) = calls(changes, "create_endpoint_config")
    topics = {"SuccessTopic": f"{NAME}-success", "ErrorTopic": f"{NAME}-error"}
    arns = {member: f"arn:aws:sns:us-east-1:{ACCOUNT}:{topic}" for member, topic in topics.items()}
    output = config["AsyncInferenceConfig"]["OutputConfig"]
    assert output["NotificationConfig"] == arns
    assert output["S3OutputPath"] == f"s3://bucket/asynchronous/{NAME}/answers/"
    assert set(account.state().topics) == set(arns.values())
    (alarm,) = [each for each in account.state().alarms if each["AlarmName"].startswith(NAME)]
    (step,) = [each for each in account.state().policies if each["PolicyType"] == "StepScaling"]
    assert alarm["AlarmActions"] == [step["PolicyARN"]]
    assert [each["MinCapacity"] for each in account.state().targets] == [0]
    with pytest.raises(ValueError, match="is asynchronous, and AWS makes no real-time endpoint of it"):
        account.plan(Deployment())


def test_a_serverless_endpoint_has_no_instances_and_no_way_back(account: Any, package: Callable[..., str]) -> None:
    package()
    serverless = Deployment(mode=Mode.SERVERLESS, capture=None, serverless=Serverless(1024, 10))
    account.deploy(serverless)
    (variant,) = account.config["ProductionVariants"]
    assert variant["ServerlessConfig"] == {"MemorySizeInMB": 1024, "MaxConcurrency": 10}
    assert not {"InstanceType", "InitialInstanceCount"} & set(variant)
    account.deploy(Deployment())  # AWS allows that
    with pytest.raises(ValueError, match="has instances, and AWS makes no serverless endpoint of it"):
        account.plan(serverless)


def test_a_multi_model_endpoint_and_a_shadow(account: Any, package: Callable[..., str]) -> None:
    package()
    own = {"SAGEMAKER_SUBMIT_DIRECTORY": "s3://bucket/code.tar.gz"}
    many = Deployment(mode=Mode.MULTI_MODEL, variants=(Variant(models="s3://bucket/models/", environment=own),))
    (model,) = calls(account.plan(many), "create_model")
    (container,) = model["Containers"]
    assert container["Environment"] == own
    assert (container["Mode"], container["ModelDataUrl"]) == ("MultiModel", "s3://bucket/models/")
    assert "sagemaker-xgboost" in container["Image"]
    package()
    shadowed = Deployment(variants=(Variant(version=1),), shadow=Variant("Shadow", version=2, weight=0.5))
    changes = account.plan(shadowed)
    (config,) = calls(changes, "create_endpoint_config")
    assert [each["VariantName"] for each in config["ShadowProductionVariants"]] == ["Shadow"]
    assert len(calls(changes, "create_model")) == 2


def test_a_failed_endpoint_is_made_anew(
    account: Any, package: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    package()
    account.deploy(Deployment())
    described = account.sagemaker.describe_endpoint(EndpointName=NAME) | {"EndpointStatus": "Failed"}
    with monkeypatch.context() as patched:
        patched.setattr(account.sagemaker, "describe_endpoint", lambda **_: described)
        changes = account.plan(Deployment())
    assert said(changes) == ["- endpoint", "+ endpoint"]
    apply.apply(account.clients, changes, wait=False)
    assert account.sagemaker.describe_endpoint(EndpointName=NAME)["EndpointStatus"] == "InService"


@pytest.mark.parametrize(
    ("described", "said"),
    [
        (
            {"EndpointStatus": "Failed", "FailureReason": "It did not answer."},
            r"is Failed: It did not answer\. Logs: /",
        ),
        ({"FailureReason": "Alarm(s)."}, r"serves old again and not churn-staging-1-[0-9a-f]+: Alarm\(s\)\. Logs: "),
    ],
)
def test_an_endpoint_that_fails_or_goes_back_says_why(
    account: Any,
    package: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    described: dict[str, Any],
    said: str,
) -> None:
    package()
    changes = account.plan(Deployment())
    settled = {"EndpointStatus": "InService", "EndpointConfigName": "old", **described}
    monkeypatch.setattr(apply, "settled", lambda *_: settled)
    with pytest.raises(RuntimeError, match=f"Endpoint {NAME} {said}"):
        apply.apply(account.clients, changes)


def test_without_waiting_what_needs_the_endpoint_is_left(account: Any, package: Callable[..., str]) -> None:
    package()
    changes = account.plan(BUSY)
    made = apply.apply(account.clients, changes, wait=False)
    assert said(changes[made:]) == ["+ scalable target", "+ scaling policy", "+ scheduled action"]
    assert said(account.deploy(BUSY)) == said(changes[made:])


def test_undeploy_leaves_nothing_and_touches_nothing_else(account: Any, package: Callable[..., str]) -> None:
    package()
    account.deploy(BUSY)
    package()
    account.deploy(BUSY)
    cloudwatch = account.clients("cloudwatch")
    mine = {
        "AlarmName": f"{NAME}-latency-pager",
        "Namespace": "AWS/SageMaker",
        "MetricName": "ModelLatency",
        "Dimensions": [{"Name": "EndpointName", "Value": NAME}],
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanThreshold",
    }
    cloudwatch.put_metric_alarm(**mine)
    changes = plan.undeploy(account.state())
    assert said(changes)[:4] == ["- scheduled action", "- scaling policy", "- scalable target", "- endpoint"]
    apply.apply(account.clients, changes)
    assert [names for _, names in account.state().listed() if names] == []
    assert plan.undeploy(account.state()) == []
    assert account.sagemaker.list_endpoints()["Endpoints"] == []
    assert account.sagemaker.list_endpoint_configs()["EndpointConfigs"] == []
    assert account.sagemaker.list_models()["Models"] == []
    alarms = [each["AlarmName"] for each in cloudwatch.describe_alarms()["MetricAlarms"]]
    assert alarms == [mine["AlarmName"]]  # a user's own


def test_a_pipelines_own_config_and_model_go_along(account: Any, package: Callable[..., str]) -> None:
    package()
    model = {"ModelName": "churn-xyz", "ExecutionRoleArn": PLACE.role, "Containers": [{"ModelPackageName": "churn/1"}]}
    account.sagemaker.create_model(**model)
    variant = {"VariantName": "AllTraffic", "ModelName": "churn-xyz", "InstanceType": "ml.m5.large"}
    config = "churn-staging-abcdef123456"
    account.sagemaker.create_endpoint_config(
        EndpointConfigName=config, ProductionVariants=[{**variant, "InitialInstanceCount": 1}]
    )
    account.sagemaker.create_endpoint(EndpointName=NAME, EndpointConfigName=config)
    (update,) = [each for each in account.plan(Deployment()) if each.kind == "endpoint"]
    assert update.details[0].startswith("variant AllTraffic: model churn-xyz → version 1 (")
    apply.apply(account.clients, plan.undeploy(account.state()))
    assert account.sagemaker.list_models()["Models"] == []


def test_a_name_without_room_is_refused(account: Any, package: Callable[..., str]) -> None:
    package()
    described = registry.package(account.sagemaker, "churn", 1)
    with pytest.raises(ValueError, match="longer than 63 characters"):
        wanted.make(Deployment(strategy=AllAtOnce()), "c" * 45, "production", {"approved": described}, PLACE)


@pytest.mark.parametrize(
    ("config", "mine"),
    [
        ("churn-staging-3-0123abcd", True),
        ("churn-staging-abcdef123456", True),  # a pipeline's: its execution id
        ("churn-staging-eu-3-0123abcd", False),
        ("churn-staging-by-hand", False),
        ("churn-production-3-0123abcd", False),
    ],
)
def test_whose_config_it_is(config: str, mine: bool) -> None:
    assert names.owned("churn-staging", config) is mine


def test_a_weight_in_single_precision_is_the_same_weight(account: Any, package: Callable[..., str]) -> None:
    package()
    ab = Deployment(variants=(Variant(), Variant("B", weight=0.1)))
    account.deploy(ab)
    single = float(np.float32(0.1))
    live = [{"VariantName": "B", "DesiredWeight": single, "DesiredInstanceCount": 1}]
    account.sagemaker.update_endpoint_weights_and_capacities(EndpointName=NAME, DesiredWeightsAndCapacities=live)
    assert account.plan(ab) == []
