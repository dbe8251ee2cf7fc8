"""Which object becomes which file, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sagelocal.jobs import transfer
from sagelocal.jobs.transfer import Mirror, Object, TransferError


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="bkt")
        yield client


def keys(s3: Any) -> list[str]:
    return [item["Key"] for item in s3.list_objects_v2(Bucket="bkt").get("Contents", [])]


@pytest.mark.parametrize(
    ("uri", "paths"),
    [
        ("s3://bkt/data", ["a.csv", "deep/b.csv", "data.txt"]),
        ("s3://bkt/data/", ["a.csv", "deep/b.csv"]),
        ("s3://bkt/data/a.csv", ["a.csv"]),
        ("s3://bkt/data/deep/b", ["b.csv"]),
        ("s3://bkt", ["data/a.csv", "data/deep/b.csv", "data.txt"]),
    ],
)
def test_paths_under_a_prefix(s3: Any, tmp_path: Path, uri: str, paths: list[str]) -> None:
    for key in ("data/a.csv", "data/deep/b.csv", "data/deep/", "data.txt"):
        s3.put_object(Bucket="bkt", Key=key, Body=key.encode())
    transfer.download(s3, transfer.objects(s3, uri), tmp_path)
    assert sorted(file.relative_to(tmp_path).as_posix() for file in transfer.walk(tmp_path)) == sorted(paths)


def test_manifest(s3: Any, tmp_path: Path) -> None:
    for key in ("data/a.csv", "data/deep/b.csv", "data/c.csv"):
        s3.put_object(Bucket="bkt", Key=key, Body=key.encode())
    s3.put_object(
        Bucket="bkt", Key="m", Body=json.dumps([{"prefix": "s3://bkt/data/"}, "a.csv", "deep/b.csv"]).encode()
    )
    transfer.download(s3, transfer.objects(s3, "s3://bkt/m", "ManifestFile"), tmp_path)
    assert (tmp_path / "deep" / "b.csv").read_text() == "data/deep/b.csv"
    assert not (tmp_path / "c.csv").exists()
    s3.put_object(Bucket="bkt", Key="m", Body=b'{"no": "list"}')
    with pytest.raises(TransferError, match="is not of the form"):
        transfer.objects(s3, "s3://bkt/m", "ManifestFile")


def test_nothing_under_a_prefix_and_no_bucket_name_the_uri(s3: Any) -> None:
    with pytest.raises(TransferError, match="s3://bkt/none"):
        transfer.objects(s3, "s3://bkt/none")
    with pytest.raises(TransferError, match="s3://elsewhere/none.*bucket"):
        transfer.objects(s3, "s3://elsewhere/none")


def test_a_key_cannot_leave_its_folder(s3: Any, tmp_path: Path) -> None:
    with pytest.raises(TransferError, match="outside its folder"):
        transfer.download(s3, [Object("b", "x/../../y", "../../y")], tmp_path)


def test_a_key_that_is_also_a_folder_is_an_error(s3: Any, tmp_path: Path) -> None:
    for key in ("d/a", "d/a/b"):
        s3.put_object(Bucket="bkt", Key=key, Body=b"x")
    with pytest.raises(TransferError, match="name of a folder"):
        transfer.download(s3, transfer.objects(s3, "s3://bkt/d/"), tmp_path)


def test_shards_are_disjoint_and_complete() -> None:
    items = [Object("b", f"{number:02}", f"{number:02}") for number in range(7)]
    shards = [transfer.shard(items, host, 3) for host in range(3)]
    assert sorted(len(part) for part in shards) == [2, 2, 3]
    assert sorted((item for part in shards for item in part), key=lambda item: item.key) == items


def test_upload_takes_no_links(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a b#?.txt").write_text("x")
    (tmp_path / "file").symlink_to("/etc/passwd")
    (tmp_path / "folder").symlink_to("/etc")
    assert transfer.upload(s3, tmp_path, "s3://bkt/out/") == ["deep/a b#?.txt"]
    assert keys(s3) == ["out/deep/a b#?.txt"]


def test_mirror_uploads_changes_and_deletes(s3: Any, tmp_path: Path) -> None:
    mirror = Mirror(s3, tmp_path, "s3://bkt/check", root=tmp_path, deletions=True)
    (tmp_path / "a").write_text("1")
    (tmp_path / "b").write_text("1")
    mirror.sync()
    s3.delete_object(Bucket="bkt", Key="check/a")  # what has not changed is not sent again
    (tmp_path / "b").write_text("22")
    mirror.sync()
    assert keys(s3) == ["check/b"]
    assert s3.get_object(Bucket="bkt", Key="check/b")["Body"].read() == b"22"
    (tmp_path / "b").unlink()
    mirror.sync()
    assert keys(s3) == []
