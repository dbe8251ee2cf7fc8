"""Tables in every format that Model Monitor's dataset_format names."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

import data_tables
from data_tables import read_table

RECORDS = [{"age": 34, "plan": "basic", "home": {"rooms": 2}}, {"age": None, "plan": "pro", "home": {"rooms": 3}}]
CSV: dict[str, Any] = {"header": True}


def whole(source: Path, kind: str, options: dict[str, Any]) -> list[dict[str, Any]]:
    return [record for batch in read_table(source, kind, options) for record in batch.to_pylist()]


def test_csv_with_and_without_header(tmp_path: Path) -> None:
    (tmp_path / "part-00000").write_text("1,a\n2,\n")
    assert whole(tmp_path, "csv", {"header": False}) == [{"_c0": "1", "_c1": "a"}, {"_c0": "2", "_c1": None}]
    (tmp_path / "rows.csv").write_text("x,y\n1,a\n")
    assert whole(tmp_path, "csv", CSV) == [{"x": "1", "y": "a"}]


def test_json_and_parquet(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in RECORDS))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "a.json").write_text(json.dumps(RECORDS))
    flat: list[dict[str, Any]] = [
        {"age": 34, "plan": "basic", "home.rooms": 2},
        {"age": None, "plan": "pro", "home.rooms": 3},
    ]
    assert whole(tmp_path / "a.jsonl", "json", {"lines": True}) == flat
    texts = [{name: value and str(value) for name, value in record.items()} for record in flat]
    assert whole(tmp_path / "b", "json", {"lines": False}) == texts
    pd.DataFrame({"age": [34, None], "score": [0.5, 2.0]}).to_parquet(tmp_path / "a.parquet")
    assert whole(tmp_path, "parquet", {}) == [{"age": 34, "score": 0.5}, {"age": None, "score": 2.0}]


def test_csv_is_read_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_tables, "CHUNK_BYTES", 20)
    (tmp_path / "a.csv").write_text("x\n" + "1\n" * 25)
    lengths = [len(batch) for batch in read_table(tmp_path, "csv", CSV)]
    assert len(lengths) > 1
    assert sum(lengths) == 25


@pytest.mark.parametrize("content", ["", "a,b\n", 'a,b\n"1,2\n3,4'])
def test_a_table_without_rows_or_form_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(ValueError, match=str(tmp_path)):
        list(read_table(tmp_path / "a.csv", "csv", CSV))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_text_in_other_encodings(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.csv").write_bytes("age,city\n34,Zürich\n,Genève\n".encode(encoding))
    assert whole(tmp_path, "csv", CSV) == [{"age": "34", "city": "Zürich"}, {"age": None, "city": "Genève"}]


def test_records_of_several_shapes(tmp_path: Path) -> None:
    records = [{"a": 1, "b": {"c": True}}, {"a": "x", "d": [1, 2]}, {"a": 10**30}]
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    found = whole(tmp_path, "json", {"lines": True})
    assert [record["a"] for record in found] == ["1", "x", str(10**30)]
    assert [record["b.c"] for record in found] == ["True", None, None]
