"""Which records are replayed: those that were held out when the version in service was made."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from deploy import served
from mlops import labels, traffic
from mlops.traffic import Sent

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


def test_labels_are_those_of_the_records_that_were_sent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--labels` writes what `mlops label` reads: each request's id with its record's label, sampled or repeated."""
    known = {str(age): "Yes" if age % 3 else "No" for age in range(20)}
    table = pd.DataFrame({"age": list(known)}), pd.DataFrame({"Churn": list(known.values())})
    monkeypatch.setattr(traffic, "split_of_test", lambda target, use_case, endpoint: table)
    asked: list[str] = []

    def replay(target: Any, endpoint: str, payloads: list[str], customers: Any) -> Sent:
        asked[:] = payloads
        return Sent(endpoint, len(payloads), datetime.now(UTC), datetime.now(UTC), "traffic-1", "")

    monkeypatch.setattr(traffic, "replay", replay)
    target: Any = None
    for count in (7, 50):
        file = tmp_path / f"{count}.csv"
        sent = traffic.send(target, "churn", "staging", count, shift=False, labels=file)
        assert (sent.endpoint, sent.count, sent.shifted) == ("churn-staging", count, [])
        ids = pd.read_csv(file).set_index("inference_id")["Churn"].to_dict()
        assert ids == {f"traffic-1-{at}": known[age] for at, age in enumerate(asked)}
        assert len(ids) == count
        read = labels.readable(pd.Series(ids.values(), name="Churn"), pd.Series(ids), labels.meanings("churn"))
        assert set(read) == {"0", "1"}
    assert f"mlops label churn {file} --stage staging" in " ".join(capsys.readouterr().err.split())
