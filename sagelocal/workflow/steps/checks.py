"""Steps that compare data or a model with a baseline: QualityCheck and ClarifyCheck.

One Processing job calculates a new baseline and, unless SkipCheck is true, compares with the previous one, which it
gets as more inputs (AWS does not document how its job gets it). The previous baseline is what the step supplies, else
DriftCheckBaselines of the latest approved version in ModelPackageGroupName; unless both SkipCheck and
RegisterNewBaseline are true, it has to exist (developer guide, "Baseline calculation, drift detection and lifecycle").
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError

from sagelocal.api.errors import AwsError
from sagelocal.jobs.checks import s3_uri
from sagelocal.workflow.steps.attempt import Attempt, Result, StepFailed
from sagelocal.workflow.steps.jobs import run_job

Document = dict[str, Any]
_BASELINE = "/opt/ml/processing/baseline"  # where Model Monitor's schedules put theirs, too
_CONSTRAINTS, _STATISTICS = "Constraints", "Statistics"
# CheckType -> where DriftCheckBaselines holds each file of its baseline.
_REGISTERED = {
    "DATA_QUALITY": {_CONSTRAINTS: "ModelDataQuality.Constraints", _STATISTICS: "ModelDataQuality.Statistics"},
    "MODEL_QUALITY": {_CONSTRAINTS: "ModelQuality.Constraints", _STATISTICS: "ModelQuality.Statistics"},
    "DATA_BIAS": {_CONSTRAINTS: "Bias.PreTrainingConstraints"},
    "MODEL_BIAS": {_CONSTRAINTS: "Bias.PostTrainingConstraints"},
    "MODEL_EXPLAINABILITY": {_CONSTRAINTS: "Explainability.Constraints"},
}
_VIOLATIONS = "constraint_violations.json"


@dataclass(frozen=True)
class _Check:
    """What a step's siblings of Arguments say."""

    kind: str  # CheckType
    skip: bool
    register: bool
    fail: bool
    group: str
    supplied: dict[str, str]

    @classmethod
    def of(cls, step: Document) -> _Check:
        supplied = {part: step.get(f"SuppliedBaseline{part}") for part in (_CONSTRAINTS, _STATISTICS)}
        return cls(
            kind=step["CheckType"],
            skip=_true(step.get("SkipCheck"), False),
            register=_true(step.get("RegisterNewBaseline"), False),
            fail=_true(step.get("FailOnViolation"), True),
            group=step.get("ModelPackageGroupName") or "",
            supplied={part: uri for part, uri in supplied.items() if uri},
        )


def check_quality(attempt: Attempt) -> Result:
    return _run(attempt, "QualityCheck", {_CONSTRAINTS: "constraints.json", _STATISTICS: "statistics.json"})


def check_with_clarify(attempt: Attempt) -> Result:
    """The model of a model check is the step's ModelName: the SDK leaves it out of the analysis config."""
    if model := attempt.step.get("ModelName"):
        environment = {**(attempt.request.get("Environment") or {}), "model_name": model}
        attempt = replace(attempt, request=attempt.request | {"Environment": environment})
    return _run(attempt, "ClarifyCheck", {_CONSTRAINTS: "analysis.json"})


def _run(attempt: Attempt, kind: str, files: dict[str, str]) -> Result:
    """`files` are the names of the new baseline's files in the job's output."""
    check = _Check.of(attempt.step)
    previous = {} if check.skip and check.register else _previous(attempt, check)
    folder = attempt.request["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"].rstrip("/")
    calculated = {part: f"{folder}/{name}" for part, name in files.items()}
    used = calculated if check.register else previous
    properties = {f"CalculatedBaseline{part}": uri for part, uri in calculated.items()}
    properties |= {f"BaselineUsedForDriftCheck{part}": uri for part, uri in used.items() if part in files}
    shown = {
        "CheckType": check.kind,
        **properties,
        **({"ModelPackageGroupName": check.group} if check.group else {}),
        **({} if check.skip else {"ViolationReport": f"{folder}/{_VIOLATIONS}"}),
        "SkipCheck": check.skip,
        "RegisterNewBaseline": check.register,
    }

    def metadata(job: Document) -> Document:
        return {kind: shown | {"CheckJobArn": job["ProcessingJob"]["Arn"]}}

    request = attempt.request if check.skip else _compared(attempt.request, previous)
    own = replace(attempt, request=request, executing=lambda job: attempt.executing(metadata(job)))
    try:
        result = run_job("ProcessingJob", own)
    except StepFailed as error:
        raise StepFailed(error.reason, error.error, metadata(error.metadata) if error.metadata else None) from error
    ended = metadata(result.metadata)
    found = [] if check.skip else _violations(attempt, f"{folder}/{_VIOLATIONS}")
    if found and check.fail:
        raise StepFailed(_failure(kind, check, found, f"{folder}/{_VIOLATIONS}"), metadata=ended)
    return Result(ended, properties)


def _previous(attempt: Attempt, check: _Check) -> dict[str, str]:
    """URIs of the previous baseline's files. Raises StepFailed when one is missing."""
    parts = _REGISTERED[check.kind]
    found = {part: uri for part, uri in check.supplied.items() if part in parts}
    missing = [part for part in parts if part not in found]
    # Of a model's quality the constraints alone are compared.
    if missing and not (check.kind == "MODEL_QUALITY" and missing == [_STATISTICS] and found):
        registered, where = _registered(attempt, check)
        found = {part: uri for part in parts if (uri := found.get(part) or registered.get(part))}
        needed = [_CONSTRAINTS] if check.kind == "MODEL_QUALITY" else list(parts)
        if lacking := [part for part in needed if part not in found]:
            names = ", ".join(f"SuppliedBaseline{part}" for part in lacking)
            raise StepFailed(
                f"ClientError: There is no previous baseline for the {check.kind} check: {where} Supply {names}, or "
                "set SkipCheck and RegisterNewBaseline to true to make the first one."
            )
    return found


def _registered(attempt: Attempt, check: _Check) -> tuple[dict[str, str], str]:
    """The baseline that the latest approved version registered, and a sentence for when it has none."""
    if not check.group:
        return {}, "the step names no ModelPackageGroupName."
    request = {
        "ModelPackageGroupName": check.group,
        "ModelApprovalStatus": "Approved",
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
        "MaxResults": 1,
    }
    try:
        approved = attempt.app.call("ListModelPackages", request)["ModelPackageSummaryList"]
    except AwsError as error:
        return {}, error.message
    if not approved:
        return {}, f"model package group {check.group} has no approved version."
    package = attempt.app.call("DescribeModelPackage", {"ModelPackageName": approved[0]["ModelPackageArn"]})
    baselines = package.get("DriftCheckBaselines") or {}
    found = {}
    for part, path in _REGISTERED[check.kind].items():
        member, _, leaf = path.partition(".")
        if uri := ((baselines.get(member) or {}).get(leaf) or {}).get("S3Uri"):
            found[part] = uri
    lacking = " and ".join(path for part, path in _REGISTERED[check.kind].items() if part not in found)
    return found, f"the latest approved version, {package['ModelPackageArn']}, has no DriftCheckBaselines.{lacking}."


def _compared(request: Document, previous: dict[str, str]) -> Document:
    """The job's request with the previous baseline as inputs and as variables of Model Monitor's contract."""
    inputs = list(request.get("ProcessingInputs") or [])
    environment = dict(request.get("Environment") or {})
    for part, uri in previous.items():
        name = part.lower()
        source = {"S3Uri": uri, "LocalPath": f"{_BASELINE}/{name}", "S3DataType": "S3Prefix", "S3InputMode": "File"}
        inputs.append({"InputName": f"baseline_{name}", "S3Input": source})
        environment[f"baseline_{name}"] = f"{_BASELINE}/{name}/{uri.rpartition('/')[2]}"
    return request | {"ProcessingInputs": inputs, "Environment": environment}


def _violations(attempt: Attempt, uri: str) -> list[Document]:
    bucket, key = s3_uri(uri)
    try:
        body = attempt.app.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return list(json.loads(body)["violations"])
    except (ClientError, ValueError, KeyError) as error:
        raise StepFailed(f"ClientError: The violation report {uri} of the check cannot be read: {error}") from error


def _failure(kind: str, check: _Check, found: list[Document], report: str) -> str:
    first = found[0]
    subject = first.get("feature_name") or first.get("metric_name") or first.get("label")
    return (
        f"ClientError: {kind} {check.kind} found {len(found)} violations, the first of {subject}: "
        f"{first.get('constraint_check_type')}: {first.get('description')} See {report}"
    )


def _true(value: Any, default: bool) -> bool:
    return default if value is None else str(value).lower() == "true"
