"""Questions and answers, at once and by S3."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from dashboard.endpoints import invocations
from dashboard.endpoints.invocations import Question

META = {"ResponseMetadata": {"RequestId": "r"}}


class Runtime:
    def __init__(self, body: bytes = b"") -> None:
        self.asked: dict[str, Any] = {}
        self._body = body

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.asked = request
        return {"Body": io.BytesIO(self._body), "InvokedProductionVariant": "blue", **META}

    def invoke_endpoint_async(self, **request: Any) -> dict[str, Any]:
        self.asked = request
        return {"OutputLocation": "s3://bucket/1.out", "FailureLocation": "s3://bucket/1-error.out", **META}


class S3:
    """Has an object once it was asked for it so often."""

    def __init__(self, key: str, body: str, after: int = 0) -> None:
        self._key, self._body, self._left = key, body, after

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        if Key == self._key:
            self._left -= 1
        if Key != self._key or self._left >= 0:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "The key does not exist."}}, "GetObject")
        return {"Body": io.BytesIO(self._body.encode())}


def test_an_answer_in_the_templates_shape_is_taken_apart() -> None:
    body = {"predictions": [{"probability": 0.5}], "explanations": [{"plan": 0.1}]}
    runtime = Runtime(json.dumps(body).encode())
    question = Question(invocations.of_record({"plan": "a"}, explain=True), where={"TargetVariant": "blue"})
    answer = invocations.ask(runtime, "churn", question)
    assert (answer.prediction, answer.reasons, answer.variant) == ({"probability": 0.5}, {"plan": 0.1}, "blue")
    assert json.loads(runtime.asked.pop("Body")) == {"instances": [{"plan": "a"}], "explain": True}
    assert runtime.asked == {
        "EndpointName": "churn", "ContentType": "application/json", "Accept": "application/json",
        "TargetVariant": "blue",
    }  # fmt: skip


@pytest.mark.parametrize("body", [b"0.5,1", b"[]", b'{"predictions": [0.5]}', b"\xff\xfe"])
def test_any_other_answer_is_shown_as_it_is(body: bytes) -> None:
    answer = invocations.ask(Runtime(body), "churn", Question("1,2", "text/csv", ""))
    assert (answer.body, answer.prediction, answer.reasons) == (body.decode(errors="replace"), {}, {})


def later(s3: S3, patience: float = 30.0, body: str = "1,2") -> invocations.Answer:
    return invocations.ask_later(Runtime(), s3, "churn", Question(body, "text/csv"), patience, lambda _: None)


def test_an_asynchronous_answer_is_waited_for() -> None:
    assert later(S3("1.out", "0.7", after=2)).body == "0.7"


def test_an_asynchronous_failure_is_said() -> None:
    with pytest.raises(RuntimeError, match=r"s3://bucket/1-error\.out: no such plan"):
        later(S3("1-error.out", "no such plan"))


def test_patience_ends_with_the_place_of_the_answer() -> None:
    with pytest.raises(TimeoutError, match=r"It will be s3://bucket/1\.out"):
        later(S3("other", ""), patience=0.0)


def test_a_body_that_is_too_long_for_a_request_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"150,000 bytes.*mlops invoke --file"):
        later(S3("other", ""), body="x" * 150_000)
