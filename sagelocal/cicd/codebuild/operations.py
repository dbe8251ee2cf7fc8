"""CodeBuild's operations: JSON 1.1 with the target CodeBuild_20161006, on sagelocal's port."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sagelocal.api import service
from sagelocal.api.refused import Paths, paths
from sagelocal.cicd.codebuild import builds, projects, report_operations

if TYPE_CHECKING:
    from sagelocal.app import SageLocal

Document = dict[str, Any]
SERVICE = "codebuild"
OPERATIONS: dict[str, service.Handler] = {
    "CreateProject": projects.create_project,
    "UpdateProject": projects.update_project,
    "DeleteProject": projects.delete_project,
    "BatchGetProjects": projects.batch_get_projects,
    "ListProjects": projects.list_projects,
    "StartBuild": builds.start_build,
    "StopBuild": builds.stop_build,
    "RetryBuild": builds.retry_build,
    "BatchGetBuilds": builds.batch_get_builds,
    "BatchDeleteBuilds": builds.batch_delete_builds,
    "ListBuilds": builds.list_builds,
    "ListBuildsForProject": builds.list_builds_for_project,
    "InvalidateProjectCache": projects.invalidate_project_cache,
    "CreateReportGroup": report_operations.create_report_group,
    "UpdateReportGroup": report_operations.update_report_group,
    "DeleteReportGroup": report_operations.delete_report_group,
    "BatchGetReportGroups": report_operations.batch_get_report_groups,
    "ListReportGroups": report_operations.list_report_groups,
    "DeleteReport": report_operations.delete_report,
    "BatchGetReports": report_operations.batch_get_reports,
    "ListReports": report_operations.list_reports,
    "ListReportsForReportGroup": report_operations.list_reports_for_report_group,
    "DescribeTestCases": report_operations.describe_test_cases,
    "DescribeCodeCoverages": report_operations.describe_code_coverages,
}
_STATUS = "The local repository has no statuses of commits: see the build, or the output of the push."
_PROJECT = {
    **paths("fileSystemLocations", "buildBatchConfig", "autoRetryLimit", "badgeEnabled"),
    **paths("environment.fleet", "environment.computeConfiguration", "environment.dockerServer"),
    **paths("environment.registryCredential", "environment.certificate", "artifacts.bucketOwnerAccess"),
    **dict.fromkeys(("source.buildStatusConfig", "source.reportBuildStatus"), _STATUS),
}
REFUSED: dict[str, Paths] = {
    "CreateProject": _PROJECT,
    "UpdateProject": _PROJECT,
    "StartBuild": paths(
        *("certificateOverride", "registryCredentialOverride", "debugSessionEnabled", "fleetOverride"),
        *("autoRetryLimitOverride", "artifactsOverride.bucketOwnerAccess"),
    )
    | dict.fromkeys(("buildStatusConfigOverride", "reportBuildStatusOverride"), _STATUS),
}


def call(app: SageLocal, operation: str, request: Document) -> Document:
    """Validates, runs and projects one operation. Raises AwsError."""
    return service.call(app, SERVICE, operation, request, OPERATIONS, REFUSED, code="InvalidInputException")
