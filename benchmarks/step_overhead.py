"""What a Processing step of a pipeline costs over its bare script, on this machine, in one run.

    python benchmarks/step_overhead.py [--steps 10]

Starts a sagelocal of its own in a temporary folder, runs a pipeline of consecutive no-op Processing steps, the same
with a requirements.txt before each script, and the script bare, as often. The last line is JSON: seconds a step, ours
and the bare script's.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sagelocal import config, server
from sagelocal.config import Settings

SCRIPT = "open('/opt/ml/processing/output/done', 'w').write('done')\n"
REQUIREMENTS = "jinja2\nmatplotlib\n"
CODE = "/opt/ml/processing/input/code"
NOOP = ["python3", f"{CODE}/noop.py"]
INSTALL = ["/bin/bash", "-c", f"pip install -q -r {CODE}/requirements.txt && exec python3 {CODE}/noop.py"]
BARE = "open('done', 'w').write('done')\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10)
    steps = parser.parse_args().steps
    with tempfile.TemporaryDirectory() as folder:
        settings = config.load(Path(folder) / "state")
        server.up(settings)
        try:
            ours = pipeline_seconds(settings, "bench", steps, NOOP)
            installing = pipeline_seconds(settings, "bench-install", steps, INSTALL)
        finally:
            server.down(settings)
        bare = bare_seconds(Path(folder), steps)
    result = {
        "name": "processing step",
        "unit": "s",
        "ours": round(ours, 3),
        "peers": {"bare script": round(bare, 3)},
        "note": f"median of {steps} consecutive no-op steps, from step start to end; overhead {ours - bare:.3f} s, "
        f"with a requirements.txt of {REQUIREMENTS.split()} {installing - ours:.3f} s more",
    }
    print(json.dumps(result))


def pipeline_seconds(settings: Settings, name: str, steps: int, command: list[str]) -> float:
    """Median seconds from a step's StartTime to its EndTime."""
    for file, text in (("noop.py", SCRIPT), ("requirements.txt", REQUIREMENTS)):
        settings.client("s3").put_object(Bucket=settings.bucket, Key=f"bench/{file}", Body=text)
    sagemaker = settings.client("sagemaker")
    document = {
        "Version": "2020-12-01",
        "Metadata": {},
        "Parameters": [],
        "Steps": definition(settings, steps, command),
    }
    sagemaker.create_pipeline(
        PipelineName=name,
        PipelineDefinition=json.dumps(document),
        ClientRequestToken=f"{name:b<32}",
        RoleArn=settings.role_arn,
    )
    arn = sagemaker.start_pipeline_execution(PipelineName=name, ClientRequestToken=f"{name:s<32}")[
        "PipelineExecutionArn"
    ]
    while True:
        status = sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn)["PipelineExecutionStatus"]
        if status != "Executing":
            break
        time.sleep(0.1)
    if status != "Succeeded":
        raise SystemExit(f"the benchmark's pipeline ended {status}")
    listed = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
    return statistics.median((step["EndTime"] - step["StartTime"]).total_seconds() for step in listed)


def definition(settings: Settings, steps: int, command: Sequence[str] = NOOP) -> list[dict[str, Any]]:
    cluster = {"InstanceCount": 1, "InstanceType": "ml.t3.medium", "VolumeSizeInGB": 1}
    arguments = {
        "ProcessingResources": {"ClusterConfig": cluster},
        "AppSpecification": {
            "ImageUri": f"683313688378.dkr.ecr.{settings.region}.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3",
            "ContainerEntrypoint": list(command),
        },
        "RoleArn": settings.role_arn,
        "ProcessingInputs": [
            {
                "InputName": "code",
                "S3Input": {
                    "S3Uri": f"s3://{settings.bucket}/bench/",
                    "LocalPath": "/opt/ml/processing/input/code",
                    "S3DataType": "S3Prefix",
                    "S3InputMode": "File",
                },
            }
        ],
        "ProcessingOutputConfig": {
            "Outputs": [
                {
                    "OutputName": "out",
                    "S3Output": {
                        "S3Uri": f"s3://{settings.bucket}/bench/out",
                        "LocalPath": "/opt/ml/processing/output",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ]
        },
    }
    return [
        {
            "Name": f"Step{number}",
            "Type": "Processing",
            "Arguments": arguments,
            **({"DependsOn": [f"Step{number - 1}"]} if number else {}),
        }
        for number in range(steps)
    ]


def bare_seconds(folder: Path, runs: int) -> float:
    script = folder / "noop.py"
    script.write_text(BARE)
    taken = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run([sys.executable, str(script)], check=True, cwd=folder)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


if __name__ == "__main__":
    main()
