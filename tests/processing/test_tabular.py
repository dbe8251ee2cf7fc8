"""Tables of every kind of label through what the processing scripts share; two classes are tested with churn."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "processing"))

import tabular
from tabular import Schema, SplitArgs

FEATURES = {"colour": str, "code": str, "rooms": int, "place": float}
COMMON: dict[str, Any] = {"features": FEATURES, "blank": ("colour", "rooms"), "signed": ("place",), "coded": ("code",)}
SCHEMAS = {
    "classes": Schema(**COMMON, label="kind", labels={"A": "a", "B": "b", "C": "c"}, advice="Use A, B or C."),
    "number": Schema(**COMMON, label="price"),
    "none": Schema(**COMMON),
}


def raw(rows: int = 60) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "colour": random.choice(["red", "blue", ""], rows),
            "code": random.choice(["20", "30"], rows),
            "rooms": [str(number % 5) if number % 7 else " " for number in range(rows)],
            "place": random.uniform(-90, 90, rows).round(3).astype(str),
            "kind": [["A", "B", "C"][number % 3] for number in range(rows)],
            "price": random.uniform(1, 2, rows).astype(str),
        }
    )


def prepared(tmp_path: Path, schema: Schema, table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    folder = tmp_path / "raw"
    folder.mkdir()
    table[[name for name in schema.columns if name in table]].to_csv(folder / "raw.csv", index=False)
    places = {name: str(tmp_path / name) for name in ("train", "validation", "test", "baseline", "report")}
    args = SplitArgs(raw=str(folder), **places)
    tabular.prepare(args, "Things", schema, lambda raw, dropped: (clean(raw, schema, dropped), {}))
    return {name: pd.read_csv(tmp_path / name / f"{name}.csv") for name in ("train", "validation", "test", "baseline")}


def clean(table: pd.DataFrame, schema: Schema, dropped: dict[str, int]) -> pd.DataFrame:
    return tabular.complete(tabular.typed(table, schema, dropped), schema, dropped)


@pytest.mark.parametrize("kind", SCHEMAS)
def test_splits_keep_blanks_signs_and_codes(tmp_path: Path, kind: str) -> None:
    schema = SCHEMAS[kind]
    parts = prepared(tmp_path, schema, raw())
    whole = pd.concat([parts[name] for name in ("train", "validation", "test")])
    assert len(whole) == 60
    assert list(whole) == schema.columns
    assert list(parts["baseline"]) == list(FEATURES)
    assert whole["rooms"].isna().sum() == 9
    assert whole["colour"].isna().any()
    assert set(whole["code"]) == {20, 30}  # a CSV's reader decides; the schema says that they are categories
    assert whole["place"].min() < 0 < whole["place"].max()
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert report["blank"]["rooms"] == 9


def test_classes_are_in_proportion_in_every_split(tmp_path: Path) -> None:
    parts = prepared(tmp_path, SCHEMAS["classes"], raw())
    assert dict(parts["test"]["kind"].value_counts()) == {"a": 4, "b": 4, "c": 4}
    assert set(parts["train"]["kind"].value_counts()) <= {12, 13}
    assert "60 rows in, 60 out: 20 a, 20 b, 20 c." in (tmp_path / "report" / "report.md").read_text()


def test_a_record_that_is_there_twice_is_kept_and_told(tmp_path: Path) -> None:
    table = raw()
    prepared(tmp_path, SCHEMAS["number"], pd.concat([table, table.head(7)]))
    known = int(table.duplicated().sum())
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert (report["rows_out"], report["repeated"]) == (67, 7 + known)
    assert f"- kept {7 + known} rows that repeat another" in (tmp_path / "report" / "report.md").read_text()


def test_too_few_rows_come_with_what_became_of_the_others() -> None:
    schema = SCHEMAS["number"]
    table = raw().assign(price=["", *["1"] * 29, *[""] * 30])
    dropped: dict[str, int] = {}
    with pytest.raises(tabular.InputError, match=r"29 usable rows.*Dropped: 31 rows, blank price\."):
        tabular.complete(tabular.typed(table.astype("string"), schema, dropped), schema, dropped)


def test_a_number_is_told_with_its_mean(tmp_path: Path) -> None:
    prepared(tmp_path, SCHEMAS["number"], raw())
    assert "; price has mean 1." in (tmp_path / "report" / "report.md").read_text()


@pytest.mark.parametrize(
    ("kind", "table", "why"),
    [
        ("classes", raw().assign(kind="D"), "Column 'kind' holds 'D', 60 rows. Use A, B or C."),
        ("classes", raw().drop(columns="kind"), "column 'kind' is missing"),
        ("classes", raw(20), "usable rows of a, and 10 are needed"),
        ("number", raw().assign(price="dear"), "Column 'price' holds 'dear', 60 rows, where a number is needed."),
        ("number", raw().assign(price="-1"), "holds '-1', 60 rows. It must be a finite number, 0 or more."),
        ("number", raw(20), "The table has 20 usable rows, and 30 are needed."),
        ("none", raw().assign(rooms="1.5"), "It must be a whole number, 0 or more."),
        ("none", raw().assign(place="inf"), "It must be a finite number."),
        ("none", raw().assign(colour=" "), "Column 'colour' has no value at all. Give it some, or take it out"),
        ("number", raw().assign(price=""), "Column 'price' has no value at all. Give it some."),
        ("none", raw().assign(colour="7"), "where a category is needed"),
        ("none", raw(0), "The raw table has no rows."),
    ],
)
def test_what_cannot_be_used_is_one_clear_sentence(tmp_path: Path, kind: str, table: pd.DataFrame, why: str) -> None:
    with pytest.raises(tabular.InputError, match=re.escape(why)):
        prepared(tmp_path, SCHEMAS[kind], table)
    assert not (tmp_path / "train").exists()
