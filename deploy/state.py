"""What exists of an endpoint: everything that a deployment makes, as AWS describes it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from deploy import names

Clients = Callable[[str], Any]  # a service's name to its boto3 client
Described = dict[str, Any]
_MISSING_CODES = ("NotFound", "NotFoundException", "ResourceNotFoundException", "ResourceNotFound", "NoSuchEntity")
_MISSING_WORDS = ("could not find", "does not exist", "cannot find")


@dataclass(frozen=True)
class State:
    endpoint: Described | None
    config: Described | None  # the endpoint's, whoever made it
    configs: dict[str, Described]  # name to config, those that were made for the endpoint, newest first
    models: list[str]  # that only this endpoint's configs use, or that are named after it
    targets: list[Described]
    policies: list[Described]
    schedules: list[Described]
    alarms: list[Described]  # ours, and those that Application Auto Scaling made for its policies
    topics: list[str]  # ARNs

    def serves(self, config: str) -> bool:
        return self.endpoint is not None and self.endpoint["EndpointConfigName"] == config

    def listed(self) -> list[tuple[str, list[str]]]:
        """Every kind with the names that exist, in the order in which they are removed."""
        return [
            ("scheduled action", [each["ScheduledActionName"] for each in self.schedules]),
            ("scaling policy", [each["PolicyName"] for each in self.policies]),
            ("scalable target", [each["ResourceId"] for each in self.targets]),
            ("endpoint", [self.endpoint["EndpointName"]] if self.endpoint else []),
            ("alarm", [each["AlarmName"] for each in self.alarms]),
            ("endpoint config", list(self.configs)),
            ("model", self.models),
            ("SNS topic", self.topics),
        ]


def read(clients: Clients, endpoint: str, account: str) -> State:
    sagemaker = clients("sagemaker")
    described = find(sagemaker.describe_endpoint, EndpointName=endpoint)
    configs = _configs(sagemaker, endpoint)
    current = None
    if described:
        name = described["EndpointConfigName"]
        current = configs.get(name) or find(sagemaker.describe_endpoint_config, EndpointConfigName=name)
    scaling = clients("application-autoscaling")
    return State(
        endpoint=described,
        config=current,
        configs=configs,
        models=_models(sagemaker, endpoint, configs),
        targets=_scalable(scaling, "describe_scalable_targets", "ScalableTargets", endpoint),
        policies=_scalable(scaling, "describe_scaling_policies", "ScalingPolicies", endpoint),
        schedules=_scalable(scaling, "describe_scheduled_actions", "ScheduledActions", endpoint),
        alarms=_alarms(clients("cloudwatch"), endpoint),
        topics=_topics(clients("sns"), endpoint, account),
    )


def endpoint(sagemaker: Any, name: str) -> Described:
    """DescribeEndpoint. Raises LookupError with the remedy when there is no such endpoint."""
    found = find(sagemaker.describe_endpoint, EndpointName=name)
    if found is None:
        raise LookupError(f"There is no endpoint {name}: mlops deploy makes it.")
    return found


def find(call: Callable[..., Described], **name: str) -> Described | None:
    """A Describe response, None when the resource doesn't exist."""
    try:
        return call(**name)
    except ClientError as error:
        text = error.response["Error"]["Message"].lower()
        if error.response["Error"]["Code"] in _MISSING_CODES or any(words in text for words in _MISSING_WORDS):
            return None
        raise


def _configs(sagemaker: Any, endpoint: str) -> dict[str, Described]:
    pages = sagemaker.get_paginator("list_endpoint_configs").paginate(
        NameContains=f"{endpoint}-", SortBy="CreationTime", SortOrder="Descending"
    )
    found = [each["EndpointConfigName"] for page in pages for each in page["EndpointConfigs"]]
    owned = {name: find(sagemaker.describe_endpoint_config, EndpointConfigName=name) for name in found}
    return {name: config for name, config in owned.items() if config and names.owned(endpoint, name)}


def _models(sagemaker: Any, endpoint: str, configs: dict[str, Described]) -> list[str]:
    """A pipeline's own deploy step names its models otherwise: they are found by the configs that use them."""
    pages = sagemaker.get_paginator("list_models").paginate(NameContains=f"{endpoint}-")
    listed = [each["ModelName"] for page in pages for each in page["Models"]]
    found = {name for name in listed if names.owned(endpoint, name)}
    used = {model for config in configs.values() for model in models_of(config)}
    return sorted(found | {name for name in used - found if find(sagemaker.describe_model, ModelName=name)})


def models_of(config: Described) -> set[str]:
    variants = [*config.get("ProductionVariants", []), *config.get("ShadowProductionVariants", [])]
    return {variant["ModelName"] for variant in variants if "ModelName" in variant}


def _scalable(scaling: Any, operation: str, member: str, endpoint: str) -> list[Described]:
    pages = scaling.get_paginator(operation).paginate(ServiceNamespace="sagemaker")
    found = [each for page in pages for each in page[member]]
    return [each for each in found if each["ResourceId"].startswith(names.resource_id(endpoint, ""))]


def _alarms(cloudwatch: Any, endpoint: str) -> list[Described]:
    """A user's own alarm stays theirs, and `churn-staging-eu-…` is another endpoint's."""
    paginator = cloudwatch.get_paginator("describe_alarms")
    named = [each for page in paginator.paginate(AlarmNamePrefix=f"{endpoint}-") for each in page["MetricAlarms"]]
    ours = [each for each in named if each.get("AlarmDescription", "").startswith(names.MADE)]
    ours = [each for each in ours if {"Name": "EndpointName", "Value": endpoint} in each.get("Dimensions", [])]
    prefix = f"TargetTracking-{names.resource_id(endpoint, '')}"
    return ours + [each for page in paginator.paginate(AlarmNamePrefix=prefix) for each in page["MetricAlarms"]]


def _topics(sns: Any, endpoint: str, account: str) -> list[str]:
    arns = [f"arn:{sns.meta.partition}:sns:{sns.meta.region_name}:{account}:{each}" for each in names.topics(endpoint)]
    return [arn for arn in arns if find(sns.get_topic_attributes, TopicArn=arn)]
