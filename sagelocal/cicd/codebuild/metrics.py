"""CloudWatch's metrics of builds, of each project and of all together (CodeBuild's guide, "CodeBuild metrics")."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
NAMESPACE = "AWS/CodeBuild"
_COUNTED = {"SUCCEEDED": "SucceededBuilds", "FAILED": "FailedBuilds", "TIMED_OUT": "FailedBuilds"}


def of_build(app: SageLocal, before: Document | None, after: Document) -> None:
    """When a build is started and when it is complete; one that is stopped or faulty is no failed one."""
    found: dict[str, float] = {"Builds": 1.0} if before is None else {}
    if after["buildComplete"] and not (before and before["buildComplete"]):
        found |= dict(_ended(after))
    if found:
        every = [{"Name": "ProjectName", "Value": after["projectName"]}]
        app.metrics.put(
            NAMESPACE,
            [
                {
                    "MetricName": name,
                    "Dimensions": dimensions,
                    "Timestamp": app.now(),
                    "Value": value,
                    "Unit": "Seconds" if name.endswith("Duration") else "Count",
                }
                for name, value in found.items()
                for dimensions in ([], every)
            ],
        )


def _ended(build: Document) -> Iterator[tuple[str, float]]:
    if counted := _COUNTED.get(build["buildStatus"]):
        yield counted, 1.0
    yield "Duration", build["endTime"] - build["startTime"]
    for phase in build["phases"]:
        if "endTime" in phase:
            name = "".join(word.capitalize() for word in phase["phaseType"].split("_"))
            yield f"{name}Duration", phase["endTime"] - phase["startTime"]
