"""The processing script on a small table, run as a job would run it; what it shares is tested with churn."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

SCRIPT = Path(__file__).parents[2] / "processing" / "census.py"
OUTPUTS = ["train", "validation", "test", "baseline", "report"]


def people(rows: int = 100) -> pd.DataFrame:
    """A raw table as the source has it: a blank before each text, `?` for what is not known."""
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "Unnamed: 0": range(rows),
            "age": random.integers(17, 90, rows),
            "workclass": random.choice([" Private", " ?", " State-gov"], rows),
            "education": random.choice([" Bachelors", " HS-grad"], rows),
            "education-num": random.integers(1, 16, rows),
            "marital-status": random.choice([" Never-married", " Divorced"], rows),
            "occupation": random.choice([" Sales", " ?"], rows),
            "relationship": random.choice([" Husband", " Wife"], rows),
            "ethnicity": random.choice([" White", " Black"], rows),
            "gender": random.choice([" Male", " Female"], rows),
            "capital-gain": 0,
            "capital-loss": 0,
            "hours-per-week": random.integers(1, 99, rows),
            "loan": [" >50K" if row % 4 == 0 else " <=50K" for row in range(rows)],
        }
    )


def run(tmp_path: Path, raw: pd.DataFrame) -> subprocess.CompletedProcess[str]:
    (tmp_path / "raw").mkdir()
    raw.to_csv(tmp_path / "raw" / "census.csv", index=False)
    places = [part for name in OUTPUTS for part in (f"--{name}", str(tmp_path / "out" / name))]
    command = [sys.executable, str(SCRIPT), "--raw", str(tmp_path / "raw"), *places]
    return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)


def test_splits_have_typed_features_and_no_row_numbers(tmp_path: Path) -> None:
    done = run(tmp_path, people())
    assert done.returncode == 0, done.stderr
    assert "25.0% of them earning above 50,000" in done.stdout
    parts = {name: pd.read_csv(tmp_path / "out" / name / f"{name}.csv") for name in OUTPUTS[:4]}
    assert {name: len(part) for name, part in parts.items()} == {
        "train": 64, "validation": 16, "test": 20, "baseline": 64
    }  # fmt: skip
    assert {name: part["loan"].mean() for name, part in list(parts.items())[:3]} == dict.fromkeys(OUTPUTS[:3], 0.25)
    assert list(parts["baseline"].columns) == list(parts["train"].columns)[:-1]
    assert not {"Unnamed: 0", "education"} & set(parts["train"].columns)
    assert set(parts["train"]["workclass"]) == {"Private", "Unknown", "State-gov"}


def test_an_unknown_label_is_one_clear_sentence(tmp_path: Path) -> None:
    done = run(tmp_path, people().replace({"loan": {" >50K": "rich"}}))
    assert done.returncode == 1
    assert "Column 'loan' holds 'rich', 25 rows. Use <=50K and >50K, or 0 and 1." in done.stderr
    assert not (tmp_path / "out").exists()
