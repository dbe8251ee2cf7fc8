"""`mlops demo fraud`: its figures, where it refuses to play, and the story itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mlops import fraud_demo
from mlops.errors import Failure
from mlops.fraud_town import DAYS, NEW_FRAUD
from sagelocal.config import Settings

ROOT = Path(__file__).parents[2]


def days(before: float, after: float) -> pd.DataFrame:
    """A row a day of the story, with the share of the new fraud that was caught."""
    index = [
        (pd.Timestamp("2026-06-01") + pd.Timedelta(days=day)).date().isoformat()
        for day in range(DAYS - fraud_demo.OPENING)
    ]
    found = [None] * 7 + [before] * (fraud_demo.PROMOTION - NEW_FRAUD) + [after] * (DAYS - fraud_demo.PROMOTION)
    return pd.DataFrame({"recall_4": found, "frauds": 1.0}, index=index)


def test_each_day_is_in_one_period_and_the_story_holds_only_if_the_new_fraud_is_caught_in_the_end() -> None:
    found = fraud_demo.figures(days(0.1, 0.9))
    assert list(found.index) == list(fraud_demo.PERIODS)
    assert found["recall_4"].iloc[1:].tolist() == pytest.approx([0.1, 0.1, 0.9])
    assert sum(end - first for first, end in fraud_demo.PERIODS.values()) == DAYS - fraud_demo.OPENING
    fraud_demo.check(days(0.1, 0.9))
    with pytest.raises(Failure, match="10% of the new fraud before the promotion, and 30% after it"):
        fraud_demo.check(days(0.1, 0.3))


def test_an_account_is_no_place_for_invented_frauds(tmp_path: Path) -> None:
    class Account:
        settings = None

    account: Any = Account()
    with pytest.raises(LookupError, match="plays on a laptop alone"):
        fraud_demo.play(account, tmp_path)


@pytest.mark.slow
@pytest.mark.namespaces
def test_the_new_fraud_is_missed_reported_learnt_and_caught(laptop: Settings, tmp_path: Path) -> None:
    environ = {**os.environ, "MLOPS_STATE": str(laptop.state), "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-m", "mlops.cli", "demo", "fraud", "--reports", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "The challenger is better" in done.stdout
    folder = tmp_path / "fraud" / "demo"
    found = pd.read_csv(folder / "daily.csv", index_col="day")
    assert len(found) == DAYS - fraud_demo.OPENING
    assert (found["known"] == 1).all()
    assert (folder / "performance.png").is_file()
