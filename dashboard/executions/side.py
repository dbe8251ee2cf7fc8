"""One side of a comparison: all that an execution was given, used and made, each under a name that both sides share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from dashboard import account
from dashboard.executions import facts, jobs, summaries
from mlops import executions, lineage, storage
from mlops.executions import RUNNING, TUNING, Step

Document = dict[str, Any]
Named = tuple[str, str]  # a step's name, and what of it
_COMMIT = re.compile(r"Commit ([0-9a-f]{7,64}):")  # as mlops.cicd_build begins a description


@dataclass(frozen=True)
class Side:
    described: Document
    steps: Sequence[Step]
    parameters: Mapping[str, str]
    hyperparameters: dict[Named, str] = field(default_factory=dict)  # of a tuning job those of its best trial
    metrics: dict[Named, float] = field(default_factory=dict)
    code: dict[Named, str] = field(default_factory=dict)  # content hash, or an address without one; images
    data: dict[Named, str] = field(default_factory=dict)  # of what no step made
    artifacts: dict[Named, str] = field(default_factory=dict)  # S3 URI
    versions: Mapping[str, str] = field(default_factory=dict)  # group -> version
    commit: str = ""

    @property
    def identifier(self) -> str:
        return summaries.name_of(self.described)

    @property
    def running(self) -> bool:
        return self.described["PipelineExecutionStatus"] in RUNNING

    @property
    def ended(self) -> datetime | None:
        return None if self.running else self.described.get("LastModifiedTime")


@account.kept
def read(arn: str) -> Side:
    """Raises LookupError when there is no such execution."""
    described, steps = facts.described(arn), facts.steps(arn)
    registered = [step.metadata["RegisterModel"]["Arn"] for step in steps if "RegisterModel" in step.metadata]
    side = Side(
        described,
        steps,
        facts.parameters(arn),
        versions=dict(one.split("/")[-2:] for one in registered),
        commit=_commit(described, registered),
    )
    ran = [step for step in steps if step.job]
    found = account.together(_described, ran)
    reports = account.together(_report, found)
    for step, answer, report in zip(ran, found, reports, strict=True):
        note(side, step.name, answer, report)
    made = tuple(side.artifacts.values())
    for name in [name for name, uri in side.data.items() if uri.startswith(made)]:
        del side.data[name]
    return side


def _described(step: Step) -> Document:
    """Nothing of a job that is gone."""
    assert step.job
    try:
        return {"kind": step.job[0], **executions.describe_job(account.client("sagemaker"), *step.job)}
    except ClientError:
        return {}


def _report(job: Document) -> Document:
    """The evaluation.json that a job left; nothing where there is none."""
    uri = executions.outputs(job).get("evaluation")
    try:
        return executions.evaluation(account.target(), uri) if uri else {}
    except (ClientError, ValueError):
        return {}


def _commit(described: Document, registered: Sequence[str]) -> str:
    """As a build's description of the execution says it, or the first version that it registered; "" without."""
    if said := _COMMIT.match(described.get("PipelineExecutionDescription", "")):
        return said[1]
    if not registered:
        return ""
    try:
        found = account.client("sagemaker").describe_model_package(ModelPackageName=registered[0])
    except ClientError:
        return ""
    return str(found.get("MetadataProperties", {}).get("CommitId", ""))


def note(side: Side, step: str, job: Document, report: Document) -> None:
    if not job:
        return
    read = jobs.read(job["kind"], job)
    side.metrics.update({(step, name): value for name, value in {**read.metrics, **dict(_metrics(report))}.items()})
    side.hyperparameters.update({(step, name): value for name, value in read.hyperparameters.items()})
    for name, uri in read.inputs.items():
        version = lineage.version(uri)
        (side.code if "/code/" in uri else side.data)[step, name] = version["hash"] or uri
    if image := read.facts.get("image"):
        side.code[step, "image"] = image
    side.artifacts.update({(step, name): uri for name, uri in _artifacts(job, read).items()})


def _metrics(report: Document) -> Iterator[tuple[str, float]]:
    for name, group in report.items():
        if name.endswith("_metrics"):
            for metric, one in group.items():
                if isinstance(one, dict) and isinstance(one.get("value"), int | float):
                    yield metric, float(one["value"])


def _artifacts(job: Document, read: jobs.Job) -> dict[str, str]:
    """A tuning job's model is that of its best trial."""
    if job["kind"] != TUNING:
        return read.outputs
    best, folder = job.get("BestTrainingJob", {}).get("TrainingJobName"), _folder(job)
    return {"best model": f"{folder.rstrip('/')}/{best}/output/model.tar.gz"} if best and folder else {}


def _folder(job: Document) -> str:
    return str(job.get("TrainingJobDefinition", {}).get("OutputDataConfig", {}).get("S3OutputPath", ""))


@dataclass(frozen=True)
class Content:
    """What lies at an address: of equal content the names below it, sizes and ETags are equal, too."""

    objects: tuple[tuple[str, int, str], ...]

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(size for _, size, _ in self.objects)


@account.kept
def contents(uris: tuple[str, ...]) -> dict[str, Content]:
    """Of what can be listed; where nothing lies, the content is empty."""
    found = account.together(_content, uris)
    return {uri: content for uri, content in zip(uris, found, strict=True) if content is not None}


def _content(uri: str) -> Content | None:
    try:
        listed = list(storage.objects(account.client("s3"), uri))
    except ClientError:
        return None
    start = len(storage.split(uri)[1])
    return Content(tuple(sorted((one["Key"][start:].strip("/"), one["Size"], one["ETag"]) for one in listed)))
