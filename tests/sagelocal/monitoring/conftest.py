"""An endpoint that exists on paper, captures of it on S3, and monitors of it. Nothing ticks but by `settle`."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from sagelocal.app import SageLocal
from tests.sagelocal.jobs.conftest import app, ended, got, put

__all__ = ["app", "got", "put"]

MONITOR = "156813124566.dkr.ecr.us-east-1.amazonaws.com/sagemaker-model-monitor-analyzer"
CLARIFY = "205585389593.dkr.ecr.us-east-1.amazonaws.com/sagemaker-clarify-processing:1.0"
ENDPOINT = "shop"
HOUR = {"DataAnalysisStartTime": "-PT1H", "DataAnalysisEndTime": "PT0H", "ScheduleExpression": "NOW"}
Call = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def endpoint(app: SageLocal) -> str:
    capture = {"EnableCapture": True, "DestinationS3Uri": f"s3://{app.settings.bucket}/captured"}
    document = {"EndpointName": ENDPOINT, "EndpointStatus": "InService", "_running": {"DataCapture": capture}}
    app.create("Endpoint", document)
    app.create("Endpoint", {"EndpointName": "silent", "EndpointStatus": "InService", "_running": {"DataCapture": None}})
    return ENDPOINT


def record(asked: str, answered: str, event: str = "e", moment: float | None = None) -> str:
    """A captured request's line, of now by default."""
    when = datetime.fromtimestamp(time.time() - 1 if moment is None else moment, UTC)
    sides = {
        "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": asked, "encoding": "CSV"},
        "endpointOutput": {"observedContentType": "text/csv", "mode": "OUTPUT", "data": answered, "encoding": "CSV"},
    }
    metadata = {"eventId": event, "inferenceTime": when.strftime("%Y-%m-%dT%H:%M:%SZ")}
    return json.dumps({"captureData": sides, "eventMetadata": metadata, "eventVersion": "0"})


@pytest.fixture
def capture(app: SageLocal, endpoint: str, put: Any) -> Iterator[Callable[[list[str]], None]]:
    """Stores lines as captured in this hour; gone after the test."""
    keys: list[str] = []

    def store(lines: list[str]) -> None:
        now = datetime.fromtimestamp(time.time() - 1, UTC)
        keys.append(f"captured/{endpoint}/AllTraffic/{now:%Y/%m/%d/%H}/{len(keys)}.jsonl")
        put(keys[-1], "\n".join(lines) + "\n")

    yield store
    for key in keys:
        app.s3.delete_object(Bucket=app.settings.bucket, Key=key)


def settle(app: SageLocal) -> None:
    """Ticks until no execution is under way."""
    app.monitoring.look()
    while running := app.store.page("MonitoringExecution", where=[("_ended", "present", False)]):
        for execution in running:
            if name := execution.get("_job"):
                ended(app, "ProcessingJob", name)
        app.monitoring.look()


def definition(app: SageLocal, kind: str, name: str, **own: Any) -> dict[str, Any]:
    """A Create<kind>JobDefinition request; `own` replaces members, their names without the kind's."""
    inputs: dict[str, Any] = {"EndpointInput": {"EndpointName": ENDPOINT, "LocalPath": "/opt/ml/processing/input_data"}}
    inputs["EndpointInput"] |= own.pop("endpoint_input", {})
    if kind in ("ModelQuality", "ModelBias"):
        inputs["GroundTruthS3Input"] = {"S3Uri": f"s3://{app.settings.bucket}/{name}/truth"}
    target = {"S3Uri": f"s3://{app.settings.bucket}/{name}/out", "LocalPath": "/opt/ml/processing/output"}
    members = {
        "AppSpecification": {"ImageUri": MONITOR, **own.pop("application", {})},
        "JobInput": inputs,
        "JobOutputConfig": {"MonitoringOutputs": [{"S3Output": target}]},
        **own,
    }
    return {
        "JobDefinitionName": name,
        **{f"{kind}{member}": value for member, value in members.items()},
        "JobResources": {"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}},
        "RoleArn": app.settings.role_arn,
    }


@pytest.fixture
def monitored(app: SageLocal, endpoint: str) -> Call:
    """Runs a monitor once over the last hour; its execution's summary."""

    def run(kind: str, name: str, **own: Any) -> dict[str, Any]:
        app.call(f"Create{kind}JobDefinition", definition(app, kind, name, **own))
        config = {"ScheduleConfig": HOUR, "MonitoringJobDefinitionName": name, "MonitoringType": kind}
        app.call("CreateMonitoringSchedule", {"MonitoringScheduleName": name, "MonitoringScheduleConfig": config})
        settle(app)
        described = app.call("DescribeMonitoringSchedule", {"MonitoringScheduleName": name})
        assert described["MonitoringScheduleStatus"] == "Scheduled"
        summary: dict[str, Any] = described["LastMonitoringExecutionSummary"]
        return summary

    return run
