"""Scores from elsewhere beside this project's: what is compared, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import rare_events_elsewhere as elsewhere
from rare_events_metrics import Events

ARGS = elsewhere.Args(Path(), Path(), Path(), Path(), top=1, resamples=50)
TRUTH = np.array([0, 1, 0, 0, 1, 0, 0, 1] * 5)
GOOD = np.where(TRUTH == 1, 0.9, 0.1) + np.linspace(0, 0.05, 40)


def events() -> Events:
    days = np.repeat([f"2026-05-{day:02d}" for day in range(1, 6)], 8)
    return Events(TRUTH, days, np.arange(40), np.full(40, 50.0), TRUTH)


def compared(theirs: np.ndarray) -> Any:
    return elsewhere.compare(events(), GOOD, GOOD > 0.5, theirs, ARGS, 10.0)


def test_scores_in_another_unit_are_as_good() -> None:
    found = compared(GOOD * 1000)
    assert found["ours"] == found["theirs"]
    assert found["lead"]["difference"] == 0
    assert found["ours"] == {
        "average_precision": {**found["ours"]["average_precision"], "value": 1.0},
        "card_precision": 1.0,
        "alerts": 15,
        "recall": 1.0,
        "cost_a_day": 30.0,  # three alerts of 10 euros, nothing missed
    }


def test_worse_ones_are_worse_at_as_many_alerts() -> None:
    found = compared(-GOOD)
    assert found["theirs"]["alerts"] == 15
    assert found["theirs"]["recall"] == 0
    assert found["theirs"]["cost_a_day"] == 30 + 3 * 50
    assert found["lead"]["interval"][0] > 0.5
    assert "a lead of +0." in elsewhere.sentence(found)


def test_scores_go_by_transaction_and_all_have_one() -> None:
    ids = pd.Series([3, 1, 2])
    scores = pd.DataFrame({"transaction_id": [1, 2, 3, 4], "score": [10, 20, 30, 40]})
    assert elsewhere.matched(ids, scores).tolist() == [30, 10, 20]
    with pytest.raises(ValueError, match="1 of 3 transactions have no score, 2 first"):
        elsewhere.matched(ids, scores[scores["transaction_id"] != 2])
    with pytest.raises(ValueError, match="no column score, but transaction_id, points"):
        elsewhere.matched(ids, scores.rename(columns={"score": "points"}))
