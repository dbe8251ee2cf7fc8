"""What a text stands for: a number, a time, nothing. Patterns are RE2's, which takes time in proportion to the text."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

# Nothing, in any column; vaguer words where the rest are numbers, times or truths: elsewhere they may be a category.
_ERRORS = ("#n/a", "#null!", "#value!", "#ref!", "#div/0!")
BLANK_WORDS = ("", "na", "n/a", "nan", "null", "<na>", "nil", "?", "\\n", *_ERRORS)
VAGUE_WORDS = ("none", "missing", "unknown", "not available", "-", "--", ".", "tbd")
TRUTHS = (("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"), ("on", "off"))

INTEGER = r"^[+-]?\d+$"
NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
INFINITE = r"^(?i)[+-]?inf(?:inity)?$"
LEADING_ZERO = r"^0\d+$"
LONG_INTEGER = r"^[+-]?[1-9]\d{15,}$"  # 2**53 has 16 digits
CURRENCY = "$€£¥"
# How numbers are decorated; what the decoration is replaced with to read them.
STYLES = {
    "thousands separated by commas": (rf"^[+-]?[{CURRENCY}]?\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?$", rf"[{CURRENCY},]"),
    "a currency sign": (rf"^[+-]?[{CURRENCY}] ?\d+(?:\.\d+)?$|^[+-]?\d+(?:\.\d+)? ?[{CURRENCY}]$", rf"[{CURRENCY} ]"),
    "a percent sign": (r"^[+-]?\d+(?:\.\d+)? ?%$", r"[% ]"),
    "a decimal comma": (r"^[+-]?\d+,\d+$|^[+-]?\d{1,3}(?:\.\d{3})+(?:,\d+)?$", r"\."),
}
# A pattern and what pandas calls the format. Of dates with slashes the order is told from days above 12.
TIMES = {
    "YYYY-MM-DD": (r"^\d{4}-\d{1,2}-\d{1,2}$", "%Y-%m-%d"),
    "YYYY-MM-DD hh:mm:ss": (
        r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?$",
        "ISO8601",
    ),
    "YYYY/MM/DD": (r"^\d{4}/\d{1,2}/\d{1,2}$", "%Y/%m/%d"),
    "DD/MM/YYYY": (r"^\d{1,2}/\d{1,2}/\d{4}$", "%d/%m/%Y"),
    "DD/MM/YYYY hh:mm": (r"^\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}$", "%d/%m/%Y %H:%M"),
    "DD/MM/YYYY hh:mm:ss": (r"^\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d{2}:\d{2}$", "%d/%m/%Y %H:%M:%S"),
    "DD.MM.YYYY": (r"^\d{1,2}\.\d{1,2}\.\d{4}$", "%d.%m.%Y"),
    "DD Mon YYYY": (r"^\d{1,2}[ -][A-Za-z]{3}[ -]\d{4}$", "%d %b %Y"),
    "Mon DD, YYYY": (r"^[A-Za-z]{3,9} \d{1,2}, \d{4}$", "%B %d, %Y"),
}
SLASHED = ("DD/MM/YYYY", "DD/MM/YYYY hh:mm", "DD/MM/YYYY hh:mm:ss")
PROBE = 256  # texts that tell which formats are worth a look at all of them


def forms(words: Sequence[str]) -> pa.Array:
    """The words as they are, in capitals and with a capital: as a set to look up."""
    return pa.array(sorted({form for word in words for form in (word, word.upper(), word.title(), word.capitalize())}))


BLANKS = pa.array(sorted({*forms(BLANK_WORDS).to_pylist(), "NaN", "#N/A", "<NA>", "N/A"}))
VAGUES = pa.array(sorted({*forms(VAGUE_WORDS).to_pylist(), *BLANKS.to_pylist()}))


def trimmed(texts: pa.Array) -> pa.Array:
    return pc.utf8_trim_whitespace(texts)


def matches(texts: pa.Array, pattern: str) -> np.ndarray:
    """Where a pattern matches; not where there is no text."""
    return boolean(pc.match_substring_regex(texts, pattern))


def among(texts: pa.Array, words: pa.Array) -> np.ndarray:
    return boolean(pc.is_in(texts, value_set=words))


def boolean(values: pa.Array) -> np.ndarray:
    return pc.fill_null(values, False).to_numpy(zero_copy_only=False)


def numbers(texts: pa.Array) -> np.ndarray | None:
    """As float64, NaN for null; None if one of them is no number."""
    try:
        return pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None


def undecorated(texts: pa.Array, style: str) -> pa.Array:
    """Numbers without their separators and signs."""
    bare = pc.replace_substring_regex(texts, STYLES[style][1], "")
    return pc.replace_substring(bare, ",", ".") if style == "a decimal comma" else bare


def likely(texts: pa.Array, patterns: dict[str, tuple[str, str]]) -> list[str]:
    """Which of the patterns any of the first texts has."""
    head = texts.slice(0, PROBE)
    return [name for name, (pattern, _) in patterns.items() if matches(head, pattern).any()]


def days_and_months(texts: pa.Array) -> tuple[int, int]:
    """In how many of DD/MM/YYYY or MM/DD/YYYY the first number is above 12, and in how many the second."""
    first = matches(texts, r"^(1[3-9]|2\d|3[01])/").sum()
    second = matches(texts, r"^\d{1,2}/(1[3-9]|2\d|3[01])/").sum()
    return int(first), int(second)


def times(texts: pa.Array, name: str, month_first: bool = False) -> np.ndarray:
    """datetime64[us] in UTC, NaT for what is no such time: a 30th of February, say."""
    form = TIMES[name][1]
    if name in SLASHED and month_first:
        form = form.replace("%d/%m", "%m/%d")
    values = pd.Series(texts.to_numpy(zero_copy_only=False), dtype=object)
    if name == "DD Mon YYYY":
        values = values.str.replace("-", " ", regex=False)
    if name == "Mon DD, YYYY":
        values = values.str.replace(r"^([A-Za-z]{3})[a-z]* ", r"\1 ", regex=True)
        form = "%b %d, %Y"
    found = pd.to_datetime(values, format=form, errors="coerce", utc=True)
    return found.dt.tz_localize(None).to_numpy().astype("datetime64[us]")


def id_like(name: str) -> bool:
    """Whether a column's name ends as an identifier's: id, userId, customer_id, order-no, uuid."""
    return bool(re.search(r"(^|[\W_])(id|ids|uuid|guid|key)$|[a-z](Id|ID)$|(^|[\W_])(no|nr|number)$", name)) or (
        name.lower() in ("id", "index", "rownames", "unnamed: 0")
    )


def time_like(name: str) -> bool:
    return bool(re.search(r"(?i)(^|[\W_])(time|timestamp|date|datetime|ts|at|on|when)$|time|date", name))
