"""Alerts day by day as far as their truth is known, and a challenger against the champion."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "evaluation")]

import rare_events_challenger as challenger  # noqa: E402
import rare_events_daily as daily  # noqa: E402


def day(name: str, truth: list[Any], score: list[float], alert: list[int], scenario: list[int]) -> pd.DataFrame:
    columns = {"truth": truth, "score": score, "alert": alert, "scenario": scenario}
    return pd.DataFrame({**columns, "day": name, "card": range(len(truth)), "amount": 10.0, "model": "1"}).astype(
        {"truth": float}
    )


KNOWN = day("2026-06-01", [1, 1, 1, 0, 0, 0], [0.9, 0.8, 0.1, 0.7, 0.2, 0.0], [1, 1, 0, 1, 0, 0], [2, 2, 4, 0, 0, 0])


def test_a_day_is_judged_when_all_of_it_is_known() -> None:
    half = day("2026-06-02", [1, None, None], [0.9, 0.5, 0.1], [1, 0, 0], [2, 0, 0])
    days = daily.by_day(pd.concat([half, KNOWN]), top=2)
    assert list(days.index) == ["2026-06-01", "2026-06-02"]
    first, second = (row for _, row in days.iterrows())
    assert (first["known"], second["known"]) == (1, pytest.approx(1 / 3))
    assert (first["frauds"], first["alerts"], first["precision"], first["recall"]) == (3, 3, 2 / 3, 2 / 3)
    assert first["average_precision"] == pytest.approx((1 + 1 + 3 / 5) / 3)
    assert (first["card_precision"], first["possible"], first["missed"]) == (1.0, 1.0, 10.0)
    assert (first["recall_2"], first["recall_4"], first["frauds_4"]) == (1.0, 0.0, 1.0)
    assert second[["average_precision", "recall"]].isna().all()
    assert second["transactions"] == 3


def test_too_few_frauds_have_no_average_precision_and_cards_follow_the_volume() -> None:
    assert np.isnan(daily.by_day(KNOWN.iloc[[0, 3, 4]], top=1)["average_precision"].iloc[0])
    assert daily.by_day(KNOWN)["cards"].iloc[0] == 1
    many = pd.concat([KNOWN.iloc[[5]]] * 920, ignore_index=True)
    assert daily.by_day(many)["cards"].iloc[0] == 10


def test_a_days_average_precision_has_limits_that_are_wider_where_few_cards_have_all_frauds() -> None:
    truth = (np.arange(400) < 40).astype(float)
    score = np.linspace(0.9, 0.1, 400)
    score[:20], score[20:40] = 1.0, 0.05  # half of them is found at once
    table = day("2026-06-01", list(truth), list(score), [0] * 400, [2] * 400)
    two_cards = table.assign(card=np.where(truth == 1, np.arange(400) // 20, table["card"]))
    first, second = (daily.by_day(each).iloc[0] for each in (table, two_cards))
    widths = [each["average_precision_high"] - each["average_precision_low"] for each in (first, second)]
    for each in (first, second):
        assert each["average_precision_low"] < each["average_precision"] < each["average_precision_high"]
    assert 0 < widths[0] < widths[1]
    assert np.isnan(daily.by_day(KNOWN.iloc[[0, 3, 4]])["average_precision_low"].iloc[0])


def test_a_shift_of_scores_shows_without_labels_and_against_the_same_models_first_week_alone() -> None:
    same = [KNOWN.assign(day=f"2026-06-{number:02}") for number in range(1, 9)]
    moved = KNOWN.assign(day="2026-06-09", score=KNOWN["score"] + 2, truth=np.nan)
    other = moved.assign(day="2026-06-10", model="2")
    found = daily.by_day(pd.concat([*same, moved, other]))["score_shift"]
    assert found.tolist() == [0.0] * 8 + [1.0, 0.0]


def test_the_page_has_its_days_and_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    later = KNOWN.assign(day="2026-06-02", truth=np.nan)
    pd.concat([KNOWN, later]).to_parquet(tmp_path / "scored.parquet")
    events = json.dumps({"2026-06-02": "a new fraud appears"})
    daily.main(daily.Args(tmp_path / "scored.parquet", tmp_path / "out", new=4, events=events))
    page = (tmp_path / "out" / "report.html").read_text()
    assert "a new fraud appears" in page
    assert "newest 1 of the days whose labels are known" in page
    assert "Of the new fraud (scenario 4) alerts found 0% at first, and find 0% now." in page
    assert "4, the new one" in page
    assert (tmp_path / "out" / "performance.png").stat().st_size > 10_000
    found = pd.read_csv(tmp_path / "out" / "daily.csv", index_col="day")
    assert found.loc["2026-06-01", "recall_4"] == 0


def answers(rows: int, frauds: int, noise: float) -> pd.DataFrame:
    """The challenger ranks frauds first, the champion with noise."""
    draws = np.random.default_rng(0)
    truth = (np.arange(rows) < frauds).astype(int)
    table = pd.DataFrame({"card": np.arange(rows) % 50, "truth": truth, "amount": 2.0})
    table["challenger"] = 0.8 * truth + 0.1 * draws.random(rows)
    table["champion"] = 0.8 * truth * (draws.random(rows) > noise) + 0.1 * draws.random(rows)
    return table.assign(**{f"{each}_alert": (table[each] > 0.5).astype(int) for each in challenger.BOTH})


def test_the_better_challenger_is_told_from_one_as_good_and_from_too_few_frauds() -> None:
    better = challenger.compare(answers(400, 40, noise=0.5), resamples=50)
    assert better["better"] is True
    assert better["challenger"]["average_precision"] == 1.0
    assert better["lead"]["interval"][0] > 0
    assert better["champion"]["recall"] < better["challenger"]["recall"] == 1.0
    assert better["champion"]["missed"] == 2.0 * round(40 * (1 - better["champion"]["recall"]))
    same = challenger.compare(answers(400, 40, noise=0.0), resamples=50)
    assert same["better"] is False
    assert "not shown to be better" in same["sentence"]
    few = challenger.compare(answers(400, 5, noise=0.5), resamples=50)
    assert few["better"] is None
    assert few["sentence"].startswith("5 frauds among them")
