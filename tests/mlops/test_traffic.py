"""Which records are replayed: those that were held out when the version in service was made."""

from __future__ import annotations

from typing import Any

import pytest

from deploy import served
from mlops import traffic

EXECUTION = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/churn/execution/abcdefghijkl"


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ({"MetadataProperties": {"GeneratedBy": EXECUTION}}, EXECUTION),
        ({"MetadataProperties": {"GeneratedBy": EXECUTION.replace("churn", "census")}}, ""),
        ({}, ""),  # registered by hand
    ],
)
def test_the_execution_behind_an_endpoint(
    monkeypatch: pytest.MonkeyPatch, package: dict[str, Any], expected: str
) -> None:
    monkeypatch.setattr(served, "package", lambda sagemaker, use_case, endpoint: package)
    assert traffic.behind(None, "churn", "churn-production") == expected


def test_an_endpoint_that_is_not_there_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any) -> None:
        raise LookupError

    monkeypatch.setattr(served, "package", missing)
    assert traffic.behind(None, "churn", "churn-production") == ""
    assert traffic.behind(None, "churn", "") == ""
