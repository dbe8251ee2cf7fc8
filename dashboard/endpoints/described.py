"""What an endpoint is, as AWS describes it and its parts, and what these descriptions say."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from dashboard import look
from deploy import state
from deploy.names import PROJECT_TAG

Described = dict[str, Any]
SERVING = ("InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed")
_PACKAGE = re.compile(r":model-package/([^/]+)(?:/(\d+))?$")


@dataclass(frozen=True)
class Found:
    """`config`, `models` and `tags` have what could be read; `problems` say what could not, a sentence each."""

    endpoint: Described  # DescribeEndpoint
    config: Described = field(default_factory=dict)  # DescribeEndpointConfig; empty when it is gone
    models: Mapping[str, Described] = field(default_factory=dict)  # DescribeModel, by ModelName
    tags: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return str(self.endpoint["EndpointName"])

    @property
    def status(self) -> str:
        return str(self.endpoint["EndpointStatus"])


@dataclass(frozen=True)
class Version:
    """Of a model package; an unversioned one has number 0 and its own name as group."""

    group: str
    number: int
    arn: str

    def __str__(self) -> str:
        return f"{self.group} version {self.number}" if self.number else self.group


@dataclass(frozen=True)
class Variant:
    name: str
    shadow: bool
    model: str  # ModelName; empty where inference components have the models
    version: Version | None  # None for a model that names no package
    weight: float
    desired_weight: float
    instances: int | None  # None for a serverless one
    desired_instances: int | None
    hardware: str  # instance type, or a serverless variant's memory and concurrency
    states: tuple[str, ...] = ()  # what it is doing, while it changes


def read(sagemaker: Any, name: str) -> Found:
    """Raises LookupError when there is no such endpoint, ClientError when it may not be described."""
    endpoint = state.endpoint(sagemaker, name)
    problems: list[str] = []

    def asked(call: Callable[..., Described], **which: str) -> Described:
        try:
            return state.find(call, **which) or {}
        except ClientError as error:
            problems.append(look.sentence(error))
            return {}

    config = asked(sagemaker.describe_endpoint_config, EndpointConfigName=endpoint["EndpointConfigName"])
    models = {each: asked(sagemaker.describe_model, ModelName=each) for each in sorted(state.models_of(config))}
    tags = asked(sagemaker.list_tags, ResourceArn=endpoint["EndpointArn"]).get("Tags", [])
    return Found(
        endpoint, config, models, {each["Key"]: each["Value"] for each in tags}, tuple(dict.fromkeys(problems))
    )


def containers(model: Described) -> list[Described]:
    return [*model.get("Containers", []), *([model["PrimaryContainer"]] if "PrimaryContainer" in model else [])]


def mode(found: Found) -> str:
    """How it is asked, in the words of the developer guide, and what is particular of its variants."""
    variants = found.config.get("ProductionVariants") or found.endpoint.get("ProductionVariants", [])
    parts = [_kind(found, variants)]
    if len(variants) > 1:
        parts.append(f"{len(variants)} variants")
    if found.config.get("ShadowProductionVariants") or found.endpoint.get("ShadowProductionVariants"):
        parts.append("shadow")
    return ", ".join(parts)


def is_asynchronous(found: Found) -> bool:
    return "AsyncInferenceConfig" in found.endpoint or "AsyncInferenceConfig" in found.config


def is_serverless(found: Found) -> bool:
    variants = [*found.config.get("ProductionVariants", []), *found.endpoint.get("ProductionVariants", [])]
    return any("ServerlessConfig" in each or "CurrentServerlessConfig" in each for each in variants)


def is_multi_model(found: Found) -> bool:
    return any(each.get("Mode") == "MultiModel" for model in found.models.values() for each in containers(model))


def has_components(found: Found) -> bool:
    """Whether its variants are only instances, on which inference components put their models."""
    variants = found.config.get("ProductionVariants", [])
    return bool(variants) and all("ModelName" not in each for each in variants)


def hosts(found: Found) -> list[str]:
    """The containers of which each request names one (InferenceExecutionConfig.Mode Direct)."""
    direct = [
        each for each in found.models.values() if each.get("InferenceExecutionConfig", {}).get("Mode") == "Direct"
    ]
    return [each["ContainerHostname"] for model in direct for each in containers(model) if "ContainerHostname" in each]


def _kind(found: Found, variants: list[Described]) -> str:
    if is_asynchronous(found):
        return "asynchronous"
    if is_serverless(found):
        return "serverless"
    if is_multi_model(found):
        return "multi-model"
    if has_components(found):
        return "inference components"
    modes = [model.get("InferenceExecutionConfig", {}).get("Mode", "Serial") for model in found.models.values()]
    several = any(len(containers(model)) > 1 for model in found.models.values())
    return "real-time" + (", several containers" if "Direct" in modes else ", serial pipeline" if several else "")


def variants(found: Found) -> list[Variant]:
    """The production variants, then the shadow; of a config that is gone, what the endpoint tells of them."""
    return [
        _variant(found, config, live, shadow=shadow)
        for member, shadow in (("ProductionVariants", False), ("ShadowProductionVariants", True))
        for config, live in _pairs(found, member)
    ]


def _pairs(found: Found, member: str) -> Iterator[tuple[Described, Described]]:
    configs = {each["VariantName"]: each for each in found.config.get(member, [])}
    live = {each["VariantName"]: each for each in found.endpoint.get(member, [])}
    for name in {**configs, **live}:
        yield configs.get(name, {"VariantName": name}), live.get(name, {})


def _variant(found: Found, config: Described, live: Described, *, shadow: bool) -> Variant:
    known = {"CurrentWeight": config.get("InitialVariantWeight", 1.0), **live}
    weight = float(known["CurrentWeight"])
    serverless = live.get("CurrentServerlessConfig") or config.get("ServerlessConfig")
    count = None if serverless else live.get("CurrentInstanceCount", 0)
    said = [str(each.get("StatusMessage") or each["Status"]) for each in live.get("VariantStatus", [])]
    return Variant(
        name=config["VariantName"],
        shadow=shadow,
        model=config.get("ModelName", ""),
        version=version(found.models.get(config.get("ModelName", ""), {})),
        weight=weight,
        desired_weight=float(known.get("DesiredWeight", weight)),
        instances=count,
        desired_instances=None
        if serverless
        else live.get("DesiredInstanceCount", config.get("InitialInstanceCount", count)),
        hardware=_serverless(serverless) if serverless else str(config.get("InstanceType", "")),
        states=tuple(said),
    )


def _serverless(config: Described) -> str:
    ready = config.get("ProvisionedConcurrency")
    return f"{config['MemorySizeInMB']} MB, {config['MaxConcurrency']} at once" + (
        f", {ready} provisioned" if ready else ""
    )


def version(model: Described) -> Version | None:
    """Of the package that a DescribeModel's containers were made from."""
    for each in containers(model):
        if match := _PACKAGE.search(each.get("ModelPackageName", "")):
            return Version(match[1], int(match[2] or 0), each["ModelPackageName"])
    return None


def serves(found: Found) -> str:
    """What answers, in a few words: versions of groups, else the models' names."""
    named = [str(each.version or each.model) for each in variants(found) if not each.shadow]
    return ", ".join(dict.fromkeys(each for each in named if each))


def use_case(found: Found) -> str:
    """By its tag; empty for one that is not of this project."""
    return found.tags.get(PROJECT_TAG, "")


def stage(found: Found) -> str:
    """What follows the use case in its name."""
    owner = use_case(found).replace("_", "-")
    return found.name.removeprefix(f"{owner}-") if owner and found.name.startswith(f"{owner}-") else ""


def shares(weights: Mapping[str, float]) -> dict[str, float]:
    """Each variant's share of the requests, 0 to 1: its weight by the sum of all."""
    together = sum(weights.values())
    return {name: weight / together if together else 0.0 for name, weight in weights.items()}
