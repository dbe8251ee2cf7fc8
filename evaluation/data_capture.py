"""Captured endpoint traffic as tables of text.

Format: SageMaker developer guide, "Capture data from real-time endpoint": JSON Lines, one record a request, payload as
CSV text, JSON text or, where its content type was not listed at capture, BASE64. A payload holds one or more rows
(capture_rows.py). A merge job's records hold `groundTruthData`, too. No step runs Python code per record: Arrow and
pandas see a whole batch of files at once; base64 alone is decoded payload by payload.
"""

from __future__ import annotations

import base64
import binascii
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import capture_rows
import json_lines
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from capture_rows import Layout

BATCH_BYTES = 64 * 2**20
CSV_TYPES = ("text/csv",)
JSON_TYPES = ("application/json", "application/jsonlines", "application/x-jsonlines")
INPUT, OUTPUT = "endpointInput", "endpointOutput"
TRUTH = "groundTruthData"
EVENT = {
    "event_id": ("eventMetadata", "eventId"),
    "inference_id": ("eventMetadata", "inferenceId"),
    "inference_time": ("eventMetadata", "inferenceTime"),
}


class NoRecordsError(ValueError):
    """There is nothing to analyse; the message names folder and window."""


@dataclass(frozen=True)
class Window:
    """Capture times from `start` up to, not including, `end`; None is open."""

    start: pd.Timestamp | None = None
    end: pd.Timestamp | None = None

    @classmethod
    def parse(cls, start: str | None, end: str | None) -> Window:
        """From ISO 8601; a time without a zone is UTC.

        Raises:
            ValueError: not a time, or an end that is not after its start.
        """
        try:
            window = cls(*(pd.to_datetime(text, utc=True) if text else None for text in (start, end)))
        except ValueError as error:
            raise ValueError(f"start_time {start!r}, end_time {end!r}: ISO 8601 is expected ({error})") from error
        if window.start is not None and window.end is not None and window.end <= window.start:
            raise ValueError(f"end_time {end!r} is not after start_time {start!r}")
        return window

    def holds(self, times: pd.Series) -> pd.Series:
        """One boolean per time."""
        inside = times.notna()
        if self.start is not None:
            inside &= times >= self.start
        if self.end is not None:
            inside &= times < self.end
        return inside

    def __str__(self) -> str:
        start = self.start.isoformat() if self.start is not None else "the first record"
        end = self.end.isoformat() if self.end is not None else "the last"
        return f"{start} to {end}"


@dataclass
class Tally:
    """What became of the captured records."""

    files: int = 0
    records: int = 0
    outside: int = 0
    unparseable: Counter[tuple[str, str]] = field(default_factory=Counter)  # by file and reason

    def reject(self, payloads: pa.Table, broken: pa.Array | np.ndarray, why: str) -> pa.Table:
        """The payloads that are not broken; those that are get counted."""
        broken = pc.fill_null(broken, True) if isinstance(broken, pa.Array | pa.ChunkedArray) else pa.array(broken)
        if not pc.any(broken).as_py():
            return payloads
        for file, count in Counter(payloads["file"].filter(broken).to_pylist()).items():
            self.unparseable[str(file), why] += count
        return payloads.filter(pc.invert(broken))

    def __str__(self) -> str:
        text = f"{self.records} captured records in {self.files} files, {self.outside} outside the window"
        if not self.unparseable:
            return text
        worst = "; ".join(f"{file}: {count} {why}" for (file, why), count in self.unparseable.most_common(3))
        return f"{text}, {self.unparseable.total()} unparseable ({worst})"


def read_capture(
    source: Path, columns: list[str], window: Window, tally: Tally, side: str = INPUT, prefix: str = ""
) -> Iterator[pd.DataFrame]:
    """Frames of text with the rows of the captured payloads; what was left out is counted in `tally`.

    Args:
        source: a file, or a folder with `*.jsonl` at any depth.
        columns: names for the fields of CSV rows without a header, in order; further fields are `_c<position>`.
        side: `endpointInput` or `endpointOutput`.
        prefix: what to call the source in an error; the S3 prefix where it is known.

    Raises:
        NoRecordsError: no file, nothing inside the window, or nothing inside it that can be parsed.
    """
    rows = 0
    for files in file_batches(source):
        payloads = side_payloads(records(files, (side,), window, tally), side, tally)
        for part in capture_rows.read(payloads, Layout(tuple(columns)), tally.reject):
            rows += part.table.num_rows
            if part.table.num_rows:
                yield part.table.to_pandas()
    if not rows:
        raise NoRecordsError(f"no record to analyse under {prefix or source} from {window}: {tally}")


def file_batches(source: Path, size: int = BATCH_BYTES) -> Iterator[list[json_lines.File]]:
    """The `*.jsonl` files of a folder, or one file, with their names relative to it; about so many bytes at a time."""
    files = sorted(source.rglob("*.jsonl")) if source.is_dir() else [source] if source.is_file() else []
    batch: list[json_lines.File] = []
    held = 0
    for file in files:
        batch.append((str(file.relative_to(source)) if file != source else file.name, file.read_bytes()))
        held += len(batch[-1][1])
        if held > size:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def records(files: Sequence[json_lines.File], sides: Sequence[str], window: Window, tally: Tally) -> pa.Table:
    """The records inside the window, one row each, as text and null where a record has none.

    Columns `file`, `event_id`, `inference_id`, `inference_time`, and for each side, `endpointInput`, `endpointOutput`
    or `groundTruthData`, `<side>`, `<side>.encoding` and `<side>.type`.
    """
    paths = dict(EVENT)
    for side in sides:
        at = (side,) if side == TRUTH else ("captureData", side)
        paths |= {
            side: (*at, "data"),
            f"{side}.encoding": (*at, "encoding"),
            f"{side}.type": (*at, "observedContentType"),
        }
    table = json_lines.read(files, paths)
    tally.files += len(files)
    tally.records += table.num_rows
    times = pd.to_datetime(table["inference_time"].to_pandas(), utc=True, errors="coerce", format="ISO8601")
    inside = window.holds(times)
    tally.outside += int((~inside & times.notna()).sum())
    table = table.filter(pa.array(inside | times.isna()))
    return tally.reject(table, times[inside | times.isna()].isna().to_numpy(), "without a readable inferenceTime")


def side_payloads(records: pa.Table, side: str, tally: Tally) -> pa.Table:
    """Columns `file`, `number` (of the record), `data` and `kind` (csv or json) of what can be read of a side."""
    table = pa.table(
        {
            "file": records["file"],
            "number": pa.array(np.arange(records.num_rows)),
            "data": records[side],
            "encoding": records[f"{side}.encoding"],
            "type": records[f"{side}.type"],
        }
    )
    table = _decoded(tally.reject(table, pc.is_null(table["data"]), f"without {side} data"), tally)
    return tally.reject(table, pc.is_null(table["kind"]), "neither CSV nor JSON")


def _decoded(table: pa.Table, tally: Tally) -> pa.Table:
    encoding = pc.fill_null(table["encoding"], "")
    encoded = pc.equal(encoding, "BASE64")
    kind = pc.if_else(pc.equal(encoding, "CSV"), "csv", pc.if_else(pc.equal(encoding, "JSON"), "json", None))
    if not pc.any(encoded).as_py():
        return table.append_column("kind", kind)
    content = pc.utf8_lower(pc.utf8_trim_whitespace(pc.replace_substring_regex(table["type"], ";.*", "")))
    readable = pc.if_else(_among(content, CSV_TYPES), "csv", pc.if_else(_among(content, JSON_TYPES), "json", None))
    table = table.append_column("kind", pc.if_else(encoded, readable, kind))
    chosen = np.flatnonzero(encoded.to_numpy(zero_copy_only=False))
    texts = table["data"].to_numpy(zero_copy_only=False).copy()
    texts[chosen] = [_decode(text) for text in texts[chosen]]
    position = table.schema.get_field_index("data")
    table = table.set_column(position, "data", pa.array(texts, pa.string(), from_pandas=True))
    return tally.reject(table, pc.is_null(table["data"]), "with broken BASE64")


def _among(values: pa.ChunkedArray, wanted: Sequence[str]) -> pa.ChunkedArray:
    return pc.is_in(values, value_set=pa.array(wanted))


def _decode(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
