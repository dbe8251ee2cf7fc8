"""The reports of a build: its report groups, made where they are missing, and what its test tools wrote."""

from __future__ import annotations

import uuid
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from sagelocal.cicd.codebuild import artifacts, report_files
from sagelocal.cicd.codebuild.artifacts import Packed
from sagelocal.cicd.codebuild.buildspec import COVERAGE_FORMATS, Buildspec, Report
from sagelocal.cicd.codebuild.report_files import ReportError
from sagelocal.cicd.codebuild.session import Session

if TYPE_CHECKING:
    from sagelocal.app import SageLocal
    from sagelocal.cicd.codebuild.log import BuildLog

Document = dict[str, Any]
GROUP, REPORT, CONTENT = "CodeBuildReportGroup", "CodeBuildReport", "CodeBuildReportContent"
_DAYS = 30  # that AWS keeps a report
_CASES = 500  # in a report of tests
_LARGEST = 256 * 2**20  # bytes of a file in a report


def collect(spec: Buildspec, session: Session, log: BuildLog) -> list[Packed]:
    """In the order of the buildspec's reports. Raises EndedError."""
    if spec.reports:
        log.said("Preparing to copy TEST REPORT artifacts")
    return artifacts.collect([report.files for report in spec.reports.values()], "report", session, log)


def publish(
    app: SageLocal, build: Document, reports: Mapping[str, Report], packed: Sequence[Packed]
) -> tuple[list[str], list[str]]:
    """ARNs of the reports, and what is wrong with those that are INCOMPLETE."""
    arns, wrong = [], []
    for (name, report), found in zip(reports.items(), packed, strict=True):
        kind = "CODE_COVERAGE" if report.format in COVERAGE_FORMATS else "TEST"
        try:
            group = _group(app, build["projectName"], name, kind)
        except ReportError as error:
            wrong.append(f"{name}: [{error}]")
            continue
        try:
            arns.append(_complete(app, build, group, found.path))
        except ReportError as error:
            wrong.append(f"{name}: [{error}]")
            arns.append(_store(app, build, group, str(uuid.uuid4()), "INCOMPLETE", []))
    return arns, wrong


def _complete(app: SageLocal, build: Document, group: Document, archive: Path | None) -> str:
    """The report's ARN. Raises ReportError where its files are missing or are not what the buildspec says."""
    if archive is None:
        raise ReportError("report files not found in build")
    content = _read(archive, group["type"])
    identifier = str(uuid.uuid4())
    _export(app, group["exportConfig"], group["name"], identifier, archive)
    bad = any(each.get("status") in ("FAILED", "ERROR") for each in content)
    return _store(app, build, group, identifier, "FAILED" if bad else "SUCCEEDED", content)


def _store(
    app: SageLocal, build: Document, group: Document, identifier: str, status: str, content: list[Document]
) -> str:
    """The guide: a report has 500 test cases at most, failed ones go before others. Its summary is of all."""
    arn = f"{group['arn'].replace(':report-group/', ':report/')}:{identifier}"
    now = app.now()
    long = group["type"] == "TEST" and len(content) > _CASES
    kept = sorted(content, key=lambda each: each["status"] != "FAILED")[:_CASES] if long else content
    summary: Document = (
        {"codeCoverageSummary": report_files.coverage_summary(content)}
        if group["type"] == "CODE_COVERAGE"
        else {"testSummary": report_files.test_summary(content)}
    )
    document = {
        "arn": arn,
        "type": group["type"],
        "name": f"{group['name']}:{identifier}",
        "reportGroupArn": group["arn"],
        "executionId": build["arn"],
        "status": status,
        "created": now,
        "expired": now + _DAYS * 86400,
        "exportConfig": group["exportConfig"],
        "truncated": long,
        **(summary if content else {}),
    }
    with app.store.transaction():
        app.store.create(REPORT, arn, document, parent=group["arn"], arn=arn)
        app.store.create(CONTENT, arn, {"content": kept, "expired": document["expired"]})
    return arn


def _read(archive: Path, kind: str) -> list[Document]:
    found: list[Document] = []
    with zipfile.ZipFile(archive) as packed:
        for member in packed.infolist():
            if member.file_size > _LARGEST:
                raise ReportError(f"{member.filename} has {member.file_size} bytes: at most {_LARGEST} are read")
            text = packed.read(member)
            if kind == "CODE_COVERAGE":
                found += report_files.coverages(member.filename, text)
            else:
                found += report_files.test_cases(member.filename, text)
    return found


def group_arn(app: SageLocal, name: str) -> str:
    return f"arn:aws:codebuild:{app.settings.region}:{app.settings.account}:report-group/{name}"


def _group(app: SageLocal, project: str, name: str, kind: str) -> Document:
    """The buildspec names a group by its ARN, or by a name that CodeBuild puts the project's before."""
    if name.startswith("arn:"):
        found = app.store.find(GROUP, name)
        if found is None:
            raise ReportError(f"there is no report group {name}")
    else:
        arn = group_arn(app, f"{project}-{name}")
        with app.store.transaction():
            found = app.store.find(GROUP, arn) or make_group(
                app, f"{project}-{name}", kind, {"exportConfigType": "NO_EXPORT"}, []
            )
    if found["type"] != kind:
        raise ReportError(f"the report group {found['name']} has the type {found['type']}, not {kind}")
    return found


def make_group(app: SageLocal, name: str, kind: str, export: Document, tags: list[Document]) -> Document:
    """Raises Exists."""
    arn, now = group_arn(app, name), app.now()
    document: Document = {
        "arn": arn,
        "name": name,
        "type": kind,
        "exportConfig": export,
        "created": now,
        "lastModified": now,
        "tags": tags,
        "status": "ACTIVE",
    }
    return app.store.create(GROUP, arn, document, arn=arn)


def _export(app: SageLocal, export: Document, group: str, identifier: str, archive: Path) -> None:
    """The raw files, to where the group wants them. Raises ReportError."""
    if export.get("exportConfigType") != "S3":
        return
    target = export["s3Destination"]
    prefix = "/".join(part for part in (target.get("path", "").strip("/"), group, identifier) if part)
    try:
        if target.get("packaging") == "ZIP":
            app.s3.upload_file(str(archive), target["bucket"], f"{prefix}.zip")
            return
        with zipfile.ZipFile(archive) as packed:
            for member in packed.infolist():
                app.s3.put_object(Bucket=target["bucket"], Key=f"{prefix}/{member.filename}", Body=packed.read(member))
    except (BotoCoreError, ClientError) as error:
        raise ReportError(f"the report could not be exported: {error}") from error
