"""What the page says of the assumptions' tests: a small p is no verdict by itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import linear_assumptions
from analysis_report import Table


def found_by_tests(p: float = 1e-9, **changes: float) -> dict[str, Any]:
    return {
        "linearity": {"statistic": 5.0, "p": p, "bend": changes.get("bend", 0.1)},
        "homoscedasticity": {"statistic": 20.0, "p": p, "ratio": changes.get("ratio", 1.1)},
        "normality": {"statistic": 90.0, "p": p, "skew": 0.1, "excess_kurtosis": changes.get("kurtosis", 0.2)},
        "autocorrelation": {"durbin_watson": changes.get("watson", 1.95)},
        "neighbours": {"correlation": changes.get("correlation", 0.02), "p": p},
        "fitted": [1.0, 2.0, 3.0],
        "residual": [0.1, -0.2, 0.1],
    }


def verdicts(found: dict[str, Any]) -> list[str]:
    return [row[-1].text for row in linear_assumptions.rows(found)]


def test_a_violation_has_to_be_found_and_to_matter() -> None:
    assert verdicts(found_by_tests(p=0.4)) == ["holds"] * 5
    assert verdicts(found_by_tests()) == ["found, but small"] * 3 + ["holds", "found, but small"]
    large = found_by_tests(bend=0.5, ratio=0.4, kurtosis=9, watson=1.2, correlation=0.3)
    assert verdicts(large) == ["violated"] * 5


def test_the_page_has_a_table_for_each_target_and_says_what_is_collinear() -> None:
    found = {
        "model": "all features",
        "remedy": "Ridge.",
        "targets": {"price": found_by_tests(), "log price": found_by_tests()},
        "vif": {"sum": None, "area": 12.5, "age": 1.5},
    }
    sections = linear_assumptions.sections(found)
    tables = [each for each in sections if isinstance(each, Table)]
    assert [each.title for each in tables] == [
        "Assumptions: price",
        "Assumptions: log price",
        "Multicollinearity of the numbers",
    ]
    assert [row[1] for row in tables[-1].rows] == ["exactly given by the others", "12.5", "1.5"]
    assert "2 of 3 are above 10" in tables[-1].note
    assert len(sections[3].figure()) == 4  # type: ignore[union-attr, operator]


@pytest.mark.parametrize(("p", "text"), [(0.0001, "< 0.001"), (0.25, "0.250")])
def test_a_p_is_said_to_three_digits(p: float, text: str) -> None:
    assert linear_assumptions.small(p) == text
