"""The example's container beside another of the same image: both on port 8080, trained, deployed and asked by boto3."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from examples.bring_your_own_container import run
from examples.bring_your_own_container.program import smoothing
from sagelocal.config import Settings

IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/demand-forecaster:1"


@pytest.fixture(scope="module")
def trained(laptop: Settings) -> str:
    sagemaker, s3 = laptop.client("sagemaker"), laptop.client("s3")
    return run.train(sagemaker, s3, IMAGE, laptop.role_arn, laptop.bucket, "demand-1")


@pytest.mark.namespaces
def test_two_endpoints_of_a_container_serve_beside_each_other(laptop: Settings, trained: str) -> None:
    sagemaker, runtime = laptop.client("sagemaker"), laptop.client("sagemaker-runtime")
    for name in ("one", "two"):
        run.deploy(sagemaker, IMAGE, laptop.role_arn, trained, name)
    for name in ("one", "two"):
        found = run.ask(runtime, name, 12)
        wanted = [200 + 1.5 * month + 40 * math.cos(2 * math.pi * (month + 1) / 12) for month in range(72, 84)]
        assert [each["mean"] for each in found] == pytest.approx(wanted, abs=2)
        assert all(each["low"] < each["mean"] < each["high"] for each in found)
    assert refusal(runtime, "one", {"steps": 0}) == (400, "steps is 0, and must be 1 to 120")
    run.delete(sagemaker, "one")
    assert len(run.ask(runtime, "two", 3)) == 3


def refusal(runtime: Any, name: str, body: dict[str, Any]) -> tuple[int, str]:
    with pytest.raises(ClientError) as raised:
        runtime.invoke_endpoint(EndpointName=name, Body=json.dumps(body), ContentType="application/json")
    return raised.value.response["OriginalStatusCode"], raised.value.response["OriginalMessage"]


def test_the_model_follows_trend_and_season_and_says_what_it_needs() -> None:
    series = np.array([float(line) for line in run.series().split()])
    assert smoothing.fit(series, 12).mape < 5
    with pytest.raises(ValueError, match="needs 24 values; the series has 12"):
        smoothing.fit(series[:12], 12)
