"""A project in an account that exists only in memory."""

import json
import os
from collections.abc import Callable, Iterator
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
        "MLOPS_COMMIT": "0123456789abcdef",  # not the clone's, where somebody may commit meanwhile
    }
    with mock_aws(), pytest.MonkeyPatch.context() as patch:  # in this order nothing of moto's is left behind
        for name in [each for each in os.environ if each.startswith(("AWS_", "SAGEMAKER_"))]:
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        from pipelines.project import Project

        boto3.client("iam").create_role(RoleName="execution", AssumeRolePolicyDocument="{}")
        patch.setattr(Project, "data_uri", lambda self, use_case: DATA)
        yield Project.from_environment()


_compiled: dict[str, str] = {}  # the same for all modules: they all compile in the same account


@pytest.fixture(scope="module")
def compiled(project: Any) -> Callable[[str], str]:
    """The definition of a use case's pipeline, for tests that need no compilation of their own."""

    def find(use_case: str) -> str:
        from pipelines.run_pipeline import load

        if use_case not in _compiled:
            _compiled[use_case] = load(use_case, project).definition()
        return _compiled[use_case]

    return find


@pytest.fixture(scope="module")
def churn(compiled: Callable[[str], str]) -> dict[str, Any]:
    """The definition of the churn pipeline; not to be changed."""
    return json.loads(compiled("churn"))
