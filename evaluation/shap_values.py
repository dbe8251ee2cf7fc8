"""Kernel SHAP (Lundberg and Lee 2017, https://arxiv.org/abs/1705.07874) of a model that only answers requests."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from analysis_data import Dataset, column
from analysis_model import Model

SMALLEST_NDCG = 0.9  # developer guide, "Model feature attribution drift violations"
AGGREGATES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean_abs": lambda values: np.abs(values).mean(axis=0),
    "median": lambda values: np.median(values, axis=0),
    "mean_sq": lambda values: (values**2).mean(axis=0),
}


def explain(config: dict[str, Any], dataset: Dataset, model: Model, output: Path) -> dict[str, Any]:
    """`explanations.kernel_shap` of analysis.json; local values go to explanations_shap/out.csv unless switched off.

    Columns of `features_to_explain` alone are varied, if it is given. Numbers and texts both become codes here, and the
    model is asked for what they stand for: the explainer never computes with a value, it only puts one for another.
    """
    import shap

    aggregate = AGGREGATES.get(str(config.get("agg_method", "mean_abs")).lower())
    if aggregate is None:
        raise ValueError(f"methods.shap.agg_method is {config['agg_method']!r}: {', '.join(AGGREGATES)} are known")
    features = dataset.features
    baseline = _baseline(config, features)
    wanted = [column(features, each) for each in config.get("features_to_explain") or features.columns]
    values = {name: pd.concat([baseline[name], features[name]]).drop_duplicates().tolist() for name in wanted}
    fixed = baseline.iloc[0]

    def predict(codes: np.ndarray) -> np.ndarray:
        table = pd.DataFrame(
            {
                name: [values[name][int(code)] for code in codes[:, wanted.index(name)]]
                if name in values
                else [fixed[name]] * len(codes)
                for name in features.columns
            }
        )
        return model.scores(table)

    def encoded(table: pd.DataFrame) -> np.ndarray:
        positions = {name: {_key(value): code for code, value in enumerate(values[name])} for name in wanted}
        return np.array([[positions[name][_key(row[name])] for name in wanted] for _, row in table.iterrows()], float)

    explainer = shap.KernelExplainer(
        predict, encoded(baseline), link="logit" if config.get("use_logit") else "identity", seed=config.get("seed", 0)
    )
    samples = config.get("num_samples") or "auto"
    found = np.asarray(explainer.shap_values(encoded(features), nsamples=samples, silent=True, l1_reg=0))
    found = found[:, :, np.newaxis] if found.ndim == 2 else found
    expected = np.atleast_1d(explainer.expected_value)
    labels = [str(each) for each in model.label_headers] if len(model.label_headers) == found.shape[2] else []
    labels = labels or [f"label{number}" for number in range(found.shape[2])]
    if config.get("save_local_shap_values", True):
        _save(found, wanted, labels, baseline, output / "explanations_shap")
    return {
        label: {
            "global_shap_values": dict(zip(wanted, aggregate(found[:, :, number]).tolist(), strict=True)),
            "expected_value": float(expected[number]),
        }
        for number, label in enumerate(labels)
    }


def compare(found: dict[str, Any], baseline: dict[str, Any]) -> list[dict[str, str]]:
    """Violations: labels whose ranking of features is no longer the baseline's."""
    from sklearn.metrics import ndcg_score

    violations = []
    for label, new in found.items():
        old = (baseline.get(label) or {}).get("global_shap_values") or {}
        names = [name for name in old if name in new["global_shap_values"]]
        if len(names) < 2:
            continue
        relevance, ranking = ([[abs(side[name]) for name in names]] for side in (old, new["global_shap_values"]))
        score = float(ndcg_score(relevance, ranking))
        if score < SMALLEST_NDCG:
            violations.append(
                {
                    "label": label,
                    "metric_name": "shap",
                    "constraint_check_type": "feature_attribution_drift_check",
                    "description": f"Feature attribution drift {score} exceeds threshold {SMALLEST_NDCG}",
                }
            )
    return violations


def _baseline(config: dict[str, Any], features: pd.DataFrame) -> pd.DataFrame:
    """The rows that stand for absent features: given inline or on S3, else means and most frequent values."""
    given = config.get("baseline")
    if isinstance(given, str):
        given = _fetched(given)
    if given is not None:
        if any(not isinstance(row, list) or len(row) != len(features.columns) for row in given):
            raise ValueError(f"methods.shap.baseline must have rows of {len(features.columns)} values: the features'")
        return pd.DataFrame(given, columns=features.columns)
    if config.get("num_clusters", 1) > 1:
        return _clustered(features, config["num_clusters"], config.get("seed", 0))
    numeric = pd.api.types.is_numeric_dtype
    row = {
        name: features[name].mean() if numeric(features[name]) else features[name].mode().iloc[0] for name in features
    }
    return pd.DataFrame([row])


def _clustered(features: pd.DataFrame, count: int, seed: int) -> pd.DataFrame:
    from sklearn.cluster import KMeans

    texts = [str(name) for name in features if not pd.api.types.is_numeric_dtype(features[name])]
    if texts:
        raise ValueError(
            f"methods.shap.num_clusters needs numeric features; {', '.join(texts)} are text: give a baseline"
        )
    centers = KMeans(count, n_init="auto", random_state=seed).fit(features.to_numpy(float)).cluster_centers_
    return pd.DataFrame(centers, columns=features.columns)


def _fetched(uri: str) -> list[list[Any]]:
    import boto3

    bucket, _, key = uri.removeprefix("s3://").partition("/")
    body = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return pd.read_csv(io.BytesIO(body), header=None).to_numpy(dtype=object).tolist()


def _save(found: np.ndarray, names: list[str], labels: list[str], baseline: pd.DataFrame, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    columns = {
        f"{name}_{label}": found[:, position, number]
        for number, label in enumerate(labels)
        for position, name in enumerate(names)
    }
    pd.DataFrame(columns).to_csv(folder / "out.csv", index=False)
    baseline.to_csv(folder / "baseline.csv", index=False)


def _key(value: Any) -> Any:
    """Missing values are equal here."""
    return None if isinstance(value, float) and np.isnan(value) else value
