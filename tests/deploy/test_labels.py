"""Ground truth as Model Monitor reads it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from deploy import labels

NOW = datetime(2026, 3, 2, 12, 15, 7, tzinfo=timezone(timedelta(hours=2)))


def read(s3: Any, uri: str) -> list[dict[str, Any]]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return [json.loads(line) for line in s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode().splitlines()]


def test_labels_lie_under_the_hour_of_their_upload(clients: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = clients("s3")
    s3.create_bucket(Bucket="bucket")
    (made,) = labels.upload(s3, "s3://bucket/ground-truth/churn/", {"é1": "1", "e2": ["1", "0"]}, NOW)
    assert made.startswith("s3://bucket/ground-truth/churn/2026/03/02/10/15-07-0000-")
    assert read(s3, made) == [
        {
            "groundTruthData": {"data": data, "encoding": "CSV"},
            "eventMetadata": {"eventId": request},
            "eventVersion": "0",
        }
        for request, data in (("é1", "1"), ("e2", "1\n0"))
    ]
    monkeypatch.setattr(labels, "PER_OBJECT", 2)
    several = labels.upload(s3, "s3://bucket", {str(number): "1" for number in range(5)})
    assert [len(read(s3, each)) for each in several] == [2, 2, 1]
    assert several[0].startswith(f"s3://bucket/{datetime.now(UTC):%Y/}")


def test_rows_of_one_id_are_one_request() -> None:
    assert labels.by_request(["a", "b", "a"], ["1", "0", "0"]) == {"a": ["1", "0"], "b": "0"}
