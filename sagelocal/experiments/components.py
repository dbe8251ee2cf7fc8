"""What a job's trial component shows of the job: names and parts as in components recorded on AWS."""

from __future__ import annotations

import contextlib
import re
from typing import Any

Document = dict[str, Any]
KINDS = ("TrainingJob", "ProcessingJob", "TransformJob")
_SUFFIX = {
    "TrainingJob": "aws-training-job",
    "ProcessingJob": "aws-processing-job",
    "TransformJob": "aws-transform-job",
}
_MEDIA_TYPE = re.compile(r"[-\w]+/[-\w+]+")
_MOST_PARAMETERS, _MOST_ARTIFACTS = 300, 60


def name_of(kind: str, job: Document) -> str:
    """In lower case, as those that were recorded are."""
    return f"{job[f'{kind}Name']}-{_SUFFIX[kind]}".lower()


def source(kind: str, job: Document) -> Document:
    return {"SourceArn": job[f"{kind}Arn"], "SourceType": f"SageMaker{kind}"}


def status(kind: str, job: Document) -> Document:
    """`{Status, StartTime?, EndTime?}`."""
    state, reason = job[f"{kind}Status"], job.get("FailureReason")
    middle = {
        "TrainingJob": f", secondary status: {job.get('SecondaryStatus')}",
        "ProcessingJob": f", exit message: {job.get('ExitMessage') or 'null'}",
    }.get(kind, "")
    shown = reason or ("" if kind == "TrainingJob" else "null")
    message = f"Status: {state}{middle}, failure reason: {shown}" + ("." if kind == "TrainingJob" else "")
    times = kind.removesuffix("Job")
    found: Document = {"Status": {"PrimaryStatus": state, "Message": message[:1024]}}
    for member in ("StartTime", "EndTime"):
        if f"{times}{member}" in job:
            found[member] = job[f"{times}{member}"]
    return found


def parameters(kind: str, job: Document) -> Document:
    """Instances, a training job's hyperparameters, a transform job's model."""
    cluster = _cluster(kind, job)
    found: Document = {f"SageMaker.{member}": _value(cluster[member]) for member in _CLUSTER if member in cluster}
    if kind == "TrainingJob":
        found["SageMaker.ImageUri"] = _value(job["AlgorithmSpecification"].get("TrainingImage"))
        found |= {name: _number_or_text(value) for name, value in (job.get("HyperParameters") or {}).items()}
    if kind == "TransformJob":
        container = (job.get("_containers") or [{}])[0]
        found["SageMaker.ModelName"] = _value(job["ModelName"])
        found["SageMaker.ModelPrimary.DataUrl"] = _value((container.get("Source") or {}).get("S3Uri"))
        found["SageMaker.ModelPrimary.Image"] = _value(container.get("Image"))
    present = [(name, value) for name, value in found.items() if value is not None]
    return dict(present[:_MOST_PARAMETERS])


def inputs(kind: str, job: Document) -> Document:
    """InputArtifacts."""
    found: dict[str, Document] = {}
    if kind == "TrainingJob":
        for channel in job.get("InputDataConfig") or []:
            data = (channel.get("DataSource") or {}).get("S3DataSource") or {}
            found[channel["ChannelName"]] = _artifact(data.get("S3Uri"), channel.get("ContentType"))
    elif kind == "ProcessingJob":
        found["SageMaker.ImageUri"] = _artifact(job["AppSpecification"]["ImageUri"])
        for each in job.get("ProcessingInputs") or []:
            found[each["InputName"]] = _artifact((each.get("S3Input") or {}).get("S3Uri"))
    else:
        given = job["TransformInput"]
        uri = (given["DataSource"].get("S3DataSource") or {}).get("S3Uri")
        found["SageMaker.TransformInput"] = _artifact(uri, given.get("ContentType"))
    return _present(found)


def outputs(kind: str, job: Document) -> Document:
    """OutputArtifacts: what a job that has ended made."""
    found: dict[str, Document] = {}
    if kind == "TrainingJob":
        found["SageMaker.ModelArtifact"] = _artifact((job.get("ModelArtifacts") or {}).get("S3ModelArtifacts"))
    elif kind == "ProcessingJob":
        for each in (job.get("ProcessingOutputConfig") or {}).get("Outputs") or []:
            found[each["OutputName"]] = _artifact((each.get("S3Output") or {}).get("S3Uri"))
    else:
        given = job["TransformOutput"]
        found["SageMaker.TransformOutput"] = _artifact(given.get("S3OutputPath"), given.get("Accept"))
    return _present(found)


_CLUSTER = ("InstanceCount", "InstanceType", "VolumeSizeInGB")


def _cluster(kind: str, job: Document) -> Document:
    if kind == "ProcessingJob":
        return (job.get("ProcessingResources") or {}).get("ClusterConfig") or {}
    return job.get("ResourceConfig" if kind == "TrainingJob" else "TransformResources") or {}


def _value(value: Any) -> Document | None:
    if value is None:
        return None
    return {"NumberValue": float(value)} if isinstance(value, int | float) else {"StringValue": str(value)[:2500]}


def _number_or_text(text: str) -> Document | None:
    """Hyperparameters are texts; those that are finite numbers are shown as numbers."""
    with contextlib.suppress(ValueError):
        number = float(text)
        if abs(number) < float("inf"):
            return {"NumberValue": number}
    return _value(text)


def _artifact(uri: str | None, media_type: str | None = None) -> Document:
    if not uri:
        return {}
    typed = media_type and len(media_type) <= 64 and _MEDIA_TYPE.fullmatch(media_type)
    return {"Value": uri[:2048], **({"MediaType": media_type} if typed else {})}


def _present(artifacts: dict[str, Document]) -> Document:
    return dict([(name, value) for name, value in artifacts.items() if value][:_MOST_ARTIFACTS])
