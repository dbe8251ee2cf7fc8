"""One running AutoML job: starts its jobs one stage after the other, and says what came of them.

What it did is in the store: the names of its jobs follow from the job's own, so that a start after a kill finds them.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.jobs import reasons
from sagelocal.jobs.automl import candidates, stages
from sagelocal.jobs.automl.plans import METRICS, OBJECTIVES, PROBLEMS, plan

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
KIND = "AutoMLJob"
RUNNING = ("InProgress", "Stopping")
_ENDED = ("Completed", "Failed", "Stopped")
_MOST_REASONS = 5  # PartialFailureReasons


class AutoMLJob:
    def __init__(self, app: SageLocal, name: str) -> None:
        self._app, self._store, self._name = app, app.store, name
        self._plan = plan(app.store.get(KIND, name))

    def patience(self) -> float | None:
        """Seconds until the job's time is over; None when it is."""
        left = self._deadline() - self._app.now()
        return left + 0.001 if left > 0 else None

    def _deadline(self) -> float:
        return float(self._store.get(KIND, self._name)["CreationTime"]) + self._plan.seconds

    def advance(self) -> bool:
        """One look at everything; True when the job has ended."""
        job = self._store.find(KIND, self._name)
        if job is None or job["AutoMLJobStatus"] not in RUNNING:
            return True
        if job["AutoMLJobStatus"] == "Stopping":
            return self._stopped(job)
        cleaning = self._cleaning(job)
        if cleaning["ProcessingJobStatus"] not in _ENDED:
            return False
        if cleaning["ProcessingJobStatus"] != "Completed":
            said = cleaning.get("ExitMessage") or cleaning.get("FailureReason") or "it was stopped"
            return self._finish("Failed", "Failed", f"The processing job {cleaning['ProcessingJobName']}: {said}")
        job = self._understood(job)
        searches = [self._search(job, family) for family in self._plan.families]
        good = [each for each in searches if each["TrainingJobStatus"] == "Completed"]
        if running := [each for each in searches if each["TrainingJobStatus"] not in _ENDED]:
            return self._out_of_time(job, running) if good else False
        if not good:
            return self._finish("Failed", "Failed", f"No candidate was generated. {failure(searches[0])}")
        if self._plan.blends and not job.get("_late"):
            blend = self._blend(job)
            if blend["TrainingJobStatus"] not in _ENDED:
                return False
        return self._finish("Completed", "MaxAutoMLJobRuntimeReached" if job.get("_late") else "Completed", "")

    # The stages.

    def _cleaning(self, job: Document) -> Document:
        name = job_name(job, "clean")
        if found := self._store.find("ProcessingJob", name):
            return found
        code = stages.upload(self._app.s3, job["OutputDataConfig"]["S3OutputPath"], "processing")
        request = stages.cleaning(job, self._plan, name, code, self._app.settings.region)
        self._store.update(KIND, self._name, {"AutoMLJobSecondaryStatus": "AnalyzingData"})
        self._app.call("CreateProcessingJob", request | self._tags(job))
        return self._store.get("ProcessingJob", name)

    def _understood(self, job: Document) -> Document:
        """The job with what the table turned out to be: ProblemType and AutoMLJobObjective, given or resolved."""
        if "_objective" in job:
            return job
        bucket, _, key = stages.place(job).removeprefix("s3://").partition("/")
        body = self._app.s3.get_object(Bucket=bucket, Key=f"{key}/train/schema.json")["Body"].read()
        code = json.loads(body)["problem"]
        problem = next(name for name, known in PROBLEMS.items() if known == code)
        objective = self._plan.objective or OBJECTIVES[problem][0]
        resolved = {
            "AutoMLJobObjective": {"MetricName": objective},
            "CompletionCriteria": job["_criteria"],
            "ProblemType": problem,
            "AutoMLProblemTypeResolvedAttributes": {"TabularResolvedAttributes": {"ProblemType": problem}},
        }
        secondary = "TrainingModels" if self._plan.blends else "ModelTuning"
        changes = {"_objective": objective, "_problem": code, "ResolvedAttributes": resolved}
        return self._store.update(KIND, self._name, changes | {"AutoMLJobSecondaryStatus": secondary})

    def _search(self, job: Document, family: str) -> Document:
        name = job_name(job, family)
        if found := self._store.find("TrainingJob", name):
            return found
        request = stages.search(job, self._plan, name, family, self._code(job), self._facts(job))
        self._app.call("CreateTrainingJob", request | self._tags(job))
        return self._store.get("TrainingJob", name)

    def _blend(self, job: Document) -> Document:
        name = job_name(job, "blend")
        if found := self._store.find("TrainingJob", name):
            return found
        request = stages.blend(job, self._plan, name, self._code(job), self._facts(job))
        self._app.call("CreateTrainingJob", request | self._tags(job))
        return self._store.get("TrainingJob", name)

    def _code(self, job: Document) -> str:
        return stages.upload(self._app.s3, job["OutputDataConfig"]["S3OutputPath"], "training")

    def _facts(self, job: Document) -> Document:
        settings = self._app.settings
        known = {"metric": METRICS[job["_objective"]], "problem": job["_problem"], "region": settings.region}
        return known | {"parallel": min(settings.cpus, len(self._plan.families))}

    def _tags(self, job: Document) -> Document:
        tags = self._store.tags(job["AutoMLJobArn"])
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]} if tags else {}

    # The ends.

    def _out_of_time(self, job: Document, running: list[Document]) -> bool:
        """Past its time a job is stopped, and the best candidate so far stays: so one is always waited for."""
        if self._app.now() >= self._deadline() and not job.get("_late"):
            self._store.update(KIND, self._name, {"_late": True})
            self._stop(running)
        return False

    def _stopped(self, job: Document) -> bool:
        mine = [(kind, self._store.find(kind, name)) for kind, name in job_names(job, self._plan.families)]
        running = [found for kind, found in mine if found and found[f"{kind}Status"] not in _ENDED]
        self._stop(
            [
                each
                for each in running
                if "Stopping" not in (each.get("TrainingJobStatus"), each.get("ProcessingJobStatus"))
            ]
        )
        return self._finish("Stopped", "Stopped", "") if not running else False

    def _stop(self, running: list[Document]) -> None:
        for each in running:
            kind = "TrainingJob" if "TrainingJobName" in each else "ProcessingJob"
            with contextlib.suppress(AwsError):  # it ended in this very moment
                self._app.call(f"Stop{kind}", {f"{kind}Name": each[f"{kind}Name"]})

    def fail(self, reason: str) -> None:
        self._finish("Failed", "Failed", reason)

    def _finish(self, status: str, secondary: str, reason: str) -> bool:
        now = self._app.now()
        job = self._store.get(KIND, self._name)
        found = of_job(self._app, job)
        changes: Document = {"AutoMLJobStatus": status, "AutoMLJobSecondaryStatus": secondary, "EndTime": now}
        if best := candidates.best(found):
            changes["BestCandidate"] = best
        if reason:
            changes["FailureReason"] = reason[: reasons.LIMIT]
        failed = [each for each in found if each["CandidateStatus"] == "Failed"]
        if failed and not reason:
            changes["PartialFailureReasons"] = [
                {"PartialFailureMessage": f"{each['CandidateName']}: {each.get('FailureReason', '')}"[: reasons.LIMIT]}
                for each in failed[:_MOST_REASONS]
            ]
        self._store.update(KIND, self._name, changes)
        return True


def failure(training: Document) -> str:
    return f"{training['TrainingJobName']}: {training.get('FailureReason', training['TrainingJobStatus'])}"


def job_name(job: Document, what: str) -> str:
    """Of one of an AutoML job's own jobs, in at most 63 characters."""
    return f"{job['AutoMLJobName']}-{what.replace('_', '-')}-{job['_token']}"


def job_names(job: Document, families: Any) -> list[tuple[str, str]]:
    trainings = [("TrainingJob", job_name(job, each)) for each in (*families, "blend")]
    return [("ProcessingJob", job_name(job, "clean")), *trainings]


def of_job(app: SageLocal, job: Document) -> list[Document]:
    """AutoMLCandidate of every training job so far, in the order in which they began."""
    if "_objective" not in job:
        return []
    names = job_names(job, plan(job).families)
    cleaning = app.store.find(*names[0])
    trainings = [found for kind, name in names[1:] if (found := app.store.find(kind, name))]
    return [candidates.candidate(job["_objective"], each, cleaning, app.settings.region) for each in trainings]
