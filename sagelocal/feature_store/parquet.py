"""Records as a Parquet file of the offline store."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sagelocal.feature_store.features import FRACTIONAL, INTEGRAL, READERS, STRING


class Row(NamedTuple):
    """A record as it waits; `event` in the one form, `invoked` in epoch seconds, `value` JSON of the FeatureValues."""

    event: str
    invoked: float
    deleted: int
    value: str


def written(features: Mapping[str, str], rows: Sequence[Row], write_time: float) -> bytes:
    """`features` are name -> feature type. The columns are theirs, and the three that Feature Store adds: the times of
    the call and of this file, and whether it is a deletion. Times are UTC, in milliseconds as Athena reads them.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {INTEGRAL: pa.int64(), FRACTIONAL: pa.float64(), STRING: pa.string()}
    moment = pa.timestamp("ms")
    records = [{each["FeatureName"]: each["ValueAsString"] for each in json.loads(row.value)} for row in rows]
    columns: dict[str, Any] = {}
    for name, kind in features.items():
        read = READERS[kind]
        texts = (record.get(name) for record in records)
        columns[name] = pa.array([None if text is None else read(text) for text in texts], types[kind])
    columns["write_time"] = pa.array([_milliseconds(write_time)] * len(rows), moment)
    columns["api_invocation_time"] = pa.array([_milliseconds(row.invoked) for row in rows], moment)
    columns["is_deleted"] = pa.array([bool(row.deleted) for row in rows], pa.bool_())
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer, compression="snappy")
    return buffer.getvalue()


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
