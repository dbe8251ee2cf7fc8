"""Steps that run a tuning job."""

from __future__ import annotations

from sagelocal.jobs.tuning import trials
from sagelocal.jobs.tuning.operations import summaries
from sagelocal.workflow.steps.attempt import Attempt, Result
from sagelocal.workflow.steps.jobs import run_job

_TOP = 50  # training jobs that a step keeps, as the SDK documents


def run_tuning(attempt: Attempt) -> Result:
    """Properties are DescribeHyperParameterTuningJob's answer and TrainingJobSummaries, the best training job first."""
    result = run_job(trials.KIND, attempt, metadata="TuningJob")
    job = result.properties
    best = job.get("BestTrainingJob", {}).get("FinalHyperParameterTuningJobObjectiveMetric", {})
    found = trials.best_first(summaries(attempt.app, attempt.name), maximize=best.get("Type") == "Maximize")
    return Result(result.metadata, {**job, "TrainingJobSummaries": found[:_TOP]})
