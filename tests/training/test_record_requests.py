"""How requests are read: what a spreadsheet, a script with a mistake and somebody hostile send."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "training"))

import record_requests


def test_a_spreadsheets_byte_order_mark_is_no_part_of_the_first_name() -> None:
    body = "\ufeffcolour,size\r\nred,3\r\n".encode()
    columns = record_requests.input_fn(body, "text/csv")
    assert record_requests.name_columns(columns, {"colour": "category", "size": "number"}) == {
        "colour": ("red",),
        "size": ("3",),
    }


@pytest.mark.parametrize(
    ("body", "kind", "why"),
    [
        (b"[" * 100_000, "application/json", "The body is not JSON"),
        (b'{"size": ' + b"9" * 5000 + b"}", "application/json", "The body is not JSON"),
        (b'"' + b"a" * 200_000 + b'",3', "text/csv", "The body is not CSV"),
        (b"\xff\xfered,3", "text/csv", "The body is not UTF-8"),
    ],
)
def test_a_body_that_no_parser_takes_is_refused_and_not_an_error_of_the_server(
    body: bytes, kind: str, why: str
) -> None:
    found = record_requests.input_fn(body, kind)
    assert isinstance(found, record_requests.Refused)
    assert (found.status, why in found.why) == (400, True)


@pytest.mark.parametrize("value", [10**400, "1" * 400, "1e999", "-Infinity", "inf", float("inf"), "nan", True, "1-5"])
def test_what_no_float_holds_is_no_number(value: object) -> None:
    with pytest.raises(ValueError, match=r"Column size holds '.{1,80}' where a number is needed\."):
        record_requests.read_numbers("size", [value, 1])


def test_blanks_are_nan_and_numbers_may_be_texts() -> None:
    found = record_requests.read_numbers("size", ["1.5", 2, None, " ", float("nan")])
    np.testing.assert_array_equal(found, [1.5, 2, np.nan, np.nan, np.nan])
