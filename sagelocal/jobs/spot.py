"""Managed spot training: no cloud takes instances back here, `mlops interrupt` does.

What follows is as on AWS (developer guide, "Managed Spot Training Lifecycle"): SIGTERM, two minutes later SIGKILL,
SecondaryStatus Interrupted, then Starting again with the checkpoints restored. Capacity is back at once here, and
there is no spot price: BillableTimeInSeconds is TrainingTimeInSeconds, the saving 0 %.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sagelocal.api.errors import validation

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

_INTERRUPTIBLE = ("Downloading", "Training")


def interrupt(app: SageLocal, name: str) -> None:
    """Raises AwsError for a job that is unknown, no managed spot job, or has no instances at the moment."""
    job = app.find("TrainingJob", name)
    if not job.get("EnableManagedSpotTraining"):
        raise validation(
            f"The training job {name} is no managed spot job, which alone can be interrupted: create it with "
            "EnableManagedSpotTraining."
        )
    running = job["TrainingJobStatus"] == "InProgress" and job["SecondaryStatus"] in _INTERRUPTIBLE
    if not running or not app.jobs.interrupt("TrainingJob", job["TrainingJobName"]):
        raise validation(
            f"The training job {name} has no instances to lose: it is {job['TrainingJobStatus']} "
            f"({job['SecondaryStatus']}), and must be {' or '.join(_INTERRUPTIBLE)}."
        )
