"""What batch transform jobs were given and answered, from the manifests that their data capture leaves.

`<prefix>/input/yyyy/mm/dd/hh/` and `<prefix>/output/...` hold manifests, `[{"prefix": "s3://bucket/in/"}, "a.csv"]`, of
the job's own files: the captures are no copies (SageMaker developer guide, "Capture data from batch transform job").
`GenerateInferenceId` ends each answer with an id and the job's start, which labels and windows go by. A pair of files
is in memory at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import capture_rows
import captured_objects
import captured_tables
import json_lines
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from botocore.exceptions import ClientError
from capture_rows import Layout, Rows
from captured_answers import NOTHING, Answer
from data_capture import Tally, Window

ID, TIME = "SageMakerInferenceId", "SageMakerInferenceTime"
ISO = r"^\d{4}-\d\d-\d\dT\d\d:\d\d"
SUFFIX = ".out"
Answered = tuple[Rows, pa.ChunkedArray, pa.ChunkedArray]  # answers by line; of each line its inference id and time


@dataclass
class BatchCaptures:
    """Pairs of input and output files of the jobs that started in the window's hours."""

    s3: Any
    pairs: Sequence[tuple[str, str]]  # S3 URIs
    keys: list[str] = field(default_factory=list)  # of the manifests

    @classmethod
    def of(cls, s3: Any, bucket: str, prefix: str, start: pd.Timestamp, end: pd.Timestamp) -> BatchCaptures:
        """Raises ValueError for a manifest that is none, or one whose input has no output."""
        sides: dict[str, list[str]] = {}
        keys = []
        for side in ("input", "output"):
            stored = captured_objects.by_hour(s3, bucket, f"{prefix}{side}/", start, end)
            keys += [each.key for each in stored]
            sides[side] = [uri for each in stored for uri in _listed(s3, bucket, each.key)]
        outputs: dict[str, list[str]] = {}
        for uri in sides["output"]:
            outputs.setdefault(_name(uri.removesuffix(SUFFIX)), []).append(uri)
        pairs = []
        for uri in sides["input"]:
            if not (waiting := outputs.get(_name(uri))):
                raise ValueError(f"{uri} has no output in the manifests {', '.join(keys[:4])}")
            pairs.append((uri, waiting.pop(0)))  # files of one name come in the order of their jobs
        return cls(s3, pairs, keys)

    def tables(self, layout: Layout, answer: Answer, window: Window, tally: Tally) -> Iterator[pa.Table]:
        """As `EndpointCaptures.tables`; files without inference ids count as of their manifest's window."""
        for source, target in self.pairs:
            tally.files += 1
            given = _payload(source, self._read(source))
            rows = capture_rows.together(list(capture_rows.read(given, layout, tally.reject)))
            if rows.table.num_rows:
                yield from self._answered(target, rows, answer, window, tally)

    def _answered(self, target: str, rows: Rows, answer: Answer, window: Window, tally: Tally) -> Iterator[pa.Table]:
        """Rows of one file with its answers. An answer's line is an event, called `<URI>#<line from 0>`."""
        payload = _payload(target, self._read(target))
        read = _json if payload["kind"][0].as_py() == "json" else _csv
        answers, ids, times = read(payload, answer, tally)
        count = rows.table.num_rows
        tally.records += count
        if len(answers.payload) != count:
            tally.reject(payload, np.ones(1, bool), f"with {len(answers.payload)} answers to {count} records")
            return
        lines = pa.array(answers.payload)
        moments = pd.to_datetime(times.to_pandas(), utc=True, errors="coerce", format="ISO8601")
        inside = (window.holds(moments) | moments.isna()).to_numpy()[answers.payload]
        tally.outside += int((~inside).sum())
        records = pa.table(
            {
                "file": pa.array([target] * count, pa.string()),
                "event_id": pc.binary_join_element_wise(target, lines.cast(pa.string()), "#"),
                "inference_id": ids.take(lines),
                "inference_time": times.take(lines),
            }
        )
        each = np.arange(count)
        table = captured_tables.beside(records, Rows(rows.table, each), Rows(answers.table, each), tally)
        yield table.filter(pa.array(inside))

    def _read(self, uri: str) -> bytes:
        bucket, _, key = uri.removeprefix("s3://").partition("/")
        try:
            return bytes(self.s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        except ClientError as error:
            raise ValueError(f"{uri}, which a captured manifest names, cannot be read: {error}") from error


def _listed(s3: Any, bucket: str, key: str) -> list[str]:
    try:
        head, *names = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        return [f"{head['prefix']}{name}" for name in names]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f's3://{bucket}/{key} is no manifest: [{{"prefix": "s3://..."}}, "file"] is expected'
        ) from error


def _name(uri: str) -> str:
    return uri.rpartition("/")[2]


def _payload(uri: str, content: bytes) -> pa.Table:
    """A whole file as one payload: JSON where it begins like it, else CSV."""
    text = content.decode("utf-8", errors="replace").strip()
    kind = "json" if text[:1] in ("{", "[") else "csv"
    return pa.table({"file": [uri], "number": [0], "data": pa.array([text], pa.string()), "kind": [kind]})


def _csv(payload: pa.Table, answer: Answer, tally: Tally) -> Answered:
    """Joined with its input, a line ends with the answer's own fields; id and time come after them."""
    plain = Layout((), scalars=True)
    table = capture_rows.together(list(capture_rows.read(payload, plain, tally.reject))).table
    ids = times = pa.chunked_array([pa.nulls(table.num_rows, pa.string())])
    if table.num_columns > 2 and pc.all(pc.match_substring_regex(table[-1], ISO)).as_py():
        ids, times = table[-2], table[-1]
        table = table.select(table.column_names[:-2])
    names = answer.layout.columns
    if names and table.num_columns:
        width = min(len(names), table.num_columns)
        table = table.select(table.column_names[-width:]).rename_columns(list(names[:width]))
    columns = answer.of(table, payload["file"][0].as_py()) if table.num_rows else NOTHING
    return Rows(columns, np.arange(table.num_rows)), ids, times


def _json(payload: pa.Table, answer: Answer, tally: Tally) -> Answered:
    """A line is an answer, or `SageMakerOutput` holds it where it is joined with its input."""
    whole = capture_rows.json_values(payload["data"].to_pylist())[0]
    values = pd.Series(whole if isinstance(whole, list) else [whole], dtype=object)
    stamps = [
        pa.chunked_array([pa.array(json_lines.member(values, name), pa.string(), from_pandas=True)])
        for name in (ID, TIME)
    ]
    joined = json_lines.member(values, "SageMakerOutput")
    values = values.mask(joined.notna(), joined)
    payloads = pa.table(
        {
            "file": pa.array([payload["file"][0].as_py()] * len(values), pa.string()),
            "number": np.arange(len(values)),
            "data": pa.array([json.dumps(value) for value in values], pa.string()),
            "kind": pa.array(["json"] * len(values), pa.string()),
        }
    )
    return answer.rows(payloads, tally.reject), stamps[0], stamps[1]
