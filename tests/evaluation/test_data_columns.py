"""Columns of every kind: typed and as text, whole and in parts, and values that nobody expects."""

from __future__ import annotations

import datetime
import decimal
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

from data_columns import MAX_CATEGORIES, Column
from data_constraints import check, suggest
from data_statistics import describe, profile


def column(*pieces: pa.Array) -> Column:
    found = Column()
    for piece in pieces:
        found.add(piece)
    return found


def feature(values: pa.Array) -> dict[str, Any]:
    """As it stands in statistics.json, which has to be JSON without NaN and infinity."""
    statistics = describe(profile([pa.RecordBatch.from_arrays([values], ["x"])]))
    suggest(statistics)
    return json.loads(json.dumps(statistics, allow_nan=False))["features"][0]


@pytest.mark.parametrize(
    ("values", "kind", "present"),
    [
        (pa.array([1, None, 3]), "Integral", 2),
        (pa.array([1.0, float("nan"), 3.0]), "Integral", 2),
        (pa.array([1.5, None, 3.0]), "Fractional", 2),
        (pa.array([decimal.Decimal("1.25"), None]), "Fractional", 1),
        (pa.array([True, None, False]), "String", 2),
        (pa.array([datetime.date(2026, 3, 2), None]), "String", 1),
        (pa.array([datetime.datetime(2026, 3, 2, 10)]), "String", 1),
        (pa.array([[1, 2], None]), "String", 1),
        (pa.array([b"\xff\x00", None]), "String", 1),
        (pa.nulls(3), "Unknown", 0),
        (pa.array(["", None, " null "]), "Unknown", 0),
        (pa.array(["1", "nan", "2"]), "Integral", 2),
        (pa.array(["1", " 2.5", "+3"]), "Fractional", 3),
        (pa.array(["9" * 40, "1"]), "Integral", 2),
        (pa.array(["1", "0x10"]), "String", 2),
        (pa.array(["34", "a"]).dictionary_encode(), "String", 2),
        (pa.array([2**63, 5], pa.uint64()), "Integral", 2),
    ],
)
def test_types(values: pa.Array, kind: str, present: int) -> None:
    found = feature(values)
    assert found["inferred_type"] == kind
    body = found.get("numerical_statistics") or found["string_statistics"]
    assert body["common"] == {"num_present": present, "num_missing": len(values) - present}


@pytest.mark.parametrize(
    "values", [pa.array([1.5, float("inf"), 2.5]), *(pa.array(["1.5", text, "2.5"]) for text in ("Infinity", "1e999"))]
)
def test_an_infinity_is_a_value_of_no_type(values: pa.Array) -> None:
    found = column(values)
    assert (found.inferred_type, found.present, found.numbers, found.maximum) == ("Fractional", 3, 2, 2.5)
    statistics = describe(profile([pa.RecordBatch.from_pydict({"x": [1.5, 2.5]})]))
    (violation, *_) = check(suggest(statistics), statistics, profile([pa.RecordBatch.from_arrays([values], ["x"])]))[1]
    assert violation["constraint_check_type"] == "data_type_check"


def test_numbers_as_large_as_they_get() -> None:
    body = feature(pa.array([1.7e308, -1.7e308, 1.7e308]))["numerical_statistics"]
    assert body["max"] == 1.7e308
    assert body["std_dev"] > 0
    assert sum(bucket["count"] for bucket in body["distribution"]["kll"]["buckets"]) == 3


def test_a_constant_column() -> None:
    body = feature(pa.array([7] * 50))["numerical_statistics"]
    assert (body["std_dev"], body["min"], body["max"], body["mean"]) == (0, 7, 7, 7)
    assert len(body["distribution"]["kll"]["buckets"]) == 10


def test_booleans_are_one_category_however_they_are_written() -> None:
    found = column(pa.array([True, False, True]), pa.array(["True", "false"]))
    assert found.categories is not None
    assert found.categories.to_dict() == {"false": 2, "true": 3}


def test_ten_thousand_categories() -> None:
    values = pa.array([f"v{number % 10_000}" for number in range(30_000)])
    body = feature(values)["string_statistics"]
    assert body["distinct_count"] == pytest.approx(10_000, rel=0.05)
    assert body["distribution"]["categorical"]["buckets"] == []


def test_text_and_typed_say_the_same() -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": random.integers(18, 80, 3000),
            "price": random.gamma(4, 20, 3000).round(3) + 0.0001,
            "plan": random.choice(["basic", "pro"], 3000),
        }
    )
    typed = describe(profile([pa.RecordBatch.from_pandas(frame)]))
    text = describe(profile([frame.astype(str)]))
    for one, other in zip(typed["features"], text["features"], strict=True):
        assert one["inferred_type"] == other["inferred_type"]
        for member in ("numerical_statistics", "string_statistics"):
            for key in {"mean", "std_dev", "min", "max", "distinct_count"} & set(one.get(member, {})):
                assert one[member][key] == pytest.approx(other[member][key])


@pytest.mark.parametrize("count", [200, 4 * MAX_CATEGORIES])
def test_parts_travel_and_make_the_whole(count: int) -> None:
    random = np.random.default_rng(1)
    texts = pa.array([f"v{each}" for each in random.integers(0, count, 4000)])
    numbers = pa.array(random.normal(5, 2, 4000))
    for values in (texts, numbers):
        whole, merged = column(values), Column()
        for start in range(0, 4000, 1000):
            merged.merge(pickle.loads(pickle.dumps(column(values.slice(start, 1000)))))
        assert (merged.present, merged.kinds, merged.numbers) == (whole.present, whole.kinds, whole.numbers)
        assert (merged.mean, merged.squares) == pytest.approx((whole.mean, whole.squares))
        assert (merged.minimum, merged.maximum) == (whole.minimum, whole.maximum)
    assert merged.sketch.get_quantile(0.5) == pytest.approx(whole.sketch.get_quantile(0.5), abs=0.05)
    parts = Column()
    for start in range(0, 4000, 1000):
        parts.merge(column(texts.slice(start, 1000)))
    assert parts.distinct_count == pytest.approx(column(texts).distinct_count, rel=0.05)


def test_columns_of_one_name_stay_apart() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([1, 2]), pa.array(["a", "b"]), pa.array([3, 4])], ["x", "x", "x.1"])
    assert {name: each.inferred_type for name, each in profile([batch]).columns.items()} == {
        "x": "Integral",
        "x.1": "String",
        "x.1.1": "Integral",
    }
