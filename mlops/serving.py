"""`mlops deploy` and `invoke`: the newest approved version in service, and a question to it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from deploy import endpoint, names, registry
from mlops import console
from mlops.targets import Target

TYPES = {".csv": "text/csv", ".json": "application/json", ".jsonl": "application/jsonlines"}


def deploy(
    target: Target,
    use_case: str,
    stage: str,
    version: int | None,
    instance_type: str,
    instance_count: int,
    *,
    wait: bool,
) -> str:
    """The endpoint's name. Raises LookupError when nothing is approved, ValueError for a version that isn't."""
    sagemaker, place = target.client("sagemaker"), target.place
    package = _package(sagemaker, use_case, version)
    started = time.monotonic()
    with console.stderr().status(f"Deploying version {package['ModelPackageVersion']} …"):
        name = endpoint.deploy(
            sagemaker,
            use_case=use_case,
            stage=stage,
            package_arn=package["ModelPackageArn"],
            role=place.role,
            capture_uri=names.capture_uri(place.bucket, place.prefix),
            instance_type=instance_type,
            instance_count=instance_count,
            wait=wait,
        )
    took = f"after {time.monotonic() - started:.1f} s" if wait else "soon"
    console.say(f"Endpoint {name} serves version {package['ModelPackageVersion']} {took}")
    return name


def _package(sagemaker: Any, use_case: str, version: int | None) -> dict[str, Any]:
    if version is None:
        return registry.latest_approved(sagemaker, use_case)
    for each in registry.packages(sagemaker, use_case):
        if each["ModelPackageVersion"] == version:
            return each
    raise LookupError(f"The model package group {use_case} has no version {version}: mlops models {use_case}")


def delete(target: Target, use_case: str, stage: str) -> None:
    name = names.endpoint_name(use_case, stage)
    endpoint.delete(target.client("sagemaker"), name)
    console.say(f"Deleted endpoint {name}; its captured traffic stays")


def invoke(
    target: Target, use_case: str, stage: str, payload: str | None, file: Path | None, accept: str | None
) -> str:
    """The endpoint's answer. Without a payload it is asked about the first held-out record."""
    if payload is not None and file is not None:
        raise ValueError("Give either a payload or --file, not both.")
    name = names.endpoint_name(use_case, stage)
    if file is not None:
        kind = TYPES.get(file.suffix.lower())
        if kind is None:
            raise ValueError(f"{file}: the content type goes by the suffix, one of {', '.join(TYPES)}.")
        body: str | bytes = file.read_bytes()
    else:
        body = payload if payload is not None else _held_out(target, use_case)
        kind = "application/json" if body.lstrip().startswith(("{", "[")) else "text/csv"
    answer = ask(target, name, body, kind, accept)
    console.say(answer.rstrip("\n"))
    return answer


def ask(target: Target, name: str, body: str | bytes, kind: str, accept: str | None) -> str:
    runtime = target.client("sagemaker-runtime")
    response = runtime.invoke_endpoint(EndpointName=name, Body=body, ContentType=kind, Accept=accept or kind)
    return str(response["Body"].read().decode())


def _held_out(target: Target, use_case: str) -> str:
    from mlops import traffic

    line = traffic.lines(traffic.held_out(target, use_case).head(1))[0]
    console.note(f"asking about the first held-out record: {line}")
    return line
