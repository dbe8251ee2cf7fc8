"""The page that production is approved by: its verdict, and what it shows of two versions."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy import comparison

sys.path.insert(0, str(Path(comparison.__file__).parents[1] / "evaluation"))

import version_comparison

PASSED = {"group": "schema", "name": "csv", "said": "5 predictions", "outcome": "passed", "seconds": 0.1}
FAILED = {**PASSED, "group": "latency", "name": "under a short load", "said": "p99 3 s", "outcome": "failed"}


def version(number: int, precision: float, **more: Any) -> dict[str, Any]:
    metrics = {
        "average_precision": {"value": precision, "lower": precision - 0.02, "upper": precision + 0.02},
        "log_loss": {"value": 1 - precision, "lower": 0.9 - precision, "upper": 1.1 - precision},
    }
    return {
        "arn": f"arn:aws:sagemaker:us-east-1:111122223333:model-package/churn/{number}",
        "version": number,
        "status": "Approved",
        "decided_by": "arn:aws:iam::111122223333:user/jo",
        "commit": f"{number:040x}",
        "data": "s3://bucket/data/churn/049b5a/churn.parquet",
        "records": 1409,
        "metrics": metrics,
        "properties": {
            "AveragePrecision": str(precision),
            "MinAveragePrecision": "0.6",
            "DataQualityCheck": "no violation",
        },
        "importance": {"tenure": 0.3, "Contract": 0.7},
        "bias": [{"facet": "gender", "group": "Female", "metric": "DPPL", "value": precision / 10}],
        **more,
    }


def made(tmp_path: Path, capsys: pytest.CaptureFixture[str], **facts: Any) -> tuple[str, str]:
    """The verdict and the page."""
    whole = {"use_case": "churn", "stage": "production", "current": None, "tests": [PASSED], "drift": [], **facts}
    (tmp_path / "facts.json").write_text(json.dumps(whole))
    given = ["--facts", str(tmp_path / "facts.json"), "--output", str(tmp_path / "out")]
    version_comparison.main(version_comparison.parse(given))
    assert (tmp_path / "out" / "comparison.pdf").read_bytes().startswith(b"%PDF")
    return capsys.readouterr().out.strip(), (tmp_path / "out" / "comparison.html").read_text()


def test_two_versions_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drift = {"kind": "data-quality", "status": "CompletedWithViolations", "when": "now", "records": 300}
    current = version(1, 0.62)
    verdict, page = made(
        tmp_path,
        capsys,
        candidate=version(2, 0.7),
        current=current,
        drift=[{**drift, "subjects": ["tenure"], "reason": ""}],
    )
    assert verdict == (
        "Version 2's average precision is 0.7000, that of version 1 in production 0.6200: better. "
        "1 of 1 tests in staging passed."
    )
    said = (
        "+0.0800",
        "0.680 to 0.720",
        "at least 0.6",
        "DPPL",
        "+0.0080",
        "CompletedWithViolations",
        "user/jo",
        "049b5a",
    )
    for each in (*said, f"{2:040x}", f"{1:040x}", "Contract", "schema: csv"):
        assert each in page, each


@pytest.mark.parametrize(
    ("candidate", "current", "tests", "said"),
    [
        (version(2, 0.63), version(1, 0.62), [PASSED], "0.6200: no more apart than by chance. 1 of 1"),
        (version(2, 0.50), version(1, 0.62), [PASSED], "0.6200: worse. 1 of 1"),
        (version(2, 0.7), None, [PASSED], "Version 2 is the first: nothing is in service in production. 1 of 1"),
        (version(2, 0.7), version(2, 0.7), [PASSED], "Version 2 is in service in production already."),
        (version(2, 0.7, metrics={}), version(1, 0.6), [PASSED], "have no metric in common"),
        (version(2, 0.7), None, [FAILED, PASSED], "failed 1 of 2 tests in staging, the first: latency, under a short"),
    ],
)
def test_the_verdict(candidate: Any, current: Any, tests: Any, said: str) -> None:
    report = version_comparison.build(
        {
            "use_case": "churn",
            "stage": "production",
            "candidate": candidate,
            "current": current,
            "tests": tests,
            "drift": [],
        }
    )
    assert said in report.verdict
    assert (report.good is False) == ("worse" in said or "failed" in said)
