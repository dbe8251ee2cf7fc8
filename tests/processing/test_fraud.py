"""The processing job on a small history: splits in the order of time, tables that are refused, the command itself."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "processing"))

import fraud_table
from fraud_features import batch
from fraud_windows import FEATURES, FIELDS, Refused, checked
from tabular import InputError

from data.fraud_simulation import Simulation, simulate

PROCESSING = Path(__file__).parents[2] / "processing"


def load(name: str) -> ModuleType:
    """A script under a name of its own: training/ has a fraud.py, too."""
    spec = importlib.util.spec_from_file_location(f"processing_{name}", PROCESSING / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where a dataclass looks for its own module
    spec.loader.exec_module(module)
    return module


fraud = load("fraud")
OUTPUTS = ["train", "validation", "test", "report"]
DAYS = ["--train-days", "10", "--validation-days", "4", "--test-days", "5", "--delay-days", "2"]


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    """Few transactions, so more of them are fraud than the simulation's one in a hundred."""
    table = simulate(Simulation(customers=60, terminals=80, days=30))
    table.loc[::20, ["fraud", "scenario"]] = 1
    return table


def places(folder: Path) -> list[str]:
    return [part for name in OUTPUTS for part in (f"--{name}", str(folder / "out" / name))]


def run(folder: Path, raw: pd.DataFrame, *options: str, kind: str = "parquet") -> dict[str, pd.DataFrame]:
    (folder / "raw").mkdir()
    if kind == "csv":
        raw.to_csv(folder / "raw" / "transactions.csv", index=False)
    else:
        raw.to_parquet(folder / "raw" / "transactions.parquet", index=False)
    fraud.main(fraud.parse(["--raw", str(folder / "raw"), *places(folder), *DAYS, *options]))
    # pandas' usual parser of numbers may be wrong in the last bit.
    files = {name: folder / "out" / name / f"{name}.csv" for name in OUTPUTS[:3]}
    return {name: pd.read_csv(path, float_precision="round_trip") for name, path in files.items()}


def report(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "out" / "report" / "report.json").read_text())
    return found


def test_splits_follow_each_other_with_a_delay_between(tmp_path: Path, raw: pd.DataFrame) -> None:
    parts = run(tmp_path, raw)
    assert list(parts["train"].columns) == [*FEATURES, "fraud", *fraud.KEYS]
    found = {name: sorted(set(parts[name]["transaction_time"].str[:10])) for name in OUTPUTS[:3]}
    assert {name: (days[0], days[-1], len(days)) for name, days in found.items()} == {
        "train": ("2026-01-12", "2026-01-21", 10),
        "validation": ("2026-01-24", "2026-01-27", 4),
        "test": ("2026-01-30", "2026-02-03", 5),
    }
    told = report(tmp_path)
    assert told["splits"]["test"]["from"] == "2026-01-30" and told["splits"]["test"]["until"] == "2026-02-03"
    assert (told["rows_in"], told["rows_out"], told["dropped"]) == (len(raw), len(raw), {})
    assert (told["history_days"], told["whole_windows"]) == (7, False)
    text = (tmp_path / "out" / "report" / "report.md").read_text()
    assert "- test: 2026-01-30 to 2026-02-03, " in text and "with fewer than 37 the first windows are cut" in text


def test_features_come_from_the_whole_history_to_the_last_bit(tmp_path: Path, raw: pd.DataFrame) -> None:
    parts = run(tmp_path, raw)
    expected = batch(raw).set_axis(raw["transaction_id"])
    for name in OUTPUTS[:3]:
        part = parts[name].set_index("transaction_id")
        pd.testing.assert_frame_equal(part[list(FEATURES)], expected.loc[part.index], check_exact=True)
        assert (part["fraud"] == raw.set_index("transaction_id")["fraud"].loc[part.index]).all()
    assert parts["train"]["customer_30d_count"].max() > 30  # seven days of history, and those of the split


def test_csv_and_parquet_give_the_same(tmp_path: Path, raw: pd.DataFrame) -> None:
    for kind in ("csv", "parquet"):
        (tmp_path / kind).mkdir()
    one, other = (run(tmp_path / kind, raw, kind=kind) for kind in ("csv", "parquet"))
    for name in OUTPUTS[:3]:
        pd.testing.assert_frame_equal(one[name], other[name], check_exact=True)


def test_blank_and_repeated_rows_go_and_an_unknown_label_stays_history(tmp_path: Path, raw: pd.DataFrame) -> None:
    table = pd.concat([raw, raw.iloc[:7]], ignore_index=True).astype({"amount": "Float64", "fraud": "Int64"})
    table.loc[3, "amount"] = pd.NA
    long_ago = raw.index[raw["transaction_time"] >= "2026-01-30"][:50]
    table.loc[long_ago, "fraud"] = pd.NA
    parts = run(tmp_path, table.drop(columns="scenario"))
    told = report(tmp_path)
    # The fourth row was blank, so its repetition is the first of its id.
    assert told["dropped"] == {"blank amount": 1, "repeated transaction_id": 6}
    assert told["blank"] == {"fraud": 50}
    assert len(parts["test"]) == (raw["transaction_time"] >= "2026-01-30").sum() - 50
    assert set(parts["test"]["scenario"]) == {-1}
    expected = batch(raw).set_axis(raw["transaction_id"]).loc[parts["test"]["transaction_id"]]
    pd.testing.assert_frame_equal(
        parts["test"][list(FEATURES)], expected.reset_index(drop=True), check_exact=True, obj="features"
    )


def test_days_whose_labels_are_still_missing_are_in_no_split(tmp_path: Path, raw: pd.DataFrame) -> None:
    """Of the last two days, the delay, only frauds that were reported early are known: they would be no sample."""
    late = raw["transaction_time"] >= "2026-02-02"
    table = raw.astype({"fraud": "Int64"})
    table.loc[late & (raw["fraud"] == 0), "fraud"] = pd.NA
    assert table.loc[late, "fraud"].sum() > 0
    parts = run(tmp_path, table)
    days = sorted(set(parts["test"]["transaction_time"].str[:10]))
    assert (days[0], days[-1], len(days)) == ("2026-01-28", "2026-02-01", 5)
    assert set(parts["train"]["transaction_time"].str[:10]) == {f"2026-01-{day}" for day in range(10, 20)}
    shares = [parts[name]["fraud"].mean() for name in OUTPUTS[:3]]
    assert max(shares) < 1.3 * raw["fraud"].mean()
    assert report(tmp_path)["labelled_until"] == "2026-02-01"
    text = (tmp_path / "out" / "report" / "report.md").read_text()
    assert "- after 2026-02-01 labels are still missing: those days are in no split" in text


BAD: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "no rows": (lambda table: table.iloc[:0], "The raw table has no rows"),
    "no column": (lambda table: table.drop(columns="amount"), "column 'amount' is missing. Needed are transaction_id"),
    "another column": (lambda table: table.assign(colour="red"), "column 'colour' is unknown"),
    "text for a number": (lambda table: put(table, "amount", "much"), "'amount' holds 'much', 1 rows, where a number"),
    "a negative amount": (lambda table: put(table, "amount", "-5"), "'amount' holds '-5', 1 rows"),
    "no amount": (lambda table: put(table, "amount", "0"), "'amount' holds '0.0', 1 rows. It must be at least 0.01"),
    "too much": (lambda table: put(table, "amount", "100001"), "at least 0.01 and at most 100000 euros"),
    "infinite": (lambda table: put(table, "amount", "inf"), "'amount' holds 'inf'"),
    "off the map": (lambda table: put(table, "x", "100.5"), "'x' holds '100.5', 1 rows. It must be on the map"),
    "half a customer": (lambda table: put(table, "customer_id", "1.5"), "'customer_id' holds '1.5'"),
    "no time": (lambda table: put(table, "transaction_time", "noon"), "'transaction_time' holds 'noon', 1 rows, where"),
    "long ago": (lambda table: put(table, "transaction_time", "1999-01-01"), "between 2000-01-01T00:00:00Z and 2099"),
    "far ahead": (lambda table: put(table, "transaction_time", "2100-01-01"), "between 2000-01-01T00:00:00Z and 2099"),
    "another label": (lambda table: put(table, "fraud", "2"), "'fraud' holds '2', 1 rows. It must be 0 or 1"),
    "no label": (lambda table: table.assign(fraud=""), "The train split has 0 frauds among 0 labelled"),
    "no fraud": (lambda table: table.assign(fraud="0"), "The train split has 0 frauds among"),
    "all blank": (lambda table: table.assign(amount=""), "No transaction has all of its fields"),
    "few days": (
        lambda table: table[table["transaction_time"] < "2026-01-20"],
        "span 15 days, from 2026-01-05, and 23",
    ),
}


def put(table: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    changed = table.copy()
    changed.loc[5, column] = value
    return changed


@pytest.mark.parametrize("case", BAD)
def test_a_table_that_cannot_be_used_is_refused_and_leaves_nothing(
    case: str, tmp_path: Path, raw: pd.DataFrame
) -> None:
    change, said = BAD[case]
    as_text = raw.astype(str)
    with pytest.raises(InputError) as refused:
        run(tmp_path, change(as_text), kind="csv")
    assert said in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_a_table_refuses_what_a_stream_refuses() -> None:
    """One rule for what is a transaction, seen a record or a table at a time."""
    good = {
        "transaction_id": 1,
        "transaction_time": "2026-06-01T12:00:00Z",
        "customer_id": 2,
        "terminal_id": 3,
        "amount": 4.5,
        "x": 5.0,
        "y": 6.0,
    }
    assert list(good) == list(FIELDS)
    values: dict[str, list[Any]] = {
        "transaction_id": [0, 2**53 - 1, -1, 2**53, 0.5],
        "customer_id": [0, -1],
        "terminal_id": [0, -1],
        "amount": [0.01, 100_000.0, 0.0, -1.0, 100_001.0, np.inf],
        "x": [0.0, 100.0, -0.1, 100.1],
        "y": [0.0, 100.0, -0.1, 100.1],
        "transaction_time": [
            "2000-01-01T00:00:00Z",
            "1999-12-31T23:59:59Z",
            "2099-12-31T23:59:59Z",
            "2100-01-01T00:00:00Z",
        ],
    }
    for name, each in ((name, each) for name, found in values.items() for each in found):
        row = good | {name: each}
        taken = [accepts(partial(checked, row)), accepts(partial(fraud_table.clean, frame(row)))]
        assert taken[0] == taken[1], (name, each, taken)


def accepts(take: Callable[[], object]) -> bool:
    try:
        take()
    except (Refused, InputError):
        return False
    return True


def frame(row: dict[str, Any]) -> pd.DataFrame:
    return pd.DataFrame([row | {"fraud": 0}])


def test_an_empty_folder_and_a_broken_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no file"):
        fraud_table.read(tmp_path)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(InputError, match=r"broken\.parquet is not readable as parquet"):
        fraud_table.read(tmp_path)
    (tmp_path / "broken.parquet").rename(tmp_path / "empty.csv")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(InputError, match=r"empty\.csv has no rows, not even a header"):
        fraud_table.read(tmp_path)


@pytest.mark.parametrize("days", [{"train_days": 0}, {"test_days": -1}, {"delay_days": -1}])
def test_days_that_make_no_split_are_refused(days: dict[str, int]) -> None:
    args = fraud.Args(**days)
    with pytest.raises(InputError, match="make no splits"):
        fraud.periods(known("2026-01-01", "2026-12-31"), args)


def known(first: str, last: str, *unlabelled: str) -> fraud_table.Known:
    days = tuple(np.datetime64(day) for day in unlabelled)
    return fraud_table.Known(9, 9, pd.Timestamp(first), pd.Timestamp(last), 1, len(days), {}, days)


def test_a_label_missing_before_the_delay_ends_no_split() -> None:
    some = known("2026-01-01", "2026-12-31 23:00", "2026-03-01", "2026-12-24", "2026-12-25", "2026-12-27")
    assert fraud.labelled_until(some, fraud.Args()) == np.datetime64("2026-12-25")
    assert fraud.labelled_until(some, fraud.Args(delay_days=0)) == np.datetime64("2027-01-01")
    short = known("2026-11-01", "2026-12-31", "2026-12-27")
    with pytest.raises(InputError, match="span 56 days, .* Days from 2026-12-27 on lack labels and count for nothing"):
        fraud.periods(short, fraud.Args())


def test_the_default_days_are_those_that_the_data_set_has() -> None:
    from data.fraud import SIMULATION

    first = pd.Timestamp(SIMULATION.start)
    last = first + pd.Timedelta(days=SIMULATION.days, seconds=-1)
    begins = fraud.periods(known(str(first), str(last)), fraud.Args())["train"].start
    assert (begins - np.datetime64(first, "D")).astype(int) >= fraud.HISTORY


def test_an_unknown_engine_is_refused(tmp_path: Path, raw: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="'dask' is unknown: use pandas or spark"):
        run(tmp_path, raw, "--engine", "dask")


@pytest.mark.slow
def test_spark_gives_the_same_files(tmp_path: Path, raw: pd.DataFrame) -> None:
    pytest.importorskip("pyspark", reason="pyspark is in the extra `spark`")
    if not shutil.which("java") and not os.environ.get("JAVA_HOME"):
        pytest.skip("Spark needs Java on the PATH or in JAVA_HOME")
    table = pd.concat([raw, raw.iloc[:7]], ignore_index=True).astype({"amount": "Float64"})
    table.loc[len(raw), "amount"] = pd.NA
    table.loc[[5, len(raw) - 1], "fraud"] = None  # one of the last day, so splits end before it
    for engine in fraud.ENGINES:
        (tmp_path / engine).mkdir()
    one, other = (run(tmp_path / engine, table, "--engine", engine) for engine in fraud.ENGINES)
    for name in OUTPUTS[:3]:
        pd.testing.assert_frame_equal(one[name], other[name], check_exact=True)
    told = [report(tmp_path / engine) for engine in fraud.ENGINES]
    assert told[0] | {"engine": ""} == told[1] | {"engine": ""}


@pytest.mark.slow
def test_spark_refuses_the_same_tables(tmp_path: Path, raw: pd.DataFrame) -> None:
    pytest.importorskip("pyspark", reason="pyspark is in the extra `spark`")
    for case in ("a negative amount", "no column"):
        change, said = BAD[case]
        (tmp_path / case).mkdir()
        with pytest.raises(InputError) as refused:
            run(tmp_path / case, change(raw.astype(str)), "--engine", "spark", kind="csv")
        assert said in str(refused.value)


def test_the_command_line_has_every_argument() -> None:
    assert asdict(fraud.parse([])) == asdict(fraud.Args())
    assert fraud.parse(["--train-days", "3", "--engine", "spark"]) == fraud.Args(train_days=3, engine="spark")
