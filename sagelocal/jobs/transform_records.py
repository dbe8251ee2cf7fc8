"""An input object's records, and the requests that they make: what SplitType and BatchStrategy mean."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

LARGEST = 100 * 2**20  # bytes of one record: MaxPayloadInMB can't be more than 100
_RECORDIO_MAGIC = 0xCED7230A
TOO_LARGE = "Too much data for max payload size"  # AWS's words


class RecordError(ValueError):
    """What is wrong with the data of one input object; the message names the record."""


@dataclass(frozen=True)
class Batch:
    """One request: its body, and the records that it was made of, the first of which is number `first` (from 1)."""

    first: int
    records: list[bytes]
    body: bytes

    def __str__(self) -> str:
        last = self.first + len(self.records) - 1
        return f"record {self.first}" if last == self.first else f"records {self.first} to {last}"


def lines(file: BinaryIO, framed: bool) -> Iterator[bytes]:
    """Physical lines without their ends: a quoted newline inside CSV is not supported, on AWS neither."""
    number = 0
    while line := file.readline(LARGEST + 2):
        number += 1
        if len(line) > LARGEST + 1:
            raise RecordError(f"record {number}: {TOO_LARGE}")
        yield line.removesuffix(b"\n").removesuffix(b"\r")


def recordio(file: BinaryIO, framed: bool) -> Iterator[bytes]:
    """MXNet's RecordIO: magic, 3 bits of part and 29 of length, the data, padding to 4 bytes.

    `framed` yields a record as it stands in the file, else only its data, as AWS does for SingleRecord.
    """
    number, parts, frames = 1, b"", b""
    while head := file.read(8):
        if len(head) < 8 or struct.unpack("<I", head[:4])[0] != _RECORDIO_MAGIC:
            raise RecordError(f"record {number}: there is no RecordIO header where one should be")
        word = struct.unpack("<I", head[4:])[0]
        part, length = word >> 29, word & (1 << 29) - 1
        data = _exactly(file, length + -length % 4, number)
        parts += data[:length]
        frames += head + data
        if part in (0, 3):  # the whole record, or its last part
            yield frames if framed else parts
            number, parts, frames = number + 1, b"", b""
        else:
            # What is split was the magic number inside the data.
            parts += struct.pack("<I", _RECORDIO_MAGIC)
    if frames:
        raise RecordError(f"record {number}: the object ends inside a RecordIO record")


def tfrecord(file: BinaryIO, framed: bool) -> Iterator[bytes]:
    """TensorFlow's TFRecord: length, its checksum, the data, its checksum. The checksums are not verified."""
    number = 1
    while head := file.read(12):
        if len(head) < 12:
            raise RecordError(f"record {number}: the object ends inside a TFRecord header")
        length = struct.unpack("<Q", head[:8])[0]
        data = _exactly(file, length + 4, number)
        yield head + data if framed else data[:-4]
        number += 1


def _exactly(file: BinaryIO, size: int, number: int) -> bytes:
    if size > LARGEST + 8:
        raise RecordError(f"record {number}: {TOO_LARGE}")
    data = file.read(size)
    if len(data) < size:
        raise RecordError(f"record {number}: the object ends inside it")
    return data


SPLITTERS = {"Line": lines, "RecordIO": recordio, "TFRecord": tfrecord}


def batches(
    records: Iterable[bytes],
    prepare: Callable[[bytes], bytes],
    *,
    limit: int,
    single: bool,
    separator: bytes = b"\n",
    whole: bool = False,
) -> Iterator[Batch]:
    """Requests of one record each, or of as many as fit `limit` bytes (0: no limit); `whole`: of all that there are.

    `prepare` makes a record's payload. A request's lines have a newline between them, and none at the end: XGBoost's
    image in script mode would read one more, ragged row there. Raises RecordError for what does not fit.
    """
    first = 1
    found: list[bytes] = []
    payloads: list[bytes] = []
    size = 0
    for number, record in enumerate(records, 1):
        try:
            payload = prepare(record)
        except ValueError as error:
            raise RecordError(f"record {number}: {error}") from error
        grown = size + len(payload) + (len(separator) if payloads else 0)
        if payloads and not whole and (single or (limit and grown > limit)):
            yield Batch(first, found, separator.join(payloads))
            first, found, payloads, grown = number, [], [], len(payload)
        if limit and grown > limit:
            raise RecordError(f"record {number}: {TOO_LARGE}: over {limit // 2**20} MB (MaxPayloadInMB)")
        found.append(record)
        payloads.append(payload)
        size = grown
    if payloads:
        yield Batch(first, found, separator.join(payloads))
