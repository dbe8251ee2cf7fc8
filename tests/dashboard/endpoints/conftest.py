"""An account of which a test says every answer, where a real one can't be brought into the state."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st
from botocore.exceptions import ClientError
from streamlit.testing.v1 import AppTest

from dashboard import account


class Client:
    """Of any service. What `answers` has no operation for is refused, a text is a ValidationException's message."""

    def __init__(self, answers: Mapping[str, Callable[..., dict[str, Any] | str]]) -> None:
        self._answers = answers

    def __getattr__(self, operation: str) -> Any:
        def call(**request: Any) -> dict[str, Any]:
            found = self._answers[operation](**request) if operation in self._answers else None
            if isinstance(found, dict):
                return found
            code = "ValidationException" if found else "AccessDeniedException"
            said = {"Code": code, "Message": found or f"You may not call {operation}."}
            raise ClientError({"Error": said, "ResponseMetadata": {"RequestId": "r"}}, operation)  # type: ignore[typeddict-item]

        return call

    def get_paginator(self, operation: str) -> Any:
        return SimpleNamespace(paginate=lambda **request: [getattr(self, operation)(**request)])


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """`answering("endpoints", {"describe_endpoint": function}, endpoint="tiny")`: the page of such an account, not yet
    run.
    """

    def make(page: str, answers: Mapping[str, Callable[..., Any]], **query: str) -> AppTest:
        client = Client(answers)
        target = SimpleNamespace(account="000000000000", region="us-east-1", client=lambda _: client)
        monkeypatch.setattr(account, "client", lambda _: client)
        monkeypatch.setattr(account, "target", lambda: target)
        monkeypatch.setattr(sys, "argv", ["dashboard", "--target", "laptop"])
        st.cache_data.clear()
        made = AppTest.from_string(f"from dashboard import app\napp.main({page!r})", default_timeout=60)
        for name, value in query.items():
            made.query_params[name] = value
        return made

    return make
