"""SHAP values in words."""

from __future__ import annotations

from dashboard.scored import reasons

PHRASES = {"Contract": "{} contract"}
RECORD = {"Contract": "Month-to-month", "tenure": "2", "gender": "", "Partner": "{}"}


def test_what_raises_the_score_the_strongest_first() -> None:
    shap = {"tenure": 0.2, "Contract": 0.9, "gender": 0.1, "Partner": -2.0}
    assert reasons.words(shap, RECORD, PHRASES) == "Month-to-month contract; tenure: 2; gender: unknown"
    assert reasons.words(shap, RECORD, PHRASES, count=1) == "Month-to-month contract"


def test_nothing_raises_it_or_nothing_is_known() -> None:
    assert reasons.words({"tenure": -1.0}, RECORD, PHRASES) == ""
    assert reasons.words({}, RECORD, PHRASES) == ""


def test_a_value_with_braces_is_text() -> None:
    assert reasons.words({"Partner": 1.0}, RECORD, PHRASES) == "Partner: {}"
