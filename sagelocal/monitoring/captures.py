"""Where on S3 the captured data and the ground truth of a window lie."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelocal.api.errors import AwsError, validation
from sagelocal.jobs.checks import s3_uri
from sagelocal.monitoring.kinds import Definition
from sagelocal.monitoring.timing import Window

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]


class NoDataError(Exception):
    """The window holds nothing to analyse; AWS's reason is "Job inputs had no data", and this says where it looked."""

    def __init__(self, what: str, where: str, window: Window) -> None:
        super().__init__(f"Job inputs had no data: there is no {what} under {where} from {window}.")


@dataclass(frozen=True)
class Folder:
    """A folder, or a manifest, on S3; `path` is its place below the job's input."""

    uri: str
    path: str
    manifest: bool = False


def destination(app: SageLocal, endpoint: str) -> str:
    """Where an endpoint captures: an S3 URI without a slash at its end. Raises AwsError for one that does not."""
    document = app.find("Endpoint", endpoint)
    plan = document.get("_running") or document.get("_pending") or {}
    capture = plan.get("DataCapture") or {}
    if not capture.get("EnableCapture"):
        raise validation(
            f'Endpoint "{document["EndpointArn"]}" captures no data, so there is nothing to monitor: give its endpoint '
            "config a DataCaptureConfig with EnableCapture true."
        )
    return str(capture["DestinationS3Uri"]).rstrip("/")


def folders(app: SageLocal, definition: Definition, window: Window) -> list[Folder]:
    """The hour folders of the window that hold something. Raises NoDataError, AwsError."""
    if definition.batch:
        return _manifests(app, definition, window)
    where = f"{destination(app, definition.endpoint)}/{definition.endpoint}"
    variants = [prefix.rstrip("/").rpartition("/")[2] for prefix in _listed(app, f"{where}/", "/")]
    found = [
        Folder(f"{where}/{variant}/{hour}", f"{definition.endpoint}/{variant}/{hour}")
        for variant in variants
        for hour in window.hours()
        if exists(app, f"{where}/{variant}/{hour}/")
    ]
    if not found:
        raise NoDataError("captured request", f"{where}/", window)
    return found


def truths(app: SageLocal, definition: Definition, window: Window) -> list[Folder]:
    """The ground truth that was uploaded from the window's first hour until now: labels come late.

    AWS's sample has the window's own hours; ground truth of a later hour that belongs to a record of the window would
    be lost there. Raises NoDataError.
    """
    where = definition.truth.rstrip("/")
    hours = Window(window.start, max(window.end, app.now())).hours()
    found = [Folder(f"{where}/{hour}", hour) for hour in hours if exists(app, f"{where}/{hour}/")]
    if not found:
        raise NoDataError("ground truth", f"{where}/", Window(window.start, app.now()))
    return found


def exists(app: SageLocal, uri: str) -> bool:
    """Whether an object's key begins so. Raises AwsError where S3 refuses."""
    bucket, key = s3_uri(uri)
    try:
        return bool(app.s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1).get("KeyCount"))
    except (BotoCoreError, ClientError) as error:
        raise validation(f"{uri} cannot be listed: {error}") from error


def _manifests(app: SageLocal, definition: Definition, window: Window) -> list[Folder]:
    """Batch transform captures manifests of what went in and what came out.

    Data quality and explainability are of what went in, the others of the answers, which hold the inference ids.
    """
    where = f"{definition.batch.rstrip('/')}/{'output' if definition.kind.truth else 'input'}"
    found = [
        Folder(uri, f"batch/{hour}/{number}", manifest=True)
        for hour in window.hours()
        for number, uri in enumerate(_listed(app, f"{where}/{hour}/"))
    ]
    if not found:
        raise NoDataError("batch transform job's manifest", f"{where}/", window)
    return found


def _listed(app: SageLocal, uri: str, delimiter: str = "") -> Iterator[str]:
    """URIs of the objects below, or with a delimiter those of the folders. Raises AwsError where S3 refuses."""
    bucket, prefix = s3_uri(uri)
    try:
        pages = app.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter=delimiter)
        for page in pages:
            names = [one["Prefix"] for one in page.get("CommonPrefixes", [])] if delimiter else []
            names = names or ([] if delimiter else [one["Key"] for one in page.get("Contents", [])])
            yield from (f"s3://{bucket}/{name}" for name in names)
    except (BotoCoreError, ClientError) as error:
        raise AwsError("ValidationException", f"{uri} cannot be listed: {error}") from error
