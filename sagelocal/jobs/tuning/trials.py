"""Trials: the record that the store keeps of each, and what the API says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

Document = dict[str, Any]
KIND = "HyperParameterTuningJob"
RECORD = "TuningTrial"
RUNNING = ("InProgress", "Stopping")  # of a tuning job
_FROM_TRAINING_JOB = (
    *("TrainingJobName", "TrainingJobArn", "CreationTime", "TrainingStartTime", "TrainingEndTime"),
    *("TrainingJobStatus", "FailureReason"),
)
_SIGNIFICANT = 0.01  # BestObjectiveNotImproving: "by 1% or greater"
# AWS's criteria of convergence are its own; here as many results in a row without significant improvement.
_CONVERGED = 20


@dataclass
class Trial:
    """One training job of a tuning job. `summary` is HyperParameterTrainingJobSummary, there once the job has ended."""

    name: str  # the training job's
    number: int  # from 1
    definition: int  # position among the tuning job's definitions
    values: dict[str, str]  # TunedHyperParameters
    summary: Document = field(default_factory=dict)
    reported: list[float] = field(default_factory=list)  # objective values, where early stopping needs them

    def document(self) -> Document:
        return asdict(self) | {"_name": self.name}

    @property
    def objective(self) -> float | None:
        found = self.summary.get("FinalHyperParameterTuningJobObjectiveMetric")
        return None if found is None else float(found["Value"])


@dataclass(frozen=True)
class Tried:
    """Values that a trial has or had, as a search knows them; `objective` is None while it runs or if it gave none."""

    values: Mapping[str, str]
    objective: float | None = None
    running: bool = False


def load(document: Document) -> Trial:
    return Trial(**{each.name: document[each.name] for each in fields(Trial)})


def summary(trial: Trial, training_job: Document, objective: Document, definition_name: str | None) -> Document:
    """HyperParameterTrainingJobSummary. `objective` is the definition's HyperParameterTuningJobObjective."""
    status = training_job["TrainingJobStatus"]
    made: Document = {name: training_job[name] for name in _FROM_TRAINING_JOB if name in training_job}
    made |= {"TunedHyperParameters": trial.values, "ObjectiveStatus": "Pending"}
    if definition_name:
        made["TrainingJobDefinitionName"] = definition_name
    if not ended(status):
        return made
    final = {each["MetricName"]: each["Value"] for each in training_job.get("FinalMetricDataList") or []}
    # A job that was stopped, by early stopping say, counts with the last value that it gave; a failed one doesn't.
    if status == "Failed" or objective["MetricName"] not in final:
        return made | {"ObjectiveStatus": "Failed"}
    metric = objective | {"Value": final[objective["MetricName"]]}
    return made | {"ObjectiveStatus": "Succeeded", "FinalHyperParameterTuningJobObjectiveMetric": metric}


def ended(status: str) -> bool:
    return status in ("Completed", "Failed", "Stopped")


def status_counters(trials: Iterable[Trial]) -> Document:
    counters = dict.fromkeys(("Completed", "InProgress", "RetryableError", "NonRetryableError", "Stopped"), 0)
    for trial in trials:
        status = trial.summary.get("TrainingJobStatus", "InProgress")
        if status == "Failed":
            internal = trial.summary.get("FailureReason", "").startswith("InternalServerError")
            status = "RetryableError" if internal else "NonRetryableError"
        counters[status] += 1
    return counters


def objective_counters(trials: Iterable[Trial]) -> Document:
    counters = dict.fromkeys(("Succeeded", "Pending", "Failed"), 0)
    for trial in trials:
        counters[trial.summary.get("ObjectiveStatus", "Pending")] += 1
    return counters


def value(summary: Document) -> float:
    return float(summary["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])


def best(summaries: Iterable[Document], *, maximize: bool) -> Document | None:
    """The summary with the best objective, the earlier one of equals."""
    found = [each for each in summaries if "FinalHyperParameterTuningJobObjectiveMetric" in each]
    if not found:
        return None
    return max(found, key=lambda each: value(each) if maximize else -value(each))


def best_first(summaries: Iterable[Document], *, maximize: bool) -> list[Document]:
    """Best first; those without an objective come last."""
    listed = list(summaries)
    good = [each for each in listed if "FinalHyperParameterTuningJobObjectiveMetric" in each]
    good.sort(key=value, reverse=maximize)
    return good + [each for each in listed if "FinalHyperParameterTuningJobObjectiveMetric" not in each]


def completion(trials: Sequence[Trial], *, maximize: bool) -> Document:
    """TuningJobCompletionDetails: results since the last one that was better than all before by 1 %."""
    results = [each for each in trials if each.objective is not None]
    results.sort(key=lambda trial: trial.summary.get("TrainingEndTime", 0.0))
    count, highest, converged = 0, None, None
    for trial in results:
        assert trial.objective is not None
        score = trial.objective if maximize else -trial.objective
        significant = highest is None or score - highest > _SIGNIFICANT * abs(highest)
        count = 0 if significant else count + 1
        highest = score if highest is None else max(highest, score)
        if count >= _CONVERGED and converged is None:
            converged = trial.summary.get("TrainingEndTime")
    details: Document = {"NumberOfTrainingJobsObjectiveNotImproving": count}
    return details | ({"ConvergenceDetectedTime": converged} if converged is not None else {})
