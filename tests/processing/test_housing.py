"""Records of houses in, splits out; what the script shares with others is tested with churn."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "processing"))

import tabular  # noqa: E402
from housing_records import houses  # noqa: E402

from processing import housing  # noqa: E402

OUTPUTS = ["train", "validation", "test", "baseline", "report"]


def run(folder: Path, raw: pd.DataFrame) -> None:
    (folder / "raw").mkdir()
    raw.to_csv(folder / "raw" / "houses.csv", index=False)
    places = [part for name in OUTPUTS for part in (f"--{name}", str(folder / name))]
    housing.main(housing.parse(["--raw", str(folder / "raw"), *places]))


def cleaned(raw: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int]]:
    dropped: dict[str, int] = {}
    table, _ = housing.clean(raw.astype("string"), dropped)
    return table, dropped


def test_splits_hold_every_house_once_with_the_price_last(tmp_path: Path) -> None:
    run(tmp_path, houses(100))
    splits = {name: pd.read_csv(tmp_path / name / f"{name}.csv") for name in OUTPUTS[:3]}
    assert [len(part) for part in splits.values()] == [64, 16, 20]
    assert list(splits["test"]) == [*housing.SCHEMA.features, "Sale_Price"]
    assert "BsmtFin_SF_1" not in splits["test"]
    baseline = pd.read_csv(tmp_path / "baseline" / "baseline.csv")
    pd.testing.assert_frame_equal(baseline, splits["train"].drop(columns="Sale_Price"))


def test_the_report_says_what_stayed_blank(tmp_path: Path) -> None:
    raw = houses(100)
    run(tmp_path, raw)
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["blank"] == {name: int((raw[name] == "").sum()) for name in ("Mas_Vnr_Type", "Misc_Feature")}
    assert report["dropped"] == {}


@pytest.mark.parametrize(("column", "factor"), [("Sale_Price", 10), ("Gr_Liv_Area", 20)])
def test_a_price_or_an_area_with_a_digit_too_many_is_left_out_and_said(column: str, factor: int) -> None:
    raw = houses(100)
    raw.loc[3, column] *= factor
    table, dropped = cleaned(raw)
    assert len(table) == 99
    assert dropped == {"Sale_Price per Gr_Liv_Area below 0.12 or above 5 of the median": 1}


def test_other_numbers_that_are_ten_times_larger_stay_and_show_in_the_report(tmp_path: Path) -> None:
    raw = houses(100)
    raw.loc[3, "Garage_Area"] = 9000
    run(tmp_path, raw)
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["rows_out"] == 100
    assert report["ranges"]["Garage_Area"][1] == 9000


def test_houses_without_a_price_or_an_area_are_left_out() -> None:
    raw = houses(100).astype("string")
    raw.loc[0, "Sale_Price"], raw.loc[1, "Sale_Price"], raw.loc[2, "Gr_Liv_Area"] = "", "0", "0"
    table, dropped = cleaned(raw)
    assert len(table) == 97
    assert dropped == {"blank Sale_Price": 1, "Sale_Price or Gr_Liv_Area is 0": 2}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw.drop(columns="Sale_Price"), "column 'Sale_Price' is missing"),
        (lambda raw: raw.assign(Garage_Cond=""), "Column 'Garage_Cond' has no value at all"),
        (
            lambda raw: raw.assign(Lot_Area="large"),
            "Column 'Lot_Area' holds 'large', 100 rows, where a number is needed",
        ),
        (lambda raw: raw.assign(Sale_Price="much"), "Column 'Sale_Price' holds 'much', 100 rows, where a number"),
        (
            lambda raw: raw.assign(Lot_Area=-5),
            "Column 'Lot_Area' holds '-5', 100 rows. It must be a whole number, 0 or",
        ),
        (lambda raw: raw.assign(Neighborhood="7"), "Column 'Neighborhood' holds '7', 100 rows, where a category"),
        (lambda raw: raw.head(20), "The table has 20 usable rows, and 30 are needed"),
        (lambda raw: raw.head(0), "The raw table has no rows"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(change: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(tabular.InputError, match=message):
        run(tmp_path, change(houses(100)))  # type: ignore[operator]
    assert not (tmp_path / "train").exists()


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "houses.csv").touch()
    with pytest.raises(tabular.InputError, match="has no rows, not even a header"):
        housing.main(housing.parse(["--raw", str(tmp_path / "raw")]))
