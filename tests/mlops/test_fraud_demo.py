"""`mlops demo fraud`: its figures, where it refuses to play, and the story itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest

from mlops import fraud_demo, fraud_demo_end
from mlops.errors import Failure
from mlops.fraud_town import DAYS, NEW_FRAUD, OPENING, PROMOTION
from sagelocal.config import Settings

ROOT = Path(__file__).parents[2]


def days(before: float, after: float) -> pd.DataFrame:
    """A row a day of the story, with the share of the new fraud that was caught."""
    index = [(pd.Timestamp("2026-06-01") + pd.Timedelta(days=day)).date().isoformat() for day in range(DAYS - OPENING)]
    found = [None] * 7 + [before] * (PROMOTION - NEW_FRAUD) + [after] * (DAYS - PROMOTION)
    return pd.DataFrame({"recall_4": found, "frauds": 1.0, "frauds_4": 10.0}, index=index)


def test_each_day_is_in_one_period_and_the_story_holds_only_if_the_new_fraud_is_caught_in_the_end() -> None:
    found = fraud_demo_end.figures(days(0.1, 0.9))
    assert list(found.index) == list(fraud_demo_end.PERIODS)
    assert found["recall_4"].iloc[1:].tolist() == pytest.approx([0.1, 0.1, 0.9])
    assert sum(end - first for first, end in fraud_demo_end.PERIODS.values()) == DAYS - OPENING
    fraud_demo_end.check(days(0.1, 0.9))
    with pytest.raises(Failure, match="10% of the new fraud before the promotion, and 30% after it"):
        fraud_demo_end.check(days(0.1, 0.3))


def test_what_alerts_found_of_the_new_fraud_has_an_interval_that_days_without_it_leave_alone() -> None:
    told = days(0.1, 0.9)
    assert fraud_demo_end.caught(told, NEW_FRAUD, PROMOTION) == "10% of 230 (95 %: 10% to 10%)"
    told.loc[told.index[-1], ["recall_4", "frauds_4"]] = [None, None]
    assert fraud_demo_end.caught(told, PROMOTION, DAYS) == "90% of 60 (95 %: 90% to 90%)"
    told.loc[told.index[-2], "recall_4"] = 0.3
    assert fraud_demo_end.caught(told, PROMOTION, DAYS) == "80% of 60 (95 %: 60% to 90%)"


def test_after_each_period_it_says_which_frauds_got_an_alert() -> None:
    payments = pd.DataFrame({"transaction_id": range(6), "scenario": [0, 1, 2, 3, 4, 4]})
    assert fraud_demo.found(payments, {0, 1, 2, 4}) == (
        "alerts found 2 of 3 frauds of known kinds and 1 of 2 of the new kind"
    )
    assert fraud_demo.found(payments.iloc[:4], set()) == "alerts found 0 of 3 frauds of known kinds"
    assert fraud_demo.found(payments.iloc[:1], {0}) == "alerts found nothing, as there was no fraud"


def test_an_interrupted_demo_leaves_no_execution_that_would_register_a_version() -> None:
    class SageMaker:
        exceptions = type("exceptions", (), {"ResourceNotFound": KeyError})
        stopped: ClassVar[list[str]] = []

        def list_pipeline_executions(self, **asked: Any) -> dict[str, Any]:
            assert asked["PipelineName"] == "fraud"
            found = [("one", "Succeeded"), ("two", "Executing")]
            columns = ("PipelineExecutionArn", "PipelineExecutionStatus")
            return {"PipelineExecutionSummaries": [dict(zip(columns, each, strict=True)) for each in found]}

        def stop_pipeline_execution(self, PipelineExecutionArn: str) -> None:
            self.stopped.append(PipelineExecutionArn)

    target: Any = type("Target", (), {"client": lambda self, service: SageMaker()})()
    with fraud_demo.stopping(target):
        pass
    assert SageMaker.stopped == []
    with pytest.raises(KeyboardInterrupt), fraud_demo.stopping(target):
        raise KeyboardInterrupt
    assert SageMaker.stopped == ["two"]


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
    assert "The new fraud: alerts found" in done.stdout
    assert done.stdout.count("Rejected arn:aws:sagemaker") == 2
    folder = tmp_path / "fraud" / "demo"
    found = pd.read_csv(folder / "daily.csv", index_col="day")
    assert len(found) == DAYS - OPENING
    assert (found["known"] == 1).all()
    assert (folder / "performance.png").is_file()
