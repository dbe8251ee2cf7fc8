"""Answers that AWS gives to newer clients than the pinned botocore: shapes that its model does not have yet.

An older client skips the members it does not know. After botocore 1.44's model; a member that the pinned model has
already stays as it is there.
"""

from __future__ import annotations

from typing import Any

_TEXT, _NUMBER = {"shape": "String256"}, {"shape": "Integer"}
_SHAPES: dict[str, dict[str, Any]] = {
    "ForEachStepMetadata": {
        "Status": _TEXT,
        "InputItemCount": _NUMBER,
        "TotalStepCount": _NUMBER,
        "SucceededStepCount": _NUMBER,
        "FailedStepCount": _NUMBER,
        "StoppedStepCount": _NUMBER,
        "Selector": {"shape": "ForEachSelectorResult"},
    },
    "ForEachSelectorResult": {"StepName": _TEXT, "Index": _NUMBER},
    "IterationContext": {"ParentStepName": _TEXT, "Index": _NUMBER, "Item": _TEXT},
    "CleanupStepMetadata": {
        "CleanedSteps": {"shape": "CleanupStepNameList"},
        "FailedSteps": {"shape": "CleanupFailureList"},
        "SkippedSteps": {"shape": "CleanupStepNameList"},
    },
    "CleanupFailure": {"StepName": _TEXT, "ErrorCode": _TEXT, "ErrorMessage": _TEXT},
}
_LISTS = {"CleanupStepNameList": _TEXT, "CleanupFailureList": {"shape": "CleanupFailure"}}
_MEMBERS = {
    "PipelineExecutionStep": {"IterationContext": {"shape": "IterationContext"}},
    "PipelineExecutionStepMetadata": {
        "ForEach": {"shape": "ForEachStepMetadata"},
        "Cleanup": {"shape": "CleanupStepMetadata"},
    },
}


def complete(model: dict[str, Any]) -> dict[str, Any]:
    """SageMaker's service model with what it lacks; changes and returns `model`."""
    shapes = model["shapes"]
    for name, members in _SHAPES.items():
        shapes.setdefault(name, {"type": "structure", "members": members})
    for name, member in _LISTS.items():
        shapes.setdefault(name, {"type": "list", "member": member})
    for name, members in _MEMBERS.items():
        shapes[name]["members"] = {**members, **shapes[name]["members"]}
    return model
