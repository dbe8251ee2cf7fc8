"""The operations of report groups and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagelocal.api.errors import AwsError
from sagelocal.cicd.codebuild import listing, reports
from sagelocal.store import Exists

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]


def create_report_group(app: SageLocal, request: Document) -> Document:
    export = _export(request["exportConfig"])
    try:
        made = reports.make_group(app, request["name"], request["type"], export, request.get("tags") or [])
    except Exists as error:
        raise AwsError(
            "ResourceAlreadyExistsException", f"Report group already exists: {reports.group_arn(app, request['name'])}"
        ) from error
    return {"reportGroup": made}


def _export(config: Document) -> Document:
    """Raises AwsError."""
    kind = config.get("exportConfigType", "NO_EXPORT")
    if kind == "S3" and not (config.get("s3Destination") or {}).get("bucket"):
        message = "Invalid exportConfig: s3Destination.bucket is required for the type S3"
        raise AwsError("InvalidInputException", message)
    return {**config, "exportConfigType": kind}


def update_report_group(app: SageLocal, request: Document) -> Document:
    _group(app, request["arn"])
    changes: Document = {"lastModified": app.now()}
    if request.get("exportConfig"):
        changes["exportConfig"] = _export(request["exportConfig"])
    if request.get("tags") is not None:
        changes["tags"] = request["tags"]
    return {"reportGroup": app.store.update(reports.GROUP, request["arn"], changes)}


def _group(app: SageLocal, arn: str) -> Document:
    group = app.store.find(reports.GROUP, arn)
    if group is None:
        raise AwsError("ResourceNotFoundException", f"Report group cannot be found: {arn}")
    return group


def delete_report_group(app: SageLocal, request: Document) -> Document:
    """One that has reports goes with `deleteReports` only; one that is not there is no error."""
    with app.store.transaction():
        if app.store.find(reports.GROUP, request["arn"]) is None:
            return {}
        found = app.store.list(reports.REPORT, parent=request["arn"])
        if found and not request.get("deleteReports"):
            message = f"Report group {request['arn']} has {len(found)} reports: deleteReports deletes them, too"
            raise AwsError("InvalidInputException", message)
        for report in found:
            _delete(app, report["arn"])
        app.store.delete(reports.GROUP, request["arn"])
    return {}


def delete_report(app: SageLocal, request: Document) -> Document:
    with app.store.transaction():
        if app.store.find(reports.REPORT, request["arn"]):
            _delete(app, request["arn"])
    return {}


def _delete(app: SageLocal, arn: str) -> None:
    app.store.delete(reports.REPORT, arn)
    app.store.delete(reports.CONTENT, arn)


def batch_get_report_groups(app: SageLocal, request: Document) -> Document:
    found, missing = _batch(app, reports.GROUP, request["reportGroupArns"])
    return {"reportGroups": found, "reportGroupsNotFound": missing}


def batch_get_reports(app: SageLocal, request: Document) -> Document:
    found, missing = _batch(app, reports.REPORT, request["reportArns"])
    return {"reports": found, "reportsNotFound": missing}


def _batch(app: SageLocal, kind: str, arns: list[str]) -> tuple[list[Document], list[str] | None]:
    found = {arn: app.store.find(kind, arn) for arn in arns}
    missing = [arn for arn, document in found.items() if document is None]
    return [document for document in found.values() if document], missing or None


def list_report_groups(app: SageLocal, request: Document) -> Document:
    member = {"NAME": "name", "LAST_MODIFIED_TIME": "lastModified"}.get(request.get("sortBy", ""), "created")
    groups = sorted(app.store.list(reports.GROUP), key=lambda group: group[member])
    arns = [group["arn"] for group in groups]
    return listing.page("reportGroups", arns, request, descending=request.get("sortOrder") == "DESCENDING")


def list_reports(app: SageLocal, request: Document) -> Document:
    return _list(app, request, None)


def list_reports_for_report_group(app: SageLocal, request: Document) -> Document:
    return _list(app, request, _group(app, request["reportGroupArn"])["arn"])


def _list(app: SageLocal, request: Document, group: str | None) -> Document:
    """The newest first unless `sortOrder` says otherwise."""
    status = (request.get("filter") or {}).get("status")
    found = app.store.list(reports.REPORT, parent=group)
    arns = [report["arn"] for report in found if status in (None, report["status"])]
    return listing.page("reports", arns, request, descending=request.get("sortOrder") != "ASCENDING")


def describe_test_cases(app: SageLocal, request: Document) -> Document:
    asked = request.get("filter") or {}
    status, keyword = asked.get("status"), asked.get("keyword", "")
    cases = [
        {**case, "reportArn": request["reportArn"]}
        for case in _content(app, request["reportArn"], "TEST")
        if status in (None, case["status"]) and keyword in f"{case['prefix']} {case['name']}"
    ]
    return listing.page("testCases", cases, request)


def describe_code_coverages(app: SageLocal, request: Document) -> Document:
    member = "filePath" if request.get("sortBy") == "FILE_PATH" else "lineCoveragePercentage"
    low, high = request.get("minLineCoveragePercentage", 0.0), request.get("maxLineCoveragePercentage", 100.0)
    files = [
        {**file, "reportARN": request["reportArn"], "id": f"{request['reportArn'].rpartition(':')[2]}:{number}"}
        for number, file in enumerate(_content(app, request["reportArn"], "CODE_COVERAGE"))
        if low <= file["lineCoveragePercentage"] <= high
    ]
    files.sort(key=lambda file: file[member])
    return listing.page("codeCoverages", files, request, descending=request.get("sortOrder") == "DESCENDING")


def _content(app: SageLocal, arn: str, kind: str) -> list[Document]:
    report = app.store.find(reports.REPORT, arn)
    if report is None:
        raise AwsError("ResourceNotFoundException", f"Report cannot be found: {arn}")
    if report["type"] != kind:
        raise AwsError("InvalidInputException", f"Report {arn} has the type {report['type']}, not {kind}")
    kept = app.store.get(reports.CONTENT, arn)
    return [{**each, "expired": kept["expired"]} for each in kept["content"]]
