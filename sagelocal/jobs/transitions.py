"""SecondaryStatusTransitions: the history that DescribeTrainingJob shows, in AWS's words."""

from __future__ import annotations

from typing import Any

_MESSAGES = {
    "Starting": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "Restarting": "Restarting the training job after an interruption",
    "Interrupted": "Training job interrupted: the managed spot instances were taken back",
    "MaxWaitTimeExceeded": "Training job waited and ran longer than MaxWaitTimeInSeconds provided",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "Completed": "Training job completed",
}
_FINAL = ("Completed", "Failed", "Stopped", "MaxRuntimeExceeded", "MaxWaitTimeExceeded")


def moved(document: dict[str, Any], status: str, now: float, message: str = "") -> None:
    """Ends the present secondary status and begins `status`; a final one begins and ends at once."""
    transitions = document.setdefault("SecondaryStatusTransitions", [])
    if transitions and "EndTime" not in transitions[-1]:
        transitions[-1]["EndTime"] = now
    entry = {"Status": status, "StartTime": now, "StatusMessage": message or _MESSAGES.get(status, status)}
    if status in _FINAL:
        entry["EndTime"] = now
    transitions.append(entry)
    document["SecondaryStatus"] = status
