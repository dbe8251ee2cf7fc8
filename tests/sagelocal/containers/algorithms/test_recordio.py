"""RecordIO-protobuf: what is written is read, and what AWS's own client writes is read as well."""

from __future__ import annotations

import io

import numpy as np
import pytest
from scipy import sparse

from sagelocal.containers.algorithms import recordio
from sagelocal.containers.algorithms.errors import UserError

DENSE = np.array([[1.5, -2.0, 0.0], [0.25, 4.0, 8.0]], dtype=np.float32)


def test_dense_and_sparse_round_trip() -> None:
    features, labels = recordio.read([io.BytesIO(recordio.write(DENSE, np.array([1.0, 0.0])))])
    np.testing.assert_array_equal(features, DENSE)
    np.testing.assert_array_equal(labels, [1.0, 0.0])

    wide = sparse.csr_matrix(([2.0, 3.0], ([0, 2], [1, 4])), shape=(3, 6))
    found, none = recordio.read([io.BytesIO(recordio.write(wide))])
    assert none is None and sparse.issparse(found) and found.shape == (3, 6)
    np.testing.assert_array_equal(sparse.csr_matrix(found).toarray(), wide.toarray())


def test_the_documented_bytes() -> None:
    """A Record put together by hand: features (1) and label (2) map "values" (1) to a float32 tensor (2)."""
    packed = bytes.fromhex("0a08 0000c03f 000000c0")  # values (1): 1.5, -2.0
    features = b"\x0a\x06values" + b"\x12\x0c" + b"\x12\x0a" + packed
    label = b"\x0a\x06values" + b"\x12\x07" + b"\x12\x05" + b"\x0d" + bytes.fromhex("00004040")  # not packed: 3.0
    message = b"\x0a" + bytes([len(features)]) + features + b"\x12" + bytes([len(label)]) + label
    body = bytes.fromhex("0a23d7ce") + len(message).to_bytes(4, "little") + message + b"\0" * (-len(message) % 4)
    found, labels = recordio.read([io.BytesIO(body)])
    np.testing.assert_array_equal(found, [[1.5, -2.0]])
    np.testing.assert_array_equal(labels, [3.0])
    assert recordio.write(found)[8:].startswith(b"\x0a\x16" + features)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"1,2,3\n4,5,6\n", "no recordio"),
        (recordio.write(DENSE)[:-3], "middle of a record"),
        (b"", "No records"),
        (recordio.frame(b"\xff\xff\xff"), "no protobuf Record"),
        (recordio.write(DENSE[:1]) + recordio.write(DENSE[:1, :2]), "has 2 features, the first one 3"),
    ],
)
def test_what_is_none(body: bytes, message: str) -> None:
    with pytest.raises(UserError, match=message):
        recordio.read([io.BytesIO(body)])
