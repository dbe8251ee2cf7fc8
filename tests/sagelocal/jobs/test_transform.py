"""Transform jobs: real model servers in sandboxes, a real MiniStack."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.app import SageLocal
from sagelocal.jobs import runner

pytestmark = pytest.mark.namespaces
Put = Callable[[str, str | bytes], str]
Got = Callable[[str], dict[str, bytes]]
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
ENVIRONMENT = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
# Answers the sum of each row; what it was asked is in its log.
SUMS = """
import json, os, time

failures = {"flaky": 2}

def model_fn(model_dir):
    print("environment", json.dumps({k: v for k, v in os.environ.items() if k.startswith("SAGEMAKER_")}))
    return None

def transform_fn(model, body, content_type, accept):
    text = body if isinstance(body, str) else body.decode()
    print(f"asked {len(text.splitlines())} {content_type} {accept}")
    if "bad" in text:
        raise ValueError("could not convert string to float: 'bad'")
    if "slow" in text:
        time.sleep(60)
    if "flaky" in text and failures["flaky"]:
        failures["flaky"] -= 1
        raise RuntimeError("not yet")
    if "json" in content_type:
        rows = [json.loads(line) for line in text.splitlines()]
        found = [{"total": sum(row["features"] if isinstance(row, dict) else row)} for row in rows]
        return "\\n".join(json.dumps(one) for one in found)
    rows = [[float(part) for part in line.split(",") if part != "flaky"] for line in text.split("\\n")]
    return "\\n".join(str(sum(row)) for row in rows)
"""


@pytest.fixture(scope="module")
def model(app: SageLocal) -> str:
    return make_model(app, "sums", SUMS)


def make_model(app: SageLocal, name: str, script: str, **more: Any) -> str:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        entry = tarfile.TarInfo("code/inference.py")
        entry.size = len(script.encode())
        packed.addfile(entry, io.BytesIO(script.encode()))
    app.s3.put_object(Bucket=app.settings.bucket, Key=f"{name}.tar.gz", Body=buffer.getvalue())
    url = f"s3://{app.settings.bucket}/{name}.tar.gz"
    container = {"Image": IMAGE, "ModelDataUrl": url, "Environment": ENVIRONMENT, **more}
    app.call(
        "CreateModel", {"ModelName": name, "ExecutionRoleArn": app.settings.role_arn, "PrimaryContainer": container}
    )
    return name


@pytest.fixture
def transform(app: SageLocal, model: str) -> Callable[..., dict[str, Any]]:
    """Runs a job over s3://<bucket>/<name>/in/ into <name>/out; returns its description."""

    def run(name: str, source: str = "", wait: bool = True, **request: Any) -> dict[str, Any]:
        app.call("CreateTransformJob", asked(app, name, source, **{"ModelName": model, **request}))
        if wait:
            ended(app, name)
        return app.call("DescribeTransformJob", {"TransformJobName": name})

    return run


def asked(app: SageLocal, name: str, source: str = "", **request: Any) -> dict[str, Any]:
    bucket = app.settings.bucket
    data = {"S3DataType": "S3Prefix", "S3Uri": source or f"s3://{bucket}/{name}/in/"}
    if source.endswith(".manifest"):
        data["S3DataType"] = "ManifestFile"
    given = request.pop("TransformInput", {})
    output = request.pop("TransformOutput", {})
    return {
        "TransformJobName": name,
        "TransformInput": {
            "DataSource": {"S3DataSource": data}, "ContentType": "text/csv", "SplitType": "Line", **given,
        },
        "TransformOutput": {
            "S3OutputPath": f"s3://{bucket}/{name}/out", "Accept": "text/csv", "AssembleWith": "Line", **output,
        },
        "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": request.pop("instances", 1)},
        **request,
    }  # fmt: skip


def ended(app: SageLocal, name: str) -> None:
    running = ("InProgress", "Stopping")
    app.store.wait("TransformJob", name, lambda job: job["TransformJobStatus"] not in running, timeout=60)


def logs(app: SageLocal, name: str) -> tuple[str, str]:
    """What the containers said, and the data log."""
    folder = app.settings.state / "logs/aws/sagemaker/TransformJobs" / name
    files = sorted(folder.rglob("*.log"))
    said = "".join(file.read_text() for file in files if file.name != "data-log.log")
    return said, "".join(file.read_text() for file in files if file.name == "data-log.log")


def test_files_of_a_prefix_and_their_folders(app: SageLocal, transform: Any, put: Put, got: Got) -> None:
    put("files/in/a.csv", "1,2\n3,4\n")
    put("files/in/deep/b.csv", "5,6")
    put("files/input-of-others.csv", "7")
    job = transform("files", Environment={"STAGE": "test"}, MaxPayloadInMB=1, BatchStrategy="MultiRecord")
    assert job["TransformJobStatus"] == "Completed", job
    assert got("files/out/") == {"a.csv.out": b"3.0\n7.0\n", "deep/b.csv.out": b"11.0\n"}
    assert job["CreationTime"] <= job["TransformStartTime"] <= job["TransformEndTime"]
    assert job["DataProcessing"] == {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}
    said, data = logs(app, "files")
    environment = json.loads(said.split("environment ")[1].splitlines()[0])
    assert environment["SAGEMAKER_BATCH"] == "true"
    assert environment["SAGEMAKER_MAX_PAYLOAD_IN_MB"] == "1"
    assert environment["SAGEMAKER_BATCH_STRATEGY"] == "MULTI_RECORD"
    assert "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS" not in environment
    assert "asked 2 text/csv text/csv" in said
    assert "MaxConcurrentTransforms=1, MaxPayloadInMB=1, BatchStrategy=MULTI_RECORD" in data
    listed = app.call("ListTransformJobs", {"NameContains": "files"})["TransformJobSummaries"]
    assert [each["TransformJobStatus"] for each in listed] == ["Completed"]


def test_single_records_concurrently_in_order(app: SageLocal, transform: Any, put: Put, got: Got) -> None:
    put("single/in/a.csv", "".join(f"{number},1\r\n" for number in range(30)))
    job = transform("single", BatchStrategy="SingleRecord", MaxConcurrentTransforms=4)
    assert job["TransformJobStatus"] == "Completed", job
    assert got("single/out/")["a.csv.out"].split() == [f"{number + 1}.0".encode() for number in range(30)]
    assert logs(app, "single")[0].count("asked 1 ") == 30


def test_manifest_gzip_and_two_instances(app: SageLocal, transform: Any, put: Put, got: Got) -> None:
    for number in range(4):
        put(f"parts/{number}.csv.gz", gzip.compress(f"{number},1\n".encode()))
    names = [{"prefix": f"s3://{app.settings.bucket}/parts/"}, "0.csv.gz", "1.csv.gz", "3.csv.gz"]
    source = put("parts.manifest", json.dumps(names))
    job = transform("gzipped", source, TransformInput={"CompressionType": "Gzip"}, instances=2)
    assert job["TransformJobStatus"] == "Completed", job
    assert got("gzipped/out/") == {"0.csv.gz.out": b"1.0\n", "1.csv.gz.out": b"2.0\n", "3.csv.gz.out": b"4.0\n"}
    assert len(list((app.settings.state / "logs/aws/sagemaker/TransformJobs/gzipped").glob("*.log"))) == 2


def test_join_keeps_id_and_prediction(transform: Any, put: Put, got: Got) -> None:
    put("join/in/a.csv", 'u1,1,2\n"u,2",3,4\n')
    job = transform("join", DataProcessing={"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"})
    assert job["TransformJobStatus"] == "Completed", job
    assert got("join/out/") == {"a.csv.out": b'u1,3.0\n"u,2",7.0\n'}


def test_join_of_json_lines_with_inference_ids(app: SageLocal, transform: Any, put: Put, got: Got) -> None:
    put("lines/in/a.jsonl", '{"id": 7, "features": [1, 2]}\n[3, 4]\n')
    kind = {"ContentType": "application/jsonlines"}
    job = transform(
        "lines",
        TransformInput=kind,
        TransformOutput={"Accept": "application/jsonlines"},
        DataProcessing={"JoinSource": "Input"},
        DataCaptureConfig={"DestinationS3Uri": f"s3://{app.settings.bucket}/captured", "GenerateInferenceId": True},
    )
    assert job["TransformJobStatus"] == "Completed", job
    first, second = map(json.loads, got("lines/out/")["a.jsonl.out"].splitlines())
    assert len({first.pop("SageMakerInferenceId"), second.pop("SageMakerInferenceId")}) == 2
    assert first.pop("SageMakerInferenceTime") == second.pop("SageMakerInferenceTime")
    assert first == {"id": 7, "features": [1, 2], "SageMakerOutput": {"total": 3}}
    assert second == {"SageMakerInput": [3, 4], "SageMakerOutput": {"total": 7}}
    captured = got("captured/")
    hour = job["TransformStartTime"].strftime("%Y/%m/%d/%H") if hasattr(job["TransformStartTime"], "strftime") else ""
    assert sorted(key.split("/")[0] for key in captured) == ["input", "output"]
    assert all(hour in key and key.count("/") == 5 for key in captured)
    bucket = app.settings.bucket
    assert sorted(map(json.loads, captured.values()), key=str) == [
        [{"prefix": f"s3://{bucket}/lines/in/"}, "a.jsonl"],
        [{"prefix": f"s3://{bucket}/lines/out/"}, "a.jsonl.out"],
    ]


def test_a_bad_record_costs_its_file_only(app: SageLocal, transform: Any, put: Put, got: Got) -> None:
    put("partly/in/a.csv", "1,2\n")
    put("partly/in/b.csv", "1\n2\nbad\n4\n")
    put("partly/in/c.csv", "5,6\n")
    job = transform("partly", BatchStrategy="SingleRecord", ModelClientConfig={"InvocationsMaxRetries": 0})
    assert job["TransformJobStatus"] == "Failed"
    assert got("partly/out/") == {"a.csv.out": b"3.0\n", "c.csv.out": b"11.0\n"}
    assert job["FailureReason"].startswith(f"AlgorithmError: s3://{app.settings.bucket}/partly/in/b.csv, record 3: Bad")
    assert "could not convert string to float" in job["FailureReason"]
    assert "/partly/in/b.csv: AlgorithmError" in logs(app, "partly")[1]


def test_retries_timeouts_and_what_is_too_large(app: SageLocal, transform: Any, put: Put, got: Got) -> None:
    put("flaky/in/a.csv", "1,flaky\n")
    assert transform("flaky")["TransformJobStatus"] == "Completed"
    assert got("flaky/out/") == {"a.csv.out": b"1.0\n"}
    put("slow/in/a.csv", "slow\n")
    client = {"InvocationsTimeoutInSeconds": 1, "InvocationsMaxRetries": 0}
    reason = transform("slow", ModelClientConfig=client)["FailureReason"]
    assert "record 1: Model server did not respond within 1 s" in reason
    put("large/in/a.csv", "1\n" * 10 + "1," * 2**20 + "\n")
    reason = transform("large", MaxPayloadInMB=1)["FailureReason"]
    assert "a.csv, record 11: Too much data for max payload size" in reason
    assert got("large/out/") == {}


def test_max_payload_0_streams_the_object_chunked(transform: Any, put: Put, got: Got) -> None:
    put("stream/in/a.csv", "1,2\n" * 400_000 + "3,4")
    job = transform("stream", TransformInput={"SplitType": "None"}, MaxPayloadInMB=0)
    assert job["TransformJobStatus"] == "Completed", job
    assert got("stream/out/")["a.csv.out"] == b"3.0\n" * 400_000 + b"7.0"


def test_execution_parameters_of_the_container_come_after_the_request(app: SageLocal) -> None:
    from sagelocal.jobs.transform_instance import Limits

    container = {"MaxConcurrentTransforms": 8, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 20}
    assert Limits.of({}, {}) == Limits(1, 6, False)
    assert Limits.of({"MaxConcurrentTransforms": 0}, container) == Limits(8, 20, True)
    assert Limits.of({"BatchStrategy": "MultiRecord", "MaxPayloadInMB": 0}, container) == Limits(8, 0, False)


def test_stop_stores_nothing(app: SageLocal, transform: Any, put: Put, got: Got) -> None:
    put("stop/in/a.csv", "1,2\n")
    put("stop/in/b.csv", "slow\n")
    transform("stop", wait=False)
    app.store.wait("TransformJob", "stop", lambda job: "TransformStartTime" in job, timeout=30)
    app.call("StopTransformJob", {"TransformJobName": "stop"})
    ended(app, "stop")
    assert app.store.get("TransformJob", "stop")["TransformJobStatus"] == "Stopped"
    assert got("stop/out/") == {}
    with pytest.raises(AwsError, match="is in status Stopped"):
        app.call("StopTransformJob", {"TransformJobName": "stop"})


def test_an_interrupted_job_runs_again(app: SageLocal, transform: Any, put: Put, got: Got) -> None:
    put("again/in/a.csv", "1,2\nslow\n")
    transform("again", wait=False, BatchStrategy="SingleRecord")
    app.store.wait("TransformJob", "again", lambda job: "TransformStartTime" in job, timeout=30)
    app.jobs.close()
    assert app.store.get("TransformJob", "again")["TransformJobStatus"] == "InProgress"
    put("again/in/a.csv", "1,2\n")
    app.jobs = runner.Runner(app, stop_grace=2.0)
    app.jobs.resume()
    ended(app, "again")
    assert app.store.get("TransformJob", "again")["TransformJobStatus"] == "Completed"
    assert got("again/out/") == {"a.csv.out": b"3.0\n"}


def test_a_model_that_does_not_start(app: SageLocal, put: Put, transform: Any) -> None:
    make_model(app, "broken", "def model_fn(model_dir):\n    raise RuntimeError('no such layer')")
    put("broken/in/a.csv", "1")
    reason = transform("broken", ModelName="broken")["FailureReason"]
    assert reason.startswith("AlgorithmError: The primary container did not pass the ping health check.")
    assert "no such layer" in reason


@pytest.mark.parametrize(
    ("request_part", "said"),
    [
        ({"MaxPayloadInMB": 50, "MaxConcurrentTransforms": 3}, "MaxPayloadInMB is 50 and MaxConcurrentTransforms 3"),
        ({"DataProcessing": {"InputFilter": "$..a"}}, 'The JSONPath "$..a" is not supported from "..a" on'),
        ({"DataProcessing": {"InputFilter": "$.a"}}, "cannot select from CSV"),
        (
            {"DataProcessing": {"JoinSource": "Input"}, "TransformOutput": {"Accept": "application/json"}},
            "JoinSource Input needs the same format on both sides",
        ),
        (
            {"DataProcessing": {"JoinSource": "Input"}, "TransformOutput": {"AssembleWith": "None"}},
            "needs the same record delimiter",
        ),
        (
            {"DataProcessing": {"InputFilter": "$[0]"}, "TransformInput": {"ContentType": "text/libsvm"}},
            "TransformInput.ContentType to be one of",
        ),
        ({"ModelName": "nobody"}, "Could not find model"),
        ({"DataProcessing": {"InputFilter": "$" + "a" * 70}}, "less than or equal to 63"),
    ],
)
def test_what_cannot_work_is_refused(app: SageLocal, model: str, request_part: dict[str, Any], said: str) -> None:
    with pytest.raises(AwsError) as refused:
        app.call("CreateTransformJob", asked(app, "refused", **{"ModelName": model, **request_part}))
    assert said in refused.value.message
    assert app.store.find("TransformJob", "refused") is None
