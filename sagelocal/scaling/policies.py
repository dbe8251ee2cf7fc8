"""Scaling policies, and the CloudWatch alarms of those that track a target."""

from __future__ import annotations

import itertools
import math
import uuid
from typing import TYPE_CHECKING, Any

from sagelocal import metric_math
from sagelocal.api.errors import AwsError, not_implemented, validation
from sagelocal.scaling import targets
from sagelocal.scaling.targets import CONCURRENCY, INSTANCES

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]

COOLDOWN = 300.0  # s; the documented default for endpoint variants
_MOST = 50  # step scaling and target tracking policies a scalable target, of AWS's quotas
_LOW = 0.9  # of the target, below which AWS scales in
# (metric, statistic, period in s, dimension that it is for)
_PREDEFINED: dict[str, tuple[str, str, int, str]] = {
    "SageMakerVariantInvocationsPerInstance": ("InvocationsPerInstance", "Sum", 60, INSTANCES),
    "SageMakerVariantConcurrentRequestsPerModelHighResolution": (
        "ConcurrentRequestsPerModel",
        "Maximum",
        10,
        INSTANCES,
    ),
    "SageMakerVariantProvisionedConcurrencyUtilization": (
        *("ServerlessProvisionedConcurrencyUtilization", "Average", 60),
        CONCURRENCY,
    ),
}
_CONFIGURATIONS = {
    "StepScaling": "StepScalingPolicyConfiguration",
    "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
}


def put(app: SageLocal, request: Document) -> Document:
    """Creates or replaces a policy; a tracking one's alarms are there before its answer."""
    target = targets.find(app, request)
    name = f"{target['_name']} {request['PolicyName']}"
    before = app.store.find("ScalingPolicy", name)
    kind = request.get("PolicyType") or (before or {}).get("PolicyType", "StepScaling")
    _check(request, kind, before, target)
    if before is None and len(app.store.list("ScalingPolicy", parent=target["_name"])) >= _MOST:
        raise AwsError("LimitExceededException", f"{request['ResourceId']} has {_MOST} scaling policies already.")
    member = _CONFIGURATIONS[kind]
    policy = (before or _new(app, request, kind, name)) | {member: request[member]}
    if kind == "TargetTrackingScaling":
        surplus = {alarm["AlarmName"] for alarm in policy.get("Alarms", [])}
        policy["Alarms"] = _alarm_names(app, policy)
        put_alarms(app, policy)
        delete_alarms(app, surplus - {alarm["AlarmName"] for alarm in policy["Alarms"]})
    if before is None:
        app.store.create("ScalingPolicy", name, policy, parent=target["_name"], arn=policy["PolicyARN"])
    else:
        app.store.update("ScalingPolicy", name, policy)
    app.scaler.wake()
    return policy


def _new(app: SageLocal, request: Document, kind: str, name: str) -> Document:
    settings = app.settings
    return {
        "PolicyARN": f"arn:aws:autoscaling:{settings.region}:{settings.account}:scalingPolicy:{uuid.uuid4()}:"
        f"resource/sagemaker/{request['ResourceId']}:policyName/{request['PolicyName']}",
        "PolicyName": request["PolicyName"],
        "ServiceNamespace": "sagemaker",
        "ResourceId": request["ResourceId"],
        "ScalableDimension": request["ScalableDimension"],
        "PolicyType": kind,
        "Alarms": [],
        "CreationTime": app.now(),
        "_name": name,
    }


def _check(request: Document, kind: str, before: Document | None, target: Document) -> None:
    if kind not in _CONFIGURATIONS:
        raise not_implemented(f"The PolicyType {kind}", "AWS has it for ECS services only.")
    if before and before["PolicyType"] != kind:
        raise validation(f"{request['PolicyName']} is a {before['PolicyType']} policy: its type can't be changed.")
    member = _CONFIGURATIONS[kind]
    if not request.get(member):
        raise validation(f"{member} must be given for a {kind} policy.")
    if other := [name for name in _CONFIGURATIONS.values() if name != member and request.get(name)]:
        raise validation(f"{other[0]} is not for a {kind} policy.")
    if kind == "StepScaling":
        _check_steps(request[member])
    else:
        _check_tracking(request[member], target)


def _check_steps(config: Document) -> None:
    if not config.get("AdjustmentType") or not config.get("StepAdjustments"):
        raise validation("A step scaling policy needs AdjustmentType and at least one of StepAdjustments.")
    exact = config["AdjustmentType"] == "ExactCapacity"
    edges = []
    for step in config["StepAdjustments"]:
        low, high = step.get("MetricIntervalLowerBound"), step.get("MetricIntervalUpperBound")
        if low is None and high is None:
            raise validation("A step adjustment needs MetricIntervalLowerBound, MetricIntervalUpperBound or both.")
        if exact and step["ScalingAdjustment"] < 0:
            raise validation("ScalingAdjustment must not be negative with the AdjustmentType ExactCapacity.")
        edges.append((-math.inf if low is None else low, math.inf if high is None else high))
    edges.sort()
    if any(low >= high for low, high in edges):
        raise validation("The upper bound of a step adjustment must be greater than its lower bound.")
    if any(left[1] != right[0] for left, right in itertools.pairwise(edges)):
        raise validation("The intervals of step adjustments must neither overlap nor leave a gap.")
    if edges[0][0] < 0 and edges[0][0] != -math.inf:
        raise validation("With a negative lower bound there must be a step adjustment without a lower bound.")
    if edges[-1][1] > 0 and edges[-1][1] != math.inf:
        raise validation("With a positive upper bound there must be a step adjustment without an upper bound.")


def _check_tracking(config: Document, target: Document) -> None:
    predefined, custom = config.get("PredefinedMetricSpecification"), config.get("CustomizedMetricSpecification")
    if bool(predefined) == bool(custom):
        raise validation("Either PredefinedMetricSpecification or CustomizedMetricSpecification must be given.")
    if config["TargetValue"] <= 0:
        raise validation(f"TargetValue {config['TargetValue']} must be greater than 0.")
    if predefined:
        kind = predefined["PredefinedMetricType"]
        if kind not in _PREDEFINED or _PREDEFINED[kind][3] != target["ScalableDimension"]:
            raise validation(f"PredefinedMetricType {kind} is not for {target['ScalableDimension']}.")
        if predefined.get("ResourceLabel"):
            raise validation("ResourceLabel is for the PredefinedMetricType ALBRequestCountPerTarget only.")
    elif custom and custom.get("Metrics"):
        if clash := [name for name in ("MetricName", "Namespace", "Dimensions", "Statistic") if custom.get(name)]:
            raise validation(f"CustomizedMetricSpecification has either Metrics or {clash[0]}.")
        try:
            metric_math.check(custom["Metrics"])
        except metric_math.ExpressionError as error:
            raise validation(f"CustomizedMetricSpecification.Metrics: {error}") from error
    elif custom and (absent := [name for name in ("MetricName", "Namespace", "Statistic") if not custom.get(name)]):
        raise validation(f"CustomizedMetricSpecification needs {', '.join(absent)}, or Metrics.")


def delete(app: SageLocal, request: Document) -> None:
    """Raises AwsError."""
    targets.find(app, request)
    name = f"{targets.key(request)} {request['PolicyName']}"
    policy = app.store.find("ScalingPolicy", name)
    if policy is None:
        raise targets.missing(
            f"No scaling policy found for resource ID: {request['ResourceId']}, scalable dimension: "
            f"{request['ScalableDimension']}, policy name: {request['PolicyName']}"
        )
    delete_alarms(app, {alarm["AlarmName"] for alarm in policy["Alarms"]})
    app.store.delete("ScalingPolicy", name)


def _alarm_names(app: SageLocal, policy: Document) -> list[Document]:
    """AlarmHigh, and AlarmLow unless the policy never scales in; those that it has keep their names."""
    kinds = ["AlarmHigh"]
    if not policy["TargetTrackingScalingPolicyConfiguration"].get("DisableScaleIn"):
        kinds.append("AlarmLow")
    known = {kind: alarm for alarm in policy["Alarms"] for kind in kinds if f"-{kind}-" in alarm["AlarmName"]}
    return [known.get(kind) or _alarm_name(app, policy, kind) for kind in kinds]


def _alarm_name(app: SageLocal, policy: Document, kind: str) -> Document:
    name = f"TargetTracking-{policy['ResourceId']}-{kind}-{uuid.uuid4()}"
    where = f"{app.settings.region}:{app.settings.account}"
    return {"AlarmName": name, "AlarmARN": f"arn:aws:cloudwatch:{where}:alarm:{name}"}


def put_alarms(app: SageLocal, policy: Document) -> None:
    """As AWS makes them: out after three periods above the target, in after a quarter of an hour below it."""
    config = policy["TargetTrackingScalingPolicyConfiguration"]
    metric, period = _metric(policy)
    for alarm in policy["Alarms"]:
        high = "-AlarmHigh-" in alarm["AlarmName"]
        asked = {**metric, "Period": period if high else 60} if "Metrics" not in metric else metric
        app.cloudwatch.put_metric_alarm(
            AlarmName=alarm["AlarmName"],
            AlarmDescription="DO NOT EDIT OR DELETE. For TargetTrackingScaling policy " + policy["PolicyARN"],
            ActionsEnabled=True,
            AlarmActions=[policy["PolicyARN"]],
            Threshold=config["TargetValue"] * (1.0 if high else _LOW),
            ComparisonOperator="GreaterThanThreshold" if high else "LessThanThreshold",
            EvaluationPeriods=3 if high else 15,
            **asked,
        )


def _metric(policy: Document) -> tuple[Document, int]:
    """PutMetricAlarm's members for the metric, and its resolution in seconds."""
    config = policy["TargetTrackingScalingPolicyConfiguration"]
    endpoint, variant = targets.names(policy)
    if predefined := config.get("PredefinedMetricSpecification"):
        name, statistic, period, _ = _PREDEFINED[predefined["PredefinedMetricType"]]
        dimensions = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": variant}]
        metric = {"Namespace": "AWS/SageMaker", "MetricName": name, "Statistic": statistic, "Dimensions": dimensions}
        return metric, period
    custom = config["CustomizedMetricSpecification"]
    if queries := custom.get("Metrics"):
        return {"Metrics": [_query(query) for query in queries]}, 60
    members = ("Namespace", "MetricName", "Statistic", "Dimensions", "Unit")
    return {name: custom[name] for name in members if custom.get(name)}, 60


def _query(query: Document) -> Document:
    """Alarms name a period, scaling policies don't: it is a minute."""
    return {**query, "MetricStat": {**query["MetricStat"], "Period": 60}} if query.get("MetricStat") else query


def deregister(app: SageLocal, target: Document) -> None:
    """Deletes a target with all that it has: first the alarms, so that a kill leaves none without a policy."""
    found = app.store.list("ScalingPolicy", parent=target["_name"])
    delete_alarms(app, {alarm["AlarmName"] for policy in found for alarm in policy["Alarms"]})
    targets.remove(app, target)


def sweep_alarms(app: SageLocal, found: list[Document]) -> None:
    """After a start: deletes the alarms of a policy that a kill kept from being stored."""
    known = {alarm["AlarmName"] for policy in found for alarm in policy["Alarms"]}
    started = app.now() - 1.0  # what is made from now on is none of ours
    pages = app.cloudwatch.get_paginator("describe_alarms").paginate(AlarmNamePrefix="TargetTracking-endpoint/")
    alarms = [alarm for page in pages for alarm in page["MetricAlarms"] if alarm["AlarmName"] not in known]
    made = {alarm["AlarmName"]: alarm["AlarmConfigurationUpdatedTimestamp"].timestamp() for alarm in alarms}
    delete_alarms(app, {name for name, moment in made.items() if moment < started})


def delete_alarms(app: SageLocal, names: set[str]) -> None:
    if names:
        app.cloudwatch.delete_alarms(AlarmNames=sorted(names))
