"""Training jobs through the SDK's driver channel and through the toolkit's hyperparameters."""

from __future__ import annotations

import io
import json
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.app import SageLocal
from sagelocal.jobs import staging
from sagelocal.jobs.metrics import Metrics
from tests.sagelocal.jobs.conftest import wait_until

pytestmark = pytest.mark.namespaces
IMAGES = ("scikit-learn", "xgboost", "pytorch")
SCRIPT = """
import argparse, json, os, pathlib
parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int)
parser.add_argument("--learning-rate", type=float)
args = parser.parse_args()
assert os.environ["SM_CHANNEL_TRAIN"] == "/opt/ml/input/data/train"
data = pathlib.Path(os.environ["SM_CHANNEL_TRAIN"], "a.csv").read_text()
for epoch in range(args.epochs):
    print(f"[{epoch}]\\tvalidation-rmse:{1 / (epoch + 1)}")
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps([data, args.learning_rate]))
pathlib.Path(os.environ["SM_OUTPUT_DATA_DIR"], "report.txt").write_text(os.environ["SM_CURRENT_HOST"])
"""
METRICS = [{"Name": "validation:rmse", "Regex": r".*\[[0-9]+\].*#011validation-rmse:(\S+)"}]
Train = Callable[..., dict[str, Any]]
Put = Callable[[str, str | bytes], str]
Got = Callable[[str], dict[str, bytes]]


def archive(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.uid, member.gid = len(text), 1234, 1234
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def members(body: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return {member.name: tar.extractfile(member).read().decode() for member in tar if member.isfile()}  # type: ignore[union-attr]


def channel(name: str, uri: str, **more: Any) -> dict[str, Any]:
    return {"ChannelName": name, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}, **more}


def finish(app: SageLocal, name: str) -> None:
    app.store.wait("TrainingJob", name, lambda job: job["TrainingJobStatus"] not in ("InProgress", "Stopping"), 60)


@pytest.mark.parametrize("image", IMAGES)
def test_the_toolkit_way(app: SageLocal, train: Train, put: Put, got: Got, image: str) -> None:
    name = f"toolkit-{image}"
    uri = put(f"{name}-data/a.csv", "1,2")
    job = train(
        name,
        SCRIPT,
        {"epochs": "3", "learning-rate": "0.1"},
        image,
        algorithm={} if image == "xgboost" else {"MetricDefinitions": METRICS},  # XGBoost's image has its own
        InputDataConfig=[channel("train", uri, InputMode="FastFile")],
    )
    assert job["TrainingJobStatus"] == "Completed", job
    steps = [each["Status"] for each in job["SecondaryStatusTransitions"]]
    assert steps == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    assert all(each["StartTime"] <= each["EndTime"] for each in job["SecondaryStatusTransitions"])
    assert job["SecondaryStatus"] == "Completed"
    assert job["TrainingTimeInSeconds"] == job["BillableTimeInSeconds"] >= 1
    (metric,) = job["FinalMetricDataList"]
    assert (metric["MetricName"], metric["Value"]) == ("validation:rmse", pytest.approx(1 / 3))
    prefix = f"s3://{app.settings.bucket}/models/{name}/output/"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"{prefix}model.tar.gz"
    found = got(f"models/{name}/output/")
    assert members(found["model.tar.gz"]) == {"model.json": '["1,2", 0.1]'}
    assert members(found["output.tar.gz"]) == {"report.txt": "algo-1"}


def test_metrics_reach_cloudwatch(app: SageLocal, train: Train, put: Put) -> None:
    uri = put("measured-data/a.csv", "1")
    arguments = {"epochs": "2", "learning-rate": "0.1"}
    train(
        "measured", SCRIPT, arguments, algorithm={"MetricDefinitions": METRICS}, InputDataConfig=[channel("train", uri)]
    )

    def known() -> list[Any]:
        return app.cloudwatch.list_metrics(
            Namespace="/aws/sagemaker/TrainingJobs",
            MetricName="validation:rmse",
            Dimensions=[{"Name": "TrainingJobName", "Value": "measured"}],
        )["Metrics"]

    wait_until(known)


def test_the_sdks_driver_channel(app: SageLocal, train: Train, put: Put, got: Got) -> None:
    """sm_train.sh and the drivers as the SDK ships them; the script changes into the code channel and unpacks it."""
    train_package = pytest.importorskip("sagemaker.train")
    templates = pytest.importorskip("sagemaker.train.templates")
    drivers = Path(train_package.__file__).parent / "container_drivers"
    for file in drivers.rglob("*.py"):
        put(f"driven/sm_drivers/{file.relative_to(drivers)}", file.read_bytes())
    script = templates.TRAIN_SCRIPT_TEMPLATE.format(
        working_dir="cd /opt/ml/input/data/code \ntar -xzf sourcedir.tar.gz \n",
        install_requirements="",
        execute_driver=templates.EXECUTE_BASIC_SCRIPT_DRIVER,
    )
    put("driven/sm_drivers/sm_train.sh", script)
    put("driven/sm_drivers/sourcecode.json", json.dumps({"entry_script": "train.py"}))
    put("driven/sm_drivers/distributed.json", "{}")
    put("driven/code/sourcedir.tar.gz", archive({"train.py": SCRIPT}))
    put("driven/data/a.csv", "5")
    shell = "/opt/ml/input/data/sm_drivers/sm_train.sh"
    bucket = app.settings.bucket
    channels = [
        channel("train", f"s3://{bucket}/driven/data/"),
        channel("code", f"s3://{bucket}/driven/code"),
        channel("sm_drivers", f"s3://{bucket}/driven/sm_drivers"),
    ]
    algorithm = {
        "ContainerEntrypoint": ["/bin/bash"],
        "ContainerArguments": ["-c", f"chmod +x {shell} && {shell}"],
        "MetricDefinitions": METRICS,
    }
    arguments = {"epochs": "2", "learning-rate": "0.5"}
    job = train("driven", "", arguments, algorithm=algorithm, InputDataConfig=channels)
    assert job["TrainingJobStatus"] == "Completed", job
    assert members(got("models/driven/output/")["model.tar.gz"]) == {"model.json": '["5", 0.5]'}
    put("driven/code/sourcedir.tar.gz", archive({"train.py": "raise RuntimeError('no gradient')"}))
    failed = train("driven-failed", "", arguments, algorithm=algorithm, InputDataConfig=channels)
    assert failed["FailureReason"].startswith("AlgorithmError: RuntimeError: no gradient, exit code: 1. See the log ")
    assert "ModelArtifacts" not in failed


def test_a_script_that_raises(train: Train, got: Got) -> None:
    job = train("raises", "raise ValueError('labels are all 0')")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    assert "ValueError: labels are all 0" in job["FailureReason"]
    assert "exit code: 1" in job["FailureReason"]
    assert job["SecondaryStatusTransitions"][-1]["StatusMessage"] == job["FailureReason"]
    assert got("models/raises/") == {}


def test_a_script_that_ends_itself_has_its_last_words_in_the_reason(train: Train) -> None:
    job = train("exits", "print('started')\nraise SystemExit('the table has no rows')")
    assert 'ExitCode 1 ErrorMessage "the table has no rows"' in job["FailureReason"]


def test_no_model_files_make_an_empty_archive_as_on_aws(train: Train, got: Got) -> None:
    assert train("empty", "pass")["TrainingJobStatus"] == "Completed"
    found = got("models/empty/output/")
    assert list(found) == ["model.tar.gz"]
    assert members(found["model.tar.gz"]) == {}


def test_the_time_limit_keeps_what_the_script_saved(train: Train, put: Put, got: Got) -> None:
    script = """
import signal, sys, time
def save(*_):
    open("/opt/ml/model/partial", "w").write("x")
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
open("/opt/ml/model/first", "w").write("y")
time.sleep(60)
"""
    uri = put("limited-code/script.py", script)
    job = train(
        "limited",
        "",
        algorithm={"ContainerEntrypoint": ["python3", "/opt/ml/input/data/code/script.py"]},
        InputDataConfig=[channel("code", uri)],
        StoppingCondition={"MaxRuntimeInSeconds": 3},
    )
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert "MaxRuntimeInSeconds" in job["FailureReason"]
    assert members(got("models/limited/output/")["model.tar.gz"]) == {"first": "y", "partial": "x"}


def test_stop(app: SageLocal, train: Train) -> None:
    train("Stopped", "", algorithm={"ContainerEntrypoint": ["sleep", "60"]}, wait=False)
    wait_until(lambda: app.store.get("TrainingJob", "Stopped")["SecondaryStatus"] == "Training")
    app.call("StopTrainingJob", {"TrainingJobName": "stopped"})  # as the job's ARN has it
    finish(app, "Stopped")
    job = app.call("DescribeTrainingJob", {"TrainingJobName": "stopped"})
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert [each["Status"] for each in job["SecondaryStatusTransitions"]][-2:] == ["Stopping", "Stopped"]
    with pytest.raises(AwsError, match="is in status Stopped"):
        app.call("StopTrainingJob", {"TrainingJobName": "stopped"})
    app.call("DeleteTrainingJob", {"TrainingJobName": "stopped"})
    with pytest.raises(AwsError, match="There is no training job stopped"):
        app.call("DescribeTrainingJob", {"TrainingJobName": "stopped"})


def test_checkpoints_are_restored_and_kept_in_step(app: SageLocal, train: Train, put: Put, got: Got) -> None:
    put("checkpoints/old.pt", "old")
    put("checkpoints/step.txt", "7")
    script = """
import os, pathlib
folder = pathlib.Path("/opt/ml/checkpoints")
assert sorted(os.listdir(folder)) == ["old.pt", "step.txt"]
step = int((folder / "step.txt").read_text())
(folder / "step.txt").write_text(str(step + 1))
(folder / "old.pt").unlink()
(folder / "deep").mkdir()
(folder / "deep" / "new.pt").write_text("new")
raise SystemExit(4)
"""
    place = {"S3Uri": f"s3://{app.settings.bucket}/checkpoints"}
    job = train("checkpointed", script, CheckpointConfig=place)
    assert job["TrainingJobStatus"] == "Failed"
    assert got("checkpoints/") == {"step.txt": b"8", "deep/new.pt": b"new"}


def test_two_hosts_make_one_model(app: SageLocal, train: Train, got: Got) -> None:
    script = """
import json, os, socket
hosts = json.loads(os.environ["SM_HOSTS"])
me = os.environ["SM_CURRENT_HOST"]
server = socket.create_server((socket.gethostbyname(me), 0))
open(f"/opt/ml/model/{me}", "w").write(" ".join(hosts) + " " + socket.gethostname())
"""
    job = train("pair", script, instances=2)
    assert job["TrainingJobStatus"] == "Completed", job
    assert members(got("models/pair/output/")["model.tar.gz"]) == {
        "algo-1": "algo-1 algo-2 algo-1",
        "algo-2": "algo-1 algo-2 algo-2",
    }


def test_what_describes_infrastructure_is_kept_and_what_does_not_run_says_so(app: SageLocal, train: Train) -> None:
    """The profiler and debugger settings are what SDK v2 sends by itself."""
    bucket = f"s3://{app.settings.bucket}/kept"
    rule = {"RuleConfigurationName": "ProfilerReport", "RuleEvaluatorImage": "1.dkr.ecr.us-east-1.amazonaws.com/r:1"}
    kept: dict[str, Any] = {
        "VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        "EnableInterContainerTrafficEncryption": True,
        "OutputDataConfig": {"S3OutputPath": bucket, "KmsKeyId": "alias/mine"},
        "ResourceConfig": {
            "InstanceType": "ml.m5.large",
            "InstanceCount": 1,
            "VolumeSizeInGB": 5,
            "VolumeKmsKeyId": "alias/mine",
            "KeepAlivePeriodInSeconds": 60,
        },
        "ProfilerConfig": {"S3OutputPath": bucket, "DisableProfiler": False},
        "ProfilerRuleConfigurations": [rule],
        "DebugHookConfig": {"S3OutputPath": bucket, "CollectionConfigurations": []},
    }
    job = train("kept", "", algorithm={"ContainerEntrypoint": ["sleep", "1"]}, wait=False, **kept)
    assert {name: job[name] for name in kept} == kept
    assert job["WarmPoolStatus"] == {"Status": "InUse"}
    app.call("UpdateTrainingJob", {"TrainingJobName": "kept", "ProfilerConfig": {"DisableProfiler": True}})
    with pytest.raises(AwsError, match="that of kept is InUse"):
        app.call("UpdateTrainingJob", {"TrainingJobName": "kept", "ResourceConfig": {"KeepAlivePeriodInSeconds": 5}})
    finish(app, "kept")
    job = app.call("DescribeTrainingJob", {"TrainingJobName": "kept"})
    assert (job["TrainingJobStatus"], job["WarmPoolStatus"]["Status"]) == ("Completed", "Terminated")
    assert (job["ProfilingStatus"], job["ProfilerConfig"]) == ("Disabled", {"DisableProfiler": True})
    (status,) = job["ProfilerRuleEvaluationStatuses"]
    assert (status["RuleEvaluationStatus"], status["StatusDetails"].split(":")[0]) == (
        "Stopped",
        "sagelocal has no profiler",
    )


def test_requirements_that_are_met_need_no_network(app: SageLocal, put: Put, train: Train) -> None:
    code = put("required/source.tar.gz", archive({"train.py": "import numpy", "requirements.txt": "numpy\n"}))
    program = {"sagemaker_program": "train.py", "sagemaker_submit_directory": code}
    job = train("required", "", program)
    assert job["TrainingJobStatus"] == "Completed", job


def test_a_missing_channel_names_its_uri(app: SageLocal, train: Train) -> None:
    uri = f"s3://{app.settings.bucket}/not/there"
    job = train("nothing", "", InputDataConfig=[channel("train", uri)])
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed")
    assert uri in job["FailureReason"]


def test_staging_is_gone_after_the_end(app: SageLocal, train: Train) -> None:
    train("tidy", "import os; os.mkdir('/opt/ml/model/closed'); os.chmod('/opt/ml/model/closed', 0)")
    wait_until(lambda: not (app.settings.state / "jobs" / "TrainingJob" / "tidy").exists())


def test_a_deleted_job_s_name_is_free_while_its_folder_goes(
    app: SageLocal, train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, cleared = threading.Event(), threading.Event()
    remove = staging.remove

    def slowly(folder: Path) -> None:
        if not (folder / "1").is_dir() or begun.is_set():
            remove(folder)
            return
        begun.set()
        time.sleep(1)
        remove(folder)
        cleared.set()

    monkeypatch.setattr(staging, "remove", slowly)
    train("again", "")
    app.call("DeleteTrainingJob", {"TrainingJobName": "again"})
    train("again", "import time; time.sleep(50)", wait=False)
    wait_until(lambda: app.store.get("TrainingJob", "again")["SecondaryStatus"] == "Training")
    assert cleared.wait(10)
    app.call("StopTrainingJob", {"TrainingJobName": "again"})
    over = ("Stopped", "Completed", "Failed")
    job = app.store.wait("TrainingJob", "again", lambda job: job["TrainingJobStatus"] in over, timeout=20)
    assert job["TrainingJobStatus"] == "Stopped"


def test_output_without_newlines_comes_in_pieces(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(Metrics, "line", lambda self, line: lines.append(line))
    assert train("endless", "import sys; sys.stdout.write('x' * 1_000_000)")["TrainingJobStatus"] == "Completed"
    assert sum(line.count("x") for line in lines) >= 1_000_000
    assert max(map(len, lines)) < 500_000
