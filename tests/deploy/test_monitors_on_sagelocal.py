"""A monitor on a running sagelocal, from its declaration to the alarm: by our own pipelines, and by Model Monitor's."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import iam_recorder
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

from deploy import apply, managed_monitors, managed_verdicts, monitors, names, resources, verdicts, watch
from deploy.declaration import Engine, Kind, Monitoring
from deploy.verdicts import COMPLETED, VIOLATIONS
from deploy.wanted import Place
from mlops.targets import enter_laptop
from sagelocal.config import Settings

pytestmark = pytest.mark.namespaces
NAME = "shop-staging"
MONITOR = "156813124566.dkr.ecr.us-east-1.amazonaws.com/sagemaker-model-monitor-analyzer"
DECLARED = Monitoring(model_quality=None, model_bias=None, explainability=None)
HOUR = datetime(2026, 3, 2, 10, tzinfo=UTC)


def rows(plans: str, count: int = 300) -> list[str]:
    return [f"{20 + at * 7 % 50},{plans[at % len(plans)]}" for at in range(count)]


@pytest.fixture(scope="module")
def place(laptop: Settings) -> Place:
    return Place("aws", laptop.account, laptop.region, laptop.role_arn, laptop.bucket)


@pytest.fixture(scope="module")
def package(laptop: Settings, place: Place, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What DescribeModelPackage answers for a version that left a baseline."""
    import data_quality

    folder = tmp_path_factory.mktemp("baseline")
    (folder / "train.csv").write_text("\n".join(["age,plan", *rows("ab")]) + "\n")
    options = {"dataset-source": folder / "train.csv", "output-path": folder, "job-output": folder / "none" / "output"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["data_quality.py", *[str(x) for n, v in options.items() for x in (f"--{n}", v)]])
        data_quality.main()
    uris = {}
    for part in ("Statistics", "Constraints"):
        file = folder / f"{part.lower()}.json"
        laptop.client("s3").put_object(Bucket=place.bucket, Key=f"baseline/{file.name}", Body=file.read_bytes())
        uris[part] = {"S3Uri": f"s3://{place.bucket}/baseline/{file.name}"}
    return {
        "ModelPackageArn": f"arn:aws:sagemaker:{place.region}:{place.account}:model-package/shop/1",
        "CreationTime": datetime.now(UTC) - timedelta(days=10),
        "InferenceSpecification": {"Containers": [{"Image": "image"}]},
        "DriftCheckBaselines": {"ModelDataQuality": uris},
    }


@pytest.fixture
def compiling(laptop: Settings) -> Iterator[None]:
    """The SDK's environment."""
    before = dict(os.environ)
    enter_laptop(laptop, os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


def capture(laptop: Settings, place: Place, at: datetime, lines: list[str]) -> None:
    """Stores CSV requests as an endpoint's of that hour."""
    kept = []
    for number, line in enumerate(lines):
        sides = {
            side: {"observedContentType": "text/csv", "mode": side[8:].upper(), "data": data, "encoding": "CSV"}
            for side, data in (("endpointInput", line), ("endpointOutput", "0.5,1"))
        }
        event = {"eventId": f"{at:%H}-{number}", "inferenceTime": f"{at:%Y-%m-%dT%H}:15:07Z"}
        kept.append(json.dumps({"captureData": sides, "eventMetadata": event, "eventVersion": "0"}))
    folder = names.capture_uri(place.bucket, place.prefix).removeprefix(f"s3://{place.bucket}/")
    key = f"{folder}/{NAME}/AllTraffic/{at:%Y/%m/%d/%H}/15-07-000-a.jsonl"
    laptop.client("s3").put_object(Bucket=place.bucket, Key=key, Body="\n".join(kept) + "\n")


def alarm(laptop: Settings, state: str) -> dict[str, Any]:
    """Data quality's, once it is in that state."""
    deadline = time.monotonic() + 60
    name = names.violations_alarm(NAME, Kind.DATA_QUALITY)
    while True:
        (found,) = laptop.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
        if found["StateValue"] == state:
            return dict(found)
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def age(laptop: Settings, found: watch.Watch) -> float:
    """Days, as the monitor published them last."""
    now = datetime.now(UTC)
    metric = {**monitors.metric(found), "MetricName": monitors.AGE_METRIC, "Statistics": ["Maximum"]}
    del metric["Statistic"]
    window = {"StartTime": now - timedelta(hours=1), "EndTime": now + timedelta(minutes=1), "Period": 60}
    (point, *_) = laptop.client("cloudwatch").get_metric_statistics(**metric, **window)["Datapoints"]
    return float(point["Maximum"])


def remove(laptop: Settings, place: Place, engine: Any) -> None:
    """All of an engine's, after which there is none."""
    keys = engine.keys(NAME, place)
    apply.apply(laptop.client, resources.undeploy(resources.read(laptop.client, keys)))
    assert resources.read(laptop.client, keys) == {}


@pytest.mark.usefixtures("compiling")
def test_a_pipeline_collects_traffic_that_moved_and_raises_the_alarm(
    laptop: Settings, place: Place, package: dict[str, Any]
) -> None:
    from pipelines import monitoring
    from pipelines.project import Project

    (found,), _ = watch.watches(DECLARED, "shop", "staging", package, place)
    project = Project.from_environment(boto3.Session())
    definitions = {found.name: monitoring.definition(project, found)}
    wanted = monitors.resources(DECLARED, NAME, [found], definitions, place)

    def read() -> resources.Found:
        return resources.read(laptop.client, monitors.keys(NAME, place))

    apply.apply(laptop.client, resources.deploy(wanted, read()))
    assert resources.deploy(wanted, read()) == []
    capture(laptop, place, HOUR, rows("ba"))  # of another hour than the one that is looked at
    capture(laptop, place, HOUR + timedelta(hours=1), rows("aac"))

    sagemaker, start = laptop.client("sagemaker"), HOUR + timedelta(hours=1)
    execution = verdicts.start(sagemaker, found.name, start, start + timedelta(hours=1))
    verdicts.ended(sagemaker, execution, 0.1)
    moved = verdicts.read(sagemaker, laptop.client("s3"), execution, Kind.DATA_QUALITY)
    assert (moved.status, moved.subjects, moved.records) == (VIOLATIONS, ["plan"], 300), moved.reason
    assert moved.window == ("2026-03-02T11:00:00+00:00", "2026-03-02T12:00:00+00:00")
    assert alarm(laptop, "ALARM")["AlarmActions"]
    assert age(laptop, found) == pytest.approx(10, abs=0.1)
    remove(laptop, place, monitors)


def test_model_monitors_schedule_has_the_same_alarm_which_is_silent_without_drift(
    laptop: Settings, place: Place, package: dict[str, Any]
) -> None:
    """Of batch transform jobs, which need no endpoint. The function runs in MiniStack, as EventBridge calls it."""
    s3, now = laptop.client("s3"), datetime.now(UTC) - timedelta(seconds=1)
    for side, lines in (("input", rows("ba")), ("output", ["0.5,1"] * 300)):
        s3.put_object(Bucket=place.bucket, Key=f"transform/{side}/a.csv", Body="\n".join(lines) + "\n")
        manifest = json.dumps([{"prefix": f"s3://{place.bucket}/transform/{side}/"}, "a.csv"])
        s3.put_object(Bucket=place.bucket, Key=f"captured/{side}/{now:%Y/%m/%d/%H}/a.json", Body=manifest)
    declared = Monitoring(
        model_quality=None, model_bias=None, explainability=None, engine=Engine.MANAGED,
        captures=f"s3://{place.bucket}/captured",
    )  # fmt: skip
    (found,), _ = watch.watches(declared, "shop", "staging", package, place)
    wanted = managed_monitors.resources(declared, NAME, [found], {found.kind: MONITOR}, place)

    def read() -> resources.Found:
        return resources.read(laptop.client, managed_monitors.keys(NAME, place))

    apply.apply(laptop.client, resources.deploy(wanted, read()))
    assert resources.deploy(wanted, read()) == []
    alarm(laptop, "INSUFFICIENT_DATA")
    sagemaker, end = laptop.client("sagemaker"), datetime.now(UTC)
    verdict = managed_verdicts.run(
        sagemaker, s3, found.name, found.kind, end - timedelta(hours=1), end + timedelta(seconds=1), 0.1
    )
    assert (verdict.status, verdict.subjects) == (COMPLETED, []), verdict.reason
    assert alarm(laptop, "OK")["MetricName"] == "violations"  # which was published, of a schedule that had no data yet
    assert age(laptop, found) == pytest.approx(10, abs=0.1)
    remove(laptop, place, managed_monitors)
    iam_recorder.CALLS.clear()  # the release's role is not made for this engine (docs/aws.md)
