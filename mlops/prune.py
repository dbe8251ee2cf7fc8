"""`mlops prune`: takes what nobody needs any more off the laptop's disk.

Removed are: staging folders of finished jobs; log files older than the age; captured traffic and monitoring results
older than the age; packages that requirements installed and no job has asked for since; and objects of the bucket
older than the age that nothing refers to: no pipeline's current definition, no execution younger than the age, no
registered version, no model. The age is at least the 30 days for which the pipelines' step cache may still point at an
execution's outputs.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from mlops import console, storage
from mlops.executions import describe_job, steps
from mlops.targets import Target

CACHE_DAYS = 30  # pipelines.jobs.CACHE; tests compare the two
_URI = re.compile(r"s3://[^\s\"'\\]+")


@dataclass(frozen=True)
class Rubbish:
    what: str
    name: str  # path or URI
    size: int  # bytes


def prune(target: Target, days: int, *, dry_run: bool) -> list[Rubbish]:
    """What was removed, or would be. Raises ValueError on AWS and for an age below the cache's."""
    if target.settings is None:
        raise ValueError("prune cleans a laptop only. On AWS, give the bucket lifecycle rules.")
    if days < CACHE_DAYS:
        raise ValueError(f"--days {days}: the step cache may use outputs for {CACHE_DAYS} days, so not below that.")
    before = datetime.now(UTC) - timedelta(days=days)
    found = [*stale_files(target, before), *stale_objects(target, before)]
    for each in found if not dry_run else ():
        _remove(target, each)
    _show(found, dry_run=dry_run)
    return found


def _show(found: list[Rubbish], *, dry_run: bool) -> None:
    verb = "Would remove" if dry_run else "Removed"
    for each in found:
        console.note(f"{each.what}: {each.name}")
    for what in dict.fromkeys(each.what for each in found):
        mine = [each for each in found if each.what == what]
        console.say(f"{verb} {len(mine)} x {what}, {sum(each.size for each in mine) / 1e6:.1f} MB")
    if not found:
        console.say("Nothing to remove")


def _remove(target: Target, each: Rubbish) -> None:
    if each.name.startswith("s3://"):
        bucket, key = storage.split(each.name)
        target.client("s3").delete_object(Bucket=bucket, Key=key)
    elif Path(each.name).is_dir():
        shutil.rmtree(each.name, ignore_errors=True)
    else:
        Path(each.name).unlink(missing_ok=True)


def stale_files(target: Target, before: datetime) -> Iterator[Rubbish]:
    assert target.settings is not None
    state = target.settings.state
    for folder in sorted((state / "jobs").glob("*/*")):
        if folder.is_dir() and not _active(target, folder.parent.name, folder.name):
            yield Rubbish("staging of a finished job", str(folder), _size(folder))
    for file in sorted((state / "logs").rglob("*.log")):
        if file.stat().st_mtime < before.timestamp():
            yield Rubbish("old log", str(file), file.stat().st_size)
    yield from _stale_packages(state / "environments", before.timestamp())


def _stale_packages(folder: Path, before: float) -> Iterator[Rubbish]:
    """What has been used since sagelocal's start may be a running endpoint's."""
    started = folder / "started"
    before = min(before, started.stat().st_mtime if started.exists() else before)
    cache = [each.stat().st_mtime for each in (folder / "pip-cache").rglob("*")]
    if cache and max(cache) < before:
        yield Rubbish("pip's cache", str(folder / "pip-cache"), _size(folder / "pip-cache"))
    for each in sorted([*(folder / "overlays").glob("*"), *(folder / "views").glob("*")]):
        if each.stat().st_mtime < before:
            yield Rubbish("packages that no job uses", str(each), _size(each))


def _active(target: Target, kind: str, name: str) -> bool:
    """Whether a staging folder's job still runs; a job that nobody knows doesn't."""
    sagemaker = target.client("sagemaker")
    try:
        return describe_job(sagemaker, kind, name)[f"{kind}Status"] in ("InProgress", "Stopping")
    except sagemaker.exceptions.ClientError:
        return False


def _size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file())


def stale_objects(target: Target, before: datetime) -> Iterator[Rubbish]:
    bucket = target.place.bucket
    needed = tuple(references(target, before))
    for each in storage.objects(target.client("s3"), f"s3://{bucket}/"):
        uri = f"s3://{bucket}/{each['Key']}"
        if each["LastModified"] < before and not any(_covers(reference, uri) for reference in needed):
            yield Rubbish("object that nothing refers to", uri, each["Size"])


def _covers(reference: str, uri: str) -> bool:
    """A reference is an object, or the folder of one."""
    return uri == reference or uri.startswith(reference.rstrip("/") + "/")


def references(target: Target, since: datetime) -> set[str]:
    """All S3 URIs that something still in use names; with an evaluation.json the report beside it too."""
    named = {uri for document in _documents(target, since) for uri in _uris(json.loads(document))}
    return named | {uri.rsplit("/", 1)[0] for uri in named if uri.endswith(".json")}


def _uris(value: Any) -> Iterator[str]:
    """A text that is a URI counts as a whole, since a key may hold blanks; in other texts a URI ends at one.

    OutputDataConfig is where training jobs write, the models of all earlier ones included: it refers to none of them.
    """
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _uris(member) if name != "OutputDataConfig" else ()
    elif isinstance(value, list):
        for member in value:
            yield from _uris(member)
    elif isinstance(value, str):
        yield from [value] if value.startswith("s3://") else (uri.rstrip(".,;)") for uri in _URI.findall(value))


def _documents(target: Target, since: datetime) -> Iterator[str]:
    """Describe responses, as text, of all that is in use."""
    sagemaker = target.client("sagemaker")
    for pipeline in _pages(sagemaker, "list_pipelines", "PipelineSummaries"):
        name = pipeline["PipelineName"]
        yield sagemaker.describe_pipeline(PipelineName=name)["PipelineDefinition"]
        for each in _pages(sagemaker, "list_pipeline_executions", "PipelineExecutionSummaries", PipelineName=name):
            if each["StartTime"] >= since or each["PipelineExecutionStatus"] in ("Executing", "Stopping"):
                yield from _execution(sagemaker, each["PipelineExecutionArn"])
    for group in _pages(sagemaker, "list_model_package_groups", "ModelPackageGroupSummaryList"):
        listed = {"ModelPackageGroupName": group["ModelPackageGroupName"]}
        for each in _pages(sagemaker, "list_model_packages", "ModelPackageSummaryList", **listed):
            yield _text(sagemaker.describe_model_package(ModelPackageName=each["ModelPackageArn"]))
    for each in _pages(sagemaker, "list_models", "Models"):
        yield _text(sagemaker.describe_model(ModelName=each["ModelName"]))


def _execution(sagemaker: Any, arn: str) -> Iterator[str]:
    yield sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)["PipelineDefinition"]
    for step in steps(sagemaker, arn):
        if step.job:
            yield _text(describe_job(sagemaker, *step.job))


def _pages(client: Any, operation: str, member: str, **query: Any) -> Iterable[dict[str, Any]]:
    for page in client.get_paginator(operation).paginate(**query):
        yield from page[member]


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, default=str)
