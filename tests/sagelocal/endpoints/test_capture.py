"""Data capture without a server: records, encodings, spool files and what survives a kill or an S3 that is away."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelocal.endpoints.capture import Recorder, Uploader


class Bucket:
    """S3 as far as captures need it; `away` makes it fail."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.away = False

    def put_object(self, *, Bucket: str, Key: str, Body: bytes) -> None:
        if self.away or Bucket == "gone":
            raise ConnectionError("S3 is away")
        if Bucket == "missing":
            error: Any = {"Error": {"Code": "NoSuchBucket"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
            raise ClientError(error, "PutObject")
        assert f"{Bucket}/{Key}" not in self.objects, "an object is never written twice"
        self.objects[f"{Bucket}/{Key}"] = Body

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for body in self.objects.values() for line in body.splitlines()]


def config(*modes: str, percentage: int = 100) -> dict[str, Any]:
    return {
        "EnableCapture": True,
        "InitialSamplingPercentage": percentage,
        "DestinationS3Uri": "s3://b/capture/",
        "CaptureOptions": [{"CaptureMode": mode} for mode in modes or ("Input", "Output")],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
    }


def recorded(
    tmp_path: Path, settings: dict[str, Any], headers: dict[str, str], body: bytes, kind: str, answer: bytes
) -> Any:
    recorder = Recorder(settings, tmp_path / "e" / "capture", "e", "AllTraffic")
    recorder.record(headers, body, kind, answer)
    (file,) = recorder.ready()
    return json.loads(file.read_text())


def test_a_record_has_awss_members(tmp_path: Path) -> None:
    headers = {
        "content-type": "text/csv",
        "x-amzn-sagemaker-inference-id": "order-991",
        "x-amzn-sagemaker-custom-attributes": "tenant=a",
    }
    record = recorded(tmp_path, config(), headers, b"34,0,182.5", "application/json; charset=utf-8", b'{"score": 0.07}')
    assert record["captureData"] == {
        "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": "34,0,182.5", "encoding": "CSV"},
        "endpointOutput": {
            "observedContentType": "application/json; charset=utf-8",
            "mode": "OUTPUT",
            "data": '{"score": 0.07}',
            "encoding": "JSON",
        },
    }
    event = record["eventMetadata"]
    assert (event["inferenceId"], event["customAttributes"]) == ("order-991", ["tenant=a"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["inferenceTime"])
    assert record["eventVersion"] == "0"


@pytest.mark.parametrize("body", [b"\x93NUMPY", "é".encode("latin-1")])
def test_unlisted_types_and_broken_text_are_base64(tmp_path: Path, body: bytes) -> None:
    kind = "application/x-npy" if body.startswith(b"\x93") else "text/csv"
    record = recorded(tmp_path, config("Input"), {"content-type": kind}, body, "text/csv", b"1")
    assert record["captureData"].keys() == {"endpointInput"}
    assert record["captureData"]["endpointInput"]["encoding"] == "BASE64"


def test_sampling_takes_its_share(tmp_path: Path) -> None:
    def share(percentage: int) -> float:
        recorder = Recorder(config(percentage=percentage), tmp_path / "capture", "e", "v")
        return sum(recorder.sampled() for _ in range(4000)) / 4000

    assert share(0) == 0
    assert share(100) == 1
    assert 0.1 < share(20) < 0.3


def test_objects_lie_where_aws_puts_them(tmp_path: Path) -> None:
    bucket = Bucket()
    uploader = Uploader(bucket, tmp_path)
    recorder = Recorder(config(), tmp_path / "e" / "capture", "e", "AllTraffic")
    uploader.add(recorder)
    recorder.record({}, b"1", "text/csv", b"2")
    recorder.record({}, b"3", "text/csv", b"4")
    uploader.flush()
    uploader.close()
    (key,) = bucket.objects
    assert re.fullmatch(r"b/capture/e/AllTraffic/\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl", key)
    assert len(bucket.records()) == 2
    assert recorder.ready() == []


def test_what_a_kill_left_is_uploaded_without_the_torn_record(tmp_path: Path) -> None:
    recorder = Recorder(config(), tmp_path / "e" / "capture", "e", "AllTraffic")
    recorder.record({}, b"1", "text/csv", b"2")
    (file,) = recorder.ready()
    with file.open("ab") as spool:
        spool.write(b'{"captureData": {"endpo')
    bucket = Bucket()
    uploader = Uploader(bucket, tmp_path)
    uploader.flush()
    uploader.close()
    assert len(bucket.records()) == 1
    assert not recorder.folder.exists()


def test_nothing_is_lost_while_s3_is_away(tmp_path: Path) -> None:
    bucket = Bucket()
    bucket.away = True
    uploader = Uploader(bucket, tmp_path)
    recorder = Recorder(config(), tmp_path / "e" / "capture", "e", "AllTraffic")
    uploader.add(recorder)
    recorder.record({}, b"1", "text/csv", b"2")
    with pytest.raises(ConnectionError):
        uploader.flush()
    uploader.retire(recorder)
    bucket.away = False
    uploader.flush()
    uploader.close()
    assert len(bucket.records()) == 1


def test_of_a_deleted_endpoint_nothing_is_lost_but_what_s3_refuses(tmp_path: Path) -> None:
    bucket = Bucket()
    uploader = Uploader(bucket, tmp_path)
    refused = config() | {"DestinationS3Uri": "s3://missing/capture"}
    folder = tmp_path / "e" / "capture"
    recorders = [Recorder(settings, folder, "e", "AllTraffic") for settings in (refused, config())]
    bucket.away = True
    for recorder in recorders:
        uploader.add(recorder)
        recorder.record({}, b"1", "text/csv", b"2")
        uploader.retire(recorder)
    uploader.forget(folder)
    assert [recorder.folder.exists() for recorder in recorders] == [True, True]
    bucket.away = False
    uploader.forget(folder)
    uploader.close()
    assert len(bucket.records()) == 1
    assert list(folder.iterdir()) == []


def test_a_destination_that_s3_refuses_holds_back_no_other(tmp_path: Path) -> None:
    """Neither one that a deleted endpoint left nor one that still records."""
    bucket = Bucket()
    uploader = Uploader(bucket, tmp_path)
    refused = config() | {"DestinationS3Uri": "s3://gone/capture"}
    leftover, open_one, fine = (
        Recorder(settings, tmp_path / name / "capture", name, "AllTraffic")
        for name, settings in (("a", refused), ("b", refused), ("c", config()))
    )
    for recorder in (leftover, open_one, fine):
        uploader.add(recorder)
        recorder.record({}, b"1", "text/csv", b"2")
    uploader.retire(leftover)
    with pytest.raises(ConnectionError):
        uploader.flush()
    uploader.close()
    assert len(bucket.records()) == 1
    assert len(list(leftover.folder.glob("*.jsonl"))) == len(list(open_one.folder.glob("*.jsonl"))) == 1
