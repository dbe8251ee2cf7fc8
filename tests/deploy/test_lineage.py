"""What is asked of SageMaker's lineage, checked by botocore's own model of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber

from deploy import lineage

PREFIX = "arn:aws:sagemaker:eu-west-1:111122223333:"
PACKAGE, ENDPOINT = f"{PREFIX}model-package/churn/3", f"{PREFIX}endpoint/churn-production"
ARTIFACT, COMMIT, ACTION, CONTEXT = (
    f"{PREFIX}{each}" for each in ("artifact/a", "artifact/c", "action/r", "context/e")
)
SHA = "0123456789abcdef0123456789abcdef01234567"
NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
def sagemaker() -> Any:
    return boto3.client("sagemaker", region_name="eu-west-1", aws_access_key_id="x", aws_secret_access_key="x")


def artifacts(stub: Stubber, uri: str, *arns: str) -> None:
    found = [{"ArtifactArn": arn, "Source": {"SourceUri": uri}, "CreationTime": NOW} for arn in arns]
    stub.add_response("list_artifacts", {"ArtifactSummaries": found}, {"SourceUri": uri})


def association(stub: Stubber, source: str, destination: str, kind: str) -> None:
    ends = {"SourceArn": source, "DestinationArn": destination}
    stub.add_response("list_associations", {"AssociationSummaries": []}, ends)
    stub.add_response("add_association", ends, {**ends, "AssociationType": kind})


def test_a_commit_contributed_to_a_package(sagemaker: Any) -> None:
    with Stubber(sagemaker) as stub:
        artifacts(stub, f"team/churn@{SHA}")
        wanted = {
            "ArtifactName": SHA[:12],
            "Source": {"SourceUri": f"team/churn@{SHA}"},
            "ArtifactType": "Commit",
            "Properties": {"Subject": "Better features"},
            "MetadataProperties": {"CommitId": SHA, "Repository": "team/churn"},
        }
        stub.add_response("create_artifact", {"ArtifactArn": COMMIT}, wanted)
        artifacts(stub, PACKAGE, ARTIFACT)
        association(stub, COMMIT, ARTIFACT, "ContributedTo")
        assert lineage.of_commit(sagemaker, PACKAGE, SHA, "team/churn", "Better features") == COMMIT
        stub.assert_no_pending_responses()


def test_a_release_of_another_accounts_package(sagemaker: Any) -> None:
    build = {
        "CODEBUILD_RESOLVED_SOURCE_VERSION": SHA,
        "MLOPS_REPOSITORY": "team/churn",
        "CODEBUILD_BUILD_ARN": "arn:aws:codebuild:eu-west-1:111122223333:build/mlops-deploy-production:7",
        "CODEBUILD_BUILD_ID": "mlops-deploy-production:7",
        "CODEBUILD_INITIATOR": "codepipeline/mlops-deploy",
        "PIPELINE_EXECUTION_ID": "12345678-1234-1234-1234-123456789012",
        "STAGE": "production",
    }
    with Stubber(sagemaker) as stub:
        wanted = {
            "ActionName": ANY,
            "ActionType": "Release",
            "Source": {"SourceUri": ENDPOINT, "SourceType": "ARN"},
            "Status": "Completed",
            "Properties": {
                "ModelPackageArn": PACKAGE,
                "Build": build["CODEBUILD_BUILD_ID"],
                "Pipeline": "mlops-deploy",
                "PipelineExecutionId": build["PIPELINE_EXECUTION_ID"],
                "Stage": "production",
            },
            "MetadataProperties": {
                "CommitId": SHA,
                "Repository": "team/churn",
                "GeneratedBy": build["CODEBUILD_BUILD_ARN"],
            },
        }
        stub.add_response("create_action", {"ActionArn": ACTION}, wanted)
        artifacts(stub, PACKAGE)
        made = {"Source": {"SourceUri": PACKAGE}, "ArtifactType": "Model"}
        stub.add_response("create_artifact", {"ArtifactArn": ARTIFACT}, made)
        association(stub, ARTIFACT, ACTION, "ContributedTo")
        summary = {"ContextArn": CONTEXT, "ContextName": "churn-production-aws-endpoint", "CreationTime": NOW}
        stub.add_response("list_contexts", {"ContextSummaries": [summary]}, {"SourceUri": ENDPOINT})
        association(stub, ACTION, CONTEXT, "AssociatedWith")
        assert lineage.of_release(sagemaker, ENDPOINT, PACKAGE, lineage.facts(build)) == ACTION
        stub.assert_no_pending_responses()


def test_what_sagemaker_never_records_is_said(sagemaker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lineage, "_PATIENCE", 0.0)
    with Stubber(sagemaker) as stub:
        artifacts(stub, SHA, COMMIT)
        artifacts(stub, PACKAGE)
        with pytest.raises(LookupError, match="no entity of .*model-package/churn/3"):
            lineage.of_commit(sagemaker, PACKAGE, SHA, "")
