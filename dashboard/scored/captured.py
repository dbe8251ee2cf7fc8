"""What an endpoint was asked and answered, from its captures in S3, with what is known to have come true."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from dashboard.scored.records import Scored

# Job scripts import each other by plain names, as a job's folder holds them. At the path's end they hide no library.
_SCRIPTS = str(Path(__file__).resolve().parents[2] / "evaluation")
if _SCRIPTS not in sys.path:
    sys.path.append(_SCRIPTS)

import capture_rows  # noqa: E402
import captured_objects  # noqa: E402
import captured_tables  # noqa: E402
import data_capture  # noqa: E402
import ground_truth  # noqa: E402
from captured_answers import PROBABILITY, Answer  # noqa: E402

MOST_BYTES = 24 * 2**20  # of captures that a page reads, the newest ones: about 40,000 requests in under a second
REASONS = "reasons-"  # begins the inference id of a request that asks why, followed by the id that it is about
ID_LENGTH = 64  # AWS's limit of an InferenceId
_MARK = captured_tables.MARK
_ANSWER = Answer.make("probability,label", "", "probability", "0.5")
_EARLY = pd.Timedelta("1D")  # labels may have come before their requests


def read(
    s3: Any,
    captures: str,
    truths: str,
    start: datetime,
    end: datetime,
    features: Sequence[str],
    optional: Sequence[str],
) -> Scored:
    """The requests of a window with answers that hold a probability, the newest of each id.

    `captures`: s3://<bucket>/<prefix>/<endpoint>; `truths`: prefix of the labels, or empty; `features`: their names in
    the order of a CSV request, before which `optional` may come.
    """
    window = data_capture.Window(pd.Timestamp(start), pd.Timestamp(end))
    stored, left_out = _newest(s3, captures, window)
    tally = data_capture.Tally()
    layout = capture_rows.Layout(tuple(features), tuple(optional))
    bucket, _ = captured_objects.split(captures)
    parts, reasons = [], dict[str, list[dict[str, float]]]()
    for files in captured_objects.contents(s3, bucket, stored):
        records = data_capture.records(files, (data_capture.INPUT, data_capture.OUTPUT), window, tally)
        if records.num_rows:
            part, why = _answered(records, layout, tally)
            parts.append(part)
            reasons |= why
    if not parts:
        return _table(pa.table({}), {}, pa.chunked_array([pa.array([], pa.string())]), features, left_out)
    every = pa.concat_tables(parts, promote_options="default")
    return _table(every, reasons, _truth(s3, truths, window, every), features, left_out)


def _newest(s3: Any, captures: str, window: data_capture.Window) -> tuple[list[captured_objects.Stored], str]:
    """As much as a page reads, oldest first, and what it leaves out."""
    bucket, prefix = captured_objects.split(captures)
    found = [
        each
        for variant in captured_objects.folders(s3, bucket, prefix)
        for each in captured_objects.by_hour(s3, bucket, prefix + variant, window.start, window.end)
    ]
    found.sort(key=lambda each: each.modified, reverse=True)
    held = np.cumsum([each.size for each in found])
    kept = found[: max(1, int((held <= MOST_BYTES).sum()))]
    if len(kept) == len(found):
        return kept[::-1], ""
    return kept[::-1], f"Only the requests since {kept[-1].modified:%Y-%m-%d %H:%M} UTC: choose a shorter period."


def _answered(
    records: pa.Table, layout: capture_rows.Layout, tally: data_capture.Tally
) -> tuple[pa.Table, dict[str, list[dict[str, float]]]]:
    """Rows beside their answers, and the reasons of each request that has some, by its event id."""
    asked = data_capture.side_payloads(records, data_capture.INPUT, tally)
    rows = capture_rows.together(list(capture_rows.read(asked, layout, tally.reject)))
    given = data_capture.side_payloads(records, data_capture.OUTPUT, tally)
    table = captured_tables.beside(records, rows, _ANSWER.rows(given, tally.reject), tally)
    explained = given.filter(pc.match_substring(given["data"], '"explanations"'))
    events = records["event_id"].take(explained["number"]).to_pylist()
    texts = explained["data"].to_pylist()
    return table, {
        event: why for event, text in zip(events, texts, strict=True) if event and (why := explanations(text))
    }


def reasons_id(about: str) -> str:
    """The InferenceId of a request that asks why another was answered as it was."""
    return f"{REASONS}{about}"[:ID_LENGTH]


def explanations(text: str) -> list[dict[str, float]]:
    """Of each record of an answer in the template's JSON shape; empty for any other."""
    try:
        found = json.loads(text)["explanations"]
        return [{str(name): float(value) for name, value in each.items()} for each in found]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _truth(s3: Any, truths: str, window: data_capture.Window, rows: pa.Table) -> pa.ChunkedArray:
    merged = ground_truth.Merged()
    events = pa.table({name: rows[_MARK + name] for name in captured_tables.EVENT})
    if not truths:
        return ground_truth.merge(events, ground_truth.NONE, merged)
    bucket, prefix = captured_objects.split(truths)
    stored = captured_objects.by_hour(s3, bucket, prefix, window.start - _EARLY)
    stored.sort(key=lambda each: (each.modified, each.key))
    ids = ground_truth.request_ids(events).unique().drop_null()
    labels = ground_truth.read(captured_objects.contents(s3, bucket, stored), ids, merged)
    return ground_truth.merge(events, labels, merged)


def _table(
    rows: pa.Table,
    reasons: dict[str, list[dict[str, float]]],
    truth: pa.ChunkedArray,
    features: Sequence[str],
    left_out: str,
) -> Scored:
    """Without the requests that only asked why, whose reasons go to those that they were about."""
    frame = rows.to_pandas() if rows.num_rows else pd.DataFrame(columns=[_MARK + each for each in captured_tables.OURS])
    event, given = frame[_MARK + "event_id"].fillna(""), frame[_MARK + "inference_id"].fillna("")
    place = event.groupby(event).cumcount() if len(event) else pd.Series(dtype=int)
    size = event.map(event.value_counts())
    name = given.where(given != "", event)
    one_each = name.where(size == 1, name + "#" + place.astype(str))  # several records of one request
    why = [reasons.get(each, [])[at : at + 1] for each, at in zip(event, place, strict=True)]
    later = {each: found[0] for each, found in zip(given, why, strict=True) if found}
    chosen = pd.to_numeric(frame[_MARK + PROBABILITY], errors="coerce")
    kept = chosen.notna() & ~given.str.startswith(REASONS) & ~one_each.duplicated(keep="last")
    at = np.flatnonzero(kept)
    return Scored(
        features=frame.reindex(columns=list(features)).fillna("").iloc[at].reset_index(drop=True),
        ids=one_each.iloc[at].tolist(),
        probability=chosen.iloc[at].to_numpy(float),
        truth=pd.to_numeric(pd.Series(truth.to_pylist(), dtype=object), errors="coerce").to_numpy(float)[at],
        reasons=[why[each][0] if why[each] else later.get(reasons_id(str(one_each.iloc[each])), {}) for each in at],
        left_out=left_out,
    )
