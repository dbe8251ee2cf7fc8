"""What stands beside a stage's endpoint: its monitors and what retrains it, its dashboard, and what ends it.

The pipelines are compiled with the SageMaker SDK, which takes seconds to import: a stage that declares no monitors does
without.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from deploy import (
    dashboard,
    declaration,
    managed_monitors,
    monitor_checks,
    monitors,
    names,
    resources,
    retraining,
    stages,
    staleness,
    thresholds,
    time_to_live,
    watch,
)
from deploy.declaration import Deployment, Engine, Monitoring, Stage
from deploy.resources import Found, Key, Resource
from deploy.wanted import Place, Wanted, topic_arn
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
    target: Target,
    use_case: str,
    stage: str,
    package: Mapping[str, Any],
    place: Place,
    deployment: Deployment | None = None,
    desired: Wanted | None = None,
) -> Beside:
    """What the stage's declaration asks for with a version in service, and its endpoint, none of batches. Writes
    nothing.

    Raises ValueError for a declaration that would be refused.
    """
    declared = stages.of(use_case).get(stage, Stage(stage))
    found, watches = Beside(), list[Watch]()
    if declared.monitoring:
        model = str(desired.config["ProductionVariants"][0]["ModelName"]) if desired else ""
        found, watches = _monitors(target, use_case, stage, declared.monitoring, package, place, model)
    if deployment is None or desired is None:
        return found
    standing = [
        *time_to_live.resources(declared.time_to_live, desired.endpoint, desired.tags, place),
        dashboard.resource(deployment, desired, place, declared.monitoring, watches),
    ]
    return dataclasses.replace(found, wanted=found.wanted + standing)


def _monitors(
    target: Target,
    use_case: str,
    stage: str,
    monitoring: Monitoring,
    package: Mapping[str, Any],
    place: Place,
    model: str,
) -> tuple[Beside, list[Watch]]:
    """Monitors, what they start, and what they look at."""
    endpoint = names.endpoint_name(use_case, stage)
    monitor_checks.check(monitoring, stage, endpoint, place)
    found, left_out = watch.watches(monitoring, use_case, stage, package, place)
    s3 = Reading(target.client("s3"))
    if monitoring.engine is Engine.MANAGED:
        found, more = managed.watches(s3, found, model)
        left_out += more
    if not found:
        return Beside(left_out=left_out), []
    adjusted = [_adjusted(s3, each) for each in found]
    if monitoring.engine is Engine.MANAGED:
        images = managed.images(target.region)
        wanted = managed_monitors.resources(monitoring, endpoint, adjusted, images, place)
    else:
        wanted = monitors.resources(monitoring, endpoint, adjusted, _definitions(target, s3, adjusted), place)
    wanted += staleness.resources(monitoring, endpoint, adjusted, names.tags(use_case), place)
    wanted += _retraining(target, s3, adjusted, package, place)
    return Beside(wanted, left_out, s3.uploads), adjusted


def keys(endpoint: str, place: Place) -> list[Key]:
    """All that a stage may have."""
    every = [
        *monitors.keys(endpoint, place),
        *managed_monitors.keys(endpoint, place),
        *staleness.keys(endpoint),
        *retraining.keys(endpoint, place),
        *time_to_live.keys(endpoint, place),
        *dashboard.keys(endpoint),
    ]
    return list(dict.fromkeys(every))


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
