"""A question to an endpoint that has just been deployed."""

from __future__ import annotations

from typing import Any


def smoke_test(runtime: Any, name: str, payload: str | bytes, content_type: str = "text/csv") -> str:
    """The endpoint's answer to one request, as text. `runtime` is a boto3 `sagemaker-runtime` client.

    Raises ClientError when the model refuses or fails, RuntimeError for an empty answer.
    """
    response = runtime.invoke_endpoint(EndpointName=name, Body=payload, ContentType=content_type, Accept=content_type)
    answer = response["Body"].read().decode()
    if not answer.strip():
        raise RuntimeError(f"Endpoint {name} answered {len(payload)} bytes of {content_type} with nothing.")
    return answer
