"""Event times: what the two feature types write, and the one form in which they are compared and kept.

That form is `2026-06-01T12:34:56.000000000`: UTC with nanoseconds, which Feature Store's quotas page gives as its
precision. As text it sorts by time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from sagelocal.feature_store.features import FRACTIONAL, fractional

# The API reference and the quotas page: whole seconds, milliseconds or nanoseconds, and always a Z.
_WRITTEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d{3}|\d{9}))?Z", re.ASCII)
_FORMATS = "yyyy-MM-dd'T'HH:mm:ssZ, yyyy-MM-dd'T'HH:mm:ss.SSSZ or yyyy-MM-dd'T'HH:mm:ss.SSSSSSSSSZ"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
_AFTER_LAST = (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - _EPOCH) // timedelta(seconds=1) + 1


def parse(feature_type: str, value: str) -> str:
    """An event time's one form. Raises ValueError, which says what the type takes."""
    return _of_seconds(value) if feature_type == FRACTIONAL else _of_text(value)


def _of_text(value: str) -> str:
    found = _WRITTEN.fullmatch(value)
    if found is None:
        raise ValueError(f"'{value}' is no time in ISO 8601: a String takes {_FORMATS}")
    datetime.fromisoformat(value[:19])  # 31 June
    return f"{value[:19]}.{found[1] or '':0<9}"


def _of_seconds(value: str) -> str:
    try:
        fractional(value)
        seconds = Decimal(value)
    except (ValueError, InvalidOperation) as error:
        raise ValueError(f"'{value}' is no Unix time: a Fractional takes seconds since 1970") from error
    if not _FIRST <= seconds < _AFTER_LAST:
        raise ValueError(f"'{value}' is no Unix time in seconds between the years 1 and 9999")
    return of_nanoseconds(int(seconds.scaleb(9)))


def of_nanoseconds(since_1970: int) -> str:
    seconds, nanoseconds = divmod(since_1970, 10**9)
    moment = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='seconds')}.{nanoseconds:09d}"


def seconds(event: str) -> float:
    """Epoch seconds of the one form."""
    return datetime.fromisoformat(event[:26] + "+00:00").timestamp()


def shown(feature_type: str, event: str) -> str:
    """The one form as the feature writes it."""
    return repr(seconds(event)) if feature_type == FRACTIONAL else f"{event[:23]}Z"


def expires_at(moment: float) -> str:
    """ExpiresAt of an answer: ISO 8601 with milliseconds. What ends later than years of four digits ends with them."""
    if moment >= _AFTER_LAST:
        return "9999-12-31T23:59:59.999Z"
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
