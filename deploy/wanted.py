"""A declaration as the API's requests: what should exist once it is deployed. Pure; nothing here calls AWS.

Everything is named after what is in it, so the same declaration gives the same names, and whatever exists under a name
is what was wanted. Only weights and instance counts, which change in place, are left out of a config's name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy import names, scaling, strategies
from deploy.checks import ENDPOINT_METRICS, is_percentile
from deploy.declaration import Alarm, Deployment, Mode, Variant

Request = dict[str, Any]
CAPACITY = ("InitialVariantWeight", "InitialInstanceCount")  # what changes without another config
_NAME_LIMIT = 63


@dataclass(frozen=True)
class Place:
    """Where it is deployed."""

    partition: str
    account: str
    region: str
    role: str  # ARN of the models' execution role
    bucket: str
    prefix: str = ""
    boundary: str = ""  # the policy, but for "-<region>", that limits the roles made there; none: they have no limit


@dataclass(frozen=True)
class Wanted:
    """Requests by resource; `deployment_config` is UpdateEndpoint's."""

    endpoint: str
    how: str  # the strategy in words
    models: list[Request]
    config: Request
    deployment_config: Request | None
    tags: list[dict[str, str]]
    topics: list[str] = field(default_factory=list)  # names
    alarms: list[Request] = field(default_factory=list)
    targets: list[Request] = field(default_factory=list)
    policies: list[Request] = field(default_factory=list)
    schedules: list[Request] = field(default_factory=list)
    wake_alarms: list[Request] = field(default_factory=list)  # with a policy's placeholder among their AlarmActions

    @property
    def config_name(self) -> str:
        return str(self.config["EndpointConfigName"])


def make(
    deployment: Deployment, use_case: str, stage: str, packages: Mapping[int | str, Mapping[str, Any]], place: Place
) -> Wanted:
    """`packages`: DescribeModelPackage of every version that a variant names."""
    endpoint = names.endpoint_name(use_case, stage)
    tags = names.tags(use_case)
    every = [*deployment.variants, *([deployment.shadow] if deployment.shadow else [])]
    models = {each.name: _model(endpoint, each, packages[each.version], place.role, tags) for each in every}
    config = _config(deployment, endpoint, packages[every[0].version], models, place, tags)
    alarms = [
        _alarm(alarm, endpoint, variant, config["EndpointConfigName"], tags)
        for alarm in deployment.alarms
        for variant in ([None] if alarm.metric in ENDPOINT_METRICS else deployment.variants)
    ]
    rollback = [each["AlarmName"] for each in alarms if each["AlarmName"].startswith(config["EndpointConfigName"])]
    serverless = deployment.mode is Mode.SERVERLESS
    return Wanted(
        endpoint=endpoint,
        how=strategies.described(deployment.strategy) + ("; an alarm takes it back" if rollback else ""),
        models=list({each["ModelName"]: each for each in models.values()}.values()),
        config=config,
        deployment_config=None if serverless else strategies.deployment_config(deployment.strategy, rollback),
        tags=tags,
        topics=names.topics(endpoint) if _notifies(deployment) else [],
        alarms=alarms,
        **scaling.make(deployment, deployment.autoscaling, endpoint, tags) if deployment.autoscaling else {},
    )


def digest(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]


def topic_arn(place: Place, topic: str) -> str:
    return f"arn:{place.partition}:sns:{place.region}:{place.account}:{topic}"


def _notifies(deployment: Deployment) -> bool:
    return deployment.mode is Mode.ASYNCHRONOUS and deployment.asynchronous.notify


def _model(
    endpoint: str, variant: Variant, package: Mapping[str, Any], role: str, tags: list[dict[str, str]]
) -> Request:
    container: Request = {"ModelPackageName": package["ModelPackageArn"]}
    if variant.environment:
        container["Environment"] = dict(variant.environment)
    if variant.models:  # AWS: a multi-model container names an image and a prefix, never a package
        source = package["InferenceSpecification"]["Containers"][0]
        container = {
            "Image": source["Image"],
            "Environment": {**source.get("Environment", {}), **variant.environment},
            "Mode": "MultiModel",
            "ModelDataUrl": variant.models,
        }
    return {
        "ModelName": _named(endpoint, package, container, role),
        "ExecutionRoleArn": role,
        "Containers": [container],
        "Tags": tags,
    }


def _named(endpoint: str, package: Mapping[str, Any], *parts: Any) -> str:
    """`<endpoint>-<version>-<digest>`, by which `names.owned` knows it again. ValueError when AWS has no room."""
    name = f"{endpoint}-{package.get('ModelPackageVersion', 0)}-{digest(*parts)}"
    if len(name) > _NAME_LIMIT:
        raise ValueError(f"{name} is longer than {_NAME_LIMIT} characters: shorten the use case's or the stage's name.")
    return name


def _config(
    deployment: Deployment,
    endpoint: str,
    package: Mapping[str, Any],
    models: Mapping[str, Request],
    place: Place,
    tags: list[dict[str, str]],
) -> Request:
    def members(each: Variant) -> Request:
        return _variant(deployment, each, models[each.name]["ModelName"])

    config: Request = {"ProductionVariants": [members(each) for each in deployment.variants]}
    if deployment.shadow:
        config["ShadowProductionVariants"] = [members(deployment.shadow)]
    if deployment.capture:
        destination = names.capture_uri(place.bucket, place.prefix)
        config["DataCaptureConfig"] = names.capture_config(destination, deployment.capture.initial_sampling_percentage)
    if deployment.mode is Mode.ASYNCHRONOUS:
        config["AsyncInferenceConfig"] = _asynchronous(deployment, endpoint, place)
    name = _named(endpoint, package, without_capacity(config))
    return {"EndpointConfigName": name, **config, "Tags": tags}


def without_capacity(config: Mapping[str, Any]) -> Request:
    """A config but for what changes in place: weights and counts of the production variants."""
    variants = [
        {key: value for key, value in each.items() if key not in CAPACITY} for each in config["ProductionVariants"]
    ]
    return {**config, "ProductionVariants": variants}


def _variant(deployment: Deployment, variant: Variant, model: str) -> Request:
    members: Request = {"VariantName": variant.name, "ModelName": model, "InitialVariantWeight": float(variant.weight)}
    if deployment.mode is not Mode.SERVERLESS:
        return {**members, "InstanceType": variant.instance_type, "InitialInstanceCount": variant.instance_count}
    serverless = deployment.serverless
    config = {"MemorySizeInMB": serverless.memory_size_in_mb, "MaxConcurrency": serverless.max_concurrency}
    if serverless.provisioned_concurrency is not None:
        config["ProvisionedConcurrency"] = serverless.provisioned_concurrency
    return {**members, "ServerlessConfig": config}


def _asynchronous(deployment: Deployment, endpoint: str, place: Place) -> Request:
    uri = names.asynchronous_uri(place.bucket, place.prefix, endpoint)
    output: Request = {"S3OutputPath": f"{uri}/answers/", "S3FailurePath": f"{uri}/failures/"}
    if _notifies(deployment):
        success, error = (topic_arn(place, each) for each in names.topics(endpoint))
        output["NotificationConfig"] = {"SuccessTopic": success, "ErrorTopic": error}
    config: Request = {"OutputConfig": output}
    if most := deployment.asynchronous.max_concurrent_invocations_per_instance:
        config["ClientConfig"] = {"MaxConcurrentInvocationsPerInstance": most}
    return config


def _alarm(alarm: Alarm, endpoint: str, variant: Variant | None, config: str, tags: list[dict[str, str]]) -> Request:
    """Its name starts with the config's when it is to roll back: a new fleet's alarm has no state from the old one."""
    dimensions = {"EndpointName": endpoint, **({"VariantName": variant.name} if variant else {})}
    if alarm.rollback:
        dimensions["EndpointConfigName"] = config
    of = f"{variant.name}-" if variant else ""
    statistic = "ExtendedStatistic" if is_percentile(alarm.statistic) else "Statistic"
    return {
        "AlarmName": f"{config if alarm.rollback else endpoint}-{of}{alarm.metric}-{alarm.statistic}",
        "AlarmDescription": names.MADE + ("rolls an update back" if alarm.rollback else "watches the endpoint"),
        "Namespace": "AWS/SageMaker",
        "MetricName": alarm.metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
        statistic: alarm.statistic,
        "Period": alarm.period,
        "EvaluationPeriods": alarm.evaluation_periods,
        "Threshold": float(alarm.threshold),
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",  # nobody asks, nothing is wrong
        "AlarmActions": list(alarm.actions),
        "Tags": tags,
    }
