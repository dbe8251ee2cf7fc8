"""What monitors of a stage look at and compare it with, from a declaration and the version in service. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deploy import names, registry
from deploy.declaration import Kind, Monitor, Monitoring
from deploy.wanted import Place

LABELLED = (Kind.MODEL_QUALITY, Kind.MODEL_BIAS)  # need the truth


@dataclass(frozen=True)
class Watch:
    """One monitor. URIs are S3's."""

    use_case: str
    kind: Kind
    name: str  # of pipeline and schedule
    endpoint: str  # a dimension of the metrics; none for batch transform jobs
    captures: str  # URI of the folder above the variants', or of transform jobs' captures
    output: str  # URI of the folder that executions write below
    baseline: Mapping[str, str]  # URIs of statistics, constraints and config, those that the kind has
    features: str  # URI of data quality's constraints: names and order of the features
    model: str  # URI of the model.tar.gz
    image: str  # of the version in service
    registered: str  # when the version in service was, ISO 8601
    ground_truth: str  # URI of the folder above the labels' hours
    declared: Monitoring
    monitor: Monitor


def watches(
    monitoring: Monitoring, use_case: str, stage: str, package: Mapping[str, Any], place: Place
) -> tuple[list[Watch], list[str]]:
    """The monitors, and a sentence for each that is left out. `package` is what DescribeModelPackage answers."""
    found = list(_watches(monitoring, use_case, stage, package, place))
    return [each for each in found if isinstance(each, Watch)], [each for each in found if isinstance(each, str)]


def _watches(
    monitoring: Monitoring, use_case: str, stage: str, package: Mapping[str, Any], place: Place
) -> Iterator[Watch | str]:
    name = names.endpoint_name(use_case, stage)
    container = package["InferenceSpecification"]["Containers"][0]
    features = registry.baseline(package, Kind.DATA_QUALITY).get("constraints", "")
    for kind, monitor in monitoring.monitors().items():
        baseline = registry.baseline(package, kind)
        if why := _reason(kind, monitoring, baseline, features):
            yield f"{kind} is not monitored: {why.format(version=package['ModelPackageArn'])}"
            continue
        yield Watch(
            use_case=use_case,
            kind=kind,
            name=names.monitor_name(name, kind),
            endpoint="" if monitoring.captures else name,
            captures=monitoring.captures.rstrip("/") or f"{names.capture_uri(place.bucket, place.prefix)}/{name}",
            output=names.monitoring_uri(place.bucket, place.prefix, name, kind),
            baseline=baseline,
            features=features,
            model=container.get("ModelDataUrl", ""),
            image=container["Image"],
            registered=package["CreationTime"].isoformat(timespec="seconds"),
            ground_truth=monitoring.ground_truth.rstrip("/")
            or names.ground_truth_uri(place.bucket, place.prefix, name),
            declared=monitoring,
            monitor=monitor,
        )


def _reason(kind: Kind, monitoring: Monitoring, baseline: Mapping[str, str], features: str) -> str:
    if not baseline:
        return "{version} has no baseline of that kind; a pipeline with that check registers one"
    if not features:
        return "{version} has no data quality baseline, which names its features"
    if kind in LABELLED and not monitoring.label:
        return "its declaration names no label"
    return ""
