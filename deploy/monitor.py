"""Is an endpoint's traffic still like the training data? One Processing job over what data capture has stored.

It runs `evaluation/data_quality.py` under Model Monitor's container contract (environment, paths and files are those of
a monitoring schedule's executions), as an ordinary job: Model Monitor takes no new customers since 2026-07-30.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from deploy.names import tags

INPUT, OUTPUT = "/opt/ml/processing/input/endpoint", "/opt/ml/processing/output"
BASELINE = "/opt/ml/processing/baseline"
CODE = "/opt/ml/processing/input/code"
CAPTURE_FORMAT = '{"sagemakerCaptureJson": {"captureIndexNames": ["endpointInput"]}}'


@dataclass(frozen=True)
class Verdict:
    status: str  # Completed or CompletedWithViolations, as a monitoring execution's
    violations: list[dict[str, str]]  # feature_name, constraint_check_type, description
    output_uri: str  # folder with statistics.json, constraints.json, constraint_violations.json, report.html
    job: str  # the Processing job's name

    @property
    def report_uri(self) -> str:
        return f"{self.output_uri}/report.html"

    @property
    def features(self) -> list[str]:
        """Names of the features that violate a constraint, each once."""
        return list(dict.fromkeys(violation["feature_name"] for violation in self.violations))


def run(
    sagemaker: Any,
    s3: Any,
    *,
    use_case: str,
    endpoint: str,
    variants: Sequence[str],
    role: str,
    image: str,
    code: str,
    entrypoint: list[str],
    statistics: str,
    constraints: str,
    capture_uri: str,
    output_uri: str,
    start: datetime,
    end: datetime,
    instance_type: str = "ml.m5.large",
) -> Verdict:
    """Compares the traffic that the variants captured in [start, end) with a baseline, and waits for the verdict.

    `code` is the uploaded source of evaluation/data_quality.py and `entrypoint` its command, both as
    `pipelines.source.bundle` gives them; `statistics`, `constraints`, `capture_uri` and `output_uri` are S3 URIs. Any
    image with pandas will do, the model's own for instance. A job takes ten inputs (AWS), so seven variants at most.
    Raises LookupError when nothing was captured, RuntimeError with the FailureReason when the job fails.
    """
    folders = {variant: capture_prefix(capture_uri, endpoint, variant, start, end) for variant in variants}
    captured = {variant: folder for variant, folder in folders.items() if has_objects(s3, folder)}
    if not captured:
        raise LookupError(
            f"No traffic of {endpoint} is captured under {', '.join(folders.values())}. Send requests first; data "
            "capture delivers them within minutes."
        )
    job = f"{endpoint[:34]}-monitor-{datetime.now(UTC):%Y%m%d%H%M%S}-{secrets.token_hex(2)}"
    target = f"{output_uri.rstrip('/')}/{endpoint}/{job}"
    sagemaker.create_processing_job(
        ProcessingJobName=job,
        RoleArn=role,
        AppSpecification={"ImageUri": image, "ContainerEntrypoint": entrypoint},
        Environment=environment(endpoint, f"{capture_uri.rstrip('/')}/{endpoint}", start, end),
        ProcessingInputs=[
            *[file_input(f"endpoint-{name}", folder, f"{INPUT}/{name}") for name, folder in captured.items()],
            file_input("statistics", statistics, f"{BASELINE}/statistics"),
            file_input("constraints", constraints, f"{BASELINE}/constraints"),
            file_input("code", code, CODE),
        ],
        ProcessingOutputConfig={
            "Outputs": [
                {
                    "OutputName": "monitoring_output",
                    "S3Output": {"S3Uri": target, "LocalPath": OUTPUT, "S3UploadMode": "EndOfJob"},
                }
            ]
        },
        ProcessingResources={
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": instance_type, "VolumeSizeInGB": 30}
        },
        StoppingCondition={"MaxRuntimeInSeconds": 3600},
        Tags=tags(use_case),
    )
    wait(sagemaker, job)
    violations = read_json(s3, f"{target}/constraint_violations.json")["violations"]
    return Verdict("CompletedWithViolations" if violations else "Completed", violations, target, job)


def environment(endpoint: str, captured: str, start: datetime, end: datetime) -> dict[str, str]:
    """Model Monitor's container contract (developer guide, "Container contract inputs")."""
    return {
        "dataset_format": CAPTURE_FORMAT,
        "dataset_source": INPUT,
        "output_path": OUTPUT,
        "baseline_statistics": f"{BASELINE}/statistics/statistics.json",
        "baseline_constraints": f"{BASELINE}/constraints/constraints.json",
        "publish_cloudwatch_metrics": "Enabled",
        "sagemaker_endpoint_name": endpoint,
        "sagemaker_monitoring_schedule_name": f"{endpoint}-data-quality",
        "sagemaker_endpoint_datacapture_prefix": captured,
        "start_time": iso(start),
        "end_time": iso(end),
    }


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def capture_prefix(capture_uri: str, endpoint: str, variant: str, start: datetime, end: datetime) -> str:
    """The narrowest folder that holds all captures of the window: SageMaker stores them by UTC hour."""
    folders = [f"{moment.astimezone(UTC):%Y/%m/%d/%H}".split("/") for moment in (start, end)]
    shared = []
    for first, last in zip(*folders, strict=True):
        if first != last:
            break
        shared.append(first)
    return "/".join([capture_uri.rstrip("/"), endpoint, variant, *shared])


def file_input(name: str, uri: str, path: str) -> dict[str, Any]:
    source = {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"InputName": name, "S3Input": {**source, "S3DataDistributionType": "FullyReplicated"}}


def wait(sagemaker: Any, job: str) -> None:
    pause = 0.2
    while True:
        described = sagemaker.describe_processing_job(ProcessingJobName=job)
        status = described["ProcessingJobStatus"]
        if status == "Completed":
            return
        if status in ("Failed", "Stopped"):
            reason = described.get("FailureReason") or described.get("ExitMessage") or "no reason given"
            raise RuntimeError(f"Monitoring job {job} {status.lower()}: {reason}. Logs: /aws/sagemaker/ProcessingJobs")
        time.sleep(pause)
        pause = min(pause * 1.5, 15.0)  # a laptop takes seconds, AWS minutes


def has_objects(s3: Any, uri: str) -> bool:
    where = urlsplit(uri)
    return s3.list_objects_v2(Bucket=where.netloc, Prefix=where.path.strip("/") + "/", MaxKeys=1)["KeyCount"] > 0


def read_json(s3: Any, uri: str) -> dict[str, Any]:
    where = urlsplit(uri)
    try:
        return json.loads(s3.get_object(Bucket=where.netloc, Key=where.path.lstrip("/"))["Body"].read())
    except ClientError as error:
        raise RuntimeError(f"{uri} cannot be read: {error}. The job's log says what it wrote.") from error
