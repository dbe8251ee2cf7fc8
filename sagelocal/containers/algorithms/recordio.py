"""RecordIO frames of protobuf `Record` messages, the format of AWS's own algorithms.

A frame is a magic number and the payload's length, both little-endian uint32, the payload and zeros up to a multiple of
4 bytes. The message is the documented `aialgs.data.Record`; only what tabular data needs of it is declared here, as
protobuf skips fields that it does not know.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO, TypeAlias

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from scipy import sparse

from .errors import UserError

MAGIC = 0xCED7230A
_FRAME = struct.Struct("<II")
_PACKAGE = "aialgs.data"
_TENSORS = {"float32_tensor": np.float32, "float64_tensor": np.float64, "int32_tensor": np.int32}
Matrix: TypeAlias = np.ndarray | sparse.csr_matrix


def _record_class() -> Any:
    """The message class, from a descriptor put together here instead of generated code."""
    kind = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="sagelocal_record.proto", package=_PACKAGE, syntax="proto2")
    tensors = [
        ("Float32Tensor", kind.TYPE_FLOAT, 2, "float32_tensor"),
        ("Float64Tensor", kind.TYPE_DOUBLE, 3, "float64_tensor"),
        ("Int32Tensor", kind.TYPE_INT32, 7, "int32_tensor"),
    ]
    value = descriptor_pb2.DescriptorProto(name="Value")
    value.oneof_decl.add(name="value")
    for name, scalar, number, member in tensors:
        message = file.message_type.add(name=name)
        for field, (label, of) in enumerate(
            (("values", scalar), ("keys", kind.TYPE_UINT64), ("shape", kind.TYPE_UINT64))
        ):
            added = message.field.add(name=label, number=field + 1, label=kind.LABEL_REPEATED, type=of)
            added.options.packed = True
        value.field.add(
            name=member,
            number=number,
            label=kind.LABEL_OPTIONAL,
            type=kind.TYPE_MESSAGE,
            type_name=f".{_PACKAGE}.{name}",
            oneof_index=0,
        )
    file.message_type.append(value)
    record = file.message_type.add(name="Record")
    for name, number in (("features", 1), ("label", 2)):
        entry = record.nested_type.add(name=f"{name.capitalize()}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, label=kind.LABEL_OPTIONAL, type=kind.TYPE_STRING)
        entry.field.add(
            name="value", number=2, label=kind.LABEL_OPTIONAL, type=kind.TYPE_MESSAGE, type_name=f".{_PACKAGE}.Value"
        )
        record.field.add(
            name=name,
            number=number,
            label=kind.LABEL_REPEATED,
            type=kind.TYPE_MESSAGE,
            type_name=f".{_PACKAGE}.Record.{entry.name}",
        )
    for name, number in (("uid", 3), ("metadata", 4), ("configuration", 5)):
        record.field.add(name=name, number=number, label=kind.LABEL_OPTIONAL, type=kind.TYPE_STRING)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Record"))


Record: Any = _record_class()


def frames(stream: BinaryIO) -> Iterator[bytes]:
    """The payloads of a stream. Raises UserError where it is no RecordIO."""
    while header := stream.read(_FRAME.size):
        if len(header) < _FRAME.size:
            raise UserError("The recordio data ends in the middle of a record.")
        magic, length = _FRAME.unpack(header)
        if magic != MAGIC:
            raise UserError(f"The data is no recordio: a record begins with {magic:#x} instead of {MAGIC:#x}.")
        payload = stream.read(length + -length % 4)
        if len(payload) < length:
            raise UserError("The recordio data ends in the middle of a record.")
        yield payload[:length]


def read(streams: Iterable[BinaryIO], *, only: str | None = None) -> tuple[Matrix, np.ndarray | None]:
    """Features (rows, columns), sparse as soon as one record is, and labels (rows,) or None without any.

    `only` names the one tensor that is accepted, such as float32_tensor. Raises UserError naming the record.
    """
    rows: list[tuple[np.ndarray, np.ndarray | None, int]] = []
    labels: list[float] = []
    record = Record()
    for stream in streams:
        for payload in frames(stream):
            try:
                record.ParseFromString(payload)
            except Exception as error:  # protobuf's own DecodeError
                raise UserError(f"Record {len(rows)} is no protobuf Record: {error}") from error
            rows.append(_features(record, len(rows), only))
            label = tensor(record.label["values"])[0] if "values" in record.label else None
            if label is not None and len(label):
                labels.append(float(label[0]))
    if not rows:
        raise UserError("No records found in the recordio-protobuf data.")
    if labels and len(labels) != len(rows):
        raise UserError(f"{len(rows) - len(labels)} of {len(rows)} records have no label.")
    return _matrix(rows), np.array(labels, dtype=np.float32) if labels else None


def tensor(value: Any) -> tuple[np.ndarray, np.ndarray | None, int]:
    """Values, their keys (None for a dense tensor) and the number of columns, 0 when nobody says."""
    name = value.WhichOneof("value")
    if name is None:
        return np.zeros(0, dtype=np.float32), None, 0
    member = getattr(value, name)
    values = np.array(member.values, dtype=_TENSORS[name])
    if name == "int32_tensor":
        values = values.astype(np.float32)
    keys = np.array(member.keys, dtype=np.int64) if member.keys else None
    width = int(member.shape[0]) if member.shape else 0
    if keys is None and not len(values) and width:
        keys = np.zeros(0, dtype=np.int64)  # a sparse row of zeros
    return values, keys, width


def _features(record: Any, number: int, only: str | None) -> tuple[np.ndarray, np.ndarray | None, int]:
    if "values" not in record.features:
        raise UserError(f'Record {number} has no features under the key "values".')
    value = record.features["values"]
    if only and value.WhichOneof("value") not in (only, None):
        raise UserError(f"Record {number} holds a {value.WhichOneof('value')}: only {only} is supported.")
    values, keys, width = tensor(value)
    if keys is not None and len(keys) != len(values):
        raise UserError(f"Record {number} has {len(values)} values for {len(keys)} keys.")
    return values, keys, width


def _matrix(rows: list[tuple[np.ndarray, np.ndarray | None, int]]) -> Matrix:
    if all(keys is None for _, keys, _ in rows):
        width = len(rows[0][0])
        for number, (values, _, _) in enumerate(rows):
            if len(values) != width:
                raise UserError(f"Record {number} has {len(values)} features, the first one {width}.")
        return np.stack([values for values, _, _ in rows])
    columns = [np.arange(len(values)) if keys is None else keys for values, keys, _ in rows]
    needed = max((int(each.max()) + 1 for each in columns if len(each)), default=1)
    width = max(needed, max(given for _, _, given in rows))
    starts = np.cumsum([0, *(len(each) for each in columns)])
    values = np.concatenate([values for values, _, _ in rows])
    return sparse.csr_matrix((values, np.concatenate(columns), starts), shape=(len(rows), width))


def frame(payload: bytes) -> bytes:
    return _FRAME.pack(MAGIC, len(payload)) + payload + b"\0" * (-len(payload) % 4)


def write(features: Matrix | None, labels: Sequence[dict[str, Any]] | np.ndarray | None = None) -> bytes:
    """Records with float32 tensors: rows of `features`, and for each a label or a dict of named label tensors."""
    count = features.shape[0] if features is not None else len(labels if labels is not None else ())
    parts = []
    for row in range(count):
        record = Record()
        if features is not None:
            _put_features(record, features, row)
        label = labels[row] if labels is not None else {}
        for name, values in (label if isinstance(label, dict) else {"values": label}).items():
            record.label[name].float32_tensor.values.extend(np.atleast_1d(np.asarray(values, dtype=np.float32)))
        parts.append(frame(record.SerializeToString()))
    return b"".join(parts)


def _put_features(record: Any, features: Matrix, row: int) -> None:
    held = record.features["values"].float32_tensor
    if isinstance(features, np.ndarray):
        held.values.extend(features[row].astype(np.float32))
        return
    one = features[[row]]
    held.values.extend(one.data.astype(np.float32))
    held.keys.extend(one.indices.tolist())
    held.shape.append(features.shape[1])
