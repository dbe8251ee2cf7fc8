"""From an endpoint back to who approved what, on a running sagelocal."""

from __future__ import annotations

import io
import json
import tarfile
from typing import Any, cast

import pytest

from deploy import lineage as recorded
from mlops import lineage
from mlops.targets import LAPTOP, Target
from sagelocal.config import Settings

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
ENVIRONMENT = {
    "SAGEMAKER_PROGRAM": "inference.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
}
HANDLER = """
def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    return "1"
"""
COMMIT = "0123456789abcdef0123456789abcdef01234567"
HASH = "049b5a81cdb3ca91"


@pytest.fixture(scope="module")
def target(laptop: Settings) -> Target:
    class Session:
        def client(self, service: str, config: Any) -> Any:
            return laptop.client(service)

    return Target(LAPTOP, laptop.account, laptop.region, cast(Any, Session()), laptop)


@pytest.fixture(scope="module")
def endpoint(target: Target) -> str:
    """Two versions of churn behind it: one that a build made and a person approved, one that somebody registered."""
    assert target.settings
    sagemaker, bucket = target.client("sagemaker"), target.settings.bucket
    sagemaker.create_model_package_group(ModelPackageGroupName="churn")
    packages = []
    for version, more in ((1, {"MetadataProperties": {"CommitId": COMMIT, "Repository": "team/churn"}}), (2, {})):
        url = upload(target, f"models/{version}/model.tar.gz")
        container = {"Image": IMAGE, "ModelDataUrl": url, "Environment": ENVIRONMENT}
        types = {"SupportedContentTypes": ["text/csv"], "SupportedResponseMIMETypes": ["text/csv"]}
        arn = sagemaker.create_model_package(
            ModelPackageGroupName="churn", InferenceSpecification={"Containers": [container], **types}, **more
        )["ModelPackageArn"]
        sagemaker.update_model_package(
            ModelPackageArn=arn,
            ModelApprovalStatus="Approved",
            **({"ApprovalDescription": "Looks right"} if more else {}),
        )
        sagemaker.create_model(
            ModelName=f"churn-{version}",
            PrimaryContainer={"ModelPackageName": arn},
            ExecutionRoleArn=target.settings.role_arn,
        )
        packages.append((arn, url))
    uri = f"s3://{bucket}/data/churn/{HASH}/churn.csv"
    data = sagemaker.create_artifact(Source={"SourceUri": uri}, ArtifactType="DataSet")["ArtifactArn"]
    recorded.associate(sagemaker, data, recorded.artifact(sagemaker, packages[0][1]), "ContributedTo")
    variants = [
        {"VariantName": name, "ModelName": f"churn-{version}", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        for version, name in ((1, "A"), (2, "B"))
    ]
    sagemaker.create_endpoint_config(EndpointConfigName="churn-ab", ProductionVariants=variants)
    sagemaker.create_endpoint(EndpointName="churn-ab", EndpointConfigName="churn-ab")
    sagemaker.get_waiter("endpoint_in_service").wait(EndpointName="churn-ab", WaiterConfig={"Delay": 1})
    return "churn-ab"


def upload(target: Target, key: str) -> str:
    assert target.settings
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        entry = tarfile.TarInfo("code/inference.py")
        entry.size = len(HANDLER)
        packed.addfile(entry, io.BytesIO(HANDLER.encode()))
    target.client("s3").put_object(Bucket=target.settings.bucket, Key=key, Body=buffer.getvalue())
    return f"s3://{target.settings.bucket}/{key}"


@pytest.mark.namespaces
def test_from_endpoint_to_commit_data_and_approver(
    target: Target, endpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = lineage.trace(target, endpoint)
    assert found["release"] is None
    built, bare = (each["package"] for each in found["variants"])
    assert (built["commit"], built["repository"]) == (COMMIT, "team/churn")
    assert [each["hash"] for each in built["data"]] == [HASH]
    approval = built["approval"]
    identity = target.client("sts").get_caller_identity()["Arn"]
    assert (approval["status"], approval["by"], approval["why"]) == ("Approved", identity, "Looks right")
    assert approval["at"] >= built["registered"]
    assert (bare["commit"], bare["data"], bare["execution"]) == (None, [], None)
    lineage.show(target, endpoint, as_json=False)
    said = capsys.readouterr().out
    assert "released by hand" in said
    assert f"{COMMIT} of team/churn" in said
    assert "commit  unknown" in said


@pytest.mark.namespaces
def test_a_release_is_between_package_and_endpoint(
    target: Target, endpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sagemaker = target.client("sagemaker")
    described = sagemaker.describe_endpoint(EndpointName=endpoint)
    package = lineage.trace(target, endpoint)["variants"][0]["package"]["arn"]
    build = {
        "CODEBUILD_RESOLVED_SOURCE_VERSION": COMMIT,
        "CODEBUILD_BUILD_ARN": "arn:aws:codebuild:us-east-1:000000000000:build/mlops-deploy-production:1",
        "CODEBUILD_BUILD_ID": "mlops-deploy-production:1",
        "CODEBUILD_INITIATOR": "codepipeline/mlops-deploy",
        "STAGE": "production",
    }
    action = recorded.of_release(sagemaker, described["EndpointArn"], package, recorded.facts(build))
    context = recorded.context(sagemaker, described["EndpointArn"])
    upstream = sagemaker.query_lineage(StartArns=[context], Direction="Ascendants")["Vertices"]
    assert {action, recorded.artifact(sagemaker, package)} <= {each["Arn"] for each in upstream}
    lineage.show(target, endpoint, as_json=True)
    release = json.loads(capsys.readouterr().out)["release"]
    assert (release["commit"], release["pipeline"]) == (COMMIT, "mlops-deploy")
    assert (release["build"], release["releases"]) == ("mlops-deploy-production:1", 1)


def test_an_endpoint_that_is_not_there(target: Target) -> None:
    with pytest.raises(LookupError, match="no endpoint nowhere"):
        lineage.trace(target, "nowhere")
