"""A model's input schema, as its version's baseline statistics tell it.

The statistics.json of Model Monitor's shape holds each feature's type, values and range in the training data; the
version carries it as `DriftCheckBaselines` or `ModelMetrics`, `ModelDataQuality.Statistics`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from deploy import declaration
from mlops import storage

_KINDS = {"String": "category", "Integral": "integer", "Fractional": "number"}
_MOST_VALUES = 50  # of a category that is chosen from a list; with more it is free text


@dataclass(frozen=True)
class Field:
    """One feature. `values` are a category's, the most frequent first; a number has a range and a median."""

    name: str
    kind: str  # category, text, integer or number
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    middle: float = 0.0


def of_package(package: Mapping[str, Any], s3: Any) -> list[Field]:
    """The fields of a DescribeModelPackage response. Raises LookupError when the version has no baseline."""
    use_case = package.get("ModelPackageGroupName", "")
    answers = {each.answer for each in declaration.monitored(use_case).values()}  # beside the features in the baseline
    for member in ("DriftCheckBaselines", "ModelMetrics"):
        if uri := package.get(member, {}).get("ModelDataQuality", {}).get("Statistics", {}).get("S3Uri"):
            return [each for each in fields(storage.read_json(s3, uri)) if each.name not in answers]
    raise LookupError(
        f"{package['ModelPackageArn']} has no baseline statistics (ModelDataQuality), which tell what a request holds: "
        "register it with a baseline step, as pipelines/steps.py does."
    )


def fields(statistics: Mapping[str, Any]) -> list[Field]:
    """In the order of the statistics, which is the order of a CSV request."""
    return [_field(feature) for feature in statistics["features"]]


def _field(feature: Mapping[str, Any]) -> Field:
    name = feature["name"]
    if numbers := feature.get("numerical_statistics"):
        kind = _KINDS.get(feature["inferred_type"], "number")
        return Field(name, kind, low=numbers["min"], high=numbers["max"], middle=_median(numbers, kind))
    buckets = feature.get("string_statistics", {}).get("distribution", {}).get("categorical", {}).get("buckets", [])
    common = sorted(buckets, key=lambda bucket: -bucket["count"])
    kind = "category" if 0 < len(common) <= _MOST_VALUES else "text"
    return Field(name, kind, tuple(str(bucket["value"]) for bucket in common))


def _median(numbers: Mapping[str, Any], kind: str) -> float:
    """The middle of the histogram's bucket in which half of the values are reached; the mean without a histogram."""
    buckets = numbers.get("distribution", {}).get("kll", {}).get("buckets", [])
    found = numbers["mean"]
    for bucket, reached in zip(buckets, accumulate(bucket["count"] for bucket in buckets), strict=True):
        if reached >= sum(each["count"] for each in buckets) / 2:
            found = (bucket["lower_bound"] + bucket["upper_bound"]) / 2
            break
    return float(round(found)) if kind == "integer" else round(found, 2)
