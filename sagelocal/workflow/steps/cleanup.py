"""Cleanup steps: the S3 outputs of steps before it are deleted, and nothing else.

After SDK 3.27: a Training step is named alone, and what its job left is found from its properties; of a Processing or
Transform step exact objects are named, each under one of that step's output locations. Metadata as in the API of
botocore 1.44.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from sagelocal.jobs.transfer import TransferError, split_uri
from sagelocal.workflow.expressions import ExpressionError, is_expression
from sagelocal.workflow.steps.attempt import Attempt, Result, StepFailed, StepStopped

Document = dict[str, Any]
_FOUND, _NAMED = ("Training",), ("Processing", "Transform")


class _OutsideError(ValueError):
    """A URI that is not among the outputs of its step."""


def delete_outputs(attempt: Attempt) -> Result:
    """Safe to repeat: what is gone already counts as deleted, as S3's own DeleteObjects has it."""
    if attempt.stop_asked():
        raise StepStopped
    outcome: Document = {"CleanedSteps": [], "FailedSteps": [], "SkippedSteps": []}
    for source in attempt.request["Resources"]["S3"]:
        step = source["StepName"]
        try:
            properties = attempt.scope.properties(step)
        except ExpressionError:
            outcome["SkippedSteps"].append(step)  # it did not succeed, so nothing says where its outputs are
            continue
        try:
            _delete(attempt, properties, source.get("S3Uris"))
            outcome["CleanedSteps"].append(step)
        except (_OutsideError, TransferError) as error:
            outcome["FailedSteps"].append(_failure(step, str(error)))
        except ClientError as error:
            outcome["FailedSteps"].append(_failure(step, error.response["Error"].get("Message") or str(error)))
    metadata = {"Cleanup": outcome}
    if failed := outcome["FailedSteps"]:
        reasons = "; ".join(f"step '{one['StepName']}': {one['ErrorMessage']}" for one in failed)
        raise StepFailed(f"ClientError: Outputs could not be deleted: {reasons}", metadata=metadata)
    return Result(metadata, {})


def _failure(step: str, message: str) -> Document:
    return {"StepName": step, "ErrorCode": "ClientError", "ErrorMessage": message[:2048]}


def _delete(attempt: Attempt, properties: Mapping[str, Any], uris: list[str] | None) -> None:
    s3 = attempt.app.s3
    if uris is None:
        location = (
            f"{properties['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{properties['TrainingJobName']}/output/"
        )
        bucket, prefix = split_uri(location)
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        objects = [(bucket, one["Key"]) for page in pages for one in page.get("Contents", [])]
    else:
        objects = [_object(uri, _locations(properties)) for uri in uris]
    for bucket, key in objects:  # all are known to be outputs before the first one goes
        s3.delete_object(Bucket=bucket, Key=key)


def _locations(properties: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Bucket and key prefix, with its slash, of each output of a processing or transform job."""
    if "TransformOutput" in properties:
        uris = [properties["TransformOutput"]["S3OutputPath"]]
    else:
        outputs = (properties.get("ProcessingOutputConfig") or {}).get("Outputs") or []
        uris = [one["S3Output"]["S3Uri"] for one in outputs if "S3Output" in one]
    return [(bucket, key.rstrip("/") + "/") for bucket, key in map(split_uri, uris)]


def _object(uri: str, locations: list[tuple[str, str]]) -> tuple[str, str]:
    bucket, key = split_uri(uri)
    if not key or key.endswith("/") or not any(bucket == one and key.startswith(prefix) for one, prefix in locations):
        raise _OutsideError(f"{uri} is not an object under one of the step's output locations")
    return bucket, key


def problems(step: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a Cleanup step by itself; `source_problems` look at the steps that it names."""
    where = f"Cleanup step '{step['Name']}'"
    resources = (step.get("Arguments") or {}).get("Resources")
    sources = resources.get("S3") if isinstance(resources, dict) and set(resources) == {"S3"} else None
    if not isinstance(sources, list) or not sources:
        yield f"{where} must have Resources with S3, a list of at least one {{StepName, S3Uris}}"
        return
    for source in sources:
        if not isinstance(source, dict) or not {"StepName"} <= set(source) <= {"StepName", "S3Uris"}:
            yield f"An entry of {where} must have StepName, S3Uris and nothing else"
            continue
        for uri in source.get("S3Uris") or []:
            if not is_expression(uri) and not (isinstance(uri, str) and uri.startswith("s3://")):
                yield f"S3Uris of {where} must be s3://bucket/key, not {uri!r}"


def source_problems(step: Mapping[str, Any], steps: Mapping[str, Any], upstream: set[str]) -> Iterator[str]:
    """`steps` are all of the definition by name, `upstream` those that this step waits for."""
    for source in step["Arguments"]["Resources"]["S3"]:
        name, uris = source["StepName"], source.get("S3Uris")
        where = f"Cleanup step '{step['Name']}' names step '{name}'"
        if name not in upstream:
            yield f"{where}, which must be in its DependsOn"
            continue
        kind, arguments = steps[name]["Type"], steps[name].get("Arguments") or {}
        if kind not in (*_FOUND, *_NAMED):
            yield f"{where} of type {kind}, it takes {', '.join((*_FOUND, *_NAMED))} steps"
        elif (kind in _NAMED) != bool(uris):
            needs = "needs S3Uris" if kind in _NAMED else "takes no S3Uris: its outputs are found from its job"
            yield f"{where}: a {kind} step {needs}"
        elif "VpcConfig" in arguments or "VpcConfig" in (arguments.get("NetworkConfig") or {}):
            yield f"{where}, which has a VpcConfig and so cannot be cleaned up"
