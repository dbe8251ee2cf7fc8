"""Expressions over metrics, as alarms and scaling policies use them."""

from __future__ import annotations

from typing import Any

import pytest

from sagelocal.metric_math import ExpressionError, Series, check, evaluate

STAT = {"Metric": {"Namespace": "n", "MetricName": "m"}, "Stat": "Sum", "Period": 60}


def queries(expression: str, *names: str) -> list[dict[str, Any]]:
    metrics = [{"Id": name, "MetricStat": STAT, "ReturnData": False} for name in names]
    return [*metrics, {"Id": "result", "Expression": expression}]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a / b", [2.0, None, None]),
        ("FILL(a, 0) / b", [2.0, 0.0, None]),
        ("100 * (a - b) ^ 2", [400.0, None, 0.0]),
        ("IF(a > 3, 1, 0)", [1.0, 0.0, 0.0]),
        ("IF(FILL(a, 0) > 3 AND b > 1, a)", [4.0, None, None]),
        ("MAX([a, b])", [4.0, 5.0, 0.0]),
        ("SUM(METRICS()) / 2", [3.0, 2.5, 0.0]),
        ("MAX(a)", [4.0, 4.0, 4.0]),
        ("CEIL(-a / 3)", [-1.0, None, 0.0]),
    ],
)
def test_an_expression_has_a_value_where_its_metrics_have(expression: str, expected: Series) -> None:
    assert evaluate(queries(expression, "a", "b"), {"a": [4.0, None, 0.0], "b": [2.0, 5.0, 0.0]}) == expected


def test_expressions_build_on_each_other() -> None:
    built = [*queries("half * 3", "a"), {"Id": "half", "Expression": "a / 2", "ReturnData": False}]
    assert evaluate(built, {"a": [4.0]}) == [6.0]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("a +", "no expression"),
        ("missing + 1", "'missing'"),
        ("result + 1", "'result'"),
        ("ANOMALY_DETECTION_BAND(a)", "ANOMALY_DETECTION_BAND with 1 arguments is not implemented"),
        ("__import__('os')", "not implemented"),
        ("METRICS()", "one series"),
    ],
)
def test_what_cannot_be_calculated_is_said(expression: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        check(queries(expression, "a"))


def test_one_query_returns_data() -> None:
    with pytest.raises(ExpressionError, match="exactly one"):
        check([{"Id": "a", "MetricStat": STAT}, {"Id": "b", "MetricStat": STAT}])
