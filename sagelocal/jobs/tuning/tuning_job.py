"""One running tuning job: starts trials, looks at what they report, and knows when it is enough."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.api.validation import validate
from sagelocal.jobs import reasons, training
from sagelocal.jobs.tuning import checks, trials, warm_start
from sagelocal.jobs.tuning.definitions import Definition, definitions, training_request
from sagelocal.jobs.tuning.ranges import combinations
from sagelocal.jobs.tuning.search import Search
from sagelocal.jobs.tuning.stopping import Hyperband, below_median
from sagelocal.jobs.tuning.trials import KIND, RUNNING, Trial, Tried

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
_LOOK = 0.2  # seconds between looks at what running trials report
_HOPELESS = 5  # trials without any success, or without any objective: then AWS gives up
_UNLIMITED = 750  # trials where the request sets no limit: AWS's first quota


class TuningJob:
    """`reported` holds the objective values of running trials by training job, as they come in."""

    def __init__(self, app: SageLocal, name: str, reported: dict[str, list[float]]) -> None:
        job = app.store.get(KIND, name)
        self._app, self._store, self._name, self._reported = app, app.store, name, reported
        self._config = job["HyperParameterTuningJobConfig"]
        self._definitions = definitions(job)
        self._maximize = self._definitions[0].objective["Type"] == "Maximize"
        self._trials = [trials.load(each) for each in app.store.list(trials.RECORD, parent=name)]
        self._searches = [self._search(each, job["_seed"]) for each in self._definitions]
        self._before = warm_start.known(app, job)
        self._hyperband = self._revived_hyperband()
        self._asked_to_stop: set[str] = set()
        self._exhausted = False  # no combination is left to try

    def _search(self, definition: Definition, seed: int) -> Search:
        return Search(self._config["Strategy"], definition.ranges, self._maximize, seed, self._most)

    def _revived_hyperband(self) -> Hyperband | None:
        if self._config["Strategy"] != "Hyperband":
            return None
        least, most = checks.hyperband(self._config, self._definitions[0])
        found = Hyperband(self._name, least, most, maximize=self._maximize)
        for trial in self._trials:
            found.stops(trial.number, trial.reported)
        return found

    @property
    def _most(self) -> int:
        unlimited = _UNLIMITED
        if self._config["Strategy"] == "Grid":
            unlimited = int(sum(combinations(each.ranges) for each in self._definitions))
        return int(self._config["ResourceLimits"].get("MaxNumberOfTrainingJobs", unlimited))

    @property
    def _watches(self) -> bool:
        """Whether running trials may be stopped for what they report."""
        return self._hyperband is not None or self._config["TrainingJobEarlyStoppingType"] == "Auto"

    def patience(self) -> float | None:
        """Seconds after which to look again though nothing was committed."""
        if self._watches and self._unended():
            return _LOOK
        deadline = self._deadline()
        return None if deadline is None else max(0.0, deadline - self._app.now()) + 0.001

    def _deadline(self) -> float | None:
        limit = self._config["ResourceLimits"].get("MaxRuntimeInSeconds")
        return None if limit is None else float(self._store.get(KIND, self._name)["CreationTime"]) + limit

    def advance(self) -> bool:
        """One look at everything; True when the tuning job has ended."""
        job = self._store.find(KIND, self._name)
        if job is None or job["HyperParameterTuningJobStatus"] not in RUNNING:
            return True
        self._collect(job)
        verdict = self._verdict(job)
        if verdict is None:
            self._stop_weak()
            verdict = self._launch(job)
        if verdict is None:
            return False
        if running := self._unended():
            self._stop(running)
            return False
        self._finish(*verdict)
        return True

    def _unended(self) -> list[Trial]:
        return [each for each in self._trials if not each.summary]

    # What came out.

    def _collect(self, job: Document) -> None:
        """Keeps the results of trials that have ended."""
        looked = [(trial, self._store.find("TrainingJob", trial.name) or _deleted(trial)) for trial in self._unended()]
        over = [(trial, found) for trial, found in looked if trials.ended(found["TrainingJobStatus"])]
        if not over:
            return
        with self._store.transaction():
            for trial, found in over:
                definition = self._definitions[trial.definition]
                reported = self._reported.pop(trial.name, [])
                trial.reported = reported if self._watches else []
                trial.summary = trials.summary(trial, found, definition.objective, definition.name)
                self._store.update(trials.RECORD, trial.name, trial.document())
            self._record(job)

    def _record(self, job: Document) -> None:
        """Counters, the best training job and the completion details, as Describe shows them."""
        own = trials.best((each.summary for each in self._trials), maximize=self._maximize)
        changes: Document = {
            "TrainingJobStatusCounters": trials.status_counters(self._trials),
            "ObjectiveStatusCounters": trials.objective_counters(self._trials),
            "TuningJobCompletionDetails": trials.completion(self._trials, maximize=self._maximize),
            "BestTrainingJob": own,
        }
        if (job.get("WarmStartConfig") or {}).get("WarmStartType") == warm_start.IDENTICAL:
            changes["OverallBestTrainingJob"] = warm_start.overall_best(self._app, job, own, maximize=self._maximize)
        self._store.update(KIND, self._name, changes)

    # Whether that is enough.

    def _verdict(self, job: Document) -> tuple[str, str] | None:
        """The status to end with and the FailureReason; None while the search goes on."""
        if job["HyperParameterTuningJobStatus"] == "Stopping":
            return "Stopped", ""
        over = [each for each in self._trials if each.summary]
        if reason := _hopeless(over):
            return "Failed", reason
        deadline = self._deadline()
        if deadline is not None and self._app.now() >= deadline:
            return "Completed", ""
        return ("Completed", "") if self._satisfied(over) else None

    def _satisfied(self, over: Sequence[Trial]) -> bool:
        criteria = self._config.get("TuningJobCompletionCriteria") or {}
        details = trials.completion(over, maximize=self._maximize)
        best = trials.best((each.summary for each in over), maximize=self._maximize)
        target = criteria.get("TargetObjectiveMetricValue")
        if best is not None and target is not None:
            reached = trials.value(best) >= target if self._maximize else trials.value(best) <= target
            if reached:
                return True
        patience = (criteria.get("BestObjectiveNotImproving") or {}).get("MaxNumberOfTrainingJobsNotImproving")
        if patience is not None and details["NumberOfTrainingJobsObjectiveNotImproving"] >= patience:
            return True
        on_convergence = (criteria.get("ConvergenceDetected") or {}).get("CompleteOnConvergence") == "Enabled"
        return on_convergence and "ConvergenceDetectedTime" in details

    def fail(self, reason: str) -> None:
        self._finish("Failed", reason)

    def _finish(self, status: str, reason: str) -> None:
        now = self._app.now()

        def edit(job: Document) -> None:
            job["HyperParameterTuningJobStatus"] = status
            job["HyperParameterTuningEndTime"] = now
            job["ConsumedResources"] = {"RuntimeInSeconds": round(now - job["CreationTime"])}
            if reason:
                job["FailureReason"] = reason[: reasons.LIMIT]

        self._store.update(KIND, self._name, edit=edit)

    # What runs.

    def _stop_weak(self) -> None:
        if not self._watches:
            return
        earlier = [
            each.reported for each in self._trials if each.summary and each.summary["TrainingJobStatus"] != "Failed"
        ]
        for trial in self._unended():
            values = list(self._reported.get(trial.name, []))
            if self._hyperband is not None:
                weak = self._hyperband.stops(trial.number, values)
            else:
                weak = below_median(values, earlier, maximize=self._maximize)
            if weak:
                self._stop([trial])

    def _stop(self, running: Sequence[Trial]) -> None:
        for trial in running:
            if trial.name not in self._asked_to_stop:
                self._asked_to_stop.add(trial.name)
                with contextlib.suppress(AwsError):  # it ended in this very moment
                    self._app.call("StopTrainingJob", {"TrainingJobName": trial.name})

    def _launch(self, job: Document) -> tuple[str, str] | None:
        """Starts trials as long as there is room; a verdict when there is nothing left to start or to wait for."""
        room = min(self._config["ResourceLimits"]["MaxParallelTrainingJobs"], self._app.settings.cpus)
        while not self._exhausted and len(self._trials) < self._most and len(self._unended()) < room:
            trial = self._next()
            if trial is None:
                self._exhausted = True
                break
            try:
                self._create(job, trial)
            except AwsError as error:
                return "Failed", f"ClientError: Failed to create training job {trial.name}: {error.message}"
        if self._unended():
            return None
        reason = _hopeless(self._trials, last=True)
        return ("Failed", reason) if reason else ("Completed", "")

    def _next(self) -> Trial | None:
        """Definitions take turns; one whose combinations are used up is passed over."""
        number, count = len(self._trials) + 1, len(self._definitions)
        for offset in range(count):
            definition = (number - 1 + offset) % count
            own = [_tried(each) for each in self._trials if each.definition == definition]
            values = self._searches[definition].suggest(number, own, self._before)
            if values is not None:
                name = f"{self._name}-{number:03d}-{secrets.token_hex(4)}"
                return Trial(name, number, definition, values)
        return None

    def _create(self, job: Document, trial: Trial) -> None:
        """The trial's record, its training job and the counters are one commit: a kill leaves all of it or nothing."""
        request = training_request(self._definitions[trial.definition], trial.name, trial.values)
        tags = self._store.tags(job["HyperParameterTuningJobArn"])
        request["Tags"] = [{"Key": key, "Value": value} for key, value in tags.items()]
        validate("sagemaker", "CreateTrainingJob", request)
        with self._store.transaction():
            self._store.create(trials.RECORD, trial.name, trial.document(), parent=self._name)
            self._trials.append(trial)
            try:
                self._record(job)
                training.create(self._app, request, TuningJobArn=job["HyperParameterTuningJobArn"])
            except BaseException:
                self._trials.remove(trial)
                raise


def _tried(trial: Trial) -> Tried:
    return Tried(trial.values, trial.objective, running=not trial.summary)


def _hopeless(over: Sequence[Trial], *, last: bool = False) -> str:
    """Why there is no use in going on; "" while there may be. In AWS's words."""
    failed = [each for each in over if each.summary["TrainingJobStatus"] == "Failed"]
    # One that was stopped without a result, as the last ones of a hopeless search are, is no success.
    if failed and all(each.summary["TrainingJobStatus"] != "Completed" and each.objective is None for each in over):
        if len(failed) >= _HOPELESS:
            return (
                f"No training job succeeded after {len(failed)} attempts. Please take a look at the training job "
                "failures to get more details."
            )
        if last and len(failed) == len(over):
            return "All training jobs failed. Please take a look at the training jobs failures to get more details."
    without = [each for each in over if each.summary["TrainingJobStatus"] == "Completed" and each.objective is None]
    if without and all(each.objective is None for each in over) and (len(without) >= _HOPELESS or last):
        return (
            f"No objective metrics found after running {len(without)} training jobs. Please ensure that the custom "
            "algorithm is emitting the objective metric as defined by the regular expression provided."
        )
    return ""


def _deleted(trial: Trial) -> Document:
    """What is left of a training job that ended and was deleted while sagelocal was down."""
    return {
        "TrainingJobName": trial.name,
        "TrainingJobArn": "",
        "CreationTime": 0.0,
        "TrainingJobStatus": "Failed",
        "FailureReason": "InternalServerError: The training job was deleted.",
    }
