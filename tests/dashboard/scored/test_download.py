"""A file that a spreadsheet opens without running what somebody wrote into it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest

from dashboard.scored import download
from mlops import labels


def cells(table: pd.DataFrame) -> list[list[str]]:
    return list(csv.reader(io.StringIO(download.csv(table).decode("utf-8-sig"))))


@pytest.mark.parametrize(
    "text", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "  =1", '=HYPERLINK("x")']
)
def test_what_a_spreadsheet_would_run_is_text(text: str) -> None:
    assert cells(pd.DataFrame({"name": [text]}))[1] == [f"'{text}"]


def test_a_column_s_name_too() -> None:
    assert cells(pd.DataFrame({"=1": ["x"]}))[0] == ["'=1"]


def test_numbers_stay_numbers() -> None:
    table = pd.DataFrame({"a": [-1.5], "b": ["-20.5"], "c": ["two"], "d": [None]})
    assert cells(table)[1] == ["-1.5", "-20.5", "two", ""]


def test_commas_quotes_and_lines_are_one_cell() -> None:
    assert cells(pd.DataFrame({"a": ['x, "y"\nz']}))[1] == ['x, "y"\nz']


def test_mlops_label_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes(download.csv(pd.DataFrame({"inference_id": ["b-1", "b-2"], "Churn": ["Yes", "No"]})))
    table = labels.read(file)
    assert labels.request_ids(table, None, file).tolist() == ["b-1", "b-2"]
