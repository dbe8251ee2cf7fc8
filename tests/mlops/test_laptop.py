from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from deploy import resources
from mlops import laptop as command
from mlops import targets
from mlops.targets import Target
from sagelocal import config, server
from sagelocal.config import Settings


def test_status_of_a_sagelocal_that_is_down_starts_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLOPS_STATE", str(tmp_path / "state"))
    command.status(None, targets.LAPTOP)
    out = capsys.readouterr().out
    assert "down (mlops up starts it)" in out
    assert str(tmp_path / "state") in out
    assert not server.status(config.load())["running"]


def test_up_is_idempotent_and_down_leaves_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLOPS_STATE", str(tmp_path / "state"))
    settings = config.load()
    try:
        command.up()
        pid = server.status(settings)["pid"]
        command.up()
        assert server.status(settings)["pid"] == pid
        assert settings.url in capsys.readouterr().out
    finally:
        command.down()
    assert not server.status(settings)["running"]
    assert (tmp_path / "state" / "sagelocal.db").exists()


def test_a_time_scale_holds_from_a_start_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLOPS_STATE", str(tmp_path / "state"))
    with pytest.raises(ValueError, match="must be a number from 1"):
        command.up(0.5)
    try:
        command.up(60)
        assert config.load().time_scale == server.status(config.load())["time_scale"] == 60
        assert "60 times shorter" in capsys.readouterr().err
        with pytest.raises(RuntimeError, match="mlops down, then mlops up --time-scale 2"):
            command.up(2)
        command.up()
        assert config.load().shortened(300) == 5
    finally:
        command.down()


def test_status_of_a_fresh_sagelocal_names_the_next_command(
    laptop: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in laptop.shell_environment().items():
        monkeypatch.setenv(name, value)  # so that what `status` sets is undone after the test
    monkeypatch.setenv("MLOPS_STATE", str(laptop.state))
    command.status("churn", targets.LAPTOP)
    shown = capsys.readouterr()
    assert laptop.url in shown.out
    assert "churn never ran here: mlops run churn" in shown.err


def test_status_says_why_what_others_made_failed(
    laptop: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (laptop.shell_environment() | {"MLOPS_STATE": str(laptop.state)}).items():
        monkeypatch.setenv(name, value)
    sagemaker = laptop.client("sagemaker")
    source = {"S3Uri": f"s3://{laptop.bucket}/nothing-here", "LocalPath": "/opt/ml/processing/input/x"}
    sagemaker.create_processing_job(
        ProcessingJobName="by-hand",
        RoleArn=laptop.role_arn,
        AppSpecification={"ImageUri": "1.dkr.ecr/sagemaker-scikit-learn:1.9-0", "ContainerEntrypoint": ["true"]},
        ProcessingInputs=[{"InputName": "x", "S3Input": {**source, "S3DataType": "S3Prefix", "S3InputMode": "File"}}],
        ProcessingResources={"ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}},
    )
    step = {"Name": "Refuse", "Type": "Fail", "Arguments": {"ErrorMessage": "not on a Sunday"}}
    definition = {"Version": "2020-12-01", "Metadata": {}, "Parameters": [], "Steps": [step]}
    sagemaker.create_pipeline(
        PipelineName="others",
        PipelineDefinition=json.dumps(definition),
        ClientRequestToken="t" * 32,
        RoleArn=laptop.role_arn,
    )
    execution = sagemaker.start_pipeline_execution(PipelineName="others", ClientRequestToken="e" * 32)
    arn = execution["PipelineExecutionArn"]
    ended(lambda: sagemaker.describe_processing_job(ProcessingJobName="by-hand")["ProcessingJobStatus"])
    ended(lambda: sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"])
    command.status(None, targets.LAPTOP)
    shown = capsys.readouterr().out
    unfolded = "".join(shown.split())  # a narrow terminal breaks cells into several lines
    assert "Refuse:notonaSunday" in unfolded
    assert f"s3://{laptop.bucket}/nothing-here" in unfolded[unfolded.index("by-hand") :]


def ended(status: Any) -> None:
    deadline = time.monotonic() + 60
    while status() != "Failed":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_status_says_when_an_endpoint_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    made = datetime.now(UTC)
    schedule = {
        "ScheduleExpression": f"at({made + timedelta(hours=24, minutes=1):%Y-%m-%dT%H:%M:%S})",
        "LastModificationDate": made,
    }
    monkeypatch.setattr(resources.Schedule, "find", lambda self, clients, name: schedule)
    target = SimpleNamespace(client=None, settings=SimpleNamespace(time_scale=1.0))
    assert command._end(cast(Target, target), "churn-staging").startswith("in 1 d (")
    target.settings.time_scale = 24.0
    assert command._end(cast(Target, target), "churn-staging").startswith("in 1 h (")
    target.settings.time_scale = 1e6
    assert command._end(cast(Target, target), "churn-staging").startswith("within a minute (")
    monkeypatch.setattr(resources.Schedule, "find", lambda self, clients, name: None)
    assert command._end(cast(Target, target), "churn-staging") == ""
