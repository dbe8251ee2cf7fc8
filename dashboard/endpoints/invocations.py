"""One question to an endpoint, and what came back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy import state
from mlops import storage

JSON = "application/json"
INLINE = 128_000  # bytes that InvokeEndpointAsync takes in Body


@dataclass(frozen=True)
class Question:
    body: str
    content_type: str = JSON
    accept: str = JSON
    where: Mapping[str, str] = field(default_factory=dict)  # TargetVariant, TargetModel …: members of InvokeEndpoint


@dataclass(frozen=True)
class Answer:
    """`prediction` and `reasons` are the record's own where the model answers in the template's JSON shape."""

    body: str
    milliseconds: float  # from the call to the last byte, as a caller sees it
    variant: str
    request_id: str
    prediction: dict[str, Any]
    reasons: dict[str, float]  # feature to its SHAP value, in the model's margin (log-odds for a classifier)


def of_record(record: Mapping[str, Any], *, explain: bool) -> str:
    """The body that asks about one record."""
    return json.dumps({"instances": [dict(record)], **({"explain": True} if explain else {})})


def ask(runtime: Any, endpoint: str, question: Question) -> Answer:
    """`runtime` is a boto3 `sagemaker-runtime` client. Raises ClientError as AWS answers it."""
    started = time.perf_counter()
    response = runtime.invoke_endpoint(EndpointName=endpoint, **_request(question))
    body = response["Body"].read().decode(errors="replace")
    return _answer(body, started, response, response.get("InvokedProductionVariant", ""))


def ask_later(
    runtime: Any,
    s3: Any,
    endpoint: str,
    question: Question,
    patience: float,
    wait: Callable[[float], None] = time.sleep,
) -> Answer:
    """Of an asynchronous endpoint, whose answer is an object.

    Raises ClientError as AWS answers it, ValueError for a body that is too long, RuntimeError for a failed invocation,
    TimeoutError with the answer's place after `patience` seconds.
    """
    if (size := len(question.body.encode())) > INLINE:
        raise ValueError(
            f"The body has {size:,} bytes, and {INLINE:,} go into a request: `mlops invoke --file` sends more."
        )
    started = time.perf_counter()
    response = runtime.invoke_endpoint_async(EndpointName=endpoint, **_request(question))
    answer, failure = response["OutputLocation"], response.get("FailureLocation")
    while time.perf_counter() - started < patience:
        if (found := _read(s3, answer)) is not None:
            return _answer(found, started, response, "")
        if failure and (found := _read(s3, failure)) is not None:
            raise RuntimeError(f"The invocation failed, see {failure}: {found}")
        wait(0.3)
    raise TimeoutError(f"No answer after {patience:.0f} s. It will be {answer}, with its failure beside it.")


def _request(question: Question) -> dict[str, Any]:
    said = {"ContentType": question.content_type, "Accept": question.accept, **question.where}
    return {"Body": question.body.encode(), **{name: value for name, value in said.items() if value}}


def _read(s3: Any, uri: str) -> str | None:
    bucket, key = storage.split(uri)
    found = state.find(s3.get_object, Bucket=bucket, Key=key)
    return None if found is None else str(found["Body"].read().decode(errors="replace"))


def _answer(body: str, started: float, response: Mapping[str, Any], variant: str) -> Answer:
    return Answer(
        body=body,
        milliseconds=(time.perf_counter() - started) * 1000,
        variant=variant,
        request_id=response["ResponseMetadata"]["RequestId"],
        prediction=_first(body, "predictions"),
        reasons=_first(body, "explanations"),
    )


def _first(body: str, member: str) -> dict[str, Any]:
    """Of a list in a JSON object; empty for any other answer, which is then shown as it is."""
    try:
        first = json.loads(body)[member][0]
    except (ValueError, KeyError, IndexError, TypeError):
        return {}
    return dict(first) if isinstance(first, dict) else {}
