"""Cleanup steps, after jobs that really wrote."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagelocal.config import Settings
from tests.sagelocal.workflow.conftest import IMAGE, processing, training
from tests.sagelocal.workflow.steps.conftest import Document, Runs

WRITE = "mkdir -p /opt/ml/processing/out/a; for name in a/one two; do echo x > /opt/ml/processing/out/$name; done"
TRAIN = "echo model > /opt/ml/model/m; echo more > /opt/ml/output/data/d"


def keys(settings: Settings, prefix: str) -> set[str]:
    listed = settings.client("s3").list_objects_v2(Bucket=settings.bucket, Prefix=prefix)
    return {one["Key"].removeprefix(prefix).lstrip("/") for one in listed.get("Contents", [])}


def write(settings: Settings, name: str = "Write", prefix: str = "cleanup") -> Document:
    uri = f"s3://{settings.bucket}/{prefix}"
    output = {"S3Uri": uri, "LocalPath": "/opt/ml/processing/out", "S3UploadMode": "EndOfJob"}
    arguments = {
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": ["sh", "-c", WRITE]},
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "out", "S3Output": output}]},
    }
    return processing(name, arguments=arguments)


def cleanup(*sources: Document, after: list[Any] | None = None) -> Document:
    depends = after if after is not None else [one["StepName"] for one in sources]
    return {"Name": "Clean", "Type": "Cleanup", "Arguments": {"Resources": {"S3": list(sources)}}, "DependsOn": depends}


@pytest.mark.namespaces
def test_the_sdks_step_deletes_what_it_names_and_nothing_else(session: Any, runs: Runs, laptop: Settings) -> None:
    from sagemaker.core.processing import Processor
    from sagemaker.core.shapes import ProcessingOutput, ProcessingS3Output
    from sagemaker.mlops.workflow.cleanup_step import CleanupStep, S3CleanupSource
    from sagemaker.mlops.workflow.steps import ProcessingStep

    uri = f"s3://{laptop.bucket}/cleanup"
    output = ProcessingS3Output(s3_uri=uri, local_path="/opt/ml/processing/out", s3_upload_mode="EndOfJob")
    processor = Processor(
        role=laptop.role_arn,
        image_uri=IMAGE,
        instance_count=1,
        instance_type="ml.m5.large",
        entrypoint=["sh", "-c", WRITE],
        sagemaker_session=session,
    )
    arguments = processor.run(outputs=[ProcessingOutput(output_name="out", s3_output=output)])
    step = ProcessingStep("Write", step_args=arguments)
    clean = CleanupStep("Clean", [S3CleanupSource(step, [f"{uri}/a/one"])])
    arn = runs.build(session, "cleanup", [step, clean])
    assert runs.ended(arn)["PipelineExecutionStatus"] == "Succeeded", runs.reasons(arn)
    assert keys(laptop, "cleanup/") == {"two"}


@pytest.mark.namespaces
def test_a_training_steps_outputs_are_found_from_its_job(runs: Runs, laptop: Settings) -> None:
    script = {
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE, "TrainingInputMode": "File", "ContainerEntrypoint": ["sh", "-c", TRAIN],
        },
        "OutputDataConfig": {"S3OutputPath": f"s3://{laptop.bucket}/models"},
    }  # fmt: skip
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key="models/other/output/model.tar.gz", Body=b"x")
    arn = runs.start("cleanup-training", [training("Train", {}, arguments=script), cleanup({"StepName": "Train"})])
    assert runs.ended(arn)["PipelineExecutionStatus"] == "Succeeded", runs.reasons(arn)
    assert keys(laptop, "models") == {"other/output/model.tar.gz"}


@pytest.mark.namespaces
def test_a_source_that_failed_is_skipped(runs: Runs, laptop: Settings) -> None:
    broken = write(laptop, prefix="cleanup3")
    broken["Arguments"]["AppSpecification"]["ContainerEntrypoint"] = ["false"]
    source = {"StepName": "Write", "S3Uris": [f"s3://{laptop.bucket}/cleanup3/two"]}
    arn = runs.start("cleanup-skipped", [broken, cleanup(source, after=[{"Step": "Write", "Trigger": "Any"}])])
    assert runs.ended(arn)["PipelineExecutionStatus"] == "CompletedWithFailures"
    assert runs.steps(arn)["Clean"]["StepStatus"] == "Succeeded"


@pytest.mark.namespaces
def test_an_object_outside_the_steps_outputs_stays_and_fails_the_step(runs: Runs, laptop: Settings) -> None:
    laptop.client("s3").put_object(Bucket=laptop.bucket, Key="cleanup2-precious", Body=b"x")
    uris = [f"s3://{laptop.bucket}/cleanup2/two", f"s3://{laptop.bucket}/cleanup2-precious"]
    arn = runs.start(
        "cleanup-outside", [write(laptop, prefix="cleanup2"), cleanup({"StepName": "Write", "S3Uris": uris})]
    )
    assert runs.ended(arn)["PipelineExecutionStatus"] == "Failed"
    reason = runs.steps(arn)["Clean"]["FailureReason"]
    assert f"step 'Write': {uris[1]} is not an object under one of the step's output locations" in reason
    assert keys(laptop, "cleanup2") == {"a/one", "two", "-precious"}


@pytest.mark.parametrize(
    ("source", "after", "said"),
    [
        ({"StepName": "Write"}, ["Write"], "a Processing step needs S3Uris"),
        ({"StepName": "Write", "S3Uris": ["file:///x"]}, ["Write"], "must be s3://bucket/key"),
        ({"StepName": "Write", "S3Uris": ["s3://b/k"]}, [], "which must be in its DependsOn"),
        ({"Step": "Write"}, ["Write"], "must have StepName, S3Uris and nothing else"),
    ],
)
def test_what_cannot_be_cleaned_is_refused_at_create(
    runs: Runs, laptop: Settings, source: Document, after: list[str], said: str
) -> None:
    with pytest.raises(ClientError, match=said):
        runs.start("cleanup-refused", [write(laptop), cleanup(source, after=after)])
