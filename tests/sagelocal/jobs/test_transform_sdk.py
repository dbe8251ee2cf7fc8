"""SDK v3's Transformer and TransformStep, unmodified."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import boto3
import pytest

from sagelocal.config import Settings

pytestmark = [pytest.mark.namespaces, pytest.mark.slow]  # the SDK alone takes seconds to import
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
SCRIPT = b"""
def model_fn(model_dir):
    return None

def transform_fn(model, body, content_type, accept):
    return "\\n".join(str(sum(map(float, line.split(",")))) for line in body.split("\\n"))
"""


@pytest.fixture
def environment(laptop: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in laptop.shell_environment().items():
        monkeypatch.setenv(name, value)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        entry = tarfile.TarInfo("code/inference.py")
        entry.size = len(SCRIPT)
        packed.addfile(entry, io.BytesIO(SCRIPT))
    s3 = laptop.client("s3")
    s3.put_object(Bucket=laptop.bucket, Key="model.tar.gz", Body=buffer.getvalue())
    s3.put_object(Bucket=laptop.bucket, Key="in/a.csv", Body=b"u1,1,2\nu2,3,4\n")
    variables = {"SAGEMAKER_PROGRAM": "inference.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
    url = f"s3://{laptop.bucket}/model.tar.gz"
    container = {"Image": IMAGE, "ModelDataUrl": url, "Environment": variables}
    laptop.client("sagemaker").create_model(
        ModelName="sums", ExecutionRoleArn=laptop.role_arn, PrimaryContainer=container
    )
    return laptop


def test_transformer_and_steps(environment: Settings) -> None:
    from sagemaker.core.helper.session_helper import Session
    from sagemaker.core.transformer import Transformer
    from sagemaker.core.workflow.pipeline_context import PipelineSession
    from sagemaker.mlops.workflow.pipeline import Pipeline
    from sagemaker.mlops.workflow.steps import CacheConfig, TransformStep

    bucket, s3 = environment.bucket, environment.client("s3")
    settings: dict[str, Any] = {
        "model_name": "sums", "instance_count": 1, "instance_type": "ml.m5.large", "assemble_with": "Line",
        "accept": "text/csv",
    }  # fmt: skip
    data: dict[str, Any] = {"content_type": "text/csv", "split_type": "Line", "input_filter": "$[1:]"}

    def scores(uri: str, name: str) -> bytes:
        return s3.get_object(Bucket=bucket, Key=f"{uri.removeprefix(f's3://{bucket}/')}/{name}")["Body"].read()

    session = Session(boto_session=boto3.Session(), default_bucket=bucket)
    transformer = Transformer(**settings, strategy="SingleRecord", sagemaker_session=session)
    joined = {"join_source": "Input", "output_filter": "$[0,-1]"}
    transformer.transform(f"s3://{bucket}/in/", **data, **joined, wait=True, logs=False)
    assert scores(transformer.output_path, "a.csv.out") == b"u1,3.0\nu2,7.0\n"

    session = PipelineSession(boto_session=boto3.Session(), default_bucket=bucket)
    one, two = (Transformer(**settings, sagemaker_session=session) for _ in range(2))
    cache = CacheConfig(enable_caching=True, expire_after="P1D")
    first = TransformStep("First", one.transform(f"s3://{bucket}/in/", **data, join_source="Input"), cache_config=cache)
    source = first.properties.TransformOutput.S3OutputPath
    second = TransformStep("Second", two.transform(source, **data), cache_config=cache)
    pipeline = Pipeline(name="scoring", steps=[first, second], sagemaker_session=session)
    pipeline.upsert(environment.role_arn)
    for cached in (False, True):
        execution = pipeline.start()
        execution.wait(delay=1, max_attempts=60)
        steps = {step["StepName"]: step for step in execution.list_steps()}
        assert [("CacheHitResult" in steps[name]) for name in ("First", "Second")] == [cached, cached]
    job = steps["Second"]["Metadata"]["TransformJob"]["Arn"].rpartition("/")[2]
    found = environment.client("sagemaker").describe_transform_job(TransformJobName=job)
    assert scores(found["TransformOutput"]["S3OutputPath"], "a.csv.out.out") == b"6.0\n14.0\n"
