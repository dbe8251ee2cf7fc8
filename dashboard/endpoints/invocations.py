"""One question to an endpoint, and what came back."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JSON = "application/json"


@dataclass(frozen=True)
class Answer:
    """`prediction` and `reasons` are the record's own where the model answers in the template's JSON shape."""

    body: str
    milliseconds: float  # from the call to the last byte, as a caller sees it
    variant: str
    request_id: str
    prediction: dict[str, Any]
    reasons: dict[str, float]  # feature to its SHAP value, in the model's margin (log-odds for a classifier)


def ask(runtime: Any, endpoint: str, record: Mapping[str, Any], *, explain: bool, variant: str | None) -> Answer:
    """`runtime` is a boto3 `sagemaker-runtime` client. Raises ClientError as AWS answers it."""
    target = {"TargetVariant": variant} if variant else {}
    started = time.perf_counter()
    response = runtime.invoke_endpoint(
        EndpointName=endpoint, Body=request_body(record, explain=explain), ContentType=JSON, Accept=JSON, **target
    )
    body = response["Body"].read().decode()
    return Answer(
        body=body,
        milliseconds=(time.perf_counter() - started) * 1000,
        variant=response.get("InvokedProductionVariant", ""),
        request_id=response["ResponseMetadata"]["RequestId"],
        prediction=_first(body, "predictions"),
        reasons=_first(body, "explanations"),
    )


def request_body(record: Mapping[str, Any], *, explain: bool) -> str:
    return json.dumps({"instances": [dict(record)], **({"explain": True} if explain else {})})


def _first(body: str, member: str) -> dict[str, Any]:
    """Of a list in a JSON object; empty for any other answer, which is then shown as it is."""
    try:
        first = json.loads(body)[member][0]
    except (ValueError, KeyError, IndexError, TypeError):
        return {}
    return dict(first) if isinstance(first, dict) else {}
