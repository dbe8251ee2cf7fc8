"""Pipe input mode: the bytes of an epoch, and FIFOs as a job reads them."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from sagelocal.app import SageLocal
from sagelocal.jobs.pipe import Source, StreamError, piping, recordio
from sagelocal.jobs.transfer import Object

Train = Callable[..., dict[str, Any]]
Put = Callable[[str, str | bytes], str]


class Body:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def iter_chunks(self, size: int) -> Sequence[bytes]:
        step = 3 if len(self.data) < 1000 else size
        return [self.data[start : start + step] for start in range(0, len(self.data), step)]

    def iter_lines(self, size: int) -> Sequence[bytes]:
        return self.data.splitlines()


class Bucket:
    """What the pipe needs of an S3 client."""

    def __init__(self, **objects: bytes) -> None:
        self.objects = objects

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": Body(self.objects[Key])}


def source(bucket: Bucket, items: str, host: int = 0, hosts: int = 1, **channel: Any) -> Source:
    s3 = {"S3Uri": "s3://b/x", "S3DataType": "S3Prefix", **channel.pop("S3DataSource", {})}
    found = [Object("b", key, key, len(bucket.objects[key])) for key in items]
    return Source(bucket, {"ChannelName": "c", "DataSource": {"S3DataSource": s3}, **channel}, found, host, hosts)


def epoch(given: Source, number: int = 0) -> bytes:
    return b"".join(given.epoch(number))


def test_objects_follow_each_other() -> None:
    bucket = Bucket(a=b"1,2\n", b=b"3,4\n")
    assert epoch(source(bucket, "ab")) == b"1,2\n3,4\n"


def test_gzip_of_several_members_is_unpacked() -> None:
    bucket = Bucket(a=gzip.compress(b"1\n") + gzip.compress(b"2\n"), b=gzip.compress(b"3\n"))
    assert epoch(source(bucket, "ab", CompressionType="Gzip")) == b"1\n2\n3\n"


def test_what_is_no_gzip_is_an_error_of_the_job() -> None:
    with pytest.raises(StreamError, match="s3://b/x"):
        epoch(source(Bucket(a=b"plain"), "a", CompressionType="Gzip"))


def test_recordio_has_magic_length_and_padding() -> None:
    """The format's description: 0xced7230a, the length, the data, zeros up to 4 bytes, all little endian."""
    wrapped = b"\x0a\x23\xd7\xce\x05\x00\x00\x00hello\x00\x00\x00"
    assert recordio(b"hello") == wrapped
    assert epoch(source(Bucket(a=b"hello", b=b"hello"), "ab", RecordWrapperType="RecordIO")) == wrapped * 2


def test_an_augmented_manifest_streams_its_attributes_in_order() -> None:
    """The developer guide's example: the object of a -ref, then the text of the other attribute."""
    lines = [{"label": 1, "image-ref": "s3://b/a", "unused": 0}, {"image-ref": "s3://b/b", "label": {"x": [1]}}]
    bucket = Bucket(m="\n".join(json.dumps(line) for line in lines).encode() + b"\n", a=b"AAA", b=b"BB")
    data = {"S3DataType": "AugmentedManifestFile", "AttributeNames": ["image-ref", "label"]}
    assert epoch(source(bucket, "m", S3DataSource=data)) == b'AAA1BB{"x": [1]}'
    records = b"".join(recordio(each) for each in (b"AAA", b"1", b"BB", b'{"x": [1]}'))
    assert epoch(source(bucket, "m", S3DataSource=data, RecordWrapperType="RecordIO")) == records
    with pytest.raises(StreamError, match="no JSON object with book"):
        epoch(source(bucket, "m", S3DataSource={**data, "AttributeNames": ["book"]}))


def test_shuffling_gives_another_order_each_epoch_and_shards_all_of_it() -> None:
    bucket = Bucket(**{key: key.encode() for key in "abcdefgh"})
    sharded = {"S3DataDistributionType": "ShardedByS3Key"}
    whole = [epoch(source(bucket, "abcdefgh", ShuffleConfig={"Seed": 7}), number) for number in range(3)]
    assert len(set(whole)) == 3
    assert all(sorted(each) == sorted(b"abcdefgh") for each in whole)
    for number in range(2):
        shares = [
            epoch(source(bucket, "abcdefgh", host, 2, S3DataSource=sharded, ShuffleConfig={"Seed": 7}), number)
            for host in range(2)
        ]
        assert sorted(b"".join(shares)) == sorted(b"abcdefgh")
        assert [len(share) for share in shares] == [4, 4]


def unexpected(error: Exception) -> None:
    raise error  # in the pipe's thread, where pytest's warning makes it this test's failure


def test_a_fifo_an_epoch(tmp_path: Path) -> None:
    """The next one is there when the reader sees the end, also after an epoch that it did not read to the end."""
    big = os.urandom(2**20)
    with piping([(tmp_path, "train", source(Bucket(a=big), "a"))], failed=unexpected):
        assert (tmp_path / "train_0").read_bytes() == big
        with (tmp_path / "train_1").open("rb") as pipe:
            assert pipe.read(10) == big[:10]
        while not (tmp_path / "train_2").exists():
            pass
        assert (tmp_path / "train_2").read_bytes() == big
        assert (tmp_path / "train_3").is_fifo()


def test_what_a_job_puts_in_a_fifos_place_is_not_written_to(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("kept")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train_0").symlink_to(outside)
    with piping([(folder, "train", source(Bucket(a=b"secret"), "a"))], failed=unexpected):
        threading.Event().wait(0.1)
        (folder / "train_0").unlink()
        (folder / "train_0").write_text("a file")
        threading.Event().wait(0.1)
    assert outside.read_text() == "kept"
    assert (folder / "train_0").read_text() == "a file"


READS = """
import json
config = json.load(open("/opt/ml/input/config/inputdataconfig.json"))
assert config["train"]["TrainingInputMode"] == "Pipe", config
epochs = [open(f"/opt/ml/input/data/train_{number}").read() for number in range(3)]
open("/opt/ml/model/epochs.json", "w").write(json.dumps(epochs))
"""


@pytest.mark.namespaces
def test_a_job_reads_its_epochs(app: SageLocal, train: Train, put: Put) -> None:
    put("piped-data/a.csv.gz", gzip.compress(b"1\n"))
    put("piped-data/b.csv.gz", gzip.compress(b"2\n"))
    data = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{app.settings.bucket}/piped-data/"}}
    channel = {"ChannelName": "train", "DataSource": data, "InputMode": "Pipe", "CompressionType": "Gzip"}
    output = {"S3OutputPath": f"s3://{app.settings.bucket}/models", "CompressionType": "NONE"}
    job = train("piped", READS, InputDataConfig=[channel], OutputDataConfig=output)
    assert job["TrainingJobStatus"] == "Completed", job
    uri = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert uri == f"s3://{app.settings.bucket}/models/piped/output/model/"
    body = app.s3.get_object(Bucket=app.settings.bucket, Key="models/piped/output/model/epochs.json")["Body"].read()
    assert json.loads(body) == ["1\n2\n"] * 3


@pytest.mark.namespaces
def test_a_broken_stream_fails_the_job(app: SageLocal, train: Train, put: Put) -> None:
    uri = put("broken/a.csv.gz", "plain")
    data = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
    channel = {"ChannelName": "train", "DataSource": data, "InputMode": "Pipe", "CompressionType": "Gzip"}
    job = train("broken", READS, InputDataConfig=[channel])
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith(f'ClientError: Data download failed: Failed to stream "{uri}"')
