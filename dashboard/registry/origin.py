"""What made a version: the source of each of its execution's jobs, and what its training job was given."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from dashboard import account, look
from dashboard.registry import versions
from dashboard.registry.reading import Document
from deploy.state import find
from mlops import executions, storage
from mlops.executions import Step

_CODE = "code"  # the input, or channel, in which SDK v3 sends a job its source
_HIDDEN = ("sagemaker_", "_tuning")  # begin hyperparameters that are the toolkit's own
_FILES, _LARGEST = 100, 500_000  # of a bundle: files, and bytes of each, that are compared
_ARCHIVE, _UNPACKED = 50_000_000, 200 * 1024**2  # bytes


@dataclass(frozen=True)
class Origin:
    code: dict[str, str] = field(default_factory=dict)  # by the step's name: where its source is
    given: dict[str, str] = field(default_factory=dict)  # to the training job
    unknown: str = ""  # why there is no more


def of(package: Document) -> Origin:
    execution = package.get("MetadataProperties", {}).get("GeneratedBy", "")
    return read(execution if ":pipeline/" in execution else "", versions.artifact(package))


@account.kept
def read(execution: str, artifact: str) -> Origin:
    sagemaker = account.client("sagemaker")
    given = _given(sagemaker, artifact)
    if not execution:
        return Origin(given=given, unknown="It does not say which pipeline's execution registered it.")
    try:
        steps = [each for each in executions.steps(sagemaker, execution) if each.job]
    except ClientError as error:  # deleted with its pipeline, or another account's
        return Origin(given=given, unknown=look.sentence(error))
    jobs = account.together(lambda step: _job(sagemaker, step), steps)
    found = {step.name: source(job) for step, job in zip(steps, jobs, strict=True)}
    return Origin({name: uri for name, uri in found.items() if uri}, given)


def _job(sagemaker: Any, step: Step) -> Document:
    assert step.job
    kind, name = step.job
    return find(lambda **_: executions.describe_job(sagemaker, kind, name)) or {}


def source(job: Document) -> str:
    """Where a Processing, Training or Tuning job has its script from; "" where it has none of its own."""
    inputs = [each.get("S3Input", {}) for each in job.get("ProcessingInputs", []) if each["InputName"] == _CODE]
    channels = [each for each in job.get("InputDataConfig", []) if each["ChannelName"] == _CODE]
    inputs += [each["DataSource"].get("S3DataSource", {}) for each in channels]
    definition = job.get("TrainingJobDefinition", {})
    parameters = {**job.get("HyperParameters", {}), **definition.get("StaticHyperParameters", {})}
    submitted = parameters.get("sagemaker_submit_directory", "").strip('"')
    return str(next((each["S3Uri"] for each in inputs if each.get("S3Uri")), submitted))


def _given(sagemaker: Any, artifact: str) -> dict[str, str]:
    """Of the training job that made the artifact, whose name its address has."""
    if "/output/" not in artifact:
        return {}
    name = artifact.rsplit("/output/", 1)[0].rsplit("/", 1)[1]
    job = find(sagemaker.describe_training_job, TrainingJobName=name) or {}
    if job.get("ModelArtifacts", {}).get("S3ModelArtifacts") != artifact:
        return {}
    return {
        "training job": name,
        "image": job.get("AlgorithmSpecification", {}).get("TrainingImage", ""),
        "instance type": job.get("ResourceConfig", {}).get("InstanceType", ""),
        **{key: _plain(each) for key, each in job.get("HyperParameters", {}).items() if not key.startswith(_HIDDEN)},
    }


def _plain(value: str) -> str:
    """The SDK writes hyperparameters as JSON."""
    try:
        return str(json.loads(value))
    except ValueError:
        return value


@account.kept
def bundle(uri: str) -> dict[str, str | None]:
    """The files of a source, by their paths in it; None for one that is no text, or too large to compare.

    Raises ClientError where S3 refuses, LookupError where there is nothing.
    """
    s3 = account.client("s3")
    if uri.endswith((".tar.gz", ".tgz")):
        bucket, key = storage.split(uri)
        answer = s3.get_object(Bucket=bucket, Key=key)
        if answer["ContentLength"] > _ARCHIVE:
            raise LookupError(f"{uri} has {look.size(answer['ContentLength'])}, which is too much for a page.")
        return dict(_unpacked(answer["Body"].read()))
    prefix = storage.split(uri)[1]
    listed = [each for each, _ in zip(storage.objects(s3, uri), range(_FILES), strict=False)]
    if not listed:
        raise LookupError(f"There is nothing at {uri} any more.")
    bodies = account.together(lambda each: _text(s3, storage.split(uri)[0], each), listed)
    names = [each["Key"].removeprefix(prefix).lstrip("/") or prefix.rsplit("/", 1)[-1] for each in listed]
    return dict(zip(names, bodies, strict=True))


def _text(s3: Any, bucket: str, listed: Document) -> str | None:
    if listed["Size"] > _LARGEST:
        return None
    return _decoded(s3.get_object(Bucket=bucket, Key=listed["Key"])["Body"].read())


def _unpacked(archive: bytes) -> Iterator[tuple[str, str | None]]:
    """Raises LookupError for what is no archive, or unpacks to more than a page can hold."""
    try:
        with gzip.open(io.BytesIO(archive)) as packed:
            content = packed.read(_UNPACKED + 1)  # a little file may unpack to any size
        if len(content) > _UNPACKED:
            raise LookupError(f"The source's archive holds more than {look.size(_UNPACKED)}: too much for a page.")
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            for each, _ in zip((member for member in tar if member.isfile()), range(_FILES), strict=False):
                file = tar.extractfile(each) if each.size <= _LARGEST else None
                yield each.name.removeprefix("./"), _decoded(file.read()) if file else None
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise LookupError(f"The archive of the source can't be read: {error}.") from error


def _decoded(body: bytes) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None
