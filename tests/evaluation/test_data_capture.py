"""Captured traffic becomes rows, whatever its encoding; what can't is counted, not fatal."""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "evaluation"))

from data_capture import NoRecordsError, Tally, Window, read_capture

EVER = Window()
COLUMNS = ["age", "plan", "price"]


def record(data: str, encoding: str = "CSV", content: str = "text/csv", time: str = "2026-03-02T10:15:07Z") -> str:
    side = {"observedContentType": content, "mode": "INPUT", "data": data, "encoding": encoding}
    event = {"eventId": "e", "inferenceTime": time}
    return json.dumps({"captureData": {"endpointInput": side}, "eventMetadata": event, "eventVersion": "0"})


def read(folder: Path, *lines: str, window: Window = EVER, **options: Any) -> tuple[pd.DataFrame, Tally]:
    (folder / "hour").mkdir(exist_ok=True)
    (folder / "hour" / "capture.jsonl").write_text("\n".join(lines) + "\n")
    tally = Tally()
    frames = list(read_capture(folder, COLUMNS, window, tally, **options))
    return pd.concat(frames, ignore_index=True), tally


def test_csv_rows_take_the_baselines_names(tmp_path: Path) -> None:
    frame, tally = read(tmp_path, record('34,"basic, old",182.5'), record("35,pro,20\n36,pro,21\n"))
    assert frame.to_dict("list") == {
        "age": ["34", "35", "36"],
        "plan": ["basic, old", "pro", "pro"],
        "price": ["182.5", "20", "21"],
    }
    assert (tally.records, tally.files, tally.unparseable.total()) == (2, 1, 0)


def test_csv_with_a_header_goes_by_name(tmp_path: Path) -> None:
    payloads = ['price, "age"\r\n1,34\r\n2,35\r\n', "price,age\n3,36", "37,basic,4\n38,pro,5"]
    frame, tally = read(tmp_path, *(record(payload) for payload in payloads))
    assert dict(zip(frame["age"], frame["price"], strict=True)) == {
        "34": "1",
        "35": "2",
        "36": "3",
        "37": "4",
        "38": "5",
    }
    assert set(frame.columns) == set(COLUMNS)
    assert tally.unparseable.total() == 0


def test_json_records_go_by_name(tmp_path: Path) -> None:
    payloads = [
        json.dumps({"price": 1.0, "age": 34, "vip": None}),
        json.dumps([{"age": 35, "price": 2}, {"age": 36, "price": 3}], indent=1),
        json.dumps({"instances": [{"age": 37}]}),
        '{"age": 38}\n{"age": 39}',
    ]
    frame, tally = read(tmp_path, *(record(payload, "JSON", "application/json") for payload in payloads))
    assert sorted(frame["age"]) == ["34", "35", "36", "37", "38", "39"]
    prices = frame.set_index("age")["price"]
    assert (prices["34"], prices["35"]) == ("1.0", "2")  # as written: Fractional and Integral
    assert prices.isna().sum() == 3
    assert frame["vip"].isna().all()
    assert tally.unparseable.total() == 0


def test_base64_payloads_are_read_by_their_content_type(tmp_path: Path) -> None:
    text = base64.b64encode(b"34,basic,1").decode()
    obj = base64.b64encode(b'{"age": 35}').decode()
    frame, _ = read(
        tmp_path,
        record(text, "BASE64", "text/csv; charset=utf-8"),
        record(obj, "BASE64", "application/json"),
    )
    assert sorted(frame["age"]) == ["34", "35"]


def test_unparseable_records_are_counted_by_file_and_reason(tmp_path: Path) -> None:
    array = base64.b64encode(b"\x93NUMPY").decode()
    frame, tally = read(
        tmp_path,
        record("34,basic,1"),
        '{"captureData": ',
        record('35,"basic,1'),
        record("{nope", "JSON", "application/json"),
        record("[1, 2]", "JSON", "application/json"),
        record("?", "BASE64"),
        record(base64.b64encode(b"x").decode(), "BASE64", "application/x-npy"),
        record(array, "BASE64", "application/x-npy"),
        json.dumps({"captureData": {}, "eventMetadata": {"inferenceTime": "2026-03-02T10:15:07Z"}}),
    )
    assert frame["age"].tolist() == ["34"]
    file = str(Path("hour") / "capture.jsonl")
    assert dict(tally.unparseable) == {
        (file, "without a readable inferenceTime"): 1,
        (file, "with broken CSV"): 1,
        (file, "with JSON that is no record"): 2,
        (file, "with broken BASE64"): 2,
        (file, "neither CSV nor JSON"): 1,
        (file, "without endpointInput data"): 1,
    }
    assert "8 unparseable" in str(tally)


def test_window_includes_its_start_and_not_its_end(tmp_path: Path) -> None:
    times = ["2026-03-02T09:59:59Z", "2026-03-02T10:00:00Z", "2026-03-02T10:59:59.9Z", "2026-03-02T11:00:00Z"]
    window = Window.parse("2026-03-02T10:00:00Z", "2026-03-02T12:00:00+01:00")
    frame, tally = read(tmp_path, *(record(f"{age},a,1", time=time) for age, time in enumerate(times)), window=window)
    assert frame["age"].tolist() == ["1", "2"]
    assert tally.outside == 2


def test_rows_of_another_width_show_as_columns(tmp_path: Path) -> None:
    wide, _ = read(tmp_path, record("34,basic,1,surplus"), record("34,basic,1"))
    assert list(wide.columns) == [*COLUMNS, "_c3"]
    narrow, _ = read(tmp_path, record("34,basic"))
    assert list(narrow.columns) == COLUMNS[:2]


def test_other_side(tmp_path: Path) -> None:
    side = {"observedContentType": "text/csv", "mode": "OUTPUT", "data": "0.5,no,1", "encoding": "CSV"}
    line = {"captureData": {"endpointOutput": side}, "eventMetadata": {"inferenceTime": "2026-03-02T10:15:07Z"}}
    frame, _ = read(tmp_path, json.dumps(line), side="endpointOutput")
    assert frame["age"].tolist() == ["0.5"]


def test_nothing_in_the_window_names_prefix_and_window(tmp_path: Path) -> None:
    window = Window.parse("2027-01-01T00:00:00Z", "2027-01-01T01:00:00Z")
    with pytest.raises(NoRecordsError, match=r"s3://b/capture.*2027-01-01T00:00:00.*1 outside"):
        read(tmp_path, record("34,basic,1"), window=window, prefix="s3://b/capture")
    with pytest.raises(NoRecordsError, match="0 captured records in 0 files"):
        list(read_capture(tmp_path / "missing", COLUMNS, EVER, Tally()))


@pytest.mark.parametrize(("start", "end"), [("yesterday-ish", None), ("2026-03-02T10:00:00Z", "2026-03-02T10:00:00Z")])
def test_window_that_is_none(start: str, end: str | None) -> None:
    with pytest.raises(ValueError, match="start_time"):
        Window.parse(start, end)
