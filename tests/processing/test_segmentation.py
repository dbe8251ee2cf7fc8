"""What becomes of each kind of line, and of tables that can't be used."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "processing"))

import tabular

SCRIPT = Path(__file__).parents[2] / "processing" / "segmentation.py"
# Invoice, quantity, date, price, customer
LINES = [
    ("536365", 10, "12/1/2011 8:26", 2.0, "1.0"),
    ("536365", 1, "12/1/2011 8:26", 5.0, "1.0"),  # the same order
    ("536366", 2, "12/8/2011 8:26", 5.0, "1.0"),
    ("C53636", -5, "12/9/2011 8:26", 2.0, "1.0"),  # returned: no order, less money, and no sign of life
    ("536367", 1, "12/9/2011 9:00", 9.0, ""),  # nobody's
    ("536368", -3, "12/2/2011 9:00", 1.0, "2.0"),  # bookkeeping
    ("536368", 4, "12/2/2011 9:00", 1.0, "2.0"),
    ("536369", 4, "12/7/2011 9:00", 0.0, "2.0"),  # a gift
    ("C53637", -9, "12/3/2011 9:00", 1.0, "3.0"),  # of an order before the table begins
    ("536370", 1, "12/4/2011 9:00", 1.0, "4.0"),
    ("C53638", -9, "12/5/2011 9:00", 1.0, "4.0"),
]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("processing_segmentation", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def table(lines: list[tuple] = LINES) -> pd.DataFrame:
    names = ["Invoice", "Quantity", "InvoiceDate", "Price", "Customer ID"]
    return pd.DataFrame(lines, columns=names).assign(StockCode="A", Description="B", Country="C").astype("string")


def shop(customers: int = 40) -> pd.DataFrame:
    return table([(f"{each}", 1 + each % 7, "12/1/2011 8:26", 2.5, f"{each}") for each in range(customers)])


def run(script: ModuleType, folder: Path, raw: pd.DataFrame | str, *more: str) -> None:
    (folder / "raw").mkdir()
    text = raw if isinstance(raw, str) else raw.to_csv(index=False)
    (folder / "raw" / "invoices.csv").write_text(text)
    places = [
        part for each in ("train", "test", "customers", "report") for part in (f"--{each}", str(folder / "out" / each))
    ]
    script.main(script.parse(["--raw", str(folder / "raw"), *places, *more]))


def test_each_kind_of_line_counts_as_the_policy_says(script: ModuleType) -> None:
    dropped: dict[str, int] = {}
    lines = script.lines(pd.concat([table(), table(LINES[:1])]).reset_index(drop=True), dropped)
    found = script.summarised(lines, "", dropped).set_index("customer_id")
    assert found.to_dict("index") == {
        "1": {"recency": 2, "frequency": 2, "monetary": 25.0},
        "2": {"recency": 8, "frequency": 1, "monetary": 4.0},
        "4": {"recency": 6, "frequency": 1, "monetary": 0.0},
    }
    assert dropped == {
        "repeated exactly": 1,
        "blank Customer ID": 1,
        "a price or quantity below 0 that is no cancellation": 1,
        "customers without an order": 1,
    }


def test_splits_have_features_and_customers_their_ids(script: ModuleType, tmp_path: Path) -> None:
    run(script, tmp_path, shop(), "--as-of", "2011-12-31")
    parts = {each: pd.read_csv(tmp_path / "out" / each / f"{each}.csv") for each in ("train", "test")}
    assert {name: part.shape for name, part in parts.items()} == {"train": (32, 3), "test": (8, 3)}
    assert list(parts["train"].columns) == ["recency", "frequency", "monetary"]
    assert set(parts["test"]["recency"]) == {30}
    lines = (tmp_path / "out" / "customers" / "customers.csv").read_text().splitlines()
    assert len(lines) == 40 and "0,30,1,2.5" in lines
    assert json.loads((tmp_path / "out" / "report" / "report.json").read_text())["rows_out"] == 40


def test_a_few_customers_can_be_assigned_though_they_make_no_segments(script: ModuleType, tmp_path: Path) -> None:
    run(script, tmp_path, shop(3), "--test-share", "0")
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == ["customers", "report"]
    assert len((tmp_path / "out" / "customers" / "customers.csv").read_text().splitlines()) == 3


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("", "has no rows, not even a header"),
        (table([]), "The raw table has no rows"),
        (shop().drop(columns="Customer ID"), "column 'Customer ID' is missing"),
        (shop().assign(**{"Customer ID": ""}), "Column 'Customer ID' has no value at all"),
        (shop().assign(Price="two pounds"), "Column 'Price' holds 'two pounds', 40 rows, where a number is needed"),
        (shop().assign(Quantity="1.5"), "It must be a whole number"),
        (shop().assign(InvoiceDate="once"), "holds 'once', 40 rows, where a date such as 2011-12-09"),
        (shop(20), "The table has 20 usable rows, and 30 are needed"),
    ],
    ids=["empty", "header", "missing", "blank", "text", "fraction", "date", "few"],
)
def test_a_table_that_cannot_be_used_is_refused_in_one_sentence(
    script: ModuleType, tmp_path: Path, raw: pd.DataFrame | str, said: str
) -> None:
    with pytest.raises(tabular.InputError, match=said):
        run(script, tmp_path, raw)
    assert not (tmp_path / "out").exists()


def test_dates_are_as_the_source_writes_them_or_iso(script: ModuleType) -> None:
    for text in ("12/9/2011 8:26", "2011-12-09", "2011-12-09T08:26:00Z"):
        assert list(script.days(pd.Series([text], name="InvoiceDate"))) == [pd.Timestamp("2011-12-09", tz="UTC")]


@pytest.mark.parametrize(("as_of", "said"), [("soon", "as_of is 'soon'"), ("2011-12-05", "there are orders after it")])
def test_recency_is_counted_to_a_day_after_the_last_order(script: ModuleType, as_of: str, said: str) -> None:
    with pytest.raises(tabular.InputError, match=said):
        script.summarised(script.lines(table(), {}), as_of, {})
