"""Any table becomes a clean one, and what was wrong with it is counted."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

SCRIPT = Path(__file__).parents[2] / "processing" / "eda.py"
sys.path.insert(0, str(SCRIPT.parent))

import eda  # noqa: E402 - scripts import what lies beside them
import eda_columns  # noqa: E402
import eda_reading  # noqa: E402
from eda_cleaning import Repeats  # noqa: E402
from tabular import InputError  # noqa: E402

DAY = datetime.datetime
KINDS = ("number", "category", "boolean", "time", "text", "identifier")


def cleaned(tmp_path: Path, content: str | bytes | pd.DataFrame, target: str = "none", share: float = 0.25) -> Cleaned:
    """What becomes of a CSV's text, or of a frame as Parquet."""
    raw = tmp_path / "raw"
    raw.mkdir(exist_ok=True)
    if isinstance(content, pd.DataFrame):
        content.to_parquet(raw / "some.parquet")
    else:
        (raw / "some.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    args = eda.Args(str(raw), str(tmp_path / "table"), str(tmp_path / "quality"), target, share)
    eda.main(args)
    return Cleaned(tmp_path)


class Cleaned:
    def __init__(self, folder: Path) -> None:
        self.table = parquet.read_table(folder / "table" / "table.parquet")
        self.quality: dict[str, Any] = json.loads((folder / "quality" / "quality.json").read_text())

    def column(self, name: str) -> list[Any]:
        return self.table[name].to_pylist()

    def kinds(self) -> dict[str, str]:
        told = {field.name: field.metadata[b"kind"].decode() for field in self.table.schema}
        assert told == {name: each["kind"] for name, each in self.quality["columns"].items()}
        return told

    def found(self, name: str) -> dict[str, int]:
        return {each["what"]: each["rows"] for each in self.quality["columns"][name]["findings"]}


def test_every_kind_is_told(tmp_path: Path) -> None:
    rows = [
        f"{row},{row * 1.5},{'yes' if row % 2 else 'No'},2024-01-{row % 28 + 1:02d},k{row % 3},"
        f"a note about number {row},U-{row:05d},{row % 2},{row + 500000:07d},{1_500_000_000 + row}"
        for row in range(1, 61)
    ]
    text = "number_of_row,amount,flag,day,group,note,ref,bit,code,sent_at\n" + "\n".join(rows)
    found = cleaned(tmp_path, text)
    assert found.kinds() == {
        "number_of_row": "identifier", "amount": "number", "flag": "boolean", "day": "time", "group": "category",
        "note": "text", "ref": "identifier", "bit": "boolean", "code": "identifier", "sent_at": "time",
    }  # fmt: skip
    assert found.table.schema.field("amount").type == pa.float64()
    assert found.column("flag")[:2] == [True, False]
    assert found.column("day")[0] == DAY(2024, 1, 2)
    assert found.column("code")[0] == "0500001"
    assert found.column("sent_at")[0] == DAY(2017, 7, 14, 2, 40, 1)
    assert found.quality["corrupt"] == 0


def test_corrupt_values_are_made_missing_and_counted(tmp_path: Path) -> None:
    text = "a,b\n1,2024-01-31\n2,2024-02-30\nthree,2024-02-28\n4,soon\ninf,2024-03-01\n6,2024-03-02\n7,2024-03-03\n8,\n"
    found = cleaned(tmp_path, text)
    assert found.column("a") == [1, 2, None, 4, None, 6, 7, 8]
    assert found.found("a") == {"not a number": 1, "infinite": 1}
    assert found.column("b")[1] is None and found.column("b")[3] is None
    assert found.found("b") == {"no such day": 1, "not a time": 1}
    assert found.quality["corrupt"] == 4
    examples = {each["what"]: each["examples"] for each in found.quality["columns"]["a"]["findings"]}
    assert examples["not a number"] == ["three"]


def test_too_many_of_another_type_leave_text_and_say_so(tmp_path: Path) -> None:
    found = cleaned(tmp_path, "a\n" + "\n".join(["1", "2", "3", "x", "y", "z"] * 5), share=0.05)
    assert found.kinds() == {"a": "category"}
    assert found.found("a") == {"mixes numbers (50%) with text: kept as text": 30}


def test_words_for_nothing(tmp_path: Path) -> None:
    found = cleaned(tmp_path, "n,c\n1,NA\n-,none\nNone,a\nnull,b\n5,?\n6,a\n")
    assert found.column("n") == [1, None, None, None, 5, 6]
    assert found.column("c") == [None, "none", "a", "b", None, "a"]
    assert found.found("c") == {"words for a missing value": 2, "vague words such as none or unknown": 1}


def test_whitespace_and_spellings(tmp_path: Path) -> None:
    found = cleaned(tmp_path, "town,size\nParis, 1\n paris,2 \nParis,3\nPARIS,4\nRome,5\nNew  York,6\nNew York,7\n")
    assert found.column("town") == ["Paris"] * 4 + ["Rome", "New  York", "New  York"]
    assert found.column("size") == [1, 2, 3, 4, 5, 6, 7]
    assert found.found("town") == {"whitespace around values": 1, "another spelling": 3}
    assert found.quality["columns"]["town"]["distinct"] == 3


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["$1,200.50", "$99.00", "$1,000"], [1200.5, 99.0, 1000.0]),
        (["12 %", "3%", "4.5%"], [12.0, 3.0, 4.5]),
        (["1.234,5", "7,25", "0,5"], [1234.5, 7.25, 0.5]),
        (["1e3", "-2.5E-1", ".5"], [1000.0, -0.25, 0.5]),
    ],
)
def test_decorated_numbers(tmp_path: Path, written: list[str], read: list[float]) -> None:
    text = "n;other\n" + "".join(f'"{each}";x\n' for each in written)
    assert cleaned(tmp_path, text).column("n") == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (["03/04/2024", "25/12/2024"], [DAY(2024, 4, 3), DAY(2024, 12, 25)]),
        (["03/04/2024", "12/25/2024"], [DAY(2024, 3, 4), DAY(2024, 12, 25)]),
        (["2024-01-02T03:04:05Z", "2024-01-02 03:04:05+02:00"], [DAY(2024, 1, 2, 3, 4, 5), DAY(2024, 1, 2, 1, 4, 5)]),
        (["1.2.2024", "28.2.2024"], [DAY(2024, 2, 1), DAY(2024, 2, 28)]),
        (["05 Mar 2021", "1-Apr-2021"], [DAY(2021, 3, 5), DAY(2021, 4, 1)]),
        (["March 5, 2021", "Apr 1, 2021"], [DAY(2021, 3, 5), DAY(2021, 4, 1)]),
    ],
)
def test_times(tmp_path: Path, written: list[str], read: list[DAY]) -> None:
    text = "t;other\n" + "".join(f"{each};x\n" for each in written)
    assert cleaned(tmp_path, text).column("t") == read


def test_day_or_month_first_is_said_where_nothing_tells(tmp_path: Path) -> None:
    found = cleaned(tmp_path, "t,x\n03/04/2024,1\n05/06/2024,2\n")
    assert found.column("t")[0] == DAY(2024, 3, 4)
    assert any("cannot be told apart" in what for what in found.found("t"))


def test_huge_integers_keep_their_digits(tmp_path: Path) -> None:
    numbers = [12345678901234567890 + row for row in range(3)]
    found = cleaned(tmp_path, "n,small\n" + "".join(f"{each},{2**53 - 1}\n" for each in numbers))
    assert found.column("n") == [str(each) for each in numbers]
    assert found.column("small") == [2**53 - 1] * 3


def test_edge_cases_of_one_column(tmp_path: Path) -> None:
    found = cleaned(tmp_path, "constant,empty,one,gone\n5,,1,NA\n5,,,NA\n5,,,NA\n")
    assert found.column("constant") == [5, 5, 5]
    assert found.column("one") == [1, None, None]
    assert found.quality["columns"]["empty"]["missing_share"] == 1.0
    assert "has no value at all" in found.found("gone")


def test_one_row(tmp_path: Path) -> None:
    found = cleaned(tmp_path, "a,b,c\n1,x,2024-01-01\n")
    assert found.table.num_rows == 1
    assert found.quality["duplicates"]["rows"]["repeated"] == 0


def test_rows_with_another_number_of_fields_are_left_out_and_counted(tmp_path: Path) -> None:
    found = cleaned(tmp_path, "a,b\n1,2\n3\n4,5,6\n7,8\n")
    assert found.column("a") == [1, 7]
    assert found.quality["skipped_rows"] == 2


def test_names_of_columns(tmp_path: Path) -> None:
    found = cleaned(tmp_path, " a ,a,,b\n1,2,3,4\n")
    assert found.table.column_names == ["a", "a_2", "column_3", "b"]
    numbered = cleaned(tmp_path, "1,2,3\n4,5,6\n")
    assert numbered.table.column_names == ["column_1", "column_2", "column_3"] and numbered.table.num_rows == 2


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    found = cleaned(tmp_path, "näme;größe\nZoë;1\nJosé;2\n".encode(encoding))
    assert found.table.column_names == ["näme", "größe"]
    assert found.column("näme") == ["Zoë", "José"]


def test_quoted_separators_and_lines(tmp_path: Path) -> None:
    found = cleaned(tmp_path, 'a,b\n"x, y","two\nlines"\nz,w\n')
    assert found.column("a") == ["x, y", "z"] and found.column("b") == ["two\nlines", "w"]


def test_repeated_rows_with_and_without_identifiers(tmp_path: Path) -> None:
    frame = pd.DataFrame({"user_id": range(100, 200), "x": [row % 10 for row in range(100)]})
    found = cleaned(tmp_path, pd.concat([frame, frame.head(3)]))
    assert found.kinds() == {"user_id": "identifier", "x": "number"}
    assert found.quality["duplicates"]["rows"]["repeated"] == 3
    assert found.quality["duplicates"]["rows"]["most_frequent"] == 2
    assert found.quality["duplicates"]["rows but for identifiers"]["repeated"] == 93


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_in_a_table_it_can_be_read(tmp_path: Path, seed: int) -> None:
    """No value is lost without being counted, whatever columns are made of."""
    odd = ["", " ", "0", "007", "-1", "3.5", "1e308", "1e999", "-inf", "NaN", "NA", "none", "?", "true", "No", "yes"]
    odd += ["2024-01-01", "31/12/2023", "12:00", "1,234", "$5", "7 %", "x", "X", "a b c d", "ä", "9" * 30, "'", "\t"]
    random = np.random.default_rng(seed)
    words = {f"c{place}": random.choice(odd, random.integers(1, 5)) for place in range(12)}
    frame = pd.DataFrame({name: random.choice(some, 40) for name, some in words.items()})
    found = cleaned(tmp_path, frame.to_csv(index=False), share=0.3)
    assert found.table.num_rows == 40 and set(found.kinds().values()) <= set(KINDS)
    for name, told in found.quality["columns"].items():
        missing = [each is None for each in found.column(name)]
        assert sum(missing) == told["missing"]
        lost = sum(each["rows"] for each in told["findings"] if each["done"] == "made missing")
        blank = frame[name].str.strip().isin(["", "NaN"]).sum()
        assert sum(missing) <= blank + lost


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "f": [1.5, np.inf, np.nan],
            "i": pd.array([1, None, 3], dtype="Int64"),
            "b": [True, False, True],
            "t": pd.to_datetime(["2024-01-01", None, "2024-01-03"]),
            "c": pd.Categorical(["x", "y", None]),
            "l": [[1, 2], [3], None],
            "text": ["1", "2", "3"],
        }
    )
    found = cleaned(tmp_path, frame)
    assert found.column("f") == [1.5, None, None] and found.found("f") == {"infinite": 1}
    assert found.column("i") == [1, None, 3]
    assert found.column("t")[2] == DAY(2024, 1, 3)
    assert found.column("c") == ["x", "y", None]
    assert found.column("l") == ["[1, 2]", "[3]", None]
    assert found.column("text") == [1, 2, 3]
    assert found.kinds()["b"] == "boolean"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "some.csv is empty"),
        ("\n\n", "some.csv is empty"),
        ("a,b\n", "has a header and no rows"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        cleaned(tmp_path, content)
    assert not (tmp_path / "table" / "table.parquet").exists()


def test_targets_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no column 'prise' to explain. The table has price, x."):
        cleaned(tmp_path, "price,x\n1,2\n", target="prise")
    with pytest.raises(InputError, match=r"The target 'x' has no value at all."):
        cleaned(tmp_path, "price,x\n1,\n2,\n", target="x")


def test_files_that_are_no_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no file"):
        eda_reading.sources(tmp_path)
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(InputError, match="a.parquet is not readable as Parquet"):
        eda_reading.sources(tmp_path)
    (tmp_path / "a.parquet").rename(tmp_path / "a.xlsx")
    with pytest.raises(InputError, match=r"a.xlsx is neither CSV nor Parquet"):
        eda_reading.sources(tmp_path)


def test_parts_of_one_table_and_others(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("a,b\n3,4\n")
    (source, other) = eda_reading.sources(tmp_path)
    assert [len(batch) for each in (source, other) for batch in eda_reading.read(each)] == [1, 1]
    (tmp_path / "2.csv").write_text("a,c\n3,4\n")
    with pytest.raises(InputError, match=r"different columns \(b, c\)"):
        eda_reading.sources(tmp_path)


def test_different_values_are_counted_exactly_and_then_nearly() -> None:
    column = eda_columns.Column("n")
    for start in range(0, 60_000, 6_000):
        column.add(pa.array([f"{value / 2}" for value in range(start, start + 6_000)] * 2))
        if start == 0:
            assert column.distinct.exact and column.distinct.count == 6_000
    assert not column.distinct.exact
    assert column.distinct.count == pytest.approx(60_000, rel=0.05)


def test_repeats_stay_countable_when_there_are_too_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eda_cleaning.MOST_HASHES", 2_000)
    repeats = Repeats()
    rows = np.random.default_rng(0).integers(0, 2**64, 8_000, np.uint64)
    for part in np.split(np.concatenate([rows, rows[:4_000]]), 12):
        repeats.add(part)
    assert repeats.held <= 2_000 and repeats.share < 0.2
    again, different, most = repeats.found()
    assert again == pytest.approx(4_000, rel=0.15) and different == pytest.approx(4_000, rel=0.15) and most == 2


def test_the_job_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "some.csv").write_text("a,b\n1,2\n")
    command = [sys.executable, str(SCRIPT), "--raw", str(tmp_path), "--target", "c"]
    command += ["--table", str(tmp_path / "t"), "--quality", str(tmp_path / "q")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "There is no column 'c' to explain. The table has a, b." in done.stderr
