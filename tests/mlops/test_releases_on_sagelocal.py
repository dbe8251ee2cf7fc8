"""Every mode and every strategy of deploy/stages.yml goes through `mlops cicd release`, on a running sagelocal."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy import registry, stages
from mlops import cicd_release, deployment, serving
from mlops.errors import Failure
from mlops.targets import HERE, Target
from sagelocal import config, server
from sagelocal.config import Settings

pytestmark = [pytest.mark.namespaces, pytest.mark.slow]
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
HANDLER = """
def model_fn(model_dir):
    with open(f"{model_dir}/version") as file:
        return file.read()

def transform_fn(model, body, content_type, accept):
    if model == "3":
        raise RuntimeError("a bad model")
    return model
"""
TWO = "variants: [{instance_count: 2}]"
WAITS = "wait_interval: 60, termination_wait: 0"
ALARM = "alarms: [{metric: Invocation5XXErrors, threshold: 0.5}]"
STRATEGIES = {
    "all-at-once": f"{{{TWO}, strategy: {{kind: all-at-once, termination_wait: 60}}, {ALARM}}}",
    "canary": f"{{{TWO}, strategy: {{kind: canary, size: 50%, {WAITS}}}, {ALARM}}}",
    "linear": f"{{{TWO}, strategy: {{kind: linear, size: 1, {WAITS}}}, {ALARM}}}",
    "rolling": f"{{{TWO}, strategy: {{kind: rolling, size: 50%, wait_interval: 60}}, {ALARM}}}",
    "scaled": f"{{{TWO}, autoscaling: {{target_value: 1000, min_capacity: 2, max_capacity: 3}}}}",
    "shadowed": "{shadow: {name: Shadow, version: 1}}",
    "ab-test": "{variants: [{weight: 3}, {name: challenger, version: 1, weight: 1}]}",
    "serverless": "{mode: serverless, capture: null, serverless: {memory_size_in_mb: 1024, max_concurrency: 2}}",
    "asynchronous": "{mode: asynchronous, asynchronous: {notify: true}}",
    "multi-model": '{mode: multi-model, variants: [{models: "s3://BUCKET/many/", '
    'environment: {SAGEMAKER_SUBMIT_DIRECTORY: "s3://BUCKET/script.tar.gz"}}]}',
}


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Waits of a minute take a second."""
    settings = config.keep_time_scale(config.load(tmp_path_factory.mktemp("state")), 60)
    server.up(settings)
    yield settings
    server.down(settings)


@pytest.fixture(scope="module")
def arns(laptop: Settings) -> list[str]:
    """Three approved versions: two answer with their number, the third raises."""
    sagemaker, s3 = laptop.client("sagemaker"), laptop.client("s3")
    registry.ensure_group(sagemaker, "churn")
    s3.put_object(Bucket=laptop.bucket, Key="script.tar.gz", Body=archive({"inference.py": HANDLER}))
    found = []
    for version in (1, 2, 3):
        body = archive({"code/inference.py": HANDLER, "version": str(version)})
        for key in (f"models/{version}/model.tar.gz", f"many/{version}.tar.gz"):
            s3.put_object(Bucket=laptop.bucket, Key=key, Body=body)
        container = {
            "Image": IMAGE,
            "ModelDataUrl": f"s3://{laptop.bucket}/models/{version}/model.tar.gz",
            "Environment": {
                "SAGEMAKER_PROGRAM": "inference.py",
                "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
                "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
            },
        }
        made = sagemaker.create_model_package(
            ModelPackageGroupName="churn",
            ModelApprovalStatus="Approved",
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )
        found.append(made["ModelPackageArn"])
    return found


def archive(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content.encode()))
    return buffer.getvalue()


@pytest.fixture
def target(laptop: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    text = "".join(f"{name}:\n  deployment: {declared}\n" for name, declared in STRATEGIES.items())
    (tmp_path / "stages.yml").write_text(text.replace("BUCKET", laptop.bucket))
    monkeypatch.setattr(stages, "FILE", tmp_path / "stages.yml")
    place = {"MLOPS_BUCKET": laptop.bucket, "SAGEMAKER_ROLE_ARN": laptop.role_arn}
    for name, value in {**laptop.shell_environment(), **place}.items():
        monkeypatch.setenv(name, value)
    import boto3

    return Target(HERE, laptop.account, laptop.region, boto3.Session(region_name=laptop.region))


def answer(target: Target, endpoint: str, **chosen: Any) -> str:
    described = target.client("sagemaker").describe_endpoint(EndpointName=endpoint)
    ask = serving.ask_later if "AsyncInferenceConfig" in described else serving.ask
    return ask(target, endpoint, serving.Question(b"1", **chosen))


@pytest.mark.parametrize("stage", list(STRATEGIES))
def test_two_versions_are_released_one_after_the_other_and_all_of_it_goes(
    stage: str, target: Target, arns: list[str], capsys: Any
) -> None:
    for number, arn in enumerate(arns[:2], 1):
        endpoint = cicd_release.release(target, stage, arn)
        chosen = {"ab-test": {"variant": "AllTraffic"}, "multi-model": {"model": f"{number}.tar.gz"}}.get(stage, {})
        assert answer(target, endpoint, **chosen) == str(number)
        assert f"{endpoint} is InService with " in capsys.readouterr().out
    if stage == "canary":
        bad(target, stage, arns[2])
    deployment.undeploy(target, "churn", stage, yes=True)
    assert "Nothing of" in capsys.readouterr().out


def bad(target: Target, stage: str, arn: str) -> None:
    """Its errors are those of one request after the other while it bakes."""
    endpoint = f"churn-{stage}"

    class Asking(cicd_release.Alarms):
        def __call__(self, described: dict[str, Any]) -> None:
            for _ in range(4):
                try:
                    answer(target, endpoint)
                except Exception:  # what half of the traffic gets
                    continue
            super().__call__(described)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cicd_release, "Alarms", Asking)
        slower = Path(stages.FILE).read_text().replace("wait_interval: 60", "wait_interval: 1800")
        Path(stages.FILE).write_text(slower)
        said = f"(?s)again and not {endpoint}-3-.*Alarm {endpoint}-3-.*Invocation5XXErrors > 0.5"
        with pytest.raises(Failure, match=said):
            cicd_release.release(target, stage, arn)
    assert {answer(target, endpoint) for _ in range(8)} == {"2"}
