"""`mlops demo drift`: who its customers are, how much depends on their choice, and the circle itself, twice."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from mlops import drift_demo
from sagelocal.config import Settings

ROOT = Path(__file__).parents[2]
GATE = 0.601  # pipelines.churn's; importing it takes the SDK's seconds


def test_no_customer_is_in_two_parts_and_the_same_seed_gives_the_same() -> None:
    people = drift_demo.customers()
    parts = [people.early, people.usual, people.changed, people.later]
    assert [len(part) for part in parts] == [4000, 300, 1500, 300]
    assert pd.concat(parts).index.is_unique
    assert all(part["Churn"].isin(["Yes", "No"]).all() for part in parts)
    pd.testing.assert_frame_equal(people.changed, drift_demo.customers().changed)
    assert not people.changed.index.equals(drift_demo.customers(seed=1).changed.index)


def test_only_who_comes_after_the_change_pays_more() -> None:
    people = drift_demo.customers()
    assert people.usual["MonthlyCharges"].max() < 120 < people.changed["MonthlyCharges"].max()


def script(path: str, *arguments: str) -> None:
    done = subprocess.run([sys.executable, str(ROOT / path), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def learn(table: pd.DataFrame, folder: Path) -> Path:
    (folder / "raw").mkdir(parents=True)
    table.to_csv(folder / "raw" / "raw.csv", index=False)
    names = ("raw", "train", "validation", "test", "baseline", "report")
    script("processing/churn.py", *[part for name in names for part in (f"--{name}", str(folder / name))])
    made = {"train": "train", "validation": "validation", "model-dir": "model"}
    script("training/churn.py", *[part for name, place in made.items() for part in (f"--{name}", str(folder / place))])
    return folder


def average_precision(model: Path, table: pd.DataFrame) -> float:
    import joblib

    (file,) = model.glob("model/*.joblib")
    chance = joblib.load(file).predict_proba(table.drop(columns="Churn"))[:, 1]
    return float(average_precision_score(table["Churn"], chance))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_with_other_customers_the_gate_would_hold_and_the_lead_be_clear_as_well(seed: int, tmp_path: Path) -> None:
    people = drift_demo.customers(seed)
    before, after = learn(people.early, tmp_path / "before"), learn(people.changed, tmp_path / "after")
    assert average_precision(before, pd.read_csv(before / "test" / "test.csv")) > GATE
    unseen = pd.read_csv(after / "test" / "test.csv")
    assert average_precision(after, unseen) > GATE + 0.05
    assert average_precision(after, unseen) > average_precision(before, unseen) + 0.15


def mlops(laptop: Settings, *arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "MLOPS_STATE": str(laptop.state), "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    command = [sys.executable, "-m", "mlops.cli", *arguments]
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=900)


@pytest.mark.slow
@pytest.mark.namespaces
def test_from_drift_to_a_new_model_and_once_more(laptop: Settings, tmp_path: Path) -> None:
    for first in (1, 3):
        run = mlops(laptop, "demo", "drift", cwd=tmp_path)
        assert run.returncode == 0, run.stdout + run.stderr
        summary = run.stdout[run.stdout.index("The circle is closed") :]
        assert f"{first} → {first + 1}, average precision " in summary
        before, after = map(float, re.findall(r"average precision (0\.\d+) → (0\.\d+)", summary)[0])
        assert before + 0.15 < after
        assert "tenure, Contract, MonthlyCharges, TotalCharges" in summary
        assert summary.count("Rejected") == 2  # nothing that learnt from a simulation stays approved
        pages = [line.split()[1] for line in summary.splitlines() if line.startswith("report")]
        assert len(pages) == 6
        assert all((tmp_path / page).is_file() for page in pages)
    sagemaker = laptop.client("sagemaker")
    retrainings = [
        each
        for each in sagemaker.list_pipeline_executions(PipelineName="churn")["PipelineExecutionSummaries"]
        if each["PipelineExecutionDisplayName"] == "retraining-churn-rehearsal"
    ]
    assert len(retrainings) == 2  # one for each drift, though two monitors went off
    gone = mlops(laptop, "undeploy", "churn", "--stage", "rehearsal")
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert "Nothing of churn-rehearsal is left." in gone.stdout
