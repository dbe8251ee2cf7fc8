"""How much each feature moves a model's answers: SHAP values of records, what they add up to, and their drift.

Kernel SHAP (Lundberg and Lee 2017, https://arxiv.org/abs/1705.07874) asks any model that answers requests; TreeSHAP
(Lundberg et al. 2020, https://arxiv.org/abs/1905.04610) follows a model artifact's trees and is exact and quick.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from analysis_data import column
from analysis_model import Model
from feature_ranking import SMALLEST_NDCG, ndcg

SHOWN = 2000  # records whose values a report plots
AGGREGATES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mean_abs": lambda values: np.abs(values).mean(axis=0),
    "median": lambda values: np.median(values, axis=0),
    "mean_sq": lambda values: (values**2).mean(axis=0),
}
METHODS = {"kernel_shap": "KernelShap", "tree_shap": "TreeShap"}  # in analysis.json, in CloudWatch's dimensions


class Values(NamedTuple):
    """SHAP values of some records: shape (records, features, labels), and the features' own values."""

    found: np.ndarray
    features: pd.DataFrame


@dataclass
class Explanation:
    """Global values of a dataset, and of some records the local ones."""

    method: str  # a key of METHODS
    names: list[str]
    labels: list[str]
    overall: np.ndarray  # shape (features, labels)
    expected: np.ndarray  # shape (labels,)
    records: int
    shown: Values

    def document(self) -> dict[str, Any]:
        """A label's global values and expected value: the shape of Clarify's kernel_shap."""
        return {
            label: {
                "global_shap_values": dict(zip(self.names, self.overall[:, number].tolist(), strict=True)),
                "expected_value": float(self.expected[number]),
            }
            for number, label in enumerate(self.labels)
        }


def aggregation(config: dict[str, Any]) -> str:
    """Raises ValueError for an agg_method that is unknown."""
    name = str(config.get("agg_method") or "mean_abs").lower()
    if name not in AGGREGATES:
        raise ValueError(f"methods.shap.agg_method is {config['agg_method']!r}: {', '.join(AGGREGATES)} are known")
    return name


@dataclass
class Summary:
    """Adds up local values a part at a time, writes them to `out.csv`, and keeps the first SHOWN for the report."""

    method: str
    aggregate: str
    out: Path | None  # explanations_shap/out.csv
    kept: list[Values] = field(default_factory=list)
    total: Any = 0.0
    records: int = 0

    def take(
        self, parts: Iterable[Values], names: list[str], labels: Sequence[str], expected: Callable[[], np.ndarray]
    ) -> Explanation:
        """Raises ValueError for no records."""
        with tempfile.TemporaryFile() as raw:  # a median needs all values at once
            for part in self._written(parts, names, labels):
                self.total = self.total + self._sums(part.found)
                self.records += len(part.found)
                if (missing := SHOWN - sum(len(each.found) for each in self.kept)) > 0:
                    self.kept.append(Values(part.found[:missing], part.features.iloc[:missing]))
                if self.aggregate == "median":
                    raw.write(np.ascontiguousarray(part.found, np.float64).tobytes())
            if not self.records:
                raise ValueError("the dataset has no records to explain")
            overall = self.total / self.records
            if self.aggregate == "median":
                raw.flush()
                values: np.ndarray = np.memmap(raw, np.float64, "r", shape=(self.records, len(names), len(labels)))
                overall = np.array([np.median(values[:, number], axis=0) for number in range(len(names))])
        shown = Values(
            np.concatenate([each.found for each in self.kept]), pd.concat([each.features for each in self.kept])
        )
        return Explanation(self.method, names, list(labels), overall, expected(), self.records, shown)

    def _sums(self, found: np.ndarray) -> np.ndarray:
        return (np.abs(found) if self.aggregate == "mean_abs" else found**2).sum(axis=0)

    def _written(self, parts: Iterable[Values], names: list[str], labels: Sequence[str]) -> Iterator[Values]:
        """Columns are named feature_label, label after label."""
        if self.out is None:
            yield from parts
            return
        import pyarrow
        from pyarrow import csv

        self.out.parent.mkdir(parents=True, exist_ok=True)
        columns = [f"{name}_{label}" for label in labels for name in names]
        schema = pyarrow.schema([(name, pyarrow.float64()) for name in columns])
        with csv.CSVWriter(self.out, schema) as writer:
            for part in parts:
                flat = part.found.transpose(0, 2, 1).reshape(len(part.found), -1)
                arrays = [pyarrow.array(np.ascontiguousarray(flat[:, at], np.float64)) for at in range(flat.shape[1])]
                writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
                yield part


def library() -> Any:
    """The library shap, which takes seconds to import. Raises ModuleNotFoundError with the remedy."""
    try:
        import shap
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Kernel SHAP, and trees without an explain_fn, need the library shap: pip install shap, or in a job "
            "evaluation/explainability_by_shap.py, whose requirements have it"
        ) from error
    return shap


def kernel(config: dict[str, Any], features: pd.DataFrame, model: Model, output: Path) -> Explanation:
    """Kernel SHAP; local values and the baseline go to explanations_shap/ unless switched off.

    Columns of `features_to_explain` alone are varied, if it is given. Numbers and texts both become codes here, and the
    model is asked for what they stand for: the explainer never computes with a value, it only puts one for another.
    """
    shap = library()
    aggregate = aggregation(config)
    baseline = _baseline(config, features)
    wanted = [column(list(features), each) for each in config.get("features_to_explain") or features.columns]
    values = {}
    codes = {}
    for name in wanted:  # the baseline's values come first
        both = pd.concat([baseline[name], features[name]], ignore_index=True)
        codes[name], distinct = pd.factorize(both, use_na_sentinel=False)
        values[name] = distinct
    coded = np.column_stack([codes[name] for name in wanted]).astype(float)
    fixed = baseline.iloc[0]

    def predict(asked: np.ndarray) -> np.ndarray:
        at = asked.astype(np.intp)
        table = {name: [fixed[name]] * len(at) for name in features.columns if name not in values}
        table |= {name: values[name].take(at[:, number]) for number, name in enumerate(wanted)}
        return model.scores(pd.DataFrame(table)[list(features.columns)])

    explainer = shap.KernelExplainer(
        predict,
        coded[: len(baseline)],
        link="logit" if config.get("use_logit") else "identity",
        seed=config.get("seed") or 0,
    )
    samples = config.get("num_samples") or "auto"
    found = np.asarray(explainer.shap_values(coded[len(baseline) :], nsamples=samples, silent=True, l1_reg=0))
    found = found[:, :, np.newaxis] if found.ndim == 2 else found
    labels = [str(each) for each in model.label_headers] if len(model.label_headers) == found.shape[2] else []
    labels = labels or [f"label{number}" for number in range(found.shape[2])]
    out = output / "explanations_shap" / "out.csv" if config.get("save_local_shap_values", True) else None
    part = Values(found, features[wanted])
    expected = np.atleast_1d(explainer.expected_value)
    explanation = Summary("kernel_shap", aggregate, out).take([part], wanted, labels, lambda: expected)
    if out:
        baseline.to_csv(out.with_name("baseline.csv"), index=False)
    return explanation


def compare(found: dict[str, Any], baseline: dict[str, Any]) -> list[dict[str, str]]:
    """Violations: labels whose ranking of features is no longer the baseline's. Both are a method's, by label."""
    violations = []
    for label, new in found.items():
        score = ndcg((baseline.get(label) or {}).get("global_shap_values") or {}, new["global_shap_values"])
        if score is not None and score < SMALLEST_NDCG:
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
    if (config.get("num_clusters") or 1) > 1:
        return _clustered(features, config["num_clusters"], config.get("seed") or 0)
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
