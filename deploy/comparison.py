"""A candidate beside the version in service, as plain data: what the approval of a deployment is decided by.

`evaluation/version_comparison.py` makes a page of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from deploy import managed_verdicts, names, served, state, verdicts
from deploy.declaration import Engine, Kind

METRICS = "_metrics"  # ends the name of what an evaluation.json has measured: binary_classification_metrics
BIAS = ("post_training_bias_metrics", "pre_training_bias_metrics")
Document = dict[str, Any]


def current(sagemaker: Any, use_case: str, endpoint: str) -> Document | None:
    """DescribeModelPackage of the version that an endpoint serves; None where there is no such endpoint yet.

    Raises LookupError for an endpoint that serves what is not registered.
    """
    if state.find(sagemaker.describe_endpoint, EndpointName=endpoint) is None:
        return None
    return served.package(sagemaker, use_case, endpoint)


def version(s3: Any, package: Mapping[str, Any]) -> Document:
    """What a version is and what was measured of it; members that it has not are left out."""
    report = package.get("ModelMetrics", {}).get("Bias", {}).get("PostTrainingReport", {}).get("S3Uri", "")
    evaluation = package.get("CustomerMetadataProperties", {}).get("Evaluation", "")
    return told(package, _read(s3, evaluation), _read(s3, report))


def told(package: Mapping[str, Any], evaluation: Mapping[str, Any], analysis: Mapping[str, Any]) -> Document:
    """The same of an evaluation.json and a bias analysis.json that were read before; empty for one that isn't there."""
    properties = package.get("CustomerMetadataProperties", {})
    made = package.get("MetadataProperties", {})
    found: Document = {
        "arn": package["ModelPackageArn"],
        "version": package.get("ModelPackageVersion"),
        "made": _time(package.get("CreationTime")),
        "status": package.get("ModelApprovalStatus"),
        "decided": _time(package.get("LastModifiedTime")),
        "decided_by": _who(package.get("LastModifiedBy", {})),
        "reason": package.get("ApprovalDescription"),
        "execution": made.get("GeneratedBy"),
        "commit": made.get("CommitId"),
        "repository": made.get("Repository"),
        "data": properties.get("InputDataUrl"),
        "properties": dict(properties),
        "metrics": _metrics(evaluation),
        "records": evaluation.get("dataset", {}).get("records"),
        "threshold": evaluation.get("threshold", {}).get("value"),
        "importance": evaluation.get("feature_importance", {}).get("mean_absolute_shap", {}),
        "compared_in_training": evaluation.get("comparison"),
        "bias": _bias(analysis),
    }
    return {key: value for key, value in found.items() if value}


def _metrics(evaluation: Mapping[str, Any]) -> Document:
    """Name to value and 95 % interval, of all kinds of problems that the evaluation has metrics of."""
    groups = [each for key, each in evaluation.items() if key.endswith(METRICS) and isinstance(each, Mapping)]
    return {
        name: {
            "value": each["value"],
            "lower": each.get("confidence_interval", {}).get("lower"),
            "upper": each.get("confidence_interval", {}).get("upper"),
        }
        for measured in groups
        for name, each in measured.items()
        if isinstance(each, Mapping) and _is_number(each.get("value"))
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _bias(analysis: Mapping[str, Any]) -> list[Document]:
    """A row for each group and metric."""
    return [
        {"facet": facet, "group": group["value_or_threshold"], "metric": each["name"], "value": each["value"]}
        for stage in BIAS
        for facet, groups in analysis.get(stage, {}).get("facets", {}).items()
        for group in groups
        for each in group["metrics"]
        if isinstance(each.get("value"), int | float)
    ]


def _who(by: Mapping[str, Any]) -> str | None:
    """As far as AWS says: a user of Studio, or who signed the request."""
    return by.get("UserProfileName") or by.get("IamIdentity", {}).get("Arn")


def drift(sagemaker: Any, s3: Any, endpoint: str, engine: Engine) -> list[Document]:
    """What each monitor of an endpoint last found, of those that ever ran."""
    latest = managed_verdicts.latest if engine is Engine.MANAGED else verdicts.latest
    found = [latest(sagemaker, s3, names.monitor_name(endpoint, kind), kind) for kind in Kind]
    return [
        {
            "kind": str(each.kind),
            "status": each.status,
            "when": _time(each.started),
            "records": each.records,
            "subjects": each.subjects,
            "reason": each.reason,
        }
        for each in found
        if each
    ]


def url(pattern: str, s3: Any, bucket: str, key: str) -> str:
    """The link to a report: `{bucket}` and `{key}` are filled in, and `{presigned}` is a link that needs no sign-in for
    as long as an approval waits at most, seven days; signed by a role it ends with the role's session.
    """
    if "{presigned}" in pattern:
        signed = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=7 * 86400)
        return pattern.replace("{presigned}", signed)
    return pattern.replace("{bucket}", bucket).replace("{key}", key)


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if moment else None


def _read(s3: Any, uri: str) -> Document:
    """A JSON file; nothing where there is none (any more)."""
    if not uri:
        return {}
    parts = urlsplit(uri)
    found = state.find(s3.get_object, Bucket=parts.netloc, Key=parts.path.lstrip("/"))
    return dict(json.loads(found["Body"].read())) if found else {}
