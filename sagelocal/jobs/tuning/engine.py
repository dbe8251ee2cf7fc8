"""Starts tuning jobs, takes them up after a restart, and passes on what their trials report."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sagelocal.jobs.supervision import Supervisors
from sagelocal.jobs.tuning.trials import KIND, RUNNING

if TYPE_CHECKING:
    from sagelocal.app import SageLocal
    from sagelocal.jobs.tuning.tuning_job import TuningJob


class Tuner(Supervisors):
    def __init__(self, app: SageLocal) -> None:
        super().__init__(app, KIND, RUNNING, self._job)
        self._reported: dict[str, list[float]] = {}  # objective values of running trials, by training job

    def _job(self, name: str) -> TuningJob:
        from sagelocal.jobs.tuning.tuning_job import TuningJob  # with Optuna: 0.25 s that a start need not take

        return TuningJob(self._app, name, self._reported)

    def listener(self, training_job: dict[str, Any]) -> Callable[[str, float], None]:
        """What to call with each metric value of a training job that begins; a job that runs again begins anew."""
        if "TuningJobArn" not in training_job:
            return lambda metric, value: None
        objective = training_job["HyperParameters"]["_tuning_objective_metric"]
        values = self._reported[training_job["TrainingJobName"]] = []

        def listen(metric: str, value: float) -> None:
            if metric == objective:
                values.append(value)

        return listen
