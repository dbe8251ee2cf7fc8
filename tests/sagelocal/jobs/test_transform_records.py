"""Splitting, batching, JSONPath and joins of transform jobs, without a job."""

from __future__ import annotations

import io
import json
import struct
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from sagelocal.jobs.transform_join import Processing
from sagelocal.jobs.transform_paths import Path, PathError
from sagelocal.jobs.transform_records import RecordError, batches, lines, recordio, tfrecord

RECORD = {"id": 7, "name": {"first": "Ada", "tags": ["x", "y"]}, "features": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("path", "selected"),
    [
        ("$", RECORD),
        ("$.id", 7),
        ("$['id']", 7),
        ("$['id','features']", {"id": 7, "features": [1, 2, 3, 4]}),
        ("$.name.['first']", "Ada"),
        ("$.name.*", ["Ada", ["x", "y"]]),
        ("$.features[1]", 2),
        ("$.features[-1]", 4),
        ("$.features[0,-1]", [1, 4]),
        ("$.features[1:3]", [2, 3]),
        ("$.features[:2]", [1, 2]),
        ("$.features[0,2:]", [1, 3, 4]),
        ("$.features[*]", [1, 2, 3, 4]),
        ("$.name.tags[0]", "x"),
    ],
)
def test_paths(path: str, selected: Any) -> None:
    assert Path(path).select(RECORD) == selected


@pytest.mark.parametrize(
    "path", ["", "id", "$..id", "$[?(@.a)]", "$[", "$.a[1:2:3]", "$['a' 'b']", "$[1,'a']", "$.a()x["]
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(PathError):
        Path(path)


@pytest.mark.parametrize("path", ["$.nothing", "$['id','nothing']", "$.features[4]", "$.id[0]", "$[0]", "$.features.a"])
def test_what_is_not_there_is_named(path: str) -> None:
    with pytest.raises(PathError, match="selects nothing"):
        Path(path).select(RECORD)


def frame(data: bytes, part: int = 0) -> bytes:
    return struct.pack("<II", 0xCED7230A, part << 29 | len(data)) + data + b"\0" * (-len(data) % 4)


def test_recordio_with_and_without_its_frames() -> None:
    magic = struct.pack("<I", 0xCED7230A)
    split = frame(b"head", 1) + frame(b"tail", 3)  # how a record is written that contains the magic number
    stored = frame(b"abcde") + split
    assert list(recordio(io.BytesIO(stored), framed=False)) == [b"abcde", b"head" + magic + b"tail"]
    assert list(recordio(io.BytesIO(stored), framed=True)) == [frame(b"abcde"), split]
    with pytest.raises(RecordError, match="record 2: there is no RecordIO header"):
        list(recordio(io.BytesIO(frame(b"abcd") + b"1,2\n3,4\n"), framed=False))
    with pytest.raises(RecordError, match="record 1: the object ends inside it"):
        list(recordio(io.BytesIO(frame(b"abcde")[:-4]), framed=False))


def test_tfrecord_with_and_without_its_frames() -> None:
    stored = b"".join(struct.pack("<QI", len(data), 1) + data + b"\1\0\0\0" for data in (b"abc", b""))
    assert list(tfrecord(io.BytesIO(stored), framed=False)) == [b"abc", b""]
    assert b"".join(tfrecord(io.BytesIO(stored), framed=True)) == stored


def made(text: bytes, **options: Any) -> list[tuple[int, bytes]]:
    found = batches(lines(io.BytesIO(text), True), lambda record: record, **{"limit": 7, "single": False, **options})
    return [(batch.first, batch.body) for batch in found]


def test_batches_hold_as_many_lines_as_fit() -> None:
    assert made(b"ab\ncd\nef\ngh") == [(1, b"ab\ncd"), (3, b"ef\ngh")]
    assert made(b"abc\r\ndef\r\n") == [(1, b"abc\ndef")]
    assert made(b"ab\n\ncd\n", single=True) == [(1, b"ab"), (2, b""), (3, b"cd")]
    assert made(b"") == []
    with pytest.raises(RecordError, match="record 2: Too much data for max payload size"):
        made(b"ab\nabcdefgh\n")


class Rows(io.RawIOBase):
    """A file of `count` equal lines that is never in memory."""

    def __init__(self, count: int) -> None:
        self._left = count

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = min(self._left, len(buffer) // 100)
        buffer[: count * 100] = (b"x" * 99 + b"\n") * count
        self._left -= count
        return count * 100


def test_memory_does_not_grow_with_the_object() -> None:
    def peak(rows: int) -> int:
        tracemalloc.start()
        records: Iterator[bytes] = lines(io.BufferedReader(Rows(rows)), True)
        count = sum(len(batch.records) for batch in batches(records, lambda one: one, limit=2**18, single=False))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == rows
        return size

    assert peak(100_000) < 1.5 * peak(10_000)


def processing(content_type: str, split: str = "Line", **data: Any) -> Processing:
    source = {"ContentType": content_type, "SplitType": split}
    return Processing.of(
        {"TransformInput": source, "TransformOutput": {"Accept": content_type}, "DataProcessing": data}
    )


def test_rows_are_joined_and_filtered() -> None:
    job = processing("text/csv", InputFilter="$[1:]", JoinSource="Input", OutputFilter="$[0,-1]")
    assert job.prepare(b'u1,1,"a,b"') == b'1,"a,b"'
    assert job.finish([b"u1,1,2", b"u2,3,4"], b"0.1,0.9\n0.8,0.2\n") == [b"u1,0.9", b"u2,0.2"]
    with pytest.raises(ValueError, match="answered 2 records with 1 lines"):
        job.finish([b"u1,1,2", b"u2,3,4"], b"0.1")
    with pytest.raises(PathError, match=r"index -1 is outside|selects nothing"):
        processing("text/csv", OutputFilter="$[3]").finish([], b"1,2")


def test_documents_are_joined() -> None:
    whole = processing("application/json", "None", JoinSource="Input", OutputFilter="$['id','SageMakerOutput']")
    made = whole.finish([b'{"id": 1, "x": [1,\n2]}'], b'{"label":\n 3}\n')
    assert [json.loads(one) for one in made] == [{"id": 1, "SageMakerOutput": {"label": 3}}]
    line = processing("application/jsonlines", InputFilter="$.x", JoinSource="Input")
    assert line.prepare(b'{"id":1,"x":[1,2]}') == b"[1,2]"
    assert line.finish([b"[1]"], b"0.5") == [b'{"SageMakerInput":[1],"SageMakerOutput":0.5}']
