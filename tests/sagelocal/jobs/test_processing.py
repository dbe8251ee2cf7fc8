"""Processing jobs under the container contract, in a real sandbox against a real MiniStack."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sagelocal import sandbox
from sagelocal.api.errors import AwsError
from sagelocal.app import SageLocal
from sagelocal.jobs import runner
from sagelocal.jobs.logs import LogWriter
from sagelocal.jobs.runner import Runner
from tests.sagelocal.jobs.conftest import wait_until

pytestmark = pytest.mark.namespaces
Process = Callable[..., dict[str, Any]]
Put = Callable[[str, str | bytes], str]
Got = Callable[[str], dict[str, bytes]]


def source(name: str, uri: str, **more: Any) -> dict[str, Any]:
    local = {"LocalPath": f"/opt/ml/processing/input/{name}", "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"InputName": name, "S3Input": {"S3Uri": uri, **local, **more}}


def outputs(app: SageLocal, prefix: str, mode: str = "EndOfJob") -> dict[str, Any]:
    target = {"S3Uri": f"s3://{app.settings.bucket}/{prefix}", "LocalPath": "/opt/ml/processing/out"}
    return {"Outputs": [{"OutputName": "out", "S3Output": {**target, "S3UploadMode": mode}}]}


def test_inputs_outputs_and_message(app: SageLocal, process: Process, put: Put, got: Got) -> None:
    put("io/raw/a.csv", "1,2")
    put("io/raw/deep/b.csv", "3,4")
    put("io/rawer/c.csv", "not under the folder")
    script = """
import os
out = "/opt/ml/processing/out"
names = []
for folder, _, files in os.walk("/opt/ml/processing/input/raw"):
    names += [os.path.join(folder, file) for file in files]
os.makedirs(out + "/deep")
open(out + "/deep/names.txt", "w").write("\\n".join(sorted(names)))
os.symlink("/etc/passwd", out + "/link")
open("/opt/ml/output/message", "w").write("2 files")
"""
    job = process(
        "io",
        script,
        ProcessingInputs=[source("raw", f"s3://{app.settings.bucket}/io/raw/")],
        ProcessingOutputConfig=outputs(app, "io/out"),
    )
    assert job["ProcessingJobStatus"] == "Completed", job
    assert job["ExitMessage"] == "2 files"
    assert job["CreationTime"] <= job["ProcessingStartTime"] <= job["ProcessingEndTime"]
    folder = "/opt/ml/processing/input/raw"
    assert got("io/out/") == {"deep/names.txt": f"{folder}/a.csv\n{folder}/deep/b.csv".encode()}
    wait_until(lambda: not list((app.settings.state / "jobs" / "ProcessingJob").iterdir()))


def test_config_files_and_environment(app: SageLocal, process: Process, got: Got) -> None:
    script = """
import json, os, boto3
config = {name: json.load(open(f"/opt/ml/config/{name}.json")) for name in ("processingjobconfig", "resourceconfig")}
assert boto3.client("s3").list_objects_v2(Bucket=os.environ["BUCKET"])["KeyCount"]
json.dump(config, open("/opt/ml/processing/out/config.json", "w"))
"""
    job = process(
        "config",
        script,
        Environment={"BUCKET": app.settings.bucket},
        ProcessingOutputConfig=outputs(app, "config/out"),
    )
    assert job["ProcessingJobStatus"] == "Completed", job
    config = json.loads(got("config/out/")["config.json"])
    assert config["resourceconfig"]["current_host"] == "algo-1"
    given = config["processingjobconfig"]
    assert given["ProcessingJobArn"] == job["ProcessingJobArn"]
    assert given["AppSpecification"]["ContainerArguments"] is None
    assert given["ProcessingOutputConfig"]["Outputs"][0]["OutputName"] == "out"


def test_manifest_and_sharding_over_two_hosts(app: SageLocal, process: Process, put: Put, got: Got) -> None:
    for number in range(5):
        put(f"parts/{number}.csv", str(number))
    manifest = put("parts.manifest", json.dumps([{"prefix": f"s3://{app.settings.bucket}/parts/"}, "0.csv", "3.csv"]))
    script = """
import json, os, socket
host = json.load(open("/opt/ml/config/resourceconfig.json"))["current_host"]
seen = {name: sorted(os.listdir(f"/opt/ml/processing/input/{name}")) for name in ("sharded", "listed")}
seen["address"] = socket.gethostbyname("algo-2")
json.dump(seen, open(f"/opt/ml/processing/out/{host}.json", "w"))
"""
    job = process(
        "shards",
        script,
        instances=2,
        ProcessingInputs=[
            source("sharded", f"s3://{app.settings.bucket}/parts/", S3DataDistributionType="ShardedByS3Key"),
            source("listed", manifest, S3DataType="ManifestFile"),
        ],
        ProcessingOutputConfig=outputs(app, "shards-out"),
    )
    assert job["ProcessingJobStatus"] == "Completed", job
    seen = {name: json.loads(body) for name, body in got("shards-out/").items()}
    assert seen["algo-1.json"]["sharded"] == ["0.csv", "2.csv", "4.csv"]
    assert seen["algo-2.json"]["sharded"] == ["1.csv", "3.csv"]
    assert seen["algo-1.json"]["listed"] == seen["algo-2.json"]["listed"] == ["0.csv", "3.csv"]
    assert {each["address"] for each in seen.values()} == {"127.0.0.2"}


def test_when_one_host_fails_all_end_and_its_exception_is_the_reason(process: Process) -> None:
    script = """
import json, time
if json.load(open("/opt/ml/config/resourceconfig.json"))["current_host"] == "algo-2":
    raise ValueError("the second part is empty")
time.sleep(60)
"""
    reason = process("uneven", script, instances=2)["FailureReason"]
    assert reason.startswith("AlgorithmError: ValueError: the second part is empty, exit code: 1. See the log")
    assert "/uneven/algo-2-" in reason


def test_a_continuous_output_arrives_while_the_job_runs(app: SageLocal, process: Process, put: Put, got: Got) -> None:
    script = """
import time, boto3, os
open("/opt/ml/processing/out/early.txt", "w").write("x")
s3 = boto3.client("s3")
while not s3.list_objects_v2(Bucket=os.environ["BUCKET"], Prefix="continuous/").get("KeyCount"):
    time.sleep(0.05)
open("/opt/ml/processing/out/late.txt", "w").write("y")
raise SystemExit(3)
"""
    job = process(
        "continuous",
        script,
        Environment={"BUCKET": app.settings.bucket},
        ProcessingOutputConfig=outputs(app, "continuous/out", "Continuous"),
    )
    assert job["ProcessingJobStatus"] == "Failed"
    assert got("continuous/out/") == {"early.txt": b"x", "late.txt": b"y"}


def test_a_script_that_raises(app: SageLocal, process: Process, got: Got) -> None:
    script = "open('/opt/ml/processing/out/part.csv', 'w').write('1')\nraise ValueError('no column tenure')"
    job = process("raises", script, ProcessingOutputConfig=outputs(app, "raises/out"))
    assert job["ProcessingJobStatus"] == "Failed"
    reason, _, log = job["FailureReason"].partition(" See the log ")
    assert reason == "AlgorithmError: ValueError: no column tenure, exit code: 1."
    assert "ValueError: no column tenure" in Path(log).read_text()
    assert got("raises/out/") == {}


def test_a_failure_file_is_the_reason(process: Process) -> None:
    script = "open('/opt/ml/output/failure', 'w').write('the vendor sent an empty file')\nraise SystemExit(2)"
    reason = process("own-reason", script)["FailureReason"]
    assert reason.startswith("AlgorithmError: the vendor sent an empty file, exit code: 2.")


def test_a_missing_input_names_its_uri(app: SageLocal, process: Process) -> None:
    uri = f"s3://{app.settings.bucket}/nothing/here"
    job = process("missing", "", ProcessingInputs=[source("raw", uri)])
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: ")
    assert uri in job["FailureReason"]


def test_an_output_without_files_uploads_nothing(app: SageLocal, process: Process, got: Got) -> None:
    job = process("silent", "pass", ProcessingOutputConfig=outputs(app, "silent/out"))
    assert job["ProcessingJobStatus"] == "Completed"
    assert got("silent/out") == {}


def test_the_time_limit_stops_a_job(process: Process) -> None:
    job = process("slow", "import time; time.sleep(60)", StoppingCondition={"MaxRuntimeInSeconds": 1})
    assert job["ProcessingJobStatus"] == "Failed"
    assert "MaxRuntimeInSeconds, 1 s" in job["FailureReason"]


def test_the_memory_limit_names_limit_and_peak(process: Process) -> None:
    script = "import time\nkeep = []\nwhile True:\n    keep.append(b'x' * 20_000_000)\n    time.sleep(0.02)"
    reason = process("hungry", script)["FailureReason"]
    assert "over its limit of 0.50 GiB" in reason
    assert "The job used 0." in reason


def test_network_isolation_has_no_way_to_the_machine(app: SageLocal, process: Process) -> None:
    script = f"import socket; socket.create_connection(('127.0.0.1', {app.settings.ministack_port}), timeout=5)"
    assert process("connected", script)["ProcessingJobStatus"] == "Completed"
    isolated = process("isolated", script, NetworkConfig={"EnableNetworkIsolation": True})
    assert "ConnectionRefusedError" in isolated["FailureReason"]


def test_stop(app: SageLocal, process: Process) -> None:
    process("Stopped", "import time; time.sleep(60)", wait=False)
    wait_until(lambda: "ProcessingStartTime" in app.store.get("ProcessingJob", "Stopped"))
    app.call("StopProcessingJob", {"ProcessingJobName": "stopped"})  # as the job's ARN has it
    job = app.store.wait(
        "ProcessingJob", "Stopped", lambda job: job["ProcessingJobStatus"] not in ("InProgress", "Stopping"), 30
    )
    assert job["ProcessingJobStatus"] == "Stopped"
    with pytest.raises(AwsError, match="is in status Stopped"):
        app.call("StopProcessingJob", {"ProcessingJobName": "stopped"})


def test_only_a_job_that_has_ended_is_deleted(app: SageLocal, process: Process) -> None:
    process("kept", "import time; time.sleep(60)", wait=False)
    with pytest.raises(AwsError, match=r"ResourceInUse: The job arn:.*/kept is in status InProgress"):
        app.call("DeleteProcessingJob", {"ProcessingJobName": "kept"})
    app.call("StopProcessingJob", {"ProcessingJobName": "kept"})
    app.store.wait("ProcessingJob", "kept", lambda job: job["ProcessingJobStatus"] == "Stopped", 30)
    app.call("DeleteProcessingJob", {"ProcessingJobName": "kept"})
    assert app.store.find("ProcessingJob", "kept") is None


def test_a_stop_before_the_runner_knows_the_job_counts(app: SageLocal, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[bool] = []
    monkeypatch.setitem(runner._RUNS, "ProcessingJob", lambda app, name, control: started.append(control.stopping))
    document = {"ProcessingJobName": "early", "ProcessingJobStatus": "Stopping"}
    app.create(
        "ProcessingJob",
        {
            **document,
            "AppSpecification": {"ImageUri": "image"},
            "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1}},
        },
    )
    app.jobs.start("ProcessingJob", "early")
    wait_until(lambda: started)
    app.store.delete("ProcessingJob", "early")
    assert started == [True]


def test_a_job_that_waits_for_its_turn_is_stopped_at_once(app: SageLocal, process: Process) -> None:
    names = [f"queue-{number}" for number in range(6)]  # two slots: two run, others wait for slots or in line
    for name in names:
        process(name, "import time; time.sleep(60)", wait=False)
    for name in reversed(names):
        app.call("StopProcessingJob", {"ProcessingJobName": name})
        job = app.store.wait("ProcessingJob", name, lambda job: job["ProcessingJobStatus"] == "Stopped", timeout=20)
        assert ("ProcessingStartTime" in job) == (name in names[:2])


def test_a_job_that_cannot_be_started_fails_and_leaves_no_log_open(
    app: SageLocal, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("Jobs need the command unshare")

    monkeypatch.setattr(sandbox, "start", missing)
    assert "Jobs need the command unshare" in process("unstarted", "")["FailureReason"]
    wait_until(lambda: not any("unstarted" in thread.name for thread in threading.enumerate()))


def test_a_job_whose_output_cannot_be_kept_fails(
    app: SageLocal, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(writer: LogWriter, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LogWriter, "write", full)
    job = process("unheard", "import time; print('x', flush=True); time.sleep(60)")
    assert job["ProcessingJobStatus"] == "Failed"
    assert "No space left on device" in job["FailureReason"]


def test_a_job_that_waits_for_a_core_is_stopped_without_running(app: SageLocal, process: Process) -> None:
    for name in ("busy-1", "busy-2", "waits"):
        process(name, "import time; time.sleep(60)", wait=False)
    app.call("StopProcessingJob", {"ProcessingJobName": "waits"})
    for name in ("busy-1", "busy-2"):
        app.call("StopProcessingJob", {"ProcessingJobName": name})
    for name in ("busy-1", "busy-2", "waits"):
        app.store.wait("ProcessingJob", name, lambda job: job["ProcessingJobStatus"] == "Stopped", 30)
    assert "ProcessingStartTime" not in app.store.get("ProcessingJob", "waits")


def test_an_interrupted_job_runs_again(app: SageLocal, process: Process, got: Got) -> None:
    script = "import os, time\ntime.sleep(0.5)\nopen('/opt/ml/processing/out/done.txt', 'w').write('x')"
    process("again", script, wait=False, ProcessingOutputConfig=outputs(app, "again/out"))
    wait_until(lambda: "ProcessingStartTime" in app.store.get("ProcessingJob", "again"))
    app.jobs.close()
    assert app.store.get("ProcessingJob", "again")["ProcessingJobStatus"] == "InProgress"
    assert got("again/out/") == {}
    app.jobs = Runner(app, stop_grace=2.0)
    app.jobs.resume()
    job = app.store.wait("ProcessingJob", "again", lambda job: job["ProcessingJobStatus"] != "InProgress", 30)
    assert (job["ProcessingJobStatus"], job["_attempt"]) == ("Completed", 2)
    assert got("again/out/") == {"done.txt": b"x"}


def test_links_out_of_opt_ml_are_not_followed(app: SageLocal, process: Process, got: Got, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("the machine's")
    script = f"""
import os, shutil
shutil.rmtree("/opt/ml/processing/out")
os.symlink("{tmp_path}", "/opt/ml/processing/out")
shutil.rmtree("/opt/ml/output")
os.symlink("{tmp_path}", "/opt/ml/output")
"""
    (tmp_path / "message").write_text("the machine's")
    job = process("links", script, ProcessingOutputConfig=outputs(app, "links/out"))
    assert job["ProcessingJobStatus"] == "Completed", job
    assert "ExitMessage" not in job
    assert got("links/out") == {}


def test_logs_reach_cloudwatch_in_order(app: SageLocal, process: Process) -> None:
    process("talks", "for number in range(200): print(number, 'a\\tb')")
    group = "/aws/sagemaker/ProcessingJobs"

    def events() -> list[str]:
        streams = app.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix="talks/")["logStreams"]
        if not streams:
            return []
        stream = streams[0]["logStreamName"]
        found = app.logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
        return [event["message"] for event in found]

    wait_until(lambda: len(events()) == 201)  # the first line compares this laptop's packages with the image's
    assert events()[1:] == [f"{number} a#011b" for number in range(200)]
    (file,) = (app.settings.state / "logs/aws/sagemaker/ProcessingJobs/talks").iterdir()
    assert file.read_text().splitlines()[1:] == [f"{number} a\tb" for number in range(200)]


def test_where_namespaces_are_forbidden_the_reason_names_the_setting(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise sandbox.ForbiddenError("Jobs need Linux namespaces: --privileged")

    monkeypatch.setattr(sandbox, "start", refuse)
    job = process("forbidden", "")
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["FailureReason"] == "ClientError: Jobs need Linux namespaces: --privileged"
