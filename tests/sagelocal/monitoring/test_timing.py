"""Cron expressions, durations and windows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.monitoring import timing
from sagelocal.monitoring.timing import Window

HOURLY, DAILY, TWELVE = "cron(0 * ? * * *)", "cron(0 5 ? * * *)", "cron(0 5/12 ? * * *)"


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("expression", "last", "now", "expected"),
    [
        (HOURLY, "2026-03-02T09:20", "2026-03-02T09:59", None),
        (HOURLY, "2026-03-02T09:20", "2026-03-02T10:00", "2026-03-02T10:00"),
        (HOURLY, "2026-03-02T10:00", "2026-03-02T10:59", None),
        (HOURLY, "2026-03-02T10:00", "2026-03-02T13:30", "2026-03-02T13:00"),  # what was missed comes once
        (DAILY, "2026-03-02T09:20", "2026-03-03T04:59", None),
        (DAILY, "2026-03-02T09:20", "2026-03-03T05:01", "2026-03-03T05:00"),
        (TWELVE, "2026-03-02T06:00", "2026-03-02T17:00", "2026-03-02T17:00"),
    ],
)
def test_when_the_next_execution_is_due(expression: str, last: str, now: str, expected: str | None) -> None:
    found = timing.due(expression, at(last), at(now), 1)
    assert found == (at(expected) if expected else None)


def test_a_time_scale_makes_periods_shorter_and_windows_follow_each_other() -> None:
    made = at("2026-03-02T09:20")
    assert timing.due(HOURLY, made, made + 59, 60) is None
    moment = timing.due(HOURLY, made, made + 61, 60)
    assert moment == made + 61
    given = {"ScheduleExpression": HOURLY}
    assert timing.window(given, {}, moment, made, 60) == Window(made, made + 61)
    # A StartTimeOffset of an hour is a minute.
    assert timing.window(given, {"StartTimeOffset": "-PT1H"}, moment, made, 60) == Window(made + 1, made + 61)


@pytest.mark.parametrize(
    ("schedule", "source", "start", "end"),
    [
        ({"ScheduleExpression": HOURLY}, {}, "2026-03-02T12:00", "2026-03-02T13:00"),
        ({"ScheduleExpression": "cron(0 13 ? * * *)"}, {}, "2026-03-01T13:00", "2026-03-02T13:00"),
        ({"ScheduleExpression": "cron(0 1/6 ? * * *)"}, {}, "2026-03-02T07:00", "2026-03-02T13:00"),
        (
            {"ScheduleExpression": HOURLY},
            {"StartTimeOffset": "-P8D", "EndTimeOffset": "-P1D"},
            "2026-02-22T13:00",
            "2026-03-01T13:00",
        ),
        (
            {
                "ScheduleExpression": timing.NOW,
                "DataAnalysisStartTime": "-PT3H",
                "DataAnalysisEndTime": "-PT30M",
            },
            {"StartTimeOffset": "-PT9H"},  # the run's own window wins
            "2026-03-02T10:00",
            "2026-03-02T12:30",
        ),
    ],
)
def test_the_window_of_an_execution(schedule: dict[str, str], source: dict[str, str], start: str, end: str) -> None:
    scheduled = at("2026-03-02T13:00")
    assert timing.window(schedule, source, scheduled, scheduled - 10, 1) == Window(at(start), at(end))


def test_the_hours_of_a_window() -> None:
    window = Window(at("2026-03-02T22:30"), at("2026-03-03T01:00"))
    assert window.hours() == ["2026/03/02/22", "2026/03/02/23", "2026/03/03/00"]


@pytest.mark.parametrize(
    "expression", ["cron(5 * ? * * *)", "cron(0 24 ? * * *)", "cron(0 1/25 ? * * *)", "rate(1 hour)"]
)
def test_other_expressions_than_awss_are_refused(expression: str) -> None:
    with pytest.raises(AwsError, match="is not supported"):
        timing.check({"ScheduleExpression": expression})


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (None, None, "needs DataAnalysisStartTime and DataAnalysisEndTime"),
        ("-PT1H", "-PT2H", "must be before"),
        ("-PT25H", "-PT0H", "24 hours at most"),
        ("-1H", "-PT0H", "ISO 8601"),
    ],
)
def test_windows_of_now_that_are_refused(start: str | None, end: str | None, said: str) -> None:
    with pytest.raises(AwsError, match=said):
        timing.check({"ScheduleExpression": timing.NOW, "DataAnalysisStartTime": start, "DataAnalysisEndTime": end})
