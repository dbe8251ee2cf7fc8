"""Captured requests as records: with answers, labels, and the reasons that came with them or were asked for later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import numpy as np
import pytest
from moto import mock_aws

from dashboard.scored import captured
from deploy import labels

CAPTURES, TRUTHS = "s3://bucket/data-capture/churn-production", "s3://bucket/ground-truth/churn-production"
NAMES = ["tenure", "Contract"]
START, END = datetime(2026, 3, 2, 10, tzinfo=UTC), datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def bucket() -> Iterator[Any]:
    with mock_aws():
        made = boto3.resource("s3", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        yield made.create_bucket(Bucket="bucket")


@pytest.fixture
def s3(bucket: Any) -> Any:
    """A client of an empty bucket."""
    bucket.objects.delete()
    return bucket.meta.client


def line(asked: str, answer: str, event: str, inference: str = "", minute: int = 30, json_: bool = False) -> str:
    encoding = "JSON" if json_ else "CSV"
    metadata = {"eventId": event, "inferenceTime": f"2026-03-02T10:{minute:02d}:00Z"}
    return json.dumps(
        {
            "captureData": {
                "endpointInput": {"observedContentType": "", "mode": "INPUT", "data": asked, "encoding": encoding},
                "endpointOutput": {"observedContentType": "", "mode": "OUTPUT", "data": answer, "encoding": encoding},
            },
            "eventMetadata": metadata | ({"inferenceId": inference} if inference else {}),
            "eventVersion": "0",
        }
    )


def explained(probability: float, *why: dict[str, float]) -> str:
    return json.dumps({"predictions": [{"probability": probability, "label": 1}] * len(why), "explanations": why})


def question(*records: dict[str, str]) -> str:
    return json.dumps({"instances": records, "explain": True})


def put(s3: Any, *lines: str, variant: str = "AllTraffic", file: str = "a") -> None:
    key = f"data-capture/churn-production/{variant}/2026/03/02/10/{file}.jsonl"
    s3.put_object(Bucket="bucket", Key=key, Body="\n".join(lines).encode())


def read(s3: Any) -> captured.Scored:
    return captured.read(s3, CAPTURES, TRUTHS, START, END, NAMES, ["customerID"])


def test_requests_with_answers_and_what_came_true(s3: Any) -> None:
    put(s3, line("2,One year", "0.75,1\n", "e-1", "c-1"), line("x-7,9,Two year", "0.25,0\n", "e-2"))
    put(s3, line("5,One year", "0.5,1\n", "e-3"), variant="B")
    put(s3, line("8,late", "0.5,1\n", "e-4", minute=59), line("8,broken", "no number,1\n", "e-5"), file="b")
    labels.upload(s3, TRUTHS, {"c-1": "1", "e-2": "0", "nobody": "1"}, START)
    found = read(s3)
    assert dict(zip(found.ids, found.probability, strict=True)) == {"c-1": 0.75, "e-2": 0.25, "e-3": 0.5, "e-4": 0.5}
    at = {name: place for place, name in enumerate(found.ids)}
    assert found.features.iloc[at["e-2"]].to_dict() == {"tenure": "9", "Contract": "Two year"}
    assert found.truth[[at["c-1"], at["e-2"]]].tolist() == [1.0, 0.0]
    assert found.known().sum() == 2 and np.isnan(found.truth[at["e-3"]])
    assert found.left_out == ""


def test_reasons_come_with_the_answer_or_from_a_request_that_asked_why(s3: Any) -> None:
    first, second = {"tenure": 0.5, "Contract": -0.1}, {"tenure": 0.25, "Contract": 1.0}
    record = {"tenure": "2", "Contract": "One year"}
    put(
        s3,
        line(question(record, record), explained(0.7, first, second), "e-1", json_=True),
        line("2,One year", "0.75,1\n", "e-2"),
        line(question(record), explained(0.75, second), "e-3", captured.reasons_id("e-2"), json_=True),
        line("3,One year", "0.75,1\n", "e-4"),
    )
    found = read(s3)
    assert dict(zip(found.ids, found.reasons, strict=True)) == {
        "e-1#0": first,
        "e-1#1": second,
        "e-2": second,
        "e-4": {},
    }


def test_who_is_asked_about_again_is_one_customer(s3: Any) -> None:
    put(s3, line("2,One year", "0.5,1\n", "e-1", "c-1"), line("3,One year", "0.25,1\n", "e-2", "c-1", minute=40))
    found = read(s3)
    assert (found.ids, found.probability.tolist()) == (["c-1"], [0.25])


def test_an_empty_window_is_empty(s3: Any) -> None:
    found = read(s3)
    assert len(found) == 0 and list(found.features.columns) == NAMES and len(found.known()) == 0


def test_only_the_newest_are_read(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        put(s3, line(f"{number},One year", "0.5,1\n", f"e-{number}"), file=f"f-{number}")
    monkeypatch.setattr(captured, "MOST_BYTES", 1)
    found = read(s3)
    assert len(found) == 1
    assert "choose a shorter period" in found.left_out


@pytest.mark.parametrize(
    "text", ["", "[]", '{"explanations": 3}', '{"explanations": [1]}', '{"explanations": [{"a": "x"}]}']
)
def test_what_is_no_explanation_is_none(text: str) -> None:
    assert captured.explanations(text) == []
