"""`mlops interrupt`: what a shortage of Spot capacity does to a managed spot training job on AWS."""

from __future__ import annotations

from mlops import console
from mlops.targets import Target


def interrupt(target: Target, job: str) -> None:
    """Raises RuntimeError with sagelocal's answer, ValueError on AWS, where nobody can ask for it."""
    if target.settings is None:
        raise ValueError("On AWS only AWS takes Spot instances back: there is nothing to ask for it.")
    from sagelocal.api import local

    local.interrupt(target.settings, job)
    console.say(f"{job} loses its instances: SIGTERM now, SIGKILL in two minutes, then it starts again")
    console.note(f"aws sagemaker describe-training-job --training-job-name {job} shows SecondaryStatusTransitions")
