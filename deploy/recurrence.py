"""How often a schedule comes: cron and rate expressions of EventBridge Scheduler, which Model Monitor's are, too."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

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


def next_after(expression: str, moment: datetime, since: datetime | None = None) -> datetime | None:
    """When it comes next, in UTC; None for one that comes no more within two years.

    A rate counts from `since`, or else from `moment`. Raises ValueError for what is neither cron nor rate.
    """
    if match := _RATE.fullmatch(expression):
        interval = timedelta(hours=int(match[1]) * _UNITS[match[2]])
        start = since or moment
        return start + ((moment - start) // interval + 1) * interval
    fields = expression.removeprefix("cron(").removesuffix(")").split()
    if not expression.startswith("cron(") or len(fields) != 6:
        raise ValueError(f"{expression!r} is no schedule: write cron(0 * ? * * *) or rate(6 hours).")
    minutes, hours = sorted(_values(fields[0], 0, 59)), sorted(_values(fields[1], 0, 23))
    moment = moment.astimezone(UTC)
    for day in _matching(fields, moment.date()):
        for hour in hours:
            for minute in minutes:
                found = datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)
                if found > moment:
                    return found
    return None


def _matching(fields: Sequence[str], first: date) -> Iterator[date]:
    """The days from `first` on, for two years, that a cron expression's fields name."""
    _, _, days, months, weekdays, years = fields
    named_months = _values(months, 1, 12, _MONTHS)
    named_years = _values(years, 1970, 2199)
    for number in range(731):
        day = first + timedelta(days=number)
        if day.month in named_months and day.year in named_years and _is_day(day, days, weekdays):
            yield day


def _is_day(day: date, days: str, weekdays: str) -> bool:
    """By the days of the month and of the week, of which one is `?`; with L, W and # as EventBridge has them."""
    last = calendar.monthrange(day.year, day.month)[1]
    weekday = day.isoweekday() % 7 + 1  # Sunday is 1
    if weekdays not in ("?", "*"):
        if "#" in weekdays:
            name, _, number = weekdays.partition("#")
            return weekday in _values(name, 1, 7, _WEEKDAYS) and (day.day - 1) // 7 + 1 == int(number)
        if weekdays.endswith("L"):
            return weekday in _values(weekdays[:-1] or "7", 1, 7, _WEEKDAYS) and day.day > last - 7
        return weekday in _values(weekdays, 1, 7, _WEEKDAYS)
    if days == "L":
        return day.day == last
    if days.endswith("W"):
        return day == _workday(day, last if days == "LW" else int(days[:-1]))
    return days in ("?", "*") or day.day in _values(days, 1, 31)


def _workday(day: date, wanted: int) -> date:
    """The weekday of the month that is nearest to one of its days."""
    last = calendar.monthrange(day.year, day.month)[1]
    target = day.replace(day=min(wanted, last))
    shift = {6: -1 if target.day > 1 else 2, 7: 1 if target.day < last else -2}.get(target.isoweekday(), 0)
    return target + timedelta(days=shift)


def _count(field: str, first: int, last: int, names: Sequence[str] = ()) -> int:
    return len(_values(field, first, last, names))


def _values(field: str, first: int, last: int, names: Sequence[str] = ()) -> set[int]:
    """What a field names: `*`, `7`, `MON-FRI`, `0/6`, `1,15`."""
    for number, name in enumerate(names, 1):
        field = field.upper().replace(name, str(number))
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        start = first if low in ("*", "?") else int(low)
        end = last if step or low in ("*", "?") else start
        found |= set(range(start, (int(high) if high else end) + 1, int(step or 1)))
    return found
