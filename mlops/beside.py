"""What stands beside a stage's endpoint: its monitors and what retrains it, from declaration to resources.

The pipelines are compiled with the SageMaker SDK, which takes seconds to import: a stage that declares no monitors does
without.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deploy import declaration, monitor_checks, monitors, names, resources, retraining, thresholds, watch
from deploy.declaration import Monitoring
from deploy.resources import Found, Key, Resource
from deploy.wanted import Place, topic_arn
from deploy.watch import Watch
from mlops import storage
from mlops.targets import Target

if TYPE_CHECKING:
    from pipelines.project import Project


@dataclasses.dataclass(frozen=True)
class Beside:
    wanted: list[Resource] = dataclasses.field(default_factory=list)
    left_out: list[str] = dataclasses.field(default_factory=list)  # sentences
    uploads: list[dict[str, Any]] = dataclasses.field(default_factory=list)  # PutObject's requests

    def upload(self, target: Target) -> None:
        for request in self.uploads:
            target.client("s3").put_object(**request)


class Reading:
    """An S3 client that reads, and notes what it is to write."""

    def __init__(self, s3: Any) -> None:
        self._s3 = s3
        self.uploads: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._s3, name)

    def put_object(self, **request: Any) -> None:
        self.uploads.append(request)


def find(target: Target, use_case: str, stage: str, package: Mapping[str, Any], place: Place) -> Beside:
    """What the stage's declaration asks for with a version in service. Writes nothing.

    Raises ValueError for a declaration that would be refused.
    """
    monitoring = declaration.monitored(use_case).get(stage)
    if monitoring is None:
        return Beside()
    monitor_checks.check(monitoring, stage)
    found, left_out = watch.watches(monitoring, use_case, stage, package, place)
    if not found:
        return Beside(left_out=left_out)
    s3 = Reading(target.client("s3"))
    adjusted = [_adjusted(s3, each, place) for each in found]
    endpoint = names.endpoint_name(use_case, stage)
    wanted = monitors.resources(monitoring, endpoint, adjusted, _definitions(target, s3, adjusted), place)
    wanted += _retraining(target, s3, adjusted, package, place)
    return Beside(wanted, left_out, s3.uploads)


def keys(endpoint: str, place: Place) -> list[Key]:
    """All that a stage may have."""
    return monitors.keys(endpoint, place) + retraining.keys(endpoint)


def read(target: Target, endpoint: str, place: Place) -> Found:
    return resources.read(target.client, keys(endpoint, place))


def listed(endpoint: str, place: Place, found: Found) -> list[tuple[str, list[str]]]:
    """The names that exist, by kind; kinds that have none included."""
    return resources.listed(found, [kind for kind, _ in keys(endpoint, place)])


def _definitions(target: Target, s3: Reading, watches: list[Watch]) -> dict[str, str]:
    from pipelines import monitoring

    project = _project(target, s3)
    return {each.name: monitoring.definition(project, each) for each in watches}


def _retraining(
    target: Target, s3: Reading, watches: list[Watch], package: Mapping[str, Any], place: Place
) -> list[Resource]:
    """Of the monitors that have a baseline to violate. Traffic from before the version was registered is left to it."""
    watched = watches[0]
    declared, endpoint = watched.declared.retraining, watched.endpoint
    alarms = [names.violations_alarm(endpoint, each.kind) for each in watches if declared and each.kind in declared.on]
    if declared is None or not alarms:
        return []
    from pipelines import retraining as pipelines

    output = names.monitoring_uri(place.bucket, place.prefix, endpoint, "retraining")
    function = retraining.function_arn(endpoint, place)
    definition = pipelines.definition(_project(target, s3), watched, package["CreationTime"], output, function)
    topic = topic_arn(place, names.monitoring_topic(endpoint))
    started = retraining.Target(watched.use_case, endpoint, alarms, topic, definition)
    return retraining.resources(declared, started, place)


def _project(target: Target, s3: Reading) -> Project:
    from pipelines.project import Project

    return dataclasses.replace(Project.from_environment(target.session), s3=s3)


def _adjusted(s3: Reading, found: Watch, place: Place) -> Watch:
    """With the declaration's thresholds in the constraints: a file of its own, under its content's hash."""
    if not found.monitor.thresholds:
        return found
    uri = found.baseline["constraints"]
    changed = thresholds.changed(found.kind, storage.read_json(s3, uri), found.monitor.thresholds)
    body = json.dumps(changed, indent=1).encode()
    digest = hashlib.sha256(body).hexdigest()[:16]
    target = f"{found.output}/constraints/{digest}/{uri.rsplit('/', 1)[1]}"
    bucket, key = storage.split(target)
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    return dataclasses.replace(found, baseline={**found.baseline, "constraints": target})


def monitored(use_case: str, stage: str) -> Monitoring:
    """Raises LookupError for a stage that declares none."""
    found = declaration.monitored(use_case)
    if stage not in found:
        stages = ", ".join(found) or "none"
        raise LookupError(f"deploy/{use_case}.py declares no monitors for {stage}. Stages with monitors: {stages}.")
    return found[stage]
