"""How requests and descriptions look to a person: what the diff compares and shows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Set
from typing import Any

Described = Mapping[str, Any]
_UNCOMPARED = ("Tags", "AlarmDescription")


def variants(config: Described) -> dict[str, dict[str, Any]]:
    """A config's production variants by name."""
    return {each["VariantName"]: each for each in config.get("ProductionVariants", [])}


def labels(config: Described, endpoint: Described | None = None) -> dict[str, str]:
    """A config in words, by what they are about; with weights and counts of the endpoint that runs it."""
    live = {each["VariantName"]: each for each in (endpoint or {}).get("ProductionVariants", [])}
    shown: dict[str, str] = {}
    for role, member in (("variant", "ProductionVariants"), ("shadow", "ShadowProductionVariants")):
        for each in config.get(member, []):
            shown |= {f"{role} {each['VariantName']}: {label}": text for label, text in _variant(each, live)}
    if (capture := config.get("DataCaptureConfig")) and capture.get("EnableCapture"):
        shown["data capture"] = f"{capture['InitialSamplingPercentage']} % to {capture['DestinationS3Uri']}"
    if asynchronous := config.get("AsyncInferenceConfig"):
        shown |= _asynchronous(asynchronous)
    return shown


def _variant(variant: Described, live: Mapping[str, Described]) -> Iterator[tuple[str, str]]:
    now = live.get(variant["VariantName"], {})
    yield "model", model(variant.get("ModelName", ""))
    weight = now.get("DesiredWeight", variant.get("InitialVariantWeight", 1.0))
    yield "weight", f"{weight:g}"
    if serverless := variant.get("ServerlessConfig"):
        provisioned = serverless.get("ProvisionedConcurrency")
        ready = f", {provisioned} provisioned" if provisioned else ""
        yield "serverless", f"{serverless['MemorySizeInMB']} MB, {serverless['MaxConcurrency']} at once{ready}"
    else:
        yield "instances", str(now.get("DesiredInstanceCount", variant.get("InitialInstanceCount")))
        yield "instance type", str(variant.get("InstanceType"))


def model(name: str) -> str:
    """`churn-production-3-1a2b3c4d` is version 3; a model that someone else named goes by its name."""
    match = re.fullmatch(r".+-(\d+)-([0-9a-f]{8})", name)
    return f"version {match[1]} ({match[2]})" if match else name


def _asynchronous(config: Described) -> dict[str, str]:
    output = config["OutputConfig"]
    shown = {"answers": output.get("S3OutputPath", "")}
    if notified := output.get("NotificationConfig"):
        shown["notifies"] = ", ".join(str(each).rsplit(":", 1)[-1] for each in notified.values())
    if most := config.get("ClientConfig", {}).get("MaxConcurrentInvocationsPerInstance"):
        shown["at once, an instance"] = str(most)
    return shown


def changed(before: Mapping[str, str], after: Mapping[str, str], *, ignored: Set[str] = frozenset()) -> Iterator[str]:
    """`before → after` of each label that differs, in the order of the new ones; `-` for what isn't there."""
    for label in [*after, *(each for each in before if each not in after)]:
        old, new = before.get(label, "-"), after.get(label, "-")
        if old != new and (label not in ignored or "-" in (old, new)):
            yield f"{label} {old} → {new}"


def containers(model: Described) -> tuple[str, ...]:
    found = model["Containers"]
    return tuple(str(each.get("ModelPackageName") or f"{each['Image']} over {each['ModelDataUrl']}") for each in found)


def alarm(alarm: Described) -> str:
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic")
    sign = ">=" if alarm["ComparisonOperator"].endswith("ToThreshold") else ">"
    over = f"{alarm['EvaluationPeriods']} × {alarm['Period']} s"
    return f"{statistic} of {alarm['MetricName']} {sign} {alarm['Threshold']:g} over {over}"


def scaling(request: Described) -> tuple[str, ...]:
    if tracking := request.get("TargetTrackingScalingPolicyConfiguration"):
        custom, predefined = (
            tracking.get("CustomizedMetricSpecification"),
            tracking.get("PredefinedMetricSpecification"),
        )
        metric = custom["MetricName"] if custom else predefined["PredefinedMetricType"]
        return (f"keeps {metric} at {tracking['TargetValue']:g}",)
    if "StepScalingPolicyConfiguration" in request:
        return ("adds one when its alarm says so",)
    limits = request.get("ScalableTargetAction", request)
    when = f", {request['Schedule']} {request.get('Timezone', 'UTC')}" if "Schedule" in request else ""
    return (f"{limits['MinCapacity']} to {limits['MaxCapacity']}{when}",)


def close(one: float, other: float) -> bool:
    """The same weight or count: AWS keeps weights in single precision."""
    return math.isclose(one, other, rel_tol=1e-6)


def differences(request: Described, described: Described) -> tuple[str, ...]:
    """Where a description isn't what a request asks for; what only the description has is AWS's own."""
    return tuple(_differences("", {key: request[key] for key in request if key not in _UNCOMPARED}, described))


def _differences(path: str, wanted: Any, found: Any) -> Iterator[str]:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping | None):
        for key, value in wanted.items():  # AWS leaves out what is empty
            yield from _differences(f"{path}.{key}" if path else key, value, (found or {}).get(key))
    elif isinstance(wanted, list) and _sorted(wanted) == _sorted(found or []):
        return
    elif wanted != found:
        yield f"{path} {found} → {wanted}"


def _sorted(values: list[Any]) -> list[str]:
    return sorted(str(sorted(each.items()) if isinstance(each, Mapping) else each) for each in values)


def progress(endpoint: Described) -> str:
    """How far an endpoint that changes is, in a line: what the variants of the new fleet do."""
    variants = (endpoint.get("PendingDeploymentSummary") or {}).get("ProductionVariants", [])
    said = [_progress(each, named=len(variants) > 1) for each in variants]
    return f"{endpoint['EndpointStatus']}: {'; '.join(said)}" if said else str(endpoint["EndpointStatus"])


def _progress(variant: Described, *, named: bool) -> str:
    words = [variant["VariantName"]] if named else []
    if variant.get("DesiredInstanceCount"):  # a serverless variant has none
        words.append(f"{variant.get('CurrentInstanceCount', 0)} of {variant['DesiredInstanceCount']} instances")
    words += [str(each.get("StatusMessage") or each["Status"]).rstrip(".") for each in variant.get("VariantStatus", [])]
    return ", ".join(words)
