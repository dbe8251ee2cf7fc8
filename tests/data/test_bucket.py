from __future__ import annotations

import hashlib
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from data import bucket


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "churn.parquet"
    path.write_bytes(b"a table")
    monkeypatch.setattr(bucket, "fetch", lambda name: path)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    return path


@mock_aws
def test_the_uri_carries_the_content_hash(local: Path) -> None:
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="data")
    digest = hashlib.sha256(b"a table").hexdigest()[:16]
    uri = bucket.upload(s3, "data", "churn")
    assert uri == f"s3://data/data/churn/{digest}/churn.parquet"
    assert s3.get_object(Bucket="data", Key=uri.removeprefix("s3://data/"))["Body"].read() == b"a table"


@mock_aws
def test_unchanged_content_is_sent_once_and_changed_content_gets_another_uri(local: Path) -> None:
    s3 = boto3.client("s3", region_name="us-east-1")
    s3.create_bucket(Bucket="data")
    sent: list[str] = []
    s3.meta.events.register("before-call.s3.PutObject", lambda params, **_: sent.append(params["url_path"]))
    first = bucket.upload(s3, "data", "churn")
    assert bucket.upload(s3, "data", "churn") == first
    assert len(sent) == 1
    local.write_bytes(b"another table")
    assert bucket.upload(s3, "data", "churn") != first
    assert len(sent) == 2


@mock_aws
def test_a_bucket_that_is_not_there_is_an_error(local: Path) -> None:
    s3 = boto3.client("s3", region_name="us-east-1")
    with pytest.raises(Exception, match="NoSuchBucket"):
        bucket.upload(s3, "nowhere", "churn")


def test_a_refused_look_is_not_taken_for_absence() -> None:
    class Refusing:
        def head_object(self, **_: str) -> None:
            raise ClientError({"Error": {"Code": "403", "Message": "Forbidden"}}, "HeadObject")

    with pytest.raises(ClientError, match="Forbidden"):
        bucket.exists(Refusing(), "data", "key")
