"""How often a schedule comes: cron and rate expressions of EventBridge Scheduler, which Model Monitor's are, too."""

from __future__ import annotations

import re
from collections.abc import Sequence

HOURS = 730.0  # in a month, as AWS reckons in its price examples
DAYS = HOURS / 24
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_UNITS = {"minute": 1 / 60, "hour": 1.0, "day": 24.0}  # hours
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")


def runs_a_month(expression: str) -> float:
    """On average; a year in a cron expression is not looked at. Raises ValueError for what is neither cron nor rate."""
    if match := _RATE.fullmatch(expression):
        return HOURS / (int(match[1]) * _UNITS[match[2]])
    fields = expression.removeprefix("cron(").removesuffix(")").split()
    if not expression.startswith("cron(") or len(fields) != 6:
        raise ValueError(f"{expression!r} is no schedule: write cron(0 * ? * * *) or rate(6 hours).")
    minutes, hours, days, months, weekdays = fields[:5]
    return _count(minutes, 0, 59) * _count(hours, 0, 23) * _days(days, weekdays) * _count(months, 1, 12, _MONTHS) / 12


def _days(days: str, weekdays: str) -> float:
    """Of an average month; either field may be `?`, and the other one then says."""
    if weekdays not in ("?", "*"):
        if "#" in weekdays or "L" in weekdays:
            return 1.0
        return DAYS * _count(weekdays, 1, 7, _WEEKDAYS) / 7
    if days in ("?", "*"):
        return DAYS
    return 1.0 if "L" in days or "W" in days else float(_count(days, 1, 31))


def _count(field: str, first: int, last: int, names: Sequence[str] = ()) -> int:
    """How many values a field names: `*`, `7`, `MON-FRI`, `0/6`, `1,15`."""
    for number, name in enumerate(names, 1):
        field = field.upper().replace(name, str(number))
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        start = first if low in ("*", "?") else int(low)
        end = last if step or low in ("*", "?") else start
        found |= set(range(start, (int(high) if high else end) + 1, int(step or 1)))
    return len(found)
