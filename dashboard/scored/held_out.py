"""The records that a registered version was judged by: what it predicted, what was true, and why, without asking it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from botocore.exceptions import ClientError

from dashboard import objects
from dashboard.scored.records import Scored
from mlops import executions, storage

_PREDICTED, _PROBABILITY = "predicted_label", "probability"
_CLASS = "_label0"  # ends the columns of Clarify's local SHAP values


def evaluation(s3: Any, package: Mapping[str, Any]) -> dict[str, Any]:
    """The evaluation.json of a DescribeModelPackage response; empty for a version that names none."""
    uri = package.get("CustomerMetadataProperties", {}).get("Evaluation", "")
    return dict(storage.read_json(s3, uri)) if uri else {}


def known(package: Mapping[str, Any]) -> bool:
    """Whether an execution registered the version, which then has a test split."""
    return "/execution/" in package.get("MetadataProperties", {}).get("GeneratedBy", "")


def read(sagemaker: Any, s3: Any, package: Mapping[str, Any], label: str) -> Scored:
    """The test split, as the execution that registered the version left it.

    Raises LookupError for a version that no execution of ours registered, or whose files are gone.
    """
    if not known(package):
        raise LookupError(
            f"{package['ModelPackageArn']} was registered by no pipeline, so its test split is not known."
        )
    folder = executions.output(sagemaker, package["MetadataProperties"]["GeneratedBy"], "Evaluate", "predictions")
    table = _csv(s3, f"{folder}/predictions.csv", dtype=str, keep_default_na=False)
    features = table.drop(columns=[label, _PREDICTED, _PROBABILITY])
    probability = table[_PROBABILITY].astype(float).to_numpy()
    return Scored(
        features=features,
        ids=[f"test-{number}" for number in range(len(table))],
        probability=probability,
        truth=pd.to_numeric(table[label], errors="coerce").to_numpy(float),
        reasons=_reasons(s3, package, list(features.columns), probability),
    )


def _reasons(
    s3: Any, package: Mapping[str, Any], features: list[str], probability: np.ndarray
) -> list[dict[str, float]]:
    """Clarify's local explanations, beside its analysis.json; empty ones where they are not of these records."""
    nothing: list[dict[str, float]] = [{} for _ in probability]
    uri = package.get("ModelMetrics", {}).get("Explainability", {}).get("Report", {}).get("S3Uri", "")
    if not uri:
        return nothing
    folder = uri.rpartition("/")[0]
    try:
        table = _csv(s3, f"{folder}/explanations_shap/out.csv")
    except ClientError as error:
        if error.response["Error"]["Code"] in objects.GONE:
            return nothing
        raise
    table = table.rename(columns=lambda name: str(name).removesuffix(_CLASS)).reindex(columns=features)
    if len(table) != len(probability) or table.isna().any(axis=None) or not _fit(table.sum(axis=1), probability):
        return nothing
    return [dict(zip(features, row, strict=True)) for row in table.to_numpy().tolist()]


def _fit(sums: Any, probability: np.ndarray) -> bool:
    """SHAP values add up to the score, but for a constant: in log-odds, or as probabilities."""
    bounded = np.clip(probability, 1e-9, 1 - 1e-9)
    scores = (np.log(bounded / (1 - bounded)), probability)
    return any(float(np.ptp(np.asarray(sums) - score)) < 0.01 * max(1.0, float(np.ptp(score))) for score in scores)


def _csv(s3: Any, uri: str, **options: Any) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(storage.read(s3, uri, storage.LARGEST)), **options)
