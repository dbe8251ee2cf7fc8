"""The processing script on small tables, run as a job would run it."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[2] / "processing" / "churn.py"
sys.path.insert(0, str(SCRIPT.parent))
OUTPUTS = ["train", "validation", "test", "baseline", "report"]


def customers(rows: int = 100) -> pd.DataFrame:
    """A raw table as the source has it: text everywhere but in three columns, two blank TotalCharges."""
    random = np.random.default_rng(0)
    yes_no = [
        "Partner", "Dependents", "PhoneService", "MultipleLines", "OnlineSecurity", "OnlineBackup", "DeviceProtection",
        "TechSupport", "StreamingTV", "StreamingMovies", "PaperlessBilling", "Churn",
    ]  # fmt: skip
    table = pd.DataFrame({name: random.choice(["Yes", "No"], rows) for name in yes_no})
    table["Churn"] = ["Yes" if row % 4 == 0 else "No" for row in range(rows)]
    table["customerID"] = [f"{row:04}-ABCDE" for row in range(rows)]
    table["gender"] = random.choice(["Female", "Male"], rows)
    table["SeniorCitizen"] = random.integers(0, 2, rows)
    table["InternetService"] = random.choice(["DSL", "Fiber optic", "No"], rows)
    table["Contract"] = random.choice(["Month-to-month", "One year", "Two year"], rows)
    table["PaymentMethod"] = random.choice(["Mailed check", "Electronic check"], rows)
    table["tenure"] = random.integers(1, 72, rows)
    table["MonthlyCharges"] = random.uniform(20, 100, rows).round(2)
    table["TotalCharges"] = (table["tenure"] * table["MonthlyCharges"]).round(2).astype(str)
    table.loc[[1, 2], "tenure"] = 0
    table.loc[[1, 2], "TotalCharges"] = " "
    return table


def arguments(tmp_path: Path, raw: pd.DataFrame | None = None) -> list[str]:
    folder = tmp_path / "raw"
    folder.mkdir(exist_ok=True)
    if raw is not None:
        raw.to_csv(folder / "churn.csv", index=False)
    return ["--raw", str(folder), *(part for name in OUTPUTS for part in (f"--{name}", str(tmp_path / "out" / name)))]


@pytest.fixture(scope="module")
def churn() -> ModuleType:
    spec = importlib.util.spec_from_file_location("processing_churn", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def go(churn: ModuleType, tmp_path: Path, raw: pd.DataFrame | None = None, *more: str) -> None:
    churn.main(churn.parse([*arguments(tmp_path, raw), *more]))


def output(tmp_path: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(tmp_path / "out" / name / f"{name}.csv")


def test_the_script_runs_by_hand(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), *arguments(tmp_path, customers())]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "100 rows in, 100 out, 25.0% of them churned." in done.stdout
    assert len(output(tmp_path, "test")) == 20


def test_a_refusal_is_the_last_line_that_the_script_says(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), *arguments(tmp_path, changed("tenure", "long"))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last == "tabular.InputError: Column 'tenure' holds 'long', 2 rows, where a number is needed."
    assert not (tmp_path / "out").exists()


def test_splits_are_stratified_disjoint_and_whole(tmp_path: Path, churn: ModuleType) -> None:
    go(churn, tmp_path, customers())
    parts = {name: output(tmp_path, name) for name in ("train", "validation", "test")}
    assert {name: len(part) for name, part in parts.items()} == {"train": 64, "validation": 16, "test": 20}
    assert {name: part["Churn"].mean() for name, part in parts.items()} == dict.fromkeys(parts, 0.25)
    charges = pd.concat(parts.values())["MonthlyCharges"]
    assert sorted(charges) == sorted(customers()["MonthlyCharges"])


def test_the_baseline_is_what_the_endpoint_will_be_sent(tmp_path: Path, churn: ModuleType) -> None:
    go(churn, tmp_path, customers())
    train, baseline = output(tmp_path, "train"), output(tmp_path, "baseline")
    assert list(baseline.columns) == list(train.columns)[:-1]
    assert len(baseline.columns) == 19
    assert list(train.columns)[-1] == "Churn"
    pd.testing.assert_frame_equal(baseline, train.drop(columns="Churn"))


def test_the_same_seed_gives_the_same_splits_and_another_gives_others(tmp_path: Path, churn: ModuleType) -> None:
    go(churn, tmp_path, customers())
    first = output(tmp_path, "test")
    go(churn, tmp_path, customers())
    pd.testing.assert_frame_equal(output(tmp_path, "test"), first)
    go(churn, tmp_path, None, "--seed", "1")
    assert not output(tmp_path, "test").equals(first)


def test_csv_and_parquet_give_the_same_splits(tmp_path: Path, churn: ModuleType) -> None:
    go(churn, tmp_path, customers())
    first = output(tmp_path, "train")
    (tmp_path / "raw" / "churn.csv").unlink()
    customers().to_parquet(tmp_path / "raw" / "churn.parquet")
    go(churn, tmp_path)
    pd.testing.assert_frame_equal(output(tmp_path, "train"), first)


def test_the_report_tells_what_was_dropped_and_filled(tmp_path: Path, churn: ModuleType) -> None:
    raw = customers()
    raw.loc[3, "Churn"] = ""
    raw.loc[4, "gender"] = " "
    raw.loc[6, "customerID"] = raw.loc[5, "customerID"]
    go(churn, tmp_path, raw)
    report = json.loads((tmp_path / "out" / "report" / "report.json").read_text())
    assert (report["rows_in"], report["rows_out"]) == (100, 97)
    assert report["dropped"] == {"repeated customerID": 1, "blank Churn": 1, "blank gender": 1}
    assert report["filled"] == {"TotalCharges": {"rows": 2, "with": "tenure * MonthlyCharges"}}
    assert "filled 2 blank TotalCharges" in (tmp_path / "out" / "report" / "report.md").read_text()


def test_values_are_stripped_and_blank_totals_are_zero_for_new_customers(tmp_path: Path, churn: ModuleType) -> None:
    raw = customers()
    raw["Contract"] = raw["Contract"] + " "
    go(churn, tmp_path, raw)
    everyone = pd.concat([output(tmp_path, name) for name in ("train", "validation", "test")])
    assert set(everyone["Contract"]) == {"Month-to-month", "One year", "Two year"}
    assert set(everyone.loc[everyone["tenure"] == 0, "TotalCharges"]) == {0.0}
    assert everyone["SeniorCitizen"].dtype == everyone["tenure"].dtype == "int64"


def changed(column: str, value: object) -> pd.DataFrame:
    table = customers().astype(object)
    table.loc[[7, 8], column] = value
    return table


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (customers().drop(columns=["tenure", "Churn"]), "column 'tenure', 'Churn' is missing. Needed are gender,"),
        (customers().assign(Region="north"), "column 'Region' is unknown. Remove it"),
        (changed("tenure", "long"), "Column 'tenure' holds 'long', 2 rows, where a number is needed."),
        (changed("tenure", "1.5"), "Column 'tenure' holds '1.5', 2 rows. It must be a whole number, 0 or more."),
        (changed("MonthlyCharges", "-3"), "Column 'MonthlyCharges' holds '-3', 2 rows. It must be a finite number"),
        (changed("MonthlyCharges", "inf"), "Column 'MonthlyCharges' holds 'inf', 2 rows. It must be a finite number"),
        (changed("SeniorCitizen", "2"), "Column 'SeniorCitizen' holds '2', 2 rows. It must be 0 or 1."),
        (changed("Contract", "12"), "Column 'Contract' holds '12', 2 rows, where a category is needed."),
        (changed("Churn", "Maybe"), "Column 'Churn' holds 'Maybe', 2 rows. Use Yes and No, or 1 and 0."),
        (customers().head(0), "The raw table has no rows."),
        (customers().head(30), "Column 'Churn' has 8 usable rows of 1, and 10 are needed"),
        (customers().assign(gender=""), "Column 'gender' has no value at all."),
    ],
)
def test_unusable_input_is_one_clear_sentence_and_nothing_is_written(
    tmp_path: Path, churn: ModuleType, raw: pd.DataFrame, sentence: str
) -> None:
    with pytest.raises(churn.InputError, match=re.escape(sentence)):
        go(churn, tmp_path, raw)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (None, "", "holds no file. Point InputDataUrl at the raw table"),
        ("churn.csv", "", "churn.csv has no rows, not even a header."),
        ("churn.xlsx", "x", "churn.xlsx is neither .csv nor .parquet."),
        ("churn.parquet", "x", "churn.parquet is not readable as parquet"),
    ],
)
def test_unreadable_files_are_named(
    tmp_path: Path, churn: ModuleType, name: str | None, content: str, sentence: str
) -> None:
    (tmp_path / "raw").mkdir()
    if name:
        (tmp_path / "raw" / name).write_text(content)
    with pytest.raises(churn.InputError, match=re.escape(sentence)):
        go(churn, tmp_path)
    assert not (tmp_path / "out").exists()


def test_shares_that_leave_nothing_are_refused(tmp_path: Path, churn: ModuleType) -> None:
    with pytest.raises(churn.InputError, match=r"Shares of 0\.9 and 0\.2 leave no rows"):
        go(churn, tmp_path, customers(), "--test-share", "0.9", "--validation-share", "0.2")
    assert not (tmp_path / "out").exists()
