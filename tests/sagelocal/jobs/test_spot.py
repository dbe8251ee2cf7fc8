"""Managed spot training: an interruption, the restart with checkpoints, and the limit of waiting and running."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.app import SageLocal
from sagelocal.jobs import spot
from tests.sagelocal.jobs.conftest import wait_until

pytestmark = pytest.mark.namespaces
Train = Callable[..., dict[str, Any]]
Got = Callable[[str], dict[str, bytes]]

COUNTS = """
import pathlib, signal, sys, time
checkpoint = pathlib.Path("/opt/ml/checkpoints/step")
if checkpoint.exists():
    pathlib.Path("/opt/ml/model/steps").write_text(checkpoint.read_text())
    sys.exit(0)
def save(*_):
    checkpoint.write_text("41")
    sys.exit(0)  # on AWS too an exit status 0 does not make the instance come back
signal.signal(signal.SIGTERM, save)
print("loss: 0.5", flush=True)
time.sleep(60)
"""


def spoken(app: SageLocal, name: str) -> bool:
    files = (app.settings.state / "logs/aws/sagemaker/TrainingJobs" / name).glob("*.log")
    return any("loss" in file.read_text() for file in files)


def test_an_interrupted_job_goes_on_from_its_checkpoint(app: SageLocal, train: Train, got: Got) -> None:
    train(
        "spot",
        COUNTS,
        wait=False,
        algorithm={"MetricDefinitions": [{"Name": "loss", "Regex": r"loss: (\S+)"}]},
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 120},
        CheckpointConfig={"S3Uri": f"s3://{app.settings.bucket}/spot-checkpoints"},
    )
    wait_until(lambda: spoken(app, "spot"))
    spot.interrupt(app, "spot")
    job = app.store.wait("TrainingJob", "spot", lambda job: job["TrainingJobStatus"] != "InProgress", 60)
    assert job["TrainingJobStatus"] == "Completed", job
    assert [each["Status"] for each in job["SecondaryStatusTransitions"]] == [
        *("Starting", "Downloading", "Training", "Interrupted"),
        *("Starting", "Downloading", "Training", "Uploading", "Completed"),
    ]
    assert got("spot-checkpoints/") == {"step": b"41"}
    assert [each["MetricName"] for each in job["FinalMetricDataList"]] == ["loss"]  # of the first attempt
    started, *_between, last = job["SecondaryStatusTransitions"]
    assert job["TrainingTimeInSeconds"] == job["BillableTimeInSeconds"] <= last["EndTime"] - started["StartTime"] + 1
    assert job["TrainingStartTime"] == pytest.approx(started["EndTime"], abs=0.5)
    with pytest.raises(AwsError, match=r"has no instances to lose: it is Completed \(Completed\)"):
        spot.interrupt(app, "spot")


def test_waiting_and_running_together_have_a_limit(app: SageLocal, train: Train) -> None:
    train(
        "late",
        "",
        algorithm={"ContainerEntrypoint": ["sleep", "60"]},
        wait=False,
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 2, "MaxWaitTimeInSeconds": 2},
    )
    job = app.store.wait("TrainingJob", "late", lambda job: job["TrainingJobStatus"] == "Stopped", 60)
    assert [each["Status"] for each in job["SecondaryStatusTransitions"]][-2:] == ["Stopping", "MaxWaitTimeExceeded"]
    assert job["SecondaryStatus"] == "MaxWaitTimeExceeded"


def test_waiting_alone_can_take_too_long(app: SageLocal, train: Train) -> None:
    """The lifecycle's "Spot instances were never launched"."""
    with app.jobs.slots.hold(app.jobs.slots.total):
        train(
            "never",
            "",
            wait=False,
            EnableManagedSpotTraining=True,
            StoppingCondition={"MaxRuntimeInSeconds": 1, "MaxWaitTimeInSeconds": 1},
        )
        time.sleep(1.1)
    job = app.store.wait("TrainingJob", "never", lambda job: job["TrainingJobStatus"] == "Stopped", 60)
    steps = [each["Status"] for each in job["SecondaryStatusTransitions"]]
    assert steps == ["Starting", "Stopping", "MaxWaitTimeExceeded"]
    assert "TrainingStartTime" not in job


def test_only_a_spot_job_is_interrupted(app: SageLocal, train: Train) -> None:
    train("on-demand", "")
    with pytest.raises(AwsError, match="is no managed spot job"):
        spot.interrupt(app, "on-demand")
    with pytest.raises(AwsError, match="There is no training job nobody"):
        spot.interrupt(app, "nobody")
