"""An A/B test from two registered versions to the winner alone, on a running sagelocal."""

from __future__ import annotations

import io
import json
import os
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from deploy import declaration, registry
from deploy.declaration import Alarm, Deployment
from deploy.strategies import Canary
from mlops import abtest, labels, promotion, targets, traffic
from mlops.errors import Failure
from mlops.targets import LAPTOP, Target
from sagelocal.config import Settings

NAME, STAGE = "churn-staging", "staging"
IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
ENVIRONMENT = {
    "SAGEMAKER_PROGRAM": "inference.py",
    "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code",
    "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
}
# A record is its truth and how hard it is, 0 to 1: a model is right about all that are easier than it can.
HANDLER = """
def model_fn(model_dir):
    return {skill}

def transform_fn(skill, body, content_type, accept):
    truth, difficulty = body.strip().split(",")
    right = float(difficulty) < skill
    answer = int(truth) if right else 1 - int(truth)
    return f"{0.9 if answer else 0.1},{answer}", accept
"""
SHORT = Deployment(strategy=Canary("50%", 1, 0), alarms=(Alarm("Invocation5XXErrors", 0.5),))


@pytest.fixture
def target(laptop: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Target]:
    before = dict(os.environ)
    targets.enter_laptop(laptop, os.environ)
    monkeypatch.setattr(declaration, "find", lambda use_case, stage: SHORT)
    yield Target(LAPTOP, laptop.account, laptop.region, boto3.Session(), laptop)
    os.environ.clear()
    os.environ.update(before)


def register(target: Target, skill: float) -> None:
    sagemaker, bucket = target.client("sagemaker"), target.place.bucket
    registry.ensure_group(sagemaker, "churn")
    buffer, code = io.BytesIO(), HANDLER.replace("{skill}", str(skill)).encode()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        entry = tarfile.TarInfo("code/inference.py")
        entry.size = len(code)
        packed.addfile(entry, io.BytesIO(code))
    key = f"models/{skill}/model.tar.gz"
    target.client("s3").put_object(Bucket=bucket, Key=key, Body=buffer.getvalue())
    container = {"Image": IMAGE, "ModelDataUrl": f"s3://{bucket}/{key}", "Environment": ENVIRONMENT}
    sagemaker.create_model_package(
        ModelPackageGroupName="churn",
        ModelApprovalStatus="Approved",
        InferenceSpecification={
            "Containers": [container],
            "SupportedContentTypes": ["text/csv"],
            "SupportedResponseMIMETypes": ["text/csv"],
        },
    )


def people(target: Target, folder: Path, count: int, seed: int) -> None:
    """Asks about so many, then tells what became of them."""
    draw = random.Random(seed)
    records = [(draw.randint(0, 1), draw.random()) for _ in range(count)]
    sent = traffic.replay(target, NAME, [f"{truth},{difficulty:.6f}" for truth, difficulty in records])
    rows = [f"{sent.batch}-{number},{'Yes' if truth else 'No'}" for number, (truth, _) in enumerate(records)]
    (file := folder / "labels.csv").write_text("inference_id,Churn\n" + "\n".join(rows) + "\n")
    labels.label(target, "churn", STAGE, file, None, "Churn")


@pytest.mark.namespaces
def test_from_two_versions_to_the_better_one(
    target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for skill in (0.65, 0.9):
        register(target, skill)
    with pytest.raises(LookupError, match="No A/B test of churn-staging runs"):
        promotion.promote(target, "churn", STAGE, None, tmp_path)
    options = abtest.Options(1, 2, effect=0.15, baseline=0.65)
    abtest.start(target, "churn", STAGE, options, yes=True)
    assert "276 labelled records" in capsys.readouterr().out
    with pytest.raises(Failure, match="runs"):
        abtest.start(target, "churn", STAGE, options)
    people(target, tmp_path, 60, seed=1)
    early = abtest.look(target, "churn", STAGE, tmp_path)
    assert (early["outcome"], early["winner"], early["decided"]) == ("open", "", False)
    with pytest.raises(Failure, match="Nothing is decided yet.*--yes --reason"):
        promotion.promote(target, "churn", STAGE, None, tmp_path)
    people(target, tmp_path, 500, seed=2)
    assert promotion.promote(target, "churn", STAGE, None, tmp_path) == "B"
    described = target.client("sagemaker").describe_endpoint(EndpointName=NAME)
    print(json.dumps(described, default=str, indent=1))
