"""A candidate against the model in service: real artifacts, whose handlers have files of the same names."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pytest
from moto import mock_aws

FOLDER = Path(__file__).parents[2] / "evaluation"
HANDLER = """
import json
import pathlib
import pandas as pd
import beside

def model_fn(folder):
    return json.loads(pathlib.Path(folder, "metadata.json").read_text())

def input_fn(body, content_type):
    return pd.DataFrame(json.loads(body))

def predict_fn(data, model):
    return pd.DataFrame({"probability": 0.5 + beside.SIGN * data["x"] / 10, "label": 0})
"""


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """current_model and model_artifact, imported as the script does that stands beside them."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    import current_model  # type: ignore[import-not-found]
    import model_artifact  # type: ignore[import-not-found]

    yield current_model, model_artifact
    for name in set(sys.modules) - before:
        if name in ("current_model", "model_artifact", "classification_metrics", "inference", "beside"):
            del sys.modules[name]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="models")
        yield client


def archive(sign: int) -> bytes:
    written = io.BytesIO()
    members = {
        "code/inference.py": HANDLER,
        "code/beside.py": f"SIGN = {sign}\n",
        "metadata.json": json.dumps({"label": "left"}),
    }
    with tarfile.open(fileobj=written, mode="w:gz") as bundle:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            bundle.addfile(member, io.BytesIO(text.encode()))
    return written.getvalue()


def test_each_model_is_judged_with_its_own_code_and_the_lead_has_an_interval(
    modules: tuple[Any, Any], bucket: Any, tmp_path: Path
) -> None:
    current_model, model_artifact = modules
    bucket.put_object(Bucket="models", Key="old/model.tar.gz", Body=archive(-1))
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.tar.gz").write_bytes(archive(1))
    records = pd.DataFrame({"x": np.linspace(-4, 4, 200)})
    answers = (records["x"].to_numpy() > 0).astype(int)
    (tmp_path / "workspace").mkdir()
    candidate = model_artifact.load(tmp_path / "model", tmp_path / "workspace")
    scores = candidate.predict(candidate.records(records))["probability"].to_numpy()
    found = current_model.compare("s3://models/old/model.tar.gz", records, answers, scores, resamples=200, seed=0)
    assert found["auc"]["candidate"] == pytest.approx(1)
    assert found["auc"]["current"] == pytest.approx(0)  # with its own `beside`, not the candidate's
    lead = found["average_precision"]["lead"]
    assert lead["value"] == pytest.approx(
        found["average_precision"]["candidate"] - found["average_precision"]["current"]
    )
    assert 0 < lead["confidence_interval"]["lower"] <= lead["value"] <= lead["confidence_interval"]["upper"]
    assert "candidate 1.000, in service" in current_model.sentence(found)


def test_the_same_model_has_no_lead(modules: tuple[Any, Any], bucket: Any) -> None:
    current_model, _ = modules
    bucket.put_object(Bucket="models", Key="old/model.tar.gz", Body=archive(1))
    records = pd.DataFrame({"x": np.linspace(-4, 4, 200)})
    answers = (records["x"].to_numpy() > 1).astype(int)
    scores = 0.5 + records["x"].to_numpy() / 10
    found = current_model.compare("s3://models/old/model.tar.gz", records, answers, scores, resamples=50, seed=0)
    assert found["average_precision"]["lead"] == {
        "value": 0.0,
        "confidence_interval": {"level": 0.95, "lower": 0.0, "upper": 0.0},
    }


def test_without_a_model_in_service_the_lead_is_all_that_there_is(modules: tuple[Any, Any]) -> None:
    current_model, _ = modules
    answers, scores = np.array([0, 1, 0, 1] * 10), np.array([0.1, 0.9, 0.2, 0.8] * 10)
    found = current_model.compare("none", pd.DataFrame(), answers, scores, resamples=20, seed=0)
    assert found["average_precision"]["lead"]["value"] == found["average_precision"]["candidate"] == 1.0
    assert current_model.sentence(found) == "no model in service to compare with"
