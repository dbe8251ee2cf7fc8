"""Where a use case's records come from: its endpoint's captures, its version's test split, or a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd

from dashboard import account
from dashboard.endpoints import schema
from dashboard.scored import captured, held_out
from dashboard.scored.forecast import Calibration
from dashboard.scored.records import Scored
from deploy import declaration, names, served

_FIRST = "production"  # the stage whose customers are real ones
_CAPTURES = names.capture_uri("", "").rpartition("/")[2]


@dataclass(frozen=True)
class Place:
    """An endpoint, and what is known of the version that it serves."""

    use_case: str
    endpoint: str
    version: int
    features: list[str]  # in the order of a CSV request
    captures: str  # S3 URI; empty where nothing is captured
    truths: str  # S3 URI of the labels; empty where it is not known
    threshold: float  # from which probability on the model says yes
    calibration: Calibration | None
    package: dict[str, Any]


@account.kept
def endpoints(use_case: str) -> list[str]:
    """Names of the use case's endpoints in service: that of production, then the newest first."""
    prefix = names.endpoint_name(use_case, "")
    pages = (
        account.client("sagemaker")
        .get_paginator("list_endpoints")
        .paginate(StatusEquals="InService", NameContains=prefix, SortBy="CreationTime", SortOrder="Descending")
    )
    found = [each["EndpointName"] for page in pages for each in page["Endpoints"]]
    return sorted((name for name in found if name.startswith(prefix)), key=lambda name: name != f"{prefix}{_FIRST}")


@account.kept
def place(use_case: str, endpoint: str) -> Place:
    """Raises LookupError where the endpoint serves no registered version, or one without baseline statistics."""
    sagemaker, s3 = account.client("sagemaker"), account.client("s3")
    package = served.package(sagemaker, use_case, endpoint)
    evaluation = held_out.evaluation(s3, package)
    capture = sagemaker.describe_endpoint(EndpointName=endpoint).get("DataCaptureConfig", {})
    where = str(capture.get("DestinationS3Uri", "")).rstrip("/")
    return Place(
        use_case=use_case,
        endpoint=endpoint,
        version=package["ModelPackageVersion"],
        features=[each.name for each in schema.of_package(package, s3)],
        captures=f"{where}/{endpoint}" if where else "",
        truths=_truths(use_case, endpoint, where),
        threshold=float(evaluation.get("threshold", {}).get("value", 0.5)),
        calibration=Calibration.of(evaluation),
        package=package,
    )


def _truths(use_case: str, endpoint: str, captures: str) -> str:
    """What the stage declares, else beside the captures, where `mlops label` puts them."""
    stage = endpoint.removeprefix(names.endpoint_name(use_case, ""))
    declared = declaration.monitored(use_case).get(stage)
    if declared and declared.ground_truth:
        return declared.ground_truth
    if not captures.endswith(f"/{_CAPTURES}"):
        return ""
    bucket, _, prefix = captures.removesuffix(f"/{_CAPTURES}").removeprefix("s3://").partition("/")
    return names.ground_truth_uri(bucket, prefix, endpoint)


@account.kept
def asked(_place: Place, endpoint: str, days: int, ignored: tuple[str, ...]) -> Scored:
    """Of the last days; `ignored`: columns that a request may carry besides the features."""
    end = datetime.now(UTC) + timedelta(minutes=1)
    s3, start = account.client("s3"), end - timedelta(days=days)
    return captured.read(s3, _place.captures, _place.truths, start, end, _place.features, ignored)


@account.kept
def held_back(_place: Place, endpoint: str, version: int, label: str) -> Scored:
    """Raises LookupError where it is not known."""
    return held_out.read(account.client("sagemaker"), account.client("s3"), _place.package, label)


def table(name: str, content: Callable[[], Any]) -> pd.DataFrame:
    """A file that somebody chose, as text. Raises ValueError for what is no table."""
    read: Any = pd.read_parquet if name.endswith(".parquet") else _csv
    try:
        return read(content())
    except (ValueError, OSError) as error:
        raise ValueError(f"{name} cannot be read as a table: {str(error).splitlines()[0]}") from error


def _csv(content: Any) -> pd.DataFrame:
    return pd.read_csv(content, dtype=str, keep_default_na=False)
