"""Which phase follows which, and the record of phases in a build's document.

AWS documents that no later phase of the buildspec runs after a failed `install`, and shows in a diagram that
`pre_build` is alike, that `post_build` follows a failed `build`, and that artifacts are uploaded nevertheless.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Document = dict[str, Any]
RUN = ("INSTALL", "PRE_BUILD", "BUILD", "POST_BUILD")
UPLOAD, FINALIZING, COMPLETED = "UPLOAD_ARTIFACTS", "FINALIZING", "COMPLETED"
_NEXT = dict(zip(RUN, (*RUN[1:], UPLOAD), strict=True))
_AFTER_FAILURE = {"INSTALL": FINALIZING, "PRE_BUILD": FINALIZING, "BUILD": "POST_BUILD", "POST_BUILD": UPLOAD}


def after(phase: str, succeeded: bool, on_failure: str = "") -> str:
    """The phase after one of RUN; `on_failure` is ABORT, CONTINUE, or "" for the usual transition."""
    if succeeded or on_failure == "CONTINUE":
        return _NEXT[phase]
    if on_failure == "ABORT":
        return UPLOAD if phase in ("BUILD", "POST_BUILD") else FINALIZING
    return _AFTER_FAILURE[phase]


def enter(build: Document, phase: str, now: float) -> None:
    build["currentPhase"] = phase
    build["phases"].append({"phaseType": phase, "startTime": now})


def leave(build: Document, status: str, now: float, contexts: Sequence[Document] = ()) -> None:
    """Ends the phase that runs. A phase that went well has one empty context, as AWS's have."""
    phase = build["phases"][-1]
    phase |= {
        "phaseStatus": status,
        "endTime": now,
        "durationInSeconds": max(0, round(now - phase["startTime"])),
        "contexts": list(contexts) or [{"statusCode": "", "message": ""}],
    }


def complete(build: Document, status: str, now: float) -> None:
    """The last entry, which has no status of its own."""
    enter(build, COMPLETED, now)
    build |= {"buildStatus": status, "buildComplete": True, "endTime": now}
