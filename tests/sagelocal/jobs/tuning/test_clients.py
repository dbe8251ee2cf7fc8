"""AWS's own clients against a running sagelocal, with scripts that run: boto3, and the SDK's tuner and step."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagelocal import server
from sagelocal.config import Settings

pytestmark = pytest.mark.namespaces
SCRIPT = """
import argparse, os, pathlib, time
parser = argparse.ArgumentParser()
parser.add_argument("-x", type=float)  # the toolkit writes a name of one letter with one dash
parser.add_argument("--kind")
parser.add_argument("--epochs", type=int)
args = parser.parse_args()
for epoch in range(args.epochs):
    print(f"epoch {epoch} score={args.x * (epoch + 1) / args.epochs}", flush=True)
    time.sleep(float(os.environ.get("PAUSE", 0)))
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text(f"{args.kind} {args.x}")
"""
# What a user would write; run in a process of its own, since the SDK reads its settings when it is imported.
PREPARE = """
import json, sys
from sagemaker.core import image_uris
from sagemaker.core.parameter import CategoricalParameter, ContinuousParameter
from sagemaker.core.shapes import OutputDataConfig
from sagemaker.core.training.configs import Compute, SourceCode
from sagemaker.core.workflow.pipeline_context import PipelineSession
from sagemaker.core.helper.session_helper import Session
from sagemaker.mlops.workflow.pipeline import Pipeline
from sagemaker.mlops.workflow.steps import CacheConfig, TuningStep
from sagemaker.train.model_trainer import ModelTrainer
from sagemaker.train.tuner import HyperparameterTuner

session = PipelineSession() if sys.argv[1] == "pipeline" else Session()
bucket, role = session.default_bucket(), sys.argv[2]
trainer = ModelTrainer(
    sagemaker_session=session, role=role, base_job_name="tuned", hyperparameters={"epochs": 2},
    training_image=image_uris.retrieve("sklearn", "us-east-1", "1.9-0", instance_type="ml.m5.large"),
    source_code=SourceCode(source_dir=sys.argv[3], entry_script="train.py"),
    compute=Compute(instance_type="ml.m5.large", instance_count=1),
    output_data_config=OutputDataConfig(s3_output_path=f"s3://{bucket}/tuned"),
)
tuner = HyperparameterTuner(
    trainer, "score", {"x": ContinuousParameter(0.1, 0.9), "kind": CategoricalParameter(["a", "b"])},
    metric_definitions=[{"Name": "score", "Regex": "score=([0-9.]+)"}], max_jobs=3, max_parallel_jobs=2, random_seed=3,
)
data = {"train": f"s3://{bucket}/tuned/data"}
"""
OUTSIDE = """
tuner.tune(inputs=data, job_name="by-sdk", wait=True)
described = tuner.describe()
frame = tuner.analytics().dataframe()
print("SAID" + json.dumps({
    "best": tuner.best_training_job(), "status": described.hyper_parameter_tuning_job_status,
    "completed": described.training_job_status_counters.completed,
    "values": list(frame["FinalObjectiveValue"]), "x": list(frame["x"]), "kinds": list(frame["kind"]),
}))
"""
INSIDE = """
cache = CacheConfig(enable_caching=True, expire_after="P1D")
step = TuningStep("Tune", step_args=tuner.tune(inputs=data), cache_config=cache)
Pipeline("tunes", steps=[step], sagemaker_session=session).upsert(role)
print("SAID" + json.dumps(step.get_top_model_s3_uri(0, bucket, "tuned").expr))
"""


@pytest.fixture(scope="module")
def data(laptop: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the script; the data is in the bucket."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "train.py").write_text(SCRIPT)
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key="tuned/data/a.csv", Body=b"1,2\n")
    return folder


def sdk(laptop: Settings, folder: Path, kind: str, program: str) -> Any:
    environ = {**os.environ, **laptop.shell_environment()}
    command = [sys.executable, "-W", "ignore", "-c", PREPARE + program, kind, laptop.role_arn, str(folder)]
    run = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    (said,) = [line.removeprefix("SAID") for line in run.stdout.splitlines() if line.startswith("SAID")]
    return json.loads(said)


@pytest.mark.slow  # the SDK imports for seconds and looks for the end every few
def test_the_sdks_tuner(laptop: Settings, data: Path) -> None:
    said = sdk(laptop, data, "outside", OUTSIDE)
    assert (said["status"], said["completed"]) == ("Completed", 3)
    assert said["values"] == pytest.approx(said["x"], abs=1e-5)
    assert set(said["kinds"]) <= {"a", "b"}
    best = said["best"]
    job = laptop.client("sagemaker").describe_training_job(TrainingJobName=best)
    assert job["FinalMetricDataList"][0]["Value"] == pytest.approx(max(said["values"]), abs=1e-5)
    assert job["TuningJobArn"].endswith("hyper-parameter-tuning-job/by-sdk")


def execute(laptop: Settings) -> tuple[str, dict[str, Any]]:
    sagemaker = laptop.client("sagemaker")
    arn = sagemaker.start_pipeline_execution(PipelineName="tunes")["PipelineExecutionArn"]
    describe = sagemaker.describe_pipeline_execution
    wait(lambda: describe(PipelineExecutionArn=arn)["PipelineExecutionStatus"] != "Executing")
    (step,) = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=arn)["PipelineExecutionSteps"]
    return arn, step


def test_the_sdks_tuning_step(laptop: Settings, data: Path) -> None:
    top = sdk(laptop, data, "pipeline", INSIDE)
    assert top["Std:Join"]["Values"][3] == {"Get": "Steps.Tune.TrainingJobSummaries[0].TrainingJobName"}
    arn, step = execute(laptop)
    assert step["StepStatus"] == "Succeeded", step
    name = step["Metadata"]["TuningJob"]["Arn"].rsplit("/", 1)[1]
    assert name.startswith(f"{arn.rsplit('/', 1)[1]}-tune-")
    sagemaker = laptop.client("sagemaker")
    best = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)["BestTrainingJob"]
    key = f"tuned/{best['TrainingJobName']}/output/model.tar.gz"
    laptop.client("s3").head_object(Bucket=laptop.bucket, Key=key)
    _, again = execute(laptop)
    assert again["CacheHitResult"]["SourcePipelineExecutionArn"] == arn
    assert again["Metadata"] == step["Metadata"]


def wait(done: Any) -> None:
    deadline = time.monotonic() + 60
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[Settings]:
    """A sagelocal of its own, to be killed."""
    from sagelocal import config

    settings = config.load(tmp_path / "state")
    server.up(settings)
    yield settings
    server.down(settings)


@pytest.mark.slow
def test_a_kill_in_the_middle_repeats_no_trial(killed: Settings, data: Path) -> None:
    sagemaker, s3 = killed.client("sagemaker"), killed.client("s3")
    s3.put_object(Bucket=killed.bucket, Key="code.tar.gz", Body=archive())
    static = {"sagemaker_program": "train.py", "sagemaker_submit_directory": f"s3://{killed.bucket}/code.tar.gz"}
    image = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.9-0"
    sagemaker.create_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="t",
        HyperParameterTuningJobConfig={
            "Strategy": "Random",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": 5, "MaxParallelTrainingJobs": 2},
            "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]},
            "RandomSeed": 1,
        },
        TrainingJobDefinition={
            "StaticHyperParameters": {**static, "epochs": "3", "kind": "a"},
            "AlgorithmSpecification": {
                "TrainingImage": image,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "score", "Regex": "score=([0-9.]+)"}],
            },
            "RoleArn": killed.role_arn,
            "OutputDataConfig": {"S3OutputPath": f"s3://{killed.bucket}/models"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            "Environment": {"PAUSE": "0.1"},
        },
    )

    def trials() -> dict[str, str]:
        answer = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName="t")
        return {each["TrainingJobName"]: each["TunedHyperParameters"]["x"] for each in answer["TrainingJobSummaries"]}

    wait(lambda: len(trials()) >= 3)
    before = trials()
    os.kill(server.status(killed)["pid"], signal.SIGKILL)
    server.up(killed)
    assert before.items() <= trials().items()
    describe = sagemaker.describe_hyper_parameter_tuning_job
    wait(lambda: describe(HyperParameterTuningJobName="t")["HyperParameterTuningJobStatus"] != "InProgress")
    job = describe(HyperParameterTuningJobName="t")
    assert job["HyperParameterTuningJobStatus"] == "Completed", job.get("FailureReason")
    assert job["TrainingJobStatusCounters"]["Completed"] == 5
    assert len(trials()) == 5 == len(sagemaker.list_training_jobs()["TrainingJobSummaries"])
    assert [name[2:5] for name in sorted(trials())] == ["001", "002", "003", "004", "005"]
    assert job["BestTrainingJob"]["TunedHyperParameters"]["x"] == max(trials().values(), key=float)


def archive() -> bytes:
    import io
    import tarfile

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        member = tarfile.TarInfo("train.py")
        member.size = len(SCRIPT)
        tar.addfile(member, io.BytesIO(SCRIPT.encode()))
    return buffer.getvalue()
