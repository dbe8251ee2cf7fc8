"""Starts tuning jobs, takes them up after a restart, and passes on what their trials report."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sagelocal.jobs.tuning.trials import KIND, RUNNING

if TYPE_CHECKING:
    from sagelocal.app import SageLocal
    from sagelocal.jobs.tuning.supervisor import Supervisor

_JOIN_SECONDS = 5.0


class Tuner:
    def __init__(self, app: SageLocal) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._supervisors: dict[str, Supervisor] = {}
        self._reported: dict[str, list[float]] = {}  # objective values of running trials, by training job
        self._closed = False

    def start(self, name: str) -> None:
        """Runs a tuning job that is in the store, in the background."""
        from sagelocal.jobs.tuning.supervisor import Supervisor  # with Optuna: 0.25 s that a start need not take

        with self._lock:
            self._supervisors = {name: one for name, one in self._supervisors.items() if not one.finished}
            if self._closed or name in self._supervisors:
                return
            supervisor = Supervisor(self._app, name, self._reported)
            self._supervisors[name] = supervisor
        supervisor.start()

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

    def resume(self) -> None:
        """Goes on with every tuning job that was running when the process ended."""
        for status in RUNNING:
            for job in self._app.store.page(KIND, where=[("HyperParameterTuningJobStatus", "=", status)]):
                self.start(job["HyperParameterTuningJobName"])

    def close(self) -> None:
        """Ends all threads and changes no status, so that the next engine's resume() goes on."""
        with self._lock:
            self._closed = True
            supervisors = list(self._supervisors.values())
        for each in supervisors:
            each.close()
        with self._app.store.transaction():
            pass  # an empty commit: they look up and see that they are to end
        for each in supervisors:
            each.join(_JOIN_SECONDS)
