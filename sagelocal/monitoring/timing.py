"""When a schedule's executions come, and which window of captured data each one analyses.

AWS takes three forms of a cron expression and NOW (API reference, ScheduleConfig), starts an execution up to 20 minutes
after its hour, and picks the time of a daily schedule that names none. Here an execution starts at its hour, and the
daily one at midnight UTC. What came due while nothing ran, or while the schedule was stopped, comes once.

With a time scale above 1 all of it is that much shorter: an execution comes when a scaled period has passed since the
last one and analyses what was captured since then; offsets count scaled, too. NOW is as ever.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sagelocal.api.errors import validation

NOW = "NOW"
_DAY = 24 * 3600.0
_CRON = re.compile(r"cron\(0 (?:(?P<every>\*)|(?P<hour>\d{1,2})(?:/(?P<step>\d{1,2}))?) \? \* \* \*\)")
_DURATION = re.compile(
    r"(?P<sign>[+-]?)P(?:(?P<days>\d+)D)?(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)S)?)?"
)
_KNOWN = "cron(0 * ? * * *), cron(0 <hour> ? * * *), cron(0 <hour>/<step> ? * * *) and NOW"


@dataclass(frozen=True)
class Window:
    """Epoch seconds, from `start` up to but not including `end`."""

    start: float
    end: float

    def hours(self) -> list[str]:
        """The hour folders, yyyy/mm/dd/hh, that hold what was captured within."""
        hour = datetime.fromtimestamp(self.start, UTC).replace(minute=0, second=0, microsecond=0)
        found = []
        while hour.timestamp() < self.end:
            found.append(hour.strftime("%Y/%m/%d/%H"))
            hour += timedelta(hours=1)
        return found

    def __str__(self) -> str:
        return f"{iso(self.start)} to {iso(self.end)}"


def iso(moment: float) -> str:
    """In whole seconds, rounded up: a record's time is cut to its second, and one just before `moment` is before it."""
    return datetime.fromtimestamp(math.ceil(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check(schedule: Mapping[str, Any]) -> None:
    """Raises AwsError for a ScheduleConfig that AWS does not take."""
    expression = schedule["ScheduleExpression"]
    offsets = [schedule.get(f"DataAnalysis{side}Time") for side in ("Start", "End")]
    if expression == NOW:
        if not all(offsets):
            raise validation("ScheduleExpression NOW needs DataAnalysisStartTime and DataAnalysisEndTime.")
    else:
        hours_of_day(expression)
    if any(offsets):
        start, end = (seconds(each, "DataAnalysisStartTime and DataAnalysisEndTime") for each in offsets)
        if not 0 < end - start <= _DAY:
            raise validation(
                f"DataAnalysisStartTime {offsets[0]} must be before DataAnalysisEndTime {offsets[1]}, "
                "by 24 hours at most."
            )


def seconds(duration: str | None, what: str) -> float:
    """Of an ISO 8601 duration of days, hours, minutes and seconds, such as -PT1H. Raises AwsError naming `what`."""
    found = _DURATION.fullmatch(duration or "")
    parts = {
        name: int(value) for name, value in (found.groupdict() if found else {}).items() if value and name != "sign"
    }
    if not found or not parts:
        raise validation(f"{what} must be an ISO 8601 duration such as -PT1H, and is {duration}.")
    return timedelta(**parts).total_seconds() * (-1 if found["sign"] == "-" else 1)


def hours_of_day(expression: str) -> Sequence[int]:
    """At which hours (UTC) a cron expression comes. Raises AwsError for one that AWS does not take."""
    found = _CRON.fullmatch(expression)
    if found and found["every"]:
        return range(24)
    hour, step = (int(found[name] or 24) for name in ("hour", "step")) if found else (24, 0)
    if hour > 23 or not 1 <= step <= 24:
        raise validation(f"The ScheduleExpression {expression} is not supported: {_KNOWN} are.")
    return range(hour, 24, step)


def due(expression: str, last: float, now: float, scale: float) -> float | None:
    """The time for which an execution is to start now, None when none is.

    `last` is the time of the last one, at first that of the schedule's creation or change.
    """
    if scale > 1:
        moment = last + _DAY / len(hours_of_day(expression)) / scale
        return now if moment <= now else None
    moment = _latest(expression, now)
    return moment if moment > last else None


def next_after(expression: str, last: float, now: float, scale: float) -> float:
    """When to look for the next one."""
    period = _DAY / len(hours_of_day(expression)) / scale
    if scale > 1:
        return last + period
    hour = datetime.fromtimestamp(now, UTC).replace(minute=0, second=0, microsecond=0)
    return hour.timestamp() + 3600


def window(
    schedule: Mapping[str, Any], source: Mapping[str, Any], scheduled: float, last: float, scale: float
) -> Window:
    """What an execution analyses that was scheduled for a time.

    By default the time since the one before it by the schedule's expression. An input's StartTimeOffset and
    EndTimeOffset count from the scheduled time (developer guide, "Schedule model quality monitoring jobs": -P8D and
    -P1D at 2020-01-09T13:00 are 2020-01-01T13:00 to 2020-01-08T13:00), and so do the schedule's DataAnalysisStartTime
    and DataAnalysisEndTime. AWS does not document which ones win; here the schedule's, which are of this run.
    """
    expression = schedule["ScheduleExpression"]
    if expression == NOW:
        start, end, scale = scheduled, scheduled, 1.0
    else:
        start = last if scale > 1 else _latest(expression, scheduled - 1)
        end = scheduled
    for given, names in ((source, "{}TimeOffset"), (schedule, "DataAnalysis{}Time")):
        if offset := given.get(names.format("Start")):
            start = scheduled + seconds(offset, names.format("Start")) / scale
        if offset := given.get(names.format("End")):
            end = scheduled + seconds(offset, names.format("End")) / scale
    return Window(start, end)


def _latest(expression: str, now: float) -> float:
    """The last time until `now` that the expression names."""
    hours = set(hours_of_day(expression))
    hour = datetime.fromtimestamp(now, UTC).replace(minute=0, second=0, microsecond=0)
    while hour.hour not in hours:
        hour -= timedelta(hours=1)
    return hour.timestamp()
