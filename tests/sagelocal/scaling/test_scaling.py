"""Application Auto Scaling through boto3: its API, its alarms in CloudWatch, and model servers that come and go."""

from __future__ import annotations

import io
import os
import signal
import tarfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from sagelocal import config, server
from sagelocal.config import Settings

SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
ECHO = """
def model_fn(model_dir):
    return "echo"

def transform_fn(model, body, content_type, accept):
    return body, accept
"""
ENDPOINT = "scaled"
CONCURRENCY = "sagemaker:variant:DesiredProvisionedConcurrency"
UNKNOWN = "arn:aws:application-autoscaling:us-east-1:000000000000:scalable-target/1"
TARGET = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": f"endpoint/{ENDPOINT}/variant/main",
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
TRACKING = {
    "TargetValue": 70.0,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
    "ScaleInCooldown": 0,
}

pytestmark = pytest.mark.namespaces


def until(look: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


class Laptop:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.sagemaker = settings.client("sagemaker")
        self.scaling = settings.client("application-autoscaling")
        self.cloudwatch = settings.client("cloudwatch")

    def deploy(self) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
            entry = tarfile.TarInfo("code/inference.py")
            entry.size = len(ECHO)
            packed.addfile(entry, io.BytesIO(ECHO.encode()))
        bucket = self.settings.bucket
        self.settings.client("s3").put_object(Bucket=bucket, Key="echo.tar.gz", Body=buffer.getvalue())
        self.sagemaker.create_model(
            ModelName="echo",
            PrimaryContainer={
                "Image": SKLEARN,
                "ModelDataUrl": f"s3://{bucket}/echo.tar.gz",
                "Environment": {
                    "SAGEMAKER_PROGRAM": "inference.py",
                    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                    "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
                },
            },
        )
        variant = {"VariantName": "main", "ModelName": "echo", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        self.endpoint(ENDPOINT, [variant])

    def endpoint(self, name: str, variants: list[dict[str, Any]], **more: Any) -> None:
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=variants, **more)
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        until(lambda: self.variant(name))

    def variant(self, endpoint: str = ENDPOINT) -> dict[str, Any] | None:
        """Of DescribeEndpoint, once it is InService."""
        found = self.sagemaker.describe_endpoint(EndpointName=endpoint)
        assert found["EndpointStatus"] != "Failed", found
        return found["ProductionVariants"][0] if found["EndpointStatus"] == "InService" else None

    def instances(self, endpoint: str = ENDPOINT) -> int:
        return int((self.variant(endpoint) or {}).get("CurrentInstanceCount", -1))

    def register(self, **more: Any) -> str:
        return str(self.scaling.register_scalable_target(**TARGET, **more)["ScalableTargetARN"])

    def put_policy(self, name: str, tracking: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        if tracking:
            more = {"PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": tracking}
        return dict(self.scaling.put_scaling_policy(PolicyName=name, **TARGET, **more))

    def invoked(self, per_minute: float, minutes: int) -> None:
        """As if so many requests had come in each of the last minutes."""
        where = [{"Name": "EndpointName", "Value": ENDPOINT}, {"Name": "VariantName", "Value": "main"}]
        now = datetime.now(UTC)
        self.cloudwatch.put_metric_data(
            Namespace="AWS/SageMaker",
            MetricData=[
                {
                    "MetricName": "InvocationsPerInstance",
                    "Dimensions": where,
                    "Timestamp": now - timedelta(minutes=minute),
                    "Value": per_minute,
                }
                for minute in range(minutes)
            ],
        )

    def activities(self, **more: Any) -> list[dict[str, Any]]:
        return list(self.scaling.describe_scaling_activities(ServiceNamespace="sagemaker", **more)["ScalingActivities"])

    def refused(self, operation: str, **request: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as raised:
            getattr(self.scaling, operation)(**request)
        error = raised.value.response["Error"]
        return error["Code"], error["Message"]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    settings = config.load(tmp_path_factory.mktemp("state"))
    server.up(settings)
    laptop = Laptop(settings)
    laptop.deploy()
    yield laptop
    server.down(settings)


@pytest.fixture
def laptop(started: Laptop) -> Iterator[Laptop]:
    """With an endpoint of one variant of one instance, which is not registered."""
    if started.instances() != 1:
        started.register(MinCapacity=1, MaxCapacity=1)
        until(lambda: started.instances() == 1)
        started.scaling.deregister_scalable_target(**TARGET)
    yield started
    for target in started.scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]:
        started.scaling.deregister_scalable_target(**{name: target[name] for name in TARGET})


def test_a_variant_follows_its_load_out_and_in(laptop: Laptop) -> None:
    laptop.register(MinCapacity=1, MaxCapacity=5)
    made = laptop.put_policy("invocations", TRACKING)
    high, low = (one["AlarmName"] for one in made["Alarms"])
    assert high.startswith(f"TargetTracking-endpoint/{ENDPOINT}/variant/main-AlarmHigh-")
    assert low.startswith(f"TargetTracking-endpoint/{ENDPOINT}/variant/main-AlarmLow-")

    laptop.invoked(100.0, minutes=3)
    until(lambda: laptop.instances() == 2)  # 1 x 100 / 70, and not one more while its cooldown lasts
    assert servers(laptop) == 2
    newest = until(lambda: [one for one in laptop.activities() if one["StatusCode"] == "Successful"])[0]
    assert newest["Description"] == "Setting desired instance count to 2."
    assert newest["Cause"] == f"monitor alarm {high} in state ALARM triggered policy invocations"
    assert newest["StatusMessage"].startswith("Successfully set desired instance count to 2. Change successfully")

    laptop.scaling.delete_scaling_policy(PolicyName="invocations", **TARGET)
    assert not laptop.cloudwatch.describe_alarms(AlarmNames=[high, low])["MetricAlarms"]


def test_a_quiet_quarter_of_an_hour_scales_in(laptop: Laptop) -> None:
    laptop.register(MinCapacity=2, MaxCapacity=5)  # brings it up at once
    until(lambda: laptop.instances() == 2)
    assert laptop.activities()[0]["Cause"] == "minimum capacity was set to 2"
    laptop.register(MinCapacity=1)
    # A metric of its own: the load of the test before is not a quarter of an hour ago.
    quiet = {"MetricName": "quiet", "Namespace": "test", "Statistic": "Average"}
    once_more = TRACKING | {"PredefinedMetricSpecification": None, "CustomizedMetricSpecification": quiet}
    laptop.put_policy("quiet", {name: value for name, value in once_more.items() if value})
    now = datetime.now(UTC)
    data = [{"MetricName": "quiet", "Timestamp": now - timedelta(minutes=one), "Value": 10.0} for one in range(15)]
    laptop.cloudwatch.put_metric_data(Namespace="test", MetricData=data)
    until(lambda: laptop.instances() == 1)
    until(lambda: servers(laptop) == 1)


def servers(laptop: Laptop) -> int:
    """Model servers that run: each has a folder of sockets with one that listens."""
    daemon = next(
        process
        for process in psutil.process_iter(["cmdline", "environ"])
        if (process.info["cmdline"] or [])[-2:] == ["-m", "sagelocal"]
        and (process.info["environ"] or {}).get("MLOPS_STATE") == str(laptop.settings.state)
    )
    return sum("unshare" in child.name() for child in daemon.children())


def test_a_step_scaling_policy_acts_on_its_users_alarm(laptop: Laptop) -> None:
    laptop.register(MinCapacity=1, MaxCapacity=2)
    step = {
        "AdjustmentType": "ChangeInCapacity",
        "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
        "Cooldown": 0,
    }
    arn = laptop.put_policy("step", StepScalingPolicyConfiguration=step)["PolicyARN"]
    assert arn.endswith(f":resource/sagemaker/endpoint/{ENDPOINT}/variant/main:policyName/step")
    alarm = {"Namespace": "test", "MetricName": "queue", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1}
    laptop.cloudwatch.put_metric_alarm(
        AlarmName="queue", Threshold=5.0, ComparisonOperator="GreaterThanThreshold", AlarmActions=[arn], **alarm
    )
    laptop.cloudwatch.put_metric_data(Namespace="test", MetricData=[{"MetricName": "queue", "Value": 9.0}])
    until(lambda: laptop.instances() == 2)
    until(lambda: "NotScaledReasons" in laptop.activities(IncludeNotScaledActivities=True)[0])
    stuck = laptop.activities(IncludeNotScaledActivities=True)[0]
    assert stuck["NotScaledReasons"] == [{"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 2, "CurrentCapacity": 2}]
    assert not any("NotScaledReasons" in one for one in laptop.activities())
    laptop.register(MaxCapacity=1)
    until(lambda: laptop.instances() == 1)
    assert laptop.activities()[0]["Cause"] == "maximum capacity was set to 1"


def test_a_scheduled_action_sets_the_limits(laptop: Laptop) -> None:
    laptop.register(MinCapacity=1, MaxCapacity=1)
    soon = (datetime.now(UTC) + timedelta(seconds=1)).strftime("at(%Y-%m-%dT%H:%M:%S)")
    laptop.scaling.put_scheduled_action(
        ScheduledActionName="morning", Schedule=soon, ScalableTargetAction={"MinCapacity": 2}, **TARGET
    )
    until(lambda: laptop.instances() == 2)
    (target,) = laptop.scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 2)
    causes = [one["Cause"] for one in laptop.activities()[:2]]
    assert causes == ["minimum capacity was set to 2", "scheduled action name morning was triggered"]
    (action,) = laptop.scaling.describe_scheduled_actions(ServiceNamespace="sagemaker")["ScheduledActions"]
    assert action["Schedule"] == soon


@pytest.mark.slow
def test_suspended_scaling_does_nothing(laptop: Laptop) -> None:
    laptop.register(MinCapacity=1, MaxCapacity=2, SuspendedState={"DynamicScalingOutSuspended": True})
    laptop.put_policy("load", TRACKING | {"DisableScaleIn": True})
    laptop.invoked(500.0, minutes=3)
    (policy,) = laptop.scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    (alarm,) = [one["AlarmName"] for one in policy["Alarms"]]
    described = laptop.cloudwatch.describe_alarms
    until(lambda: described(AlarmNames=[alarm])["MetricAlarms"][0]["StateValue"] == "ALARM")
    time.sleep(2.5)  # longer than the loop's pause
    assert laptop.instances() == 1
    laptop.register(SuspendedState={"DynamicScalingOutSuspended": False})
    until(lambda: laptop.instances() == 2)


def test_targets_policies_and_tags_are_described_in_pages(laptop: Laptop) -> None:
    arn = laptop.register(MinCapacity=1, MaxCapacity=2, Tags={"team": "risk"})
    step = {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 2}
    steps = {"AdjustmentType": "ExactCapacity", "StepAdjustments": [step]}
    for number in range(12):
        laptop.put_policy(f"policy-{number}", StepScalingPolicyConfiguration=steps)
    pages = laptop.scaling.get_paginator("describe_scaling_policies").paginate(ServiceNamespace="sagemaker")
    assert [len(page["ScalingPolicies"]) for page in pages] == [10, 2]
    assert laptop.register(MaxCapacity=3) == arn
    (target,) = laptop.scaling.describe_scalable_targets(ServiceNamespace="sagemaker")["ScalableTargets"]
    assert target["MinCapacity"] == 1
    assert target["MaxCapacity"] == 3
    assert target["SuspendedState"] == dict.fromkeys(
        ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended"), False
    )
    laptop.scaling.tag_resource(ResourceARN=arn, Tags={"stage": "dev"})
    laptop.scaling.untag_resource(ResourceARN=arn, TagKeys=["team"])
    assert laptop.scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"stage": "dev"}
    laptop.scaling.deregister_scalable_target(**TARGET)
    assert not laptop.scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]


@pytest.mark.parametrize(
    ("operation", "request_", "code", "said"),
    [
        ("describe_scalable_targets", {"ServiceNamespace": "ecs"}, "UnsupportedOperationException", "ecs"),
        ("register_scalable_target", {**TARGET, "MinCapacity": 1}, "ValidationException", "MaxCapacity"),
        ("register_scalable_target", {**TARGET, "MinCapacity": 3, "MaxCapacity": 2}, "ValidationException", "3"),
        ("register_scalable_target", {**TARGET, "MinCapacity": 0, "MaxCapacity": 2}, "ValidationException", "async"),
        (
            *("register_scalable_target", {**TARGET, "ResourceId": "endpoint/x", "MinCapacity": 1, "MaxCapacity": 2}),
            *("ValidationException", "endpoint/<name>/variant/<name>"),
        ),
        (
            "register_scalable_target",
            {**TARGET, "ResourceId": "endpoint/none/variant/main", "MinCapacity": 1, "MaxCapacity": 2},
            *("ValidationException", "none"),
        ),
        (
            "register_scalable_target",
            {**TARGET, "ScalableDimension": CONCURRENCY, "MinCapacity": 1, "MaxCapacity": 2},
            *("ValidationException", "on instances"),
        ),
        ("deregister_scalable_target", TARGET, "ObjectNotFoundException", "No scalable target"),
        ("put_scaling_policy", {**TARGET, "PolicyName": "p"}, "ObjectNotFoundException", "No scalable target"),
        ("put_scheduled_action", {**TARGET, "ScheduledActionName": "a"}, "ObjectNotFoundException", "scalable target"),
        (
            "get_predictive_scaling_forecast",
            {**TARGET, "PolicyName": "p", "StartTime": 0, "EndTime": 1},
            *("UnsupportedOperationException", "predictive"),
        ),
        (
            "list_tags_for_resource",
            {"ResourceARN": UNKNOWN},
            "ResourceNotFoundException",
            "scalable-target/1",
        ),
    ],
)
def test_what_cannot_be_is_said(laptop: Laptop, operation: str, request_: dict[str, Any], code: str, said: str) -> None:
    found = laptop.refused(operation, **request_)
    assert found[0] == code
    assert said in found[1]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "StepScalingPolicyConfiguration must be given"),
        ({"PolicyType": "PredictiveScaling"}, "PredictiveScaling"),
        ({"StepScalingPolicyConfiguration": {"AdjustmentType": "ExactCapacity"}}, "StepAdjustments"),
        (
            {
                "StepScalingPolicyConfiguration": {
                    "AdjustmentType": "ChangeInCapacity",
                    "StepAdjustments": [
                        {"MetricIntervalLowerBound": 0, "MetricIntervalUpperBound": 5, "ScalingAdjustment": 1},
                        {"MetricIntervalLowerBound": 6, "ScalingAdjustment": 2},
                    ],
                }
            },
            "gap",
        ),
        (
            {"PolicyType": "TargetTrackingScaling", "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 1}},
            "PredefinedMetricSpecification",
        ),
        (
            {
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": {
                    "TargetValue": 1,
                    "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
                },
            },
            "ECSServiceAverageCPUUtilization",
        ),
        (
            {
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": {
                    "TargetValue": 1,
                    "CustomizedMetricSpecification": {"Metrics": [{"Id": "e", "Expression": "RATE(m)"}]},
                },
            },
            "there is no metric or expression with the Id 'm'",
        ),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(laptop: Laptop, more: dict[str, Any], said: str) -> None:
    laptop.register(MinCapacity=1, MaxCapacity=2)
    code, message = laptop.refused("put_scaling_policy", PolicyName="p", **TARGET, **more)
    assert code in ("ValidationException", "UnsupportedOperationException")
    assert said in message


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"ScalableTargetAction": {"MinCapacity": 1}}, "needs a Schedule"),
        ({"Schedule": "rate(1 hour)"}, "At least one of minimum capacity"),
        ({"Schedule": "every day", "ScalableTargetAction": {"MinCapacity": 1}}, "every day"),
        ({"Schedule": "at(2026-13-01T00:00:00)", "ScalableTargetAction": {"MinCapacity": 1}}, "2026-13-01"),
        ({"Schedule": "rate(1 hour)", "Timezone": "Mars/X", "ScalableTargetAction": {"MinCapacity": 1}}, "Mars/X"),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(laptop: Laptop, more: dict[str, Any], said: str) -> None:
    laptop.register(MinCapacity=1, MaxCapacity=2)
    code, message = laptop.refused("put_scheduled_action", ScheduledActionName="a", **TARGET, **more)
    assert code == "ValidationException"
    assert said in message


def test_an_asynchronous_endpoint_scales_to_zero_and_back(laptop: Laptop) -> None:
    output = f"s3://{laptop.settings.bucket}/answers"
    variant = {"VariantName": "main", "ModelName": "echo", "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    laptop.endpoint("queued", [variant], AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": output}})
    target = TARGET | {"ResourceId": "endpoint/queued/variant/main"}
    laptop.scaling.register_scalable_target(**target, MinCapacity=0, MaxCapacity=1)
    where = [{"Name": "EndpointName", "Value": "queued"}]
    backlog = {"Namespace": "AWS/SageMaker", "MetricName": "ApproximateBacklogSizePerInstance", "Dimensions": where}
    laptop.scaling.put_scaling_policy(
        PolicyName="backlog",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 5.0,
            "CustomizedMetricSpecification": backlog | {"Statistic": "Average"},
            "ScaleInCooldown": 0,
        },
        **target,
    )
    now = datetime.now(UTC)
    quiet = {"MetricName": backlog["MetricName"], "Dimensions": where, "Value": 0.0}
    data = [quiet | {"Timestamp": now - timedelta(minutes=minute)} for minute in range(15)]
    laptop.cloudwatch.put_metric_data(Namespace="AWS/SageMaker", MetricData=data)
    until(lambda: laptop.instances("queued") == 0)

    step = {"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}
    arn = laptop.scaling.put_scaling_policy(
        PolicyName="wake",
        PolicyType="StepScaling",
        StepScalingPolicyConfiguration={"AdjustmentType": "ExactCapacity", "StepAdjustments": [step]},
        **target,
    )["PolicyARN"]
    laptop.cloudwatch.put_metric_alarm(
        AlarmName="starved",
        **backlog | {"MetricName": "HasBacklogWithoutCapacity"},
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        AlarmActions=[arn],
    )
    s3 = laptop.settings.client("s3")
    s3.put_object(Bucket=laptop.settings.bucket, Key="question", Body=b"hello")
    laptop.settings.client("sagemaker-runtime").invoke_endpoint_async(
        EndpointName="queued", InputLocation=f"s3://{laptop.settings.bucket}/question", ContentType="text/csv"
    )
    until(lambda: laptop.instances("queued") == 1)
    found = until(lambda: s3.list_objects_v2(Bucket=laptop.settings.bucket, Prefix="answers/").get("Contents"))
    assert s3.get_object(Bucket=laptop.settings.bucket, Key=found[0]["Key"])["Body"].read() == b"hello"


def test_provisioned_concurrency_scales(laptop: Laptop) -> None:
    capacity = {"MemorySizeInMB": 1024, "MaxConcurrency": 4, "ProvisionedConcurrency": 1}
    laptop.endpoint("serverless", [{"VariantName": "main", "ModelName": "echo", "ServerlessConfig": capacity}])
    target = TARGET | {"ResourceId": "endpoint/serverless/variant/main", "ScalableDimension": CONCURRENCY}
    laptop.scaling.register_scalable_target(**target, MinCapacity=2, MaxCapacity=3)
    config_of = "CurrentServerlessConfig"
    until(lambda: (laptop.variant("serverless") or {}).get(config_of, {}).get("ProvisionedConcurrency") == 2)
    mine = {"ResourceId": target["ResourceId"]}
    done = until(lambda: [one for one in laptop.activities(**mine) if one["StatusCode"] == "Successful"])[0]
    assert done["Description"] == "Setting desired provisioned concurrency to 2."
    instances = {"PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}
    code, said = laptop.refused(
        "put_scaling_policy",
        PolicyName="p",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={"TargetValue": 0.5, **instances},
        **target,
    )
    assert (code, "is not for" in said) == ("ValidationException", True)


def test_a_variant_that_scales_keeps_its_instance_type(laptop: Laptop) -> None:
    laptop.register(MinCapacity=1, MaxCapacity=1)
    larger = {"VariantName": "main", "ModelName": "echo", "InstanceType": "ml.m5.xlarge", "InitialInstanceCount": 1}
    laptop.sagemaker.create_endpoint_config(EndpointConfigName="larger", ProductionVariants=[larger])
    with pytest.raises(ClientError, match=r"can't change from ml.m5.large to ml.m5.xlarge. Deregister it"):
        laptop.sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName="larger")


def test_a_kill_loses_nothing(laptop: Laptop) -> None:
    laptop.register(MinCapacity=1, MaxCapacity=1)
    laptop.put_policy("kept", TRACKING)
    alarm = {"Namespace": "test", "MetricName": "none", "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 1}
    laptop.cloudwatch.put_metric_alarm(  # as if it had been killed between a policy's alarms and the policy
        AlarmName="TargetTracking-endpoint/x/variant/y-AlarmHigh-z",
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
        **alarm,
    )
    holder = server.status(laptop.settings)
    time.sleep(2.0)  # the time of an alarm has whole seconds
    os.kill(holder["pid"], signal.SIGKILL)
    server.up(laptop.settings)
    (policy,) = laptop.scaling.describe_scaling_policies(ServiceNamespace="sagemaker")["ScalingPolicies"]
    assert policy["PolicyName"] == "kept"
    names = [alarm["AlarmName"] for alarm in policy["Alarms"]]
    described = laptop.cloudwatch.describe_alarms
    prefix = "TargetTracking-"
    until(lambda: [one["AlarmName"] for one in described(AlarmNamePrefix=prefix)["MetricAlarms"]] == sorted(names))
    until(laptop.variant)


def test_an_endpoint_that_is_deleted_takes_its_target_along(laptop: Laptop) -> None:
    laptop.register(MinCapacity=1, MaxCapacity=1)
    laptop.put_policy("gone", TRACKING)
    laptop.sagemaker.delete_endpoint(EndpointName=ENDPOINT)
    described = laptop.scaling.describe_scalable_targets
    until(lambda: not described(ServiceNamespace="sagemaker")["ScalableTargets"])
    assert not laptop.cloudwatch.describe_alarms(AlarmNamePrefix="TargetTracking-")["MetricAlarms"]
