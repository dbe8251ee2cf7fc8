"""A version's own test split, with the reasons that its explainability check left."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest

from dashboard.scored import held_out
from mlops import executions

EXECUTION = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/churn/execution/abcdefghijkl"
PREDICTIONS = "tenure,Contract,Churn,predicted_label,probability\n2,One year,1,1,{}\n9,Two year,0,0,{}\n"
REPORT = "s3://bucket/check/analysis.json"


class S3:
    def __init__(self, shap: str) -> None:
        high, low = (1 / (1 + np.exp(-score)) for score in (1.0, -2.0))
        self._content = {
            "out/predictions.csv": PREDICTIONS.format(high, low),
            "check/explanations_shap/out.csv": shap,
        }

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        return {"Body": io.BytesIO(self._content[Key].encode())}


def read(monkeypatch: pytest.MonkeyPatch, shap: str) -> held_out.Scored:
    monkeypatch.setattr(executions, "output", lambda *_: "s3://bucket/out")
    package = {
        "MetadataProperties": {"GeneratedBy": EXECUTION},
        "ModelMetrics": {"Explainability": {"Report": {"S3Uri": REPORT}}},
    }
    return held_out.read(None, S3(shap), package, "Churn")


def test_predictions_with_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, '"tenure_label0","Contract_label0"\n0.5,1.0\n-1.0,-0.5\n')  # -0.5 beneath them all
    assert found.features.to_dict("records")[0] == {"tenure": "2", "Contract": "One year"}
    assert found.truth.tolist() == [1, 0]
    assert found.reasons == [{"tenure": 0.5, "Contract": 1.0}, {"tenure": -1.0, "Contract": -0.5}]


@pytest.mark.parametrize(
    "shap",
    [
        '"tenure_label0","Contract_label0"\n0.5,1.0\n-1.0,-1.5\n',  # does not add up: of other records
        '"tenure_label0","Contract_label0"\n0.5,1.0\n',
        '"tenure_label0"\n0.5\n-1.0\n',
    ],
)
def test_reasons_of_other_records_are_none_of_these(monkeypatch: pytest.MonkeyPatch, shap: str) -> None:
    assert read(monkeypatch, shap).reasons == [{}, {}]


def test_a_version_of_no_pipeline_has_no_test_split() -> None:
    with pytest.raises(LookupError, match="arn:x was registered by no pipeline"):
        held_out.read(None, None, {"ModelPackageArn": "arn:x"}, "Churn")
