"""Where a project's settings come from, and that our shortcuts through the SDK still hold."""

import copy
from pathlib import Path
from typing import Any

import jsonschema
import pytest


def test_settings_come_from_the_environment(project: Any) -> None:
    assert project.region == "us-east-1"
    assert project.bucket == "sagemaker-us-east-1-123456789012"
    assert project.role == "arn:aws:iam::123456789012:role/execution"
    assert project.uri("models", "churn") == "s3://sagemaker-us-east-1-123456789012/models/churn"


def test_the_defaults_file_gives_bucket_prefix_and_role(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = "arn:aws:iam::123456789012:role/from-defaults"
    defaults = tmp_path / "defaults.yaml"
    defaults.write_text(
        "SchemaVersion: '1.0'\n"
        "SageMaker:\n"
        "  PythonSDK: {Modules: {Session: {DefaultS3Bucket: team-bucket, DefaultS3ObjectKeyPrefix: ml}}}\n"
        f"  Pipeline: {{RoleArn: '{role}'}}\n"
    )
    monkeypatch.setenv("SAGEMAKER_USER_CONFIG_OVERRIDE", str(defaults))
    monkeypatch.delenv("SAGEMAKER_ROLE_ARN")
    project.s3.create_bucket(Bucket="team-bucket")
    other = type(project).from_environment()
    assert (other.bucket, other.prefix, other.role) == ("team-bucket", "ml", role)
    assert other.uri("models") == "s3://team-bucket/ml/models"


def test_a_wrong_defaults_file_is_still_refused(project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = tmp_path / "defaults.yaml"
    defaults.write_text("SchemaVersion: '1.0'\nSageMaker: {Colour: red}\n")
    monkeypatch.setenv("SAGEMAKER_USER_CONFIG_OVERRIDE", str(defaults))
    with pytest.raises(jsonschema.ValidationError, match="Colour"):
        type(project).from_environment()


def test_the_sdks_schema_is_valid_and_other_schemas_are_still_checked(project: Any) -> None:
    from sagemaker.core.config.config_schema import SAGEMAKER_PYTHON_SDK_CONFIG_SCHEMA as SCHEMA

    jsonschema.validate({"SchemaVersion": "1.0"}, copy.deepcopy(SCHEMA))  # a copy: checked in full
    with pytest.raises(jsonschema.SchemaError):
        jsonschema.validate({}, {"type": "no such type"})


def test_no_region_names_the_remedy(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(LookupError, match="AWS_DEFAULT_REGION"):
        type(project).from_environment()


def test_a_folder_is_uploaded_under_its_contents_hash(project: Any, tmp_path: Path) -> None:
    (tmp_path / "drivers").mkdir()
    (tmp_path / "drivers" / "run.sh").write_text("true")
    uris = {
        project.session.upload_data(str(tmp_path / "drivers"), project.bucket, f"churn/churn-{time}/input/sm_drivers")
        for time in ("20261121050000", "20261122060000")
    }
    (uri,) = uris
    assert uri.startswith(f"s3://{project.bucket}/code/sm_drivers/")
    key = uri.removeprefix(f"s3://{project.bucket}/") + "run.sh"
    assert project.s3.get_object(Bucket=project.bucket, Key=key)["Body"].read() == b"true"
