"""The question to an endpoint that was just deployed."""

from __future__ import annotations

import io
from typing import Any

import pytest

from deploy import endpoint


class Runtime:
    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.request: dict[str, Any] = {}

    def invoke_endpoint(self, **request: Any) -> dict[str, Any]:
        self.request = request
        return {"Body": io.BytesIO(self.answer)}


def test_the_smoke_test_returns_the_answer() -> None:
    runtime = Runtime(b"0.7,1\n")
    assert endpoint.smoke_test(runtime, "churn-staging", "a,b") == "0.7,1\n"
    assert runtime.request["ContentType"] == "text/csv"
    with pytest.raises(RuntimeError, match="churn-staging answered 3 bytes"):
        endpoint.smoke_test(Runtime(b" \n"), "churn-staging", "a,b")
