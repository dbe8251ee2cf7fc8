"""Form fields from the baseline statistics that a model version carries."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from dashboard.endpoints import schema
from dashboard.endpoints.schema import Field


def numeric(name: str, kind: str, counts: list[int], *, mean: float = 5.0) -> dict[str, Any]:
    buckets = [{"lower_bound": i * 10.0, "upper_bound": (i + 1) * 10.0, "count": n} for i, n in enumerate(counts)]
    statistics = {"mean": mean, "min": 0.0, "max": 30.0, "distribution": {"kll": {"buckets": buckets}}}
    return {"name": name, "inferred_type": kind, "numerical_statistics": statistics}


def text(name: str, counts: dict[str, int]) -> dict[str, Any]:
    buckets = [{"value": value, "count": count} for value, count in counts.items()]
    distribution = {"categorical": {"buckets": buckets}}
    return {"name": name, "inferred_type": "String", "string_statistics": {"distribution": distribution}}


def test_a_category_offers_its_values_the_most_frequent_first() -> None:
    assert schema.fields({"features": [text("plan", {"b": 3, "a": 9})]}) == [Field("plan", "category", ("a", "b"))]


def test_a_text_of_many_values_is_typed_in() -> None:
    many = text("name", {f"n{i}": 1 for i in range(51)})
    assert schema.fields({"features": [many, text("note", {})]})[0].kind == "text"
    assert schema.fields({"features": [text("note", {})]})[0] == Field("note", "text")


def test_a_number_starts_at_its_median() -> None:
    features = [numeric("months", "Integral", [1, 1, 8]), numeric("paid", "Fractional", [5, 1, 1])]
    months, paid = schema.fields({"features": features})
    assert months == Field("months", "integer", low=0.0, high=30.0, middle=25.0)
    assert (paid.kind, paid.middle) == ("number", 5.0)


def test_a_number_without_a_histogram_starts_at_its_mean() -> None:
    assert schema.fields({"features": [numeric("months", "Integral", [], mean=7.4)]})[0].middle == 7.0


class S3:
    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        assert (Bucket, Key) == ("bucket", "a/statistics.json")
        return {"Body": io.BytesIO(json.dumps(self._content).encode())}


@pytest.mark.parametrize("member", ["DriftCheckBaselines", "ModelMetrics"])
def test_statistics_are_found_by_the_version(member: str) -> None:
    package = {member: {"ModelDataQuality": {"Statistics": {"S3Uri": "s3://bucket/a/statistics.json"}}}}
    assert schema.of_package(package, S3({"features": [text("plan", {"a": 1})]}))[0].name == "plan"


def test_an_answer_that_is_watched_beside_the_features_is_no_field_of_a_request() -> None:
    where = {"ModelDataQuality": {"Statistics": {"S3Uri": "s3://bucket/a/statistics.json"}}}
    statistics = {
        "features": [numeric("amount", "Fractional", [], mean=7.4), numeric("score", "Fractional", [], mean=0)]
    }
    for group, names in (("fraud", ["amount"]), ("returns", ["amount", "score"])):
        package = {"ModelPackageGroupName": group, "DriftCheckBaselines": where}
        assert [each.name for each in schema.of_package(package, S3(statistics))] == names


def test_a_version_without_a_baseline_says_what_to_do() -> None:
    with pytest.raises(LookupError, match=r"arn:x has no baseline statistics .*register it with a baseline"):
        schema.of_package({"ModelPackageArn": "arn:x"}, S3({}))
