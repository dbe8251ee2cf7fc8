"""A declared autoscaling as Application Auto Scaling's requests, for every production variant. Pure."""

from __future__ import annotations

from typing import Any

from deploy import names
from deploy.declaration import Autoscaling, Deployment, Mode

Request = dict[str, Any]
INSTANCES = "sagemaker:variant:DesiredInstanceCount"
CONCURRENCY = "sagemaker:variant:DesiredProvisionedConcurrency"


def make(
    deployment: Deployment, scaling: Autoscaling, endpoint: str, tags: list[dict[str, str]]
) -> dict[str, list[Request]]:
    """Requests for targets, policies, scheduled actions and wake-up alarms, by the names of Wanted's fields."""
    made: dict[str, list[Request]] = {"targets": [], "policies": [], "schedules": [], "wake_alarms": []}
    dimension = CONCURRENCY if deployment.mode is Mode.SERVERLESS else INSTANCES
    limits = {"MinCapacity": scaling.min_capacity, "MaxCapacity": scaling.max_capacity}
    for variant in deployment.variants:
        resource = names.resource_id(endpoint, variant.name)
        scalable = {"ServiceNamespace": "sagemaker", "ResourceId": resource, "ScalableDimension": dimension}
        made["targets"].append({**scalable, **limits})
        tracking = _tracking(deployment.mode, scaling, endpoint)
        made["policies"].append(
            {
                "PolicyName": f"{endpoint}-{variant.name}-tracking",
                **scalable,
                "PolicyType": "TargetTrackingScaling",
                "TargetTrackingScalingPolicyConfiguration": tracking,
            }
        )
        if deployment.mode is Mode.ASYNCHRONOUS and scaling.min_capacity == 0:
            policy, alarm = _wake_up(scaling, endpoint, f"{endpoint}-{variant.name}-wake-up", scalable, tags)
            made["policies"].append(policy)
            made["wake_alarms"].append(alarm)
        for each in scaling.schedules:
            action = {"MinCapacity": each.min_capacity, "MaxCapacity": each.max_capacity}
            made["schedules"].append(
                {
                    "ScheduledActionName": f"{endpoint}-{variant.name}-{each.name}",
                    **scalable,
                    "Schedule": each.expression,
                    **({"Timezone": each.timezone} if each.timezone != "UTC" else {}),  # AWS's default
                    "ScalableTargetAction": action,
                }
            )
    return made


def _tracking(mode: Mode, scaling: Autoscaling, endpoint: str) -> Request:
    metric: Request = {
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}
    }
    if mode is Mode.SERVERLESS:
        metric["PredefinedMetricSpecification"] = {
            "PredefinedMetricType": "SageMakerVariantProvisionedConcurrencyUtilization"
        }
    if mode is Mode.ASYNCHRONOUS:
        metric = {
            "CustomizedMetricSpecification": {
                "MetricName": "ApproximateBacklogSizePerInstance",
                "Namespace": "AWS/SageMaker",
                "Dimensions": [{"Name": "EndpointName", "Value": endpoint}],
                "Statistic": "Average",
            }
        }
    return {
        "TargetValue": float(scaling.target_value),
        **metric,
        "ScaleInCooldown": scaling.scale_in_cooldown,
        "ScaleOutCooldown": scaling.scale_out_cooldown,
    }


def _wake_up(
    scaling: Autoscaling, endpoint: str, name: str, scalable: Request, tags: list[dict[str, str]]
) -> tuple[Request, Request]:
    """From no instance to one: the backlog an instance says nothing while there is none (AWS: "Autoscale an
    asynchronous endpoint").
    """
    steps = {
        "AdjustmentType": "ChangeInCapacity",
        "MetricAggregationType": "Average",
        "Cooldown": scaling.scale_out_cooldown,
        "StepAdjustments": [{"MetricIntervalLowerBound": 0.0, "ScalingAdjustment": 1}],
    }
    policy = {"PolicyName": name, **scalable, "PolicyType": "StepScaling", "StepScalingPolicyConfiguration": steps}
    alarm = {
        "AlarmName": name,
        "AlarmDescription": names.MADE + "starts an instance when requests wait and there is none",
        "Namespace": "AWS/SageMaker",
        "MetricName": "HasBacklogWithoutCapacity",
        "Dimensions": [{"Name": "EndpointName", "Value": endpoint}],
        "Statistic": "Average",
        "Period": 60,
        "EvaluationPeriods": 2,
        "DatapointsToAlarm": 2,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "TreatMissingData": "missing",
        "AlarmActions": [policy_arn(name)],
        "Tags": tags,
    }
    return policy, alarm


def policy_arn(name: str) -> str:
    """Stands for the ARN that PutScalingPolicy will give a policy."""
    return f"PolicyARN of {name}"
