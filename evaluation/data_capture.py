"""Captured endpoint traffic as frames of text.

Format: SageMaker developer guide, "Capture data from real-time endpoint": JSON Lines, one record a request, payload as
CSV text, JSON text or, where its content type was not listed at capture, BASE64. A payload holds one or more rows.
No step runs Python code per row: pandas and the C parsers see a whole batch of files at once; base64 alone is decoded
payload by payload.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

BATCH_BYTES = 64 * 2**20
CSV_TYPES = ("text/csv",)
QUOTED = r'"[^"]*"'
JSON_TYPES = ("application/json", "application/jsonlines", "application/x-jsonlines")


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

    def __str__(self) -> str:
        text = f"{self.records} captured records in {self.files} files, {self.outside} outside the window"
        if not self.unparseable:
            return text
        worst = "; ".join(f"{file}: {count} {why}" for (file, why), count in self.unparseable.most_common(3))
        return f"{text}, {self.unparseable.total()} unparseable ({worst})"


def read_capture(
    source: Path, columns: list[str], window: Window, tally: Tally, side: str = "endpointInput", prefix: str = ""
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
    files = sorted(source.rglob("*.jsonl")) if source.is_dir() else [source] if source.is_file() else []
    rows = 0
    for batch in _batches(files):
        payloads = _payloads(_lines(batch, source), side, window, tally)
        for frame in (*_csv_rows(payloads, columns, tally), _json_rows(payloads, tally)):
            rows += len(frame)
            if len(frame):
                yield frame
    if not rows:
        raise NoRecordsError(f"no record to analyse under {prefix or source} from {window}: {tally}")


def _batches(files: list[Path]) -> Iterator[list[Path]]:
    batch: list[Path] = []
    size = 0
    for file in files:
        batch.append(file)
        size += file.stat().st_size
        if size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _lines(files: list[Path], source: Path) -> pd.DataFrame:
    """Columns `file` and `text`, one row per captured record."""
    texts = pd.Series([file.read_text(encoding="utf-8", errors="replace") for file in files])
    names = [str(file.relative_to(source)) if file != source else file.name for file in files]
    lines = pd.DataFrame({"file": names, "text": texts.str.split("\n")}).explode("text", ignore_index=True)
    return lines[lines["text"].str.strip() != ""].reset_index(drop=True)


def _parse(texts: list[str]) -> list[Any]:
    """The JSON value of each text, None for a broken one; halves are retried, so a few broken ones cost little."""
    try:
        values = json.loads(f"[{','.join(texts)}]")
        if len(values) == len(texts):
            return values
    except (ValueError, RecursionError):
        pass
    if len(texts) == 1:
        return [None]
    middle = len(texts) // 2
    return _parse(texts[:middle]) + _parse(texts[middle:])


def _member(objects: pd.Series, name: str) -> pd.Series:
    """One member of each object, missing where there is none."""
    are_dicts = objects.map(type).eq(dict).to_numpy(dtype=bool)
    members = pd.DataFrame(objects[are_dicts].tolist())
    found = pd.Series(None, index=objects.index, dtype=object)
    if name in members:
        found[are_dicts] = members[name].to_numpy(dtype=object)
    return found


def _reject(frame: pd.DataFrame, broken: pd.Series, why: str, tally: Tally) -> pd.DataFrame:
    for file, count in frame.loc[broken, "file"].value_counts().items():
        tally.unparseable[str(file), why] += int(count)
    return frame[~broken]


def _payloads(lines: pd.DataFrame, side: str, window: Window, tally: Tally) -> pd.DataFrame:
    """Columns `file`, `data` (text) and `kind` (csv or json) of the records inside the window."""
    tally.files += lines["file"].nunique()
    tally.records += len(lines)
    records = pd.Series(_parse(lines["text"].tolist()), index=lines.index, dtype=object)
    captured = _member(_member(records, "captureData"), side)
    frame = lines[["file"]].assign(
        data=_member(captured, "data"),
        encoding=_member(captured, "encoding"),
        content=_member(captured, "observedContentType").astype("string").str.split(";").str[0].str.strip().str.lower(),
        time=pd.to_datetime(
            _member(_member(records, "eventMetadata"), "inferenceTime"), utc=True, errors="coerce", format="ISO8601"
        ),
    )
    frame = _reject(frame, frame["time"].isna(), "without a readable inferenceTime", tally)
    inside = window.holds(frame["time"])
    tally.outside += int((~inside).sum())
    frame = frame[inside]
    frame = _reject(frame, frame["data"].map(type).ne(str), f"without {side} data", tally)
    return _decoded(frame, tally)


def _decoded(frame: pd.DataFrame, tally: Tally) -> pd.DataFrame:
    encoded = frame["encoding"] == "BASE64"
    data = frame["data"].mask(encoded, frame.loc[encoded, "data"].map(_decode))
    kind = frame["encoding"].map({"CSV": "csv", "JSON": "json"})
    kind = kind.mask(encoded & frame["content"].isin(CSV_TYPES), "csv")
    kind = kind.mask(encoded & frame["content"].isin(JSON_TYPES), "json")
    frame = frame.assign(data=data, kind=kind)
    frame = _reject(frame, frame["data"].isna(), "with broken BASE64", tally)
    return _reject(frame, frame["kind"].isna(), "neither CSV nor JSON", tally)


def _decode(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None


def _csv_rows(payloads: pd.DataFrame, columns: list[str], tally: Tally) -> Iterator[pd.DataFrame]:
    payloads = payloads[payloads["kind"] == "csv"]
    texts = payloads["data"].astype("string").str.replace("\r\n", "\n", regex=False).str.strip("\n")
    # an unclosed quote would swallow the payloads after it
    broken = (texts.str.count('"') % 2 == 1) | (texts.str.strip() == "")
    texts = texts[_reject(payloads, broken, "with broken CSV", tally).index]
    if texts.empty:
        return
    parts = texts.str.split("\n", n=1, expand=True).reindex(columns=[0, 1])
    headed = parts[1].notna() & _names_most(parts[0], columns)
    for header, bodies in parts.loc[headed, 1].groupby(parts.loc[headed, 0]):
        names = next(csv.reader([str(header)], skipinitialspace=True))
        yield _table(bodies, [name.strip() for name in names])
    if not headed.all():
        yield _table(texts[~headed], columns)


def _names_most(lines: pd.Series, columns: list[str]) -> pd.Series:
    """Whether a line is a header: at least half of the column names stand in it."""
    named = sum((lines.str.contains(name, regex=False).astype(int) for name in columns), pd.Series(0, lines.index))
    return named >= max(1, len(columns) / 2)


def _table(texts: pd.Series, columns: list[str]) -> pd.DataFrame:
    lines = texts.str.replace(QUOTED, "", regex=True).str.split("\n").explode()
    widest = int(lines.str.count(",").max()) + 1
    rows = io.StringIO("\n".join(texts))  # pandas fills short rows with blanks, which count as missing values
    table = pd.read_csv(rows, header=None, names=range(widest), dtype=str, keep_default_na=False, index_col=False)
    names = columns[:widest] + [f"_c{position}" for position in range(len(columns), widest)]
    return table.set_axis(names, axis=1)


def _json_rows(payloads: pd.DataFrame, tally: Tally) -> pd.DataFrame:
    payloads = payloads[payloads["kind"] == "json"]
    # JSON Lines in one payload are as many texts; an object on several lines would be split, so try it whole first
    values = pd.Series(_parse(payloads["data"].tolist()), index=payloads.index, dtype=object)
    lined = values.isna()
    values = pd.concat([values[~lined], _json_lines(payloads.loc[lined, "data"])])
    instances = _member(values, "instances")
    values = values.mask(instances.map(type).eq(list), instances)
    several = values.map(type).eq(list)
    values = pd.concat([values[~several], values[several].explode()])
    broken = values.map(type).ne(dict)
    broken_payloads = payloads.index.isin(values.index[broken])
    _reject(payloads, pd.Series(broken_payloads, index=payloads.index), "with JSON that is no record", tally)
    records = values[~values.index.isin(payloads.index[broken_payloads])]
    frame = pd.DataFrame(records.tolist(), dtype=object)
    return frame.astype(str).where(frame.notna())


def _json_lines(texts: pd.Series) -> pd.Series:
    lines = texts.str.strip().str.split("\n").explode()
    return pd.Series(_parse(lines.tolist()), index=lines.index, dtype=object)
