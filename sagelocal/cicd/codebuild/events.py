"""What CodeBuild tells EventBridge of its builds, shaped like the samples in its guide."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

Document = dict[str, Any]
_Built = tuple[str, list[str], Document]
_VERSION = "1"


def state_change(before: Document | None, after: Document) -> _Built:
    detail = {
        "build-status": after["buildStatus"],
        **_of_build(after),
        "current-phase": after["currentPhase"],
        "current-phase-context": _listed(_contexts(after["phases"][-1])),
    }
    return "CodeBuild Build State Change", [after["arn"]], detail


def phase_changes(before: Document | None, after: Document) -> list[_Built]:
    """One for each phase that has ended since."""
    ended = sum("phaseStatus" in phase for phase in (before or {}).get("phases", []))
    return [_phase_change(after, phase) for phase in after["phases"][ended:] if "phaseStatus" in phase]


def _phase_change(build: Document, phase: Document) -> _Built:
    detail = {
        "completed-phase": phase["phaseType"],
        **_of_build(build),
        "completed-phase-context": _listed(_contexts(phase)),
        "completed-phase-status": phase["phaseStatus"],
        "completed-phase-duration-seconds": phase["durationInSeconds"],
        "completed-phase-start": _time(phase["startTime"]),
        "completed-phase-end": _time(phase["endTime"]),
    }
    return "CodeBuild Build Phase Change", [build["arn"]], detail


def _of_build(build: Document) -> Document:
    environment = build["environment"]
    more: Document = {
        "artifact": {
            "md5sum": build["artifacts"].get("md5sum"),
            "sha256sum": build["artifacts"].get("sha256sum"),
            "location": build["artifacts"].get("location"),
        },
        "environment": {
            "image": environment["image"],
            "privileged-mode": environment["privilegedMode"],
            "compute-type": environment["computeType"],
            "type": environment["type"],
            "environment-variables": environment["environmentVariables"],
        },
        "timeout-in-minutes": build["timeoutInMinutes"],
        "queued-timeout-in-minutes": build["queuedTimeoutInMinutes"],
        "build-complete": build["buildComplete"],
        "build-number": build["buildNumber"],
        "initiator": build["initiator"],
        "build-start-time": _time(build["startTime"]),
        "source": {"location": build["source"].get("location"), "type": build["source"]["type"]},
        "source-version": build.get("sourceVersion"),
        "logs": {
            "group-name": build["logs"].get("groupName"),
            "stream-name": build["logs"].get("streamName"),
            "deep-link": build["logs"].get("deepLink"),
        },
        "phases": [_phase(phase) for phase in build["phases"]],
    }
    known = {"project-name": build["projectName"], "build-id": build["arn"], "version": _VERSION}
    return {**known, "additional-information": _present(more)}


def _phase(phase: Document) -> Document:
    times = {} if "endTime" not in phase else {"end-time": _time(phase["endTime"])}
    return _present(
        {
            "phase-context": _contexts(phase),
            "start-time": _time(phase["startTime"]),
            **times,
            "duration-in-seconds": phase.get("durationInSeconds"),
            "phase-type": phase["phaseType"],
            "phase-status": phase.get("phaseStatus"),
        }
    )


def _contexts(phase: Document) -> list[str]:
    given = phase.get("contexts", [])
    return [f"{each['statusCode']}: {each['message']}" for each in given if each["statusCode"]]


def _listed(texts: list[str]) -> str:
    """These two members are text, not a list."""
    return f"[{', '.join(texts)}]"


def _present(document: Document) -> Document:
    return {
        name: _present(value) if isinstance(value, dict) else value
        for name, value in document.items()
        if value is not None
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%b %-d, %Y %-I:%M:%S %p")
