"""Which object becomes which file, and back."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
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
    for wrong in (b'{"no": "list"}', b'[{"prefix": "s3://bkt/data/"}, 1]'):
        s3.put_object(Bucket="bkt", Key="m", Body=wrong)
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


def test_what_a_running_job_puts_in_a_files_place_is_not_sent(s3: Any, tmp_path: Path) -> None:
    """The change comes between the look at the folder and the upload: `changed` is asked in between."""
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "d").write_text("not the job's")
    out = tmp_path / "out"
    for name in ("link", "fifo", "folder/d", "gone"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("x")

    def swap(path: Path) -> bool:
        path.unlink()
        if path.name == "link":
            path.symlink_to(tmp_path / "secret" / "d")
        elif path.name == "fifo":
            os.mkfifo(path)
        elif path.name == "d":
            path.parent.rmdir()
            path.parent.symlink_to(tmp_path / "secret")
        return True

    transfer.upload(s3, out, "s3://bkt/out", swap)
    assert keys(s3) == []


def test_a_failed_download_leaves_nobody_writing(tmp_path: Path) -> None:
    class Slow:
        def get_object(self, *, Bucket: str, Key: str) -> Any:
            if Key == "bad":
                raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "gone"}}, "GetObject")
            time.sleep(0.2)
            return {"Body": self}

        def iter_chunks(self, size: int) -> list[bytes]:
            written.append(size)
            return [b"x"]

    written: list[int] = []
    items = [Object("b", name, name) for name in ("bad", "slow-1", "slow-2")]
    with pytest.raises(TransferError, match="s3://b/bad"):
        transfer.download(Slow(), items, tmp_path)
    before = len(written)
    time.sleep(0.4)
    assert len(written) == before


def test_a_refused_deletion_is_a_transfer_error(s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror = Mirror(s3, tmp_path, "s3://bkt/check", root=tmp_path, deletions=True)
    (tmp_path / "a").write_text("1")
    mirror.sync()
    (tmp_path / "a").unlink()

    def refuse(**request: str) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "DeleteObject")

    monkeypatch.setattr(s3, "delete_object", refuse)
    with pytest.raises(TransferError, match=r'delete "s3://bkt/check/a"'):
        mirror.sync()
