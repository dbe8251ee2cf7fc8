"""Requests that carry records, as the handlers of this folder read and refuse them: it lies beside them in an artifact.

`text/csv` comes with a header (columns in any order) or without one (the features in order, optional columns before
them); `application/json` is one record, a list of records, or `{"instances": [records]}`, with `"explain": true` beside
the instances to be told why. Records are columns by name, lists of values as they were sent.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

JSON = "application/json"
CSV = "text/csv"
BYTE_ORDER_MARK = "\ufeff"  # with which spreadsheets begin a CSV
Columns = Mapping[Any, Sequence[Any]]  # name to values; the name is a number while only the model knows better


class Asked(dict[Any, Sequence[Any]]):
    """Columns of a request: what is wrong with them is its sender's fault, and answered."""


class Explained(Asked):
    """Columns of a request that asks why, too."""


@dataclass(frozen=True)
class Refused:
    """In place of a request's columns or its prediction: why there are none."""

    why: str
    status: int = 400


class Unsupported(ValueError):
    """A content type that isn't known."""


def input_fn(body: str | bytes, content_type: str) -> Any:  # Columns | Refused
    """The images' servers make a 500 of whatever is raised here, so a request that can't be read is none of that."""
    try:
        return read(body, content_type)
    except Unsupported as error:
        return Refused(str(error), 415)
    except ValueError as error:
        return Refused(str(error))


def answered(data: Columns | Refused, answer: Callable[[Columns], Any]) -> Any:
    """What `answer` makes of the columns. Its ValueError refuses a request; of a table it is raised."""
    if isinstance(data, Refused):
        return data
    try:
        return answer(data)
    except ValueError as error:
        if isinstance(data, Asked):
            return Refused(str(error))
        raise


def answered_together(
    inputs: Sequence[Columns | Refused],
    answer: Callable[[Columns | Refused], Any],
    encode: Callable[[Columns], np.ndarray],
    predict: Callable[[np.ndarray], Mapping[str, Any]],
) -> list[Any]:
    """A prediction a request, by one call of `predict` over the records of all, `encode`d; it gives values a record.

    `answer` makes that of requests which ask why. One that is in error gets its exception, or its refusal, alone.
    """
    found: list[Any] = []
    for data in inputs:
        try:
            found.append(answer(data) if isinstance(data, Explained | Refused) else encode(data))
        except ValueError as error:
            found.append(Refused(str(error)))
        except Exception as error:
            found.append(error)
    encoded = [each for each in found if isinstance(each, np.ndarray)]
    if not encoded:
        return found
    whole, start = predict(np.concatenate(encoded)), 0
    for number, matrix in enumerate(found):
        if isinstance(matrix, np.ndarray):
            found[number] = {name: values[start : start + len(matrix)] for name, values in whole.items()}
            start += len(matrix)
    return found


def read(body: str | bytes, content_type: str) -> Columns:
    """Raises ValueError for a body that is not what its content type says, Unsupported for another type."""
    try:
        text = body.decode() if isinstance(body, bytes | bytearray) else body
    except UnicodeDecodeError as error:
        raise ValueError(f"The body is not UTF-8: {error}.") from None
    text = text.removeprefix(BYTE_ORDER_MARK)
    kind = content_type.split(";")[0].strip().lower()
    if kind == CSV:
        return read_csv(text)
    if kind == JSON:
        return read_json(text)
    raise Unsupported(f"Content type {content_type!r} is not supported. Send {CSV} or {JSON}.")


def read_csv(text: str) -> Columns:
    """Columns are still numbered: only the model knows whether the first row is a header."""
    if '"' in text or "\r" in text:
        try:
            rows = [row for row in csv.reader(io.StringIO(text)) if row]
        except csv.Error as error:
            raise ValueError(f"The body is not CSV: {error}.") from None
    else:  # the same, in a quarter of the time
        rows = [line.split(",") for line in text.split("\n") if line]
    widths = sorted(set(map(len, rows)))
    if not rows:
        raise ValueError("The request has no records.")
    if len(widths) > 1:
        raise ValueError(f"The CSV's rows have different numbers of values: {widths}.")
    return Asked(enumerate(zip(*rows, strict=True)))


def read_json(text: str) -> Columns:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"The body is not JSON: {error}.") from None
    kind = Asked
    if isinstance(content, dict) and "instances" in content:
        kind = Explained if content.get("explain") is True else Asked
        content = content["instances"]
    elif isinstance(content, dict):
        content = [content]
    if not isinstance(content, list) or not all(isinstance(record, dict) for record in content):
        raise ValueError('Send a record, a list of records, or {"instances": [records]}; a record is an object.')
    if not content:
        raise ValueError("The request has no records.")
    names = dict.fromkeys(name for record in content for name in record)
    return kind({name: [record.get(name) for record in content] for name in names})


def name_columns(data: Columns, features: Mapping[str, Any], optional: Sequence[str] = ()) -> Columns:
    """Columns of a CSV get their names from the first row when that holds any, else from the number of values."""
    if list(data) != list(range(len(list(data)))):
        return data
    first = [str(values[0]).strip() for values in data.values()]
    if not set(features).isdisjoint(first):
        if twice := sorted({name for name in first if first.count(name) > 1}):
            raise ValueError(f"The header names {', '.join(twice)} more than once.")
        if len(data[0]) == 1:
            raise ValueError("The request has a header and no records.")
        return {name: values[1:] for name, values in zip(first, data.values(), strict=True)}
    for names in ([*features], [*optional, *features]):
        if len(names) == len(first):
            return dict(zip(names, data.values(), strict=True))
    raise ValueError(f"A record has {len(first)} values, expected {len(features)}: {', '.join(features)}.")


def check_columns(table: Columns, features: Mapping[str, Any], optional: Sequence[str]) -> None:
    """Raises ValueError naming missing and unknown columns."""
    missing = [name for name in features if name not in table]
    unknown = [name for name in table if name not in features and name not in optional]
    if missing:
        raise ValueError(f"Missing columns: {', '.join(missing)}. Needed are {', '.join(features)}.")
    if unknown:
        raise ValueError(f"Unknown columns: {', '.join(map(str, unknown))}. Send {', '.join(features)}.")


def read_numbers(name: str, values: Sequence[Any]) -> Sequence[float] | np.ndarray:
    """NaN for a blank. Raises ValueError for text, and for what no float64 holds: `Infinity`, 1e999, 400 digits."""
    with contextlib.suppress(TypeError, ValueError):
        if not "".join(values).strip(" 0123456789.+-eE"):  # nothing like "nan" and "1_000", which float() takes, too
            found = list(map(float, values))
            if all(map(math.isfinite, found)):
                return found
    with contextlib.suppress(OverflowError):
        if set(map(type, values)) <= {int, float} and not np.isinf(array := np.array(values, dtype="float64")).any():
            return array
    text = strip(name, values)
    read = pd.to_numeric(pd.Series(text), errors="coerce").astype("float64")
    wrong = list(dict.fromkeys(value for value, ok in zip(text, np.isfinite(read), strict=True) if value and not ok))
    if wrong:
        raise ValueError(
            f"Column {name} holds {', '.join(repr(value[:80]) for value in wrong[:5])} where a number is needed."
        )
    return read.to_numpy()


def strip(name: str, values: Iterable[Any]) -> list[str]:
    """As text without spaces around it; empty for JSON's null and for NaN."""
    kinds = set(map(type, values))
    if kinds == {str}:
        return list(map(str.strip, values))
    if kinds & {list, dict}:
        raise ValueError(f"Column {name} holds a list or an object where one value is needed.")
    return ["" if value is None or value != value else str(value).strip() for value in values]


def accepted(accept: str) -> str | None:
    """JSON or CSV, whichever the header names first; None where it names neither."""
    for wanted in (accept or "*/*").split(","):
        kind = wanted.split(";")[0].strip().lower()
        if kind in (JSON, "application/*", "*/*", ""):
            return JSON
        if kind in (CSV, "text/*"):
            return CSV
    return None


def not_acceptable(accept: str) -> Any:
    return refusal(Refused(f"Accept {accept!r} is not supported. Ask for {JSON} or {CSV}.", 406))


def refusal(refused: Refused) -> Any:
    from flask import Response  # the images' server is made of it

    return Response(json.dumps({"error": refused.why}), refused.status, content_type=JSON)
