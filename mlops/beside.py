"""What stands beside a stage's endpoint: its monitors and what retrains it, from declaration to resources.

The pipelines are compiled with the SageMaker SDK, which takes seconds to import: a stage that declares no monitors does
without.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deploy import (
    declaration,
    managed_monitors,
    monitor_checks,
    monitors,
    names,
    resources,
    retraining,
    thresholds,
    watch,
)
from deploy.declaration import Engine, Monitoring
from deploy.resources import Found, Key, Resource
from deploy.wanted import Place, topic_arn
from deploy.watch import Watch
from mlops import managed, storage, uploads
from mlops.targets import Target
from mlops.uploads import Reading

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


def find(
    target: Target, use_case: str, stage: str, package: Mapping[str, Any], place: Place, model: str = ""
) -> Beside:
    """What the stage's declaration asks for with a version in service, and its model. Writes nothing.

    Raises ValueError for a declaration that would be refused.
    """
    monitoring = declaration.monitored(use_case).get(stage)
    if monitoring is None:
        return Beside()
    monitor_checks.check(monitoring, stage, names.endpoint_name(use_case, stage), place)
    found, left_out = watch.watches(monitoring, use_case, stage, package, place)
    s3 = Reading(target.client("s3"))
    if monitoring.engine is Engine.MANAGED:
        found, more = managed.watches(s3, found, model)
        left_out += more
    if not found:
        return Beside(left_out=left_out)
    adjusted = [_adjusted(s3, each) for each in found]
    endpoint = names.endpoint_name(use_case, stage)
    if monitoring.engine is Engine.MANAGED:
        images = managed.images(target.region)
        wanted = managed_monitors.resources(monitoring, endpoint, adjusted, images, place)
    else:
        wanted = monitors.resources(monitoring, endpoint, adjusted, _definitions(target, s3, adjusted), place)
    wanted += _retraining(target, s3, adjusted, package, place)
    return Beside(wanted, left_out, s3.uploads)


def keys(endpoint: str, place: Place) -> list[Key]:
    """All that a stage may have."""
    both = [*monitors.keys(endpoint, place), *managed_monitors.keys(endpoint, place), *retraining.keys(endpoint, place)]
    return list(dict.fromkeys(both))


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

    logging.getLogger("sagemaker").setLevel(logging.ERROR)  # notices for each step; none is about something to be done
    return dataclasses.replace(Project.from_environment(target.session), s3=s3)


def _adjusted(s3: Reading, found: Watch) -> Watch:
    """With the declaration's thresholds in the constraints."""
    if not found.monitor.thresholds:
        return found
    uri = found.baseline["constraints"]
    changed = thresholds.changed(found.kind, storage.read_json(s3, uri), found.monitor.thresholds)
    target = uploads.document(s3, f"{found.output}/constraints", uri.rsplit("/", 1)[1], changed)
    return dataclasses.replace(found, baseline={**found.baseline, "constraints": target})


def monitored(use_case: str, stage: str) -> Monitoring:
    """Raises LookupError for a stage that declares none."""
    found = declaration.monitored(use_case)
    if stage not in found:
        stages = ", ".join(found) or "none"
        who = f"{use_case} for {stage}"
        raise LookupError(f"deploy/stages.yml declares no monitors of {who}. Stages with monitors: {stages}.")
    return found[stage]
