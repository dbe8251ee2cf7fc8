"""A project in an account that exists only in memory."""

import json
import os
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

ROLE = "arn:aws:iam::123456789012:role/execution"
DATA = "s3://sagemaker-us-east-1-123456789012/data/churn/0123456789abcdef/churn.csv"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator:
    defaults = tmp_path_factory.mktemp("sdk") / "defaults.yaml"
    defaults.write_text("SchemaVersion: '1.0'\nSageMaker: {PythonSDK: {Modules: {TelemetryOptOut: true}}}\n")
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_USER_CONFIG_OVERRIDE": str(defaults),
        "SAGEMAKER_ADMIN_CONFIG_OVERRIDE": str(defaults),
        "SAGEMAKER_VALIDATE_ROLE": "false",
        "SAGEMAKER_ROLE_ARN": ROLE,
    }
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in [each for each in os.environ if each.startswith(("AWS_", "SAGEMAKER_"))]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        from pipelines.project import Project

        boto3.client("iam").create_role(RoleName="execution", AssumeRolePolicyDocument="{}")
        patch.setattr(Project, "data_uri", lambda self, use_case: DATA)
        yield Project.from_environment()


@pytest.fixture(scope="module")
def churn(project: Any) -> dict[str, Any]:
    """The definition of the churn pipeline; compiled once, not to be changed."""
    from pipelines.run_pipeline import load

    return json.loads(load("churn", project).definition())
