"""Transform steps."""

from __future__ import annotations

from sagelocal.workflow.steps.attempt import Attempt, Result
from sagelocal.workflow.steps.jobs import run_job


def run_transform(attempt: Attempt) -> Result:
    return run_job("TransformJob", attempt)
