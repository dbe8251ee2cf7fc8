"""Endpoint metrics: counted without loss, and in CloudWatch as AWS has them."""

from __future__ import annotations

import io
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelocal.config import Settings
from sagelocal.endpoints.meter import HOSTS, Meter, Metering, data, merge

SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
SCRIPT = """
import time

def model_fn(model_dir):
    return "model"

def transform_fn(model, body, content_type, accept):
    if "raise" in str(body):
        raise ValueError("cannot answer this")
    if "work" in str(body):
        until = time.monotonic() + 0.2
        while time.monotonic() < until:
            pass
    return body, accept
"""


class Kept:
    """In place of the publisher: what was put, by metric and dimensions."""

    def __init__(self) -> None:
        self.found: list[tuple[str, Mapping[str, Any]]] = []

    def put(self, namespace: str, data: list[dict[str, Any]]) -> None:
        self.found += [(namespace, datum) for datum in data]

    def values(self, metric: str, *dimensions: str) -> dict[float, float]:
        """Value -> how often, of the metric with exactly these dimensions."""
        counted: dict[float, float] = {}
        for _, datum in self.found:
            if datum["MetricName"] == metric and [one["Name"] for one in datum["Dimensions"]] == list(dimensions):
                for value, count in zip(datum["Values"], datum["Counts"], strict=True):
                    counted[value] = counted.get(value, 0.0) + count
        return counted


class Variant:
    name = "main"
    counted = 2
    plan: dict[str, Any]

    def __init__(self) -> None:
        self.plan = {"InstanceType": "ml.m5.large"}
        self.instances: list[Any] = []


VARIANT = ("EndpointName", "VariantName")


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def metering(kept: Kept, tmp_path: Path) -> Iterator[Metering]:
    made = Metering(kept, memory=2**34, folder=tmp_path)  # type: ignore[arg-type]
    yield made
    made.close()


def test_each_request_counts_with_and_without_its_config(kept: Kept, metering: Metering) -> None:
    meter = Meter(metering, "e", "e-config", Variant())
    for status in (200, 200, 400, 500, 0):
        meter.observe(status, 0.0015, 0.0005)
    meter.close()
    for where in (VARIANT, (*VARIANT, "EndpointConfigName")):
        assert kept.values("Invocations", *where) == {1.0: 5.0}
        assert kept.values("InvocationsPerInstance", *where) == {0.5: 5.0}
        assert kept.values("Invocation4XXErrors", *where) == {1.0: 1.0, 0.0: 4.0}
        assert kept.values("Invocation5XXErrors", *where) == {1.0: 2.0, 0.0: 3.0}
        assert kept.values("InvocationModelErrors", *where) == {1.0: 3.0, 0.0: 2.0}
        assert kept.values("ModelLatency", *where) == {1500.0: 5.0}
        assert kept.values("OverheadLatency", *where) == {500.0: 5.0}
    kept.found.clear()
    meter.close()
    assert not kept.found


def test_other_metrics_have_their_own_dimensions(kept: Kept, metering: Metering) -> None:
    meter = Meter(metering, "e", "e-config", Variant())
    meter.record("ContainerLatency", 7.0, "Microseconds", ContainerName="first")
    meter.record("LoadedModelCount", 3.0, namespace=HOSTS)
    meter.first_chunk(time.perf_counter(), time.perf_counter())
    metering.record("ApproximateBacklogSize", 4.0, "Count", EndpointName="e")
    meter.close()
    assert kept.values("ContainerLatency", *VARIANT, "ContainerName") == {7.0: 1.0}
    assert kept.values("ApproximateBacklogSize", "EndpointName") == {4.0: 1.0}
    assert sum(kept.values("FirstChunkModelLatency", *VARIANT).values()) == 1
    assert {namespace for namespace, datum in kept.found if datum["MetricName"] == "LoadedModelCount"} == {HOSTS}


def test_no_request_is_lost_between_two_looks(kept: Kept, metering: Metering) -> None:
    meter = Meter(metering, "e", "e-config", Variant())
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            metering._look()

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(200_000):
        meter.observe(200, 0.001, 0.001)
    done.set()
    looking.join()
    meter.close()
    assert kept.values("Invocations", *VARIANT) == {1.0: 200_000.0}
    assert kept.values("ModelLatency", *VARIANT) == {1000.0: 200_000.0}


def test_who_scales_has_zeros_while_nobody_calls(kept: Kept, metering: Metering) -> None:
    meter = Meter(metering, "e", "e-config", Variant())
    metering._look()
    assert not kept.found
    metering.watch({("e", "main")})
    metering._look()
    metering._look()
    assert kept.values("InvocationsPerInstance", *VARIANT) == {0.0: 1.0}
    meter.close()


def test_many_values_become_as_many_as_one_call_takes() -> None:
    counts = {float(value): 1 for value in range(1000, 9000)}
    (datum,) = data("ModelLatency", "Microseconds", {"EndpointName": "e"}, counts, 0.0)
    assert len(datum["Values"]) <= 150
    assert sum(datum["Counts"]) == 8000
    assert sum(v * c for v, c in zip(datum["Values"], datum["Counts"], strict=True)) == pytest.approx(
        sum(counts), rel=0.001
    )
    assert merge({0.0: 3}) == {0.0: 3}
    assert merge(merge(counts)) == merge(counts)


class Laptop:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.cloudwatch = settings.client("cloudwatch")

    def deploy(self, name: str) -> None:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
            entry = tarfile.TarInfo("code/inference.py")
            entry.size = len(SCRIPT)
            packed.addfile(entry, io.BytesIO(SCRIPT.encode()))
        bucket, sagemaker = self.settings.bucket, self.settings.client("sagemaker")
        self.settings.client("s3").put_object(Bucket=bucket, Key="model.tar.gz", Body=buffer.getvalue())
        environment = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
        container = {"Image": SKLEARN, "ModelDataUrl": f"s3://{bucket}/model.tar.gz", "Environment": environment}
        sagemaker.create_model(ModelName=name, PrimaryContainer=container)
        variant = {"VariantName": "main", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        sagemaker.create_endpoint_config(EndpointConfigName=f"{name}-config", ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=f"{name}-config")
        until(lambda: sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService")

    def ask(self, name: str, body: str) -> None:
        self.settings.client("sagemaker-runtime").invoke_endpoint(
            EndpointName=name, Body=body, ContentType="text/plain"
        )

    def statistics(self, metric: str, namespace: str = "AWS/SageMaker", **more: Any) -> dict[str, Any]:
        """Of the last minutes, as one period; {} when there is none."""
        where = {"EndpointName": "measured", "VariantName": "main"}
        now = datetime.now(UTC)
        found = self.cloudwatch.get_metric_statistics(
            Namespace=namespace,
            MetricName=metric,
            Dimensions=[{"Name": name, "Value": value} for name, value in where.items()],
            StartTime=now - timedelta(hours=1),
            EndTime=now + timedelta(minutes=1),
            Period=86400,
            **more or {"Statistics": ["Sum", "Average", "SampleCount"]},
        )["Datapoints"]
        return dict(found[0]) if found else {}

    def alarm(self, name: str, endpoint: str, endpoint_config: str) -> None:
        where = {"EndpointName": endpoint, "VariantName": "main", "EndpointConfigName": endpoint_config}
        self.cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="AWS/SageMaker",
            MetricName="Invocation5XXErrors",
            Dimensions=[{"Name": one, "Value": value} for one, value in where.items()],
            Statistic="Average",
            Period=60,
            EvaluationPeriods=1,
            Threshold=0.1,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
        )

    def state(self, name: str) -> str:
        return str(self.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]["StateValue"])


def until(look: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def started(laptop: Settings) -> Laptop:
    made = Laptop(laptop)
    made.deploy("measured")
    return made


@pytest.mark.namespaces
def test_requests_are_in_cloudwatch_and_failures_trip_an_alarm(started: Laptop) -> None:
    started.alarm("failing", "measured", "measured-config")
    started.alarm("another", "measured", "another-config")
    for body in ("a", "b", "c"):
        started.ask("measured", body)
    until(lambda: started.statistics("Invocations").get("Sum") == 3.0)
    assert started.statistics("Invocation5XXErrors")["Sum"] == 0.0
    assert started.state("failing") == "OK"
    for _ in range(3):
        with pytest.raises(ClientError):
            started.ask("measured", "raise")
    until(lambda: started.state("failing") == "ALARM")
    assert started.state("another") == "OK"
    errors = started.statistics("Invocation5XXErrors")
    assert (errors["Sum"], errors["Average"], errors["SampleCount"]) == (3.0, 0.5, 6.0)
    assert started.statistics("InvocationsPerInstance")["Sum"] == 6.0
    latency = started.statistics("ModelLatency", ExtendedStatistics=["p50", "p99"])["ExtendedStatistics"]
    assert 0 < latency["p50"] <= latency["p99"] < 5e6  # microseconds
    assert started.statistics("OverheadLatency")["Sum"] > 0


@pytest.mark.namespaces
def test_an_endpoints_log_is_in_its_group(started: Laptop) -> None:
    started.ask("measured", "a")
    logs = started.settings.client("logs")
    (stream,) = logs.describe_log_streams(logGroupName="/aws/sagemaker/Endpoints/measured")["logStreams"]
    assert stream["logStreamName"].startswith("main/i-")


@pytest.mark.namespaces
@pytest.mark.slow
def test_hosts_are_measured_while_somebody_calls(started: Laptop) -> None:
    def measured() -> dict[str, Any]:
        started.ask("measured", "work")
        return started.statistics("CPUUtilization", namespace=HOSTS)

    assert until(measured)["Average"] > 0
    assert 0 < started.statistics("MemoryUtilization", namespace=HOSTS)["Average"] < 100
    assert 0 < started.statistics("DiskUtilization", namespace=HOSTS)["Average"] < 100
