"""A table as a case study looks at it: Parquet files that are never in memory as a whole.

What is exact goes through `batches`, a piece at a time. What costs more than a pass (ranks, neighbours, mutual
information, pictures) looks at `sample`, drawn with a seed. `column` reads one whole column: 8 bytes for each row.

Each field of the files may say its kind as metadata, `{"kind": "category"}`; kinds are told from types and values
where it does not.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import parquet

Kind = Literal["number", "category", "boolean", "time", "text", "identifier"]
SAMPLE = 50_000  # rows: a share of 0.5 is known to 0.4 points with that many
BATCH = 65_536
READ_BYTES = 2**16  # of a column at a time; without, a whole row group's are in memory
WORDS = 3  # on average, from which strings are text
MOST_DISTINCT = 0.5  # of the rows, up to which strings are categories
FEWEST = 20  # values, up to which nothing is called an identifier


class CaseTable:
    """`columns` has each column's kind, in the table's order; `target` and `order` are columns or empty."""

    def __init__(self, folder: Path, target: str = "", order: str = "", seed: int = 0) -> None:
        """
        Raises:
            ValueError: no Parquet file or no row, or a target or ordering column that the table lacks.
        """
        self.files = sorted(path for path in folder.rglob("*.parquet") if not path.name.startswith((".", "_")))
        if not self.files:
            raise ValueError(f"No table: {folder} holds no .parquet file. Give the processing job's output.")
        self.file_rows = [parquet.read_metadata(path).num_rows for path in self.files]
        self.rows = sum(self.file_rows)
        if not self.rows:
            raise ValueError(f"The table in {folder} has no rows. Give one with records in it.")
        self.schema = parquet.read_schema(self.files[0])
        self.target, self.order, self.seed = target, order, seed
        for role, name in (("target", target), ("ordering column", order)):
            if name and name not in self.schema.names:
                raise ValueError(f"The {role} {name!r} is not in the table. It has {', '.join(self.schema.names)}.")
        self.columns: dict[str, Kind] = {field.name: self._kind(field) for field in self.schema}

    def of_kind(self, *kinds: Kind) -> list[str]:
        return [name for name, kind in self.columns.items() if kind in kinds]

    def features(self, *kinds: Kind) -> list[str]:
        """Columns of these kinds without the target."""
        return [name for name in self.of_kind(*kinds) if name != self.target]

    def column(self, name: str) -> pd.Series:
        """All values of one column, as `batches` gives them."""
        return pd.concat([part[name] for part in self.batches([name])], ignore_index=True)

    def batches(self, names: Sequence[str] | None = None, rows: int = BATCH) -> Iterator[pd.DataFrame]:
        """The table in order, a piece at a time: numbers as float64 (NaN where there is none), times as datetime64[ns],
        booleans as pandas' `boolean`, everything else as `str` objects or None."""
        wanted = list(self.schema.names if names is None else names)
        for path in self.files:
            with parquet.ParquetFile(path, buffer_size=READ_BYTES, pre_buffer=False) as file:
                for batch in file.iter_batches(rows, columns=wanted, use_threads=False):
                    yield self._frame(batch, wanted)

    def sample(self, rows: int = SAMPLE) -> pd.DataFrame:
        """So many rows drawn without replacement, the same ones each time, in the table's order; all if there are no
        more. Its index is the row's position in the table."""
        return self._samples(min(rows, self.rows))

    @functools.lru_cache(maxsize=2)  # noqa: B019 - a job has one table, and it lives as long as the job
    def _samples(self, rows: int) -> pd.DataFrame:
        chosen = np.sort(random.Random(self.seed).sample(range(self.rows), rows))
        starts = accumulate([0, *self.file_rows[:-1]])
        parts = [
            part for path, start in zip(self.files, starts, strict=True) for part in self._picked(path, start, chosen)
        ]
        return pd.concat(parts).set_index(pd.Index(chosen))

    def _picked(self, path: Path, start: int, chosen: np.ndarray) -> Iterator[pd.DataFrame]:
        with parquet.ParquetFile(path, buffer_size=READ_BYTES, pre_buffer=False) as file:
            for batch in file.iter_batches(BATCH, use_threads=False):
                low, high = np.searchsorted(chosen, [start, start + len(batch)])
                if high > low:
                    yield self._frame(batch.take(pa.array(chosen[low:high] - start)), self.schema.names)
                start += len(batch)

    def _frame(self, batch: pa.RecordBatch, names: Sequence[str]) -> pd.DataFrame:
        return pd.DataFrame({name: _series(batch.column(name)) for name in names})

    def _kind(self, field: pa.Field) -> Kind:
        told = (field.metadata or {}).get(b"kind", b"").decode()
        if told in get_args(Kind):
            return told  # type: ignore[return-value]
        if pa.types.is_boolean(field.type):
            return "boolean"
        if pa.types.is_temporal(field.type):
            return "time"
        if _numeric(field.type):
            return "number"
        return kind_of_strings(self._first(field.name))

    def _first(self, name: str) -> pd.Series:
        with parquet.ParquetFile(self.files[0]) as file:
            return _series(next(file.iter_batches(BATCH, columns=[name])).column(name))


def kind_of_strings(values: pd.Series) -> Kind:
    """Text if values have WORDS words on average and mostly differ, identifiers if all differ, categories otherwise."""
    known = values.dropna()
    distinct = known.nunique() / max(len(known), 1)
    if distinct > MOST_DISTINCT and known.str.count(r"\s+").mean() + 1 >= WORDS:
        return "text"
    return "identifier" if len(known) > FEWEST and distinct > MOST_DISTINCT else "category"


def _numeric(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _series(values: pa.Array) -> pd.Series:
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_boolean(values.type):
        return values.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get)
    if _numeric(values.type):
        plain = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        endless = np.isinf(plain)  # the processing job leaves none
        return pd.Series(np.where(endless, np.nan, plain) if endless.any() else plain)
    if pa.types.is_temporal(values.type) and not pa.types.is_time(values.type):
        return pd.Series(values.cast(pa.timestamp("ns"), safe=False).to_numpy(zero_copy_only=False))
    return pd.Series(values.cast(pa.string()).to_numpy(zero_copy_only=False), dtype=object)
