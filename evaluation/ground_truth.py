"""The truth about captured requests: Model Monitor's ground truth objects, read and joined with requests.

A line of `<prefix>/yyyy/mm/dd/hh/<file>.jsonl` (SageMaker developer guide, "Ingest ground truth labels and merge them
with predictions") holds the label of one request:

    {"groundTruthData": {"data": "1", "encoding": "CSV"}, "eventMetadata": {"eventId": "..."}, "eventVersion": "0"}

Its event id is the request's inference id where the caller gave one, else the captured event id. A request of several
records has as many lines in `data`. Of several labels for one id the one that was uploaded last counts. A label has to
wait for nothing: those of requests that are not captured, or not yet, are counted and left.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import json_lines
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

PATHS = {
    "id": ("eventMetadata", "eventId"),
    "data": ("groundTruthData", "data"),
    "encoding": ("groundTruthData", "encoding"),
}
NONE = pa.table({"id": pa.array([], pa.string()), "data": pa.array([], pa.string())})


@dataclass
class Merged:
    """What became of labels and requests. All are counts; `labelled` and `unlabelled` count records, not requests."""

    labels: int = 0  # lines read
    unreadable: int = 0  # lines that are no label
    others: int = 0  # labels of requests that are not among these
    duplicates: int = 0  # labels that a later one for the same id replaced
    contradictions: int = 0  # those of them that said something else
    labelled: int = 0
    unlabelled: int = 0  # records that no label was found for
    mismatched: int = 0  # records whose request has another number of records than its label has lines

    def __str__(self) -> str:
        text = f"{self.labelled} of {self.labelled + self.unlabelled + self.mismatched} records have a label"
        notes = {
            "records of requests with another number of labels than records": self.mismatched,
            "lines that are no label": self.unreadable,
            "labels replaced by a later one for the same id": self.duplicates,
            "of these with another value": self.contradictions,
        }
        return ", ".join([text, *(f"{count} {what}" for what, count in notes.items() if count)])

    def counts(self) -> dict[str, int]:
        return dataclasses.asdict(self)


def request_ids(requests: pa.Table) -> pa.ChunkedArray:
    """What a label calls each row's request: its inference id, else its event id; null where it has neither."""
    return pc.if_else(_given(requests["inference_id"]), requests["inference_id"], requests["event_id"])


def _given(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.not_equal(pc.fill_null(values, ""), "")


def read(batches: Iterable[Sequence[json_lines.File]], wanted: pa.Array | None, merged: Merged) -> pa.Table:
    """Columns `id` and `data` of the labels of wanted ids, one row an id; batches and files in the order of upload.

    Memory holds the labels of wanted ids and one batch, however many others there are. Each line of `data` is a label.
    """
    kept = NONE
    for files in batches:
        lines = json_lines.read(files, PATHS)
        merged.labels += lines.num_rows
        data = decoded(lines["data"], lines["encoding"])
        lines = pa.table({"id": lines["id"], "data": data})
        readable = pc.and_(_given(lines["id"]), pc.is_valid(lines["data"]))
        merged.unreadable += lines.num_rows - int(pc.sum(readable).as_py() or 0)
        lines = lines.filter(readable).select(["id", "data"])
        if wanted is not None:
            known = pc.is_in(lines["id"], value_set=wanted)
            merged.others += lines.num_rows - int(pc.sum(known).as_py() or 0)
            lines = lines.filter(known)
        kept = _latest(pa.concat_tables([kept, lines]).combine_chunks(), merged)
    return kept


def _latest(labels: pa.Table, merged: Merged) -> pa.Table:
    if pc.count_distinct(labels["id"]).as_py() == labels.num_rows:
        return labels
    frame = labels.to_pandas()
    replaced = frame.duplicated("id", keep="last")
    merged.duplicates += int(replaced.sum())
    last = frame[~replaced].set_index("id")["data"]
    merged.contradictions += int((frame.loc[replaced, "id"].map(last) != frame.loc[replaced, "data"]).sum())
    return labels.filter(pa.array(~replaced))


def decoded(data: pa.ChunkedArray, encoding: pa.ChunkedArray) -> pa.ChunkedArray:
    """`data` as lines of text; null where it is no label. Few labels are anything but plain CSV."""
    encoding = pc.fill_null(encoding, "CSV")
    data = pc.utf8_trim_whitespace(pc.replace_substring(data, "\r\n", "\n"))
    special = pc.or_(pc.not_equal(encoding, "CSV"), pc.match_substring(data, '"'))
    chosen = np.flatnonzero(pc.fill_null(special, False).to_numpy())
    if len(chosen):
        texts = data.to_numpy().copy()
        kinds = encoding.to_numpy()[chosen]
        texts[chosen] = [_plain(text, kind) for text, kind in zip(texts[chosen], kinds, strict=True)]
        data = pa.chunked_array([pa.array(texts, pa.string(), from_pandas=True)])
    return pc.if_else(pc.equal(data, ""), None, data)


def lines_of(labels: pa.ChunkedArray) -> tuple[pa.Array, np.ndarray]:
    """Every line of the labels, and the position of the label that it is of."""
    split = pc.split_pattern(labels, "\n").combine_chunks()
    return split.flatten(), pc.list_parent_indices(split).to_numpy()


def _plain(text: str, encoding: str) -> str | None:
    try:
        if encoding == "BASE64":
            text, encoding = base64.b64decode(text, validate=True).decode().strip(), "CSV"
        if encoding == "CSV":
            return "\n".join(line.strip().strip('"') for line in text.split("\n"))
        values = json.loads(text) if encoding == "JSON" else None
    except (ValueError, binascii.Error):
        return None
    values = values if isinstance(values, list) else [values]
    if any(value is None or isinstance(value, dict | list) for value in values):
        return None
    return "\n".join(str(value) for value in values)


def merge(requests: pa.Table, labels: pa.Table, merged: Merged) -> pa.ChunkedArray:
    """The label of each row of `requests` as text, null where there is none.

    `requests` has columns `event_id` and `inference_id`, and the rows of a request stand together and in order.
    `labels` is what `read` gives.
    """
    ids = request_ids(requests)
    if not requests.num_rows or not labels.num_rows:
        merged.unlabelled += requests.num_rows
        return pa.chunked_array([pa.nulls(requests.num_rows, pa.string())])
    at = pc.fill_null(pc.index_in(ids, value_set=labels["id"].combine_chunks()), -1).to_numpy()
    lines = pc.split_pattern(labels["data"], "\n").combine_chunks()
    lengths = pc.list_value_length(lines).to_numpy()
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    place, size = _places(requests)
    found = at >= 0
    fits = found & (lengths[at] == size)
    merged.unlabelled += int((~found).sum())
    merged.mismatched += int((found & ~fits).sum())
    merged.labelled += int(fits.sum())
    line = pa.array(starts[at] + place, mask=~fits)
    return pa.chunked_array([lines.flatten().take(line)])


def _places(requests: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Of each row its place in its request, from 0, and how many rows that request has."""
    event = pc.fill_null(requests["event_id"], "").combine_chunks()
    if not len(event):
        return np.empty(0, int), np.empty(0, int)
    new = np.ones(len(event), bool)
    new[1:] = pc.not_equal(event[1:], event[:-1]).to_numpy(zero_copy_only=False)
    new |= pc.equal(event, "").to_numpy(zero_copy_only=False)  # without an id each row stands for itself
    firsts = np.flatnonzero(new)
    sizes = np.diff(np.append(firsts, len(event)))
    return np.arange(len(event)) - np.repeat(firsts, sizes), np.repeat(sizes, sizes)
