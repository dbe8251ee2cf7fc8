"""Requests beside their answers, on disk batch by batch until all columns and ids are known, then as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import capture_rows
import captured_objects
import data_capture
import ground_truth
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from capture_rows import Layout, Rows
from captured_answers import PREDICTED, PROBABILITY, Answer
from data_capture import INPUT, OUTPUT, Tally, Window
from pyarrow import csv as arrow_csv
from pyarrow import feather

EVENT = tuple(data_capture.EVENT)
OURS = (PREDICTED, PROBABILITY, *EVENT)
MARK = "\x1f"  # before our own columns' names on disk: a feature may be called as one of them
TRUTH = MARK + "truth"


@dataclass
class EndpointCaptures:
    """Captures of an endpoint's variants, by variant."""

    s3: Any
    bucket: str
    found: Mapping[str, Sequence[captured_objects.Stored]]

    @property
    def keys(self) -> list[str]:
        return [each.key for objects in self.found.values() for each in objects]

    def tables(self, layout: Layout, answer: Answer, window: Window, tally: Tally) -> Iterator[pa.Table]:
        """Rows with their features, then `OURS`, marked."""
        every = [each for objects in self.found.values() for each in objects]
        for files in captured_objects.contents(self.s3, self.bucket, every):
            records = data_capture.records(files, (INPUT, OUTPUT), window, tally)
            if records.num_rows:
                yield _of(records, layout, answer, tally)


def _of(records: pa.Table, layout: Layout, answer: Answer, tally: Tally) -> pa.Table:
    asked = data_capture.side_payloads(records, INPUT, tally)
    rows = capture_rows.together(list(capture_rows.read(asked, layout, tally.reject)))
    # A request without an answer that can be read is still one to know the features of.
    answers = answer.rows(data_capture.side_payloads(records, OUTPUT, Tally()), Tally().reject)
    return beside(records, rows, answers, tally)


def beside(records: pa.Table, rows: Rows, answers: Rows, tally: Tally) -> pa.Table:
    """Each row with its answer, null where it has none, and its event.

    `records` has `file` and `EVENT`; payloads are numbered by its rows, and both sides stand in that order. Requests
    whose answer has another number of rows are counted and left out.
    """
    asked = np.bincount(rows.payload, minlength=records.num_rows)
    given = np.bincount(answers.payload, minlength=records.num_rows)
    wrong = (asked > 0) & (given > 0) & (asked != given)
    tally.reject(records, wrong, "with another number of records in the answer")
    place = np.arange(len(rows.payload)) - (np.cumsum(asked) - asked)[rows.payload]
    at = (np.cumsum(given) - given)[rows.payload] + place
    table = rows.table
    for name in (PREDICTED, PROBABILITY):
        table = table.append_column(MARK + name, answers.table[name].take(pa.array(at, mask=given[rows.payload] == 0)))
    for name in EVENT:
        table = table.append_column(MARK + name, records[name].take(pa.array(rows.payload)))
    return table.filter(pa.array(~wrong[rows.payload])) if wrong.any() else table


@dataclass(frozen=True)
class Columns:
    """What the written tables have."""

    features: Sequence[str]  # in order; none: what the requests have
    optional: Sequence[str]  # left out
    label: str
    answer: str = ""  # what the answer is called beside the features; none: that table is not written
    part: str = PREDICTED  # or PROBABILITY: what of the answer that is


class Spool:
    """Tables on disk until they are written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[Path] = []
        self._found: dict[str, None] = {}  # columns of any table, in order
        self._ids: list[pa.Array] = []
        self.rows = self.requests = self.unanswered = 0

    def add(self, table: pa.Table) -> None:
        if not table.num_rows:
            return
        file = self._folder / f"{len(self._files)}.feather"
        feather.write_feather(table, file, compression="uncompressed")
        self._files.append(file)
        self._found |= dict.fromkeys(name for name in table.column_names if not name.startswith(MARK))
        ids = ground_truth.request_ids(_marked(table))
        self._ids.append(ids.unique())
        self.rows += table.num_rows
        events = table[MARK + "event_id"]
        self.requests += pc.count_distinct(events, mode="only_valid").as_py() + events.null_count
        self.unanswered += int(pc.sum(pc.and_(*(pc.is_null(table[MARK + name]) for name in OURS[:2]))).as_py())

    def ids(self) -> pa.Array:
        """What labels may call these requests."""
        return pa.concat_arrays(self._ids).unique().drop_null()

    def write(self, output: Path, columns: Columns, labels: pa.Table, merged: ground_truth.Merged) -> None:
        """features/, predictions/, with a name for the answer answered/, and with a label labelled/ and recent/."""
        found = [name for name in self._found if name not in columns.optional]
        known = list(columns.features) or found
        # What a request has beyond the features is for the monitor to see, and for nobody else.
        captured = [name for name in known if name in self._found] + [name for name in found if name not in known]
        given, event = [(name, name) for name in known], [(name, MARK + name) for name in OURS]
        truth = [(columns.label, TRUTH)] if columns.label else []
        wanted = {"features": [(name, name) for name in captured], "predictions": given + event}
        if columns.answer:
            wanted["answered"] = [*wanted["features"], (columns.answer, MARK + columns.part)]
        if truth:
            wanted |= {"labelled": given + event + truth, "recent": given + truth}
        with ExitStack() as stack:
            files = {name: stack.enter_context(_open(output / name, pairs)) for name, pairs in wanted.items()}
            for spooled in self._files:
                table = feather.read_table(spooled, memory_map=True)
                table = table.append_column(TRUTH, ground_truth.merge(_marked(table), labels, merged))
                labelled = table.filter(pc.is_valid(table[TRUTH]))
                for name, pairs in wanted.items():
                    rows = labelled if name in ("labelled", "recent") else table
                    nothing = pa.nulls(rows.num_rows, pa.string())
                    _append(files[name], [rows[at] if at in rows.column_names else nothing for _, at in pairs])


def _marked(table: pa.Table) -> pa.Table:
    return pa.table({name: table[MARK + name] for name in EVENT})


def _open(folder: Path, pairs: Sequence[tuple[str, str]]) -> BinaryIO:
    folder.mkdir(parents=True, exist_ok=True)
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow([name for name, _ in pairs])
    file = (folder / f"{folder.name}.csv").open("wb")
    file.write(header.getvalue().encode())
    return file


def _append(file: BinaryIO, columns: Sequence[pa.ChunkedArray]) -> None:
    """Quotes what needs it, and all texts of a batch with such a text: Arrow knows only all or nothing."""
    table = pa.Table.from_arrays([pc.fill_null(column, "") for column in columns], list(map(str, range(len(columns)))))
    text = io.BytesIO()
    try:
        style = "none" if table.num_columns > 1 else "needed"  # a blank alone would be a blank line
        arrow_csv.write_csv(table, text, arrow_csv.WriteOptions(include_header=False, quoting_style=style))
    except pa.ArrowInvalid:
        text = io.BytesIO()
        arrow_csv.write_csv(table, text, arrow_csv.WriteOptions(include_header=False))
    file.write(text.getbuffer())
