"""Candidates as AWS reports them: a training job each, with the value of the objective that it was searched by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sagelocal.jobs.automl import stages
from sagelocal.jobs.automl.plans import METRICS, MINIMIZED

Document = dict[str, Any]
_STATUSES = {"Completed": "Completed", "Failed": "Failed", "Stopped": "Stopped", "Stopping": "Stopping"}
_CANDIDATE = "AWS::SageMaker::"


def candidate(objective: str, training: Mapping[str, Any], cleaning: Mapping[str, Any] | None, region: str) -> Document:
    """AutoMLCandidate of a training job; `cleaning` is the processing job before it."""
    status = _STATUSES.get(training["TrainingJobStatus"], "InProgress")
    value = found_value(objective, training)
    made: Document = {
        "CandidateName": training["TrainingJobName"],
        "ObjectiveStatus": "Succeeded" if value is not None else "Pending" if status == "InProgress" else "Failed",
        "CandidateStatus": status,
        "CandidateSteps": [*([step("ProcessingJob", cleaning)] if cleaning else []), step("TrainingJob", training)],
        **{name: training[name] for name in ("CreationTime", "LastModifiedTime", "FailureReason") if name in training},
    }
    if "TrainingEndTime" in training:
        made["EndTime"] = training["TrainingEndTime"]
    if value is None:
        return made
    kind = "Minimize" if objective in MINIMIZED else "Maximize"
    containers = [
        {
            "Image": stages.image("training", region),
            "ModelDataUrl": training["ModelArtifacts"]["S3ModelArtifacts"],
            "Environment": {**stages.SERVING, "MODEL_NAME": training["TrainingJobName"]},
        }
    ]
    metric = {"MetricName": objective, "StandardMetricName": objective, "Value": value}
    return made | {
        "FinalAutoMLJobObjectiveMetric": {"Type": kind, **metric},
        "InferenceContainers": containers,
        "InferenceContainerDefinitions": {"CPU": containers},
        "CandidateProperties": {"CandidateMetrics": [metric | {"Set": "Validation"}]},
    }


def step(kind: str, job: Mapping[str, Any]) -> Document:
    return {
        "CandidateStepType": _CANDIDATE + kind,
        "CandidateStepArn": job[f"{kind}Arn"],
        "CandidateStepName": job[f"{kind}Name"],
    }


def found_value(objective: str, training: Mapping[str, Any]) -> float | None:
    """Of a training job that ended well; cross-validated, which is what it reports as its validation metric."""
    if training["TrainingJobStatus"] != "Completed":
        return None
    final = {each["MetricName"]: each["Value"] for each in training.get("FinalMetricDataList") or []}
    found = final.get(f"validation:{METRICS[objective]}")
    return None if found is None else float(found)


def best(found: Iterable[Document]) -> Document | None:
    """The candidate with the best value, the later of equals: the blend comes last."""
    ranked = ranked_by_value(found)
    return ranked[-1] if ranked else None


def ranked_by_value(found: Iterable[Document]) -> list[Document]:
    """Those that have a value, the best last."""
    judged = [each for each in found if "FinalAutoMLJobObjectiveMetric" in each]

    def key(each: Document) -> float:
        final = each["FinalAutoMLJobObjectiveMetric"]
        return float(final["Value"]) * (-1 if final["Type"] == "Minimize" else 1)

    return sorted(judged, key=key)


def chosen(found: Sequence[Document], request: Mapping[str, Any]) -> list[Document]:
    """As ListCandidatesForAutoMLJob filters and sorts them; by value, the best is the last one of Ascending."""
    kept = [
        each
        for each in found
        if request.get("StatusEquals") in (None, each["CandidateStatus"])
        and request.get("CandidateNameEquals") in (None, each["CandidateName"])
    ]
    by = request.get("SortBy", "CreationTime")
    if by == "FinalObjectiveMetricValue":
        judged = ranked_by_value(kept)
        kept = [each for each in kept if "FinalAutoMLJobObjectiveMetric" not in each] + judged
    else:
        kept.sort(key=lambda each: each[{"Status": "CandidateStatus"}.get(by, by)])
    return kept[::-1] if request.get("SortOrder") == "Descending" else kept
