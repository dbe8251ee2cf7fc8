from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from mlops import prune
from mlops.targets import AWS, LAPTOP, Target
from sagelocal.config import Settings

FUTURE = datetime.now(UTC) + timedelta(days=1)  # to which everything is old


@pytest.fixture
def target(laptop: Settings, monkeypatch: pytest.MonkeyPatch) -> Target:
    for name, value in laptop.aws_environment().items():
        monkeypatch.setenv(name, value)
    return Target(LAPTOP, laptop.account, laptop.region, boto3.Session(), laptop)


def test_objects_go_only_when_nothing_refers_to_them(laptop: Settings, target: Target) -> None:
    s3, bucket = laptop.client("s3"), laptop.bucket
    used, unused = "data/in use/a b.csv", "code/used-not/a.py"
    for key in (used, "models/used/model.tar.gz", unused, "churn/old/evaluation.json", "churn/old/report.html"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    sagemaker = laptop.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName="kept")
    sagemaker.create_model_package(
        ModelPackageGroupName="kept",
        ModelMetrics={
            "ModelQuality": {
                "Statistics": {"ContentType": "application/json", "S3Uri": f"s3://{bucket}/churn/old/evaluation.json"}
            }
        },
        CustomerMetadataProperties={"InputDataUrl": f"s3://{bucket}/{used}"},
    )
    sagemaker.create_model(
        ModelName="kept",
        ExecutionRoleArn=laptop.role_arn,
        PrimaryContainer={"Image": _image(), "ModelDataUrl": f"s3://{bucket}/models/used/model.tar.gz"},
    )
    stale = {each.name for each in prune.stale_objects(target, FUTURE)}
    assert stale == {f"s3://{bucket}/{unused}"}
    assert list(prune.stale_objects(target, datetime.now(UTC) - timedelta(days=1))) == []


def test_where_jobs_write_their_models_is_no_reference_to_each_of_them(laptop: Settings, target: Target) -> None:
    bucket = laptop.bucket
    laptop.client("s3").put_object(Bucket=bucket, Key="models/mine/old-trial/output/model.tar.gz", Body=b"x")
    algorithm = {"TrainingImage": _image(), "TrainingInputMode": "File", "ContainerEntrypoint": ["true"]}
    arguments = {
        "AlgorithmSpecification": algorithm,
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/models/mine"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "RoleArn": laptop.role_arn,
    }
    train = {"Name": "Train", "Type": "Training", "Arguments": arguments}
    definition = {"Version": "2020-12-01", "Metadata": {}, "Parameters": [], "Steps": [train]}
    laptop.client("sagemaker").create_pipeline(
        PipelineName="writes",
        RoleArn=laptop.role_arn,
        ClientRequestToken="p" * 32,
        PipelineDefinition=json.dumps(definition),
    )
    stale = {each.name for each in prune.stale_objects(target, FUTURE)}
    assert f"s3://{bucket}/models/mine/old-trial/output/model.tar.gz" in stale
    laptop.client("s3").delete_object(Bucket=bucket, Key="models/mine/old-trial/output/model.tar.gz")


def test_an_object_whose_key_has_signs_of_an_address_is_the_one_that_goes(laptop: Settings, target: Target) -> None:
    s3, bucket = laptop.client("s3"), laptop.bucket
    for key in ("notes/a", "notes/a#2"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    prune._remove(target, prune.Rubbish("object", f"s3://{bucket}/notes/a#2", 1))
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket, Prefix="notes/")["Contents"]] == ["notes/a"]
    s3.delete_object(Bucket=bucket, Key="notes/a")


def _image() -> str:
    return "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:3.2-0"


def test_staging_and_old_logs_go_and_a_dry_run_keeps_them(
    laptop: Settings, target: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    staging = laptop.state / "jobs" / "TrainingJob" / "nobody-knows-it" / "1" / "model"
    staging.mkdir(parents=True)
    (staging / "weights").write_bytes(b"12345")
    logs = laptop.state / "logs" / "aws"
    logs.mkdir(parents=True, exist_ok=True)
    old, new = logs / "old.log", logs / "new.log"
    for file in (old, new):
        file.write_text("x")
    os.utime(old, (0, 0))
    would = prune.prune(target, prune.CACHE_DAYS, dry_run=True)
    assert {each.what for each in would} == {"staging of a finished job", "old log"}
    assert old.exists()
    assert "Would remove 1 x old log" in capsys.readouterr().out
    assert prune.prune(target, prune.CACHE_DAYS, dry_run=False) == would
    assert (old.exists(), new.exists(), staging.exists()) == (False, True, False)


def test_packages_go_that_no_job_has_used_since_this_start_and_for_the_age(laptop: Settings, target: Target) -> None:
    folder = laptop.state / "environments"
    for name in ("overlays/old", "overlays/new", "views/old"):
        (folder / name).mkdir(parents=True)
        (folder / name / "file").write_text("x")
    for name in ("overlays/old", "views/old"):
        os.utime(folder / name, (0, 0))
    old = {str(folder / "overlays" / "old"), str(folder / "views" / "old")}
    month_ago = datetime.now(UTC) - timedelta(days=30)
    assert {each.name for each in prune.stale_files(target, month_ago)} == old
    (folder / "started").touch()
    os.utime(folder / "started", (0, 0))  # it has been running ever since, and so may have endpoints
    assert list(prune.stale_files(target, month_ago)) == []


def test_not_below_the_caches_age_and_not_on_aws(laptop: Settings) -> None:
    session = boto3.Session(region_name="us-east-1")
    with pytest.raises(ValueError, match="so not below that"):
        prune.prune(Target(LAPTOP, "0", "us-east-1", session, laptop), prune.CACHE_DAYS - 1, dry_run=True)
    with pytest.raises(ValueError, match="lifecycle rules"):
        prune.prune(Target(AWS, "1", "us-east-1", session), prune.CACHE_DAYS, dry_run=True)


def test_the_age_is_the_pipelines_cache_age(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")  # the SDK makes clients when it is imported
    from pipelines.jobs import CACHE

    assert CACHE.expire_after == f"P{prune.CACHE_DAYS}D"
