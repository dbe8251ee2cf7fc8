"""Phases, logs and reports of a build, from small dicts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dashboard import logs
from dashboard.delivery import build, cases, coverage

BEGAN = datetime(2026, 11, 21, 20, 30, tzinfo=UTC)


def phase(kind: str, status: str, seconds: float | None, **more: Any) -> dict[str, Any]:
    ended = {} if seconds is None else {"endTime": BEGAN + timedelta(seconds=seconds)}
    said = {"phaseStatus": status} if status else {}
    return {"phaseType": kind, "startTime": BEGAN, **said, **ended, **more}


def test_phases_that_tell_something() -> None:
    phases = [
        phase("SUBMITTED", "SUCCEEDED", 0),
        phase("PROVISIONING", "CLIENT_ERROR", 3),
        phase("INSTALL", "SUCCEEDED", 62),
        phase("BUILD", "", None),
        {"phaseType": "COMPLETED", "startTime": BEGAN},
    ]
    assert [(each["phase"], each["status"]) for each in build.timed(phases)] == [
        ("PROVISIONING", "CLIENT_ERROR"),
        ("INSTALL", "SUCCEEDED"),
        ("BUILD", "IN_PROGRESS"),
    ]


def test_messages_of_phases_that_failed() -> None:
    failed = [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": "exit status 1"}, {"statusCode": "", "message": ""}]
    phases = [
        phase("INSTALL", "SUCCEEDED", 1, contexts=[{"message": "fine"}]),
        phase("BUILD", "FAILED", 1, contexts=failed),
    ]
    assert build.messages(phases) == [("BUILD", "COMMAND_EXECUTION_ERROR: exit status 1")]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\x1b[1;32mgreen\x1b[0m text", "green text"),
        ("\x1b]0;a window's title\x07said", "said"),
        ("\x1b[2K\x1b[1Gdone", "done"),
        (" 10 %\r 50 %\r100 %", "100 %"),
        ("ends with a return\r", "ends with a return"),
        ("[1;32m is text where no escape is before it", "[1;32m is text where no escape is before it"),
    ],
)
def test_a_line_without_escapes(line: str, shown: str) -> None:
    assert logs.stripped(line) == shown


def test_counts_say_passed_and_failed_always() -> None:
    counts = {"SUCCEEDED": 3, "FAILED": 0, "ERROR": 0, "SKIPPED": 1, "UNKNOWN": 0}
    assert cases.counted({"testSummary": {"statusCounts": counts}}) == {"Passed": 3, "Failed": 0, "Skipped": 1}
    assert cases.counted({}) == {}


def test_the_slowest_come_first_and_those_without_a_time_not_at_all() -> None:
    timed = [{"prefix": "a", "name": str(each), "durationInNanoSeconds": each * 10**9} for each in range(12)]
    found = cases.slowest(timed)
    assert [each["Test"] for each in found[:2]] == ["a, 11", "a, 10"]
    assert len(found) == 10
    assert cases.slowest(timed[:1]) == []


def test_a_file_without_branches_has_no_share_of_them() -> None:
    file = {"filePath": "a.py", "lineCoveragePercentage": 50.0, "linesMissed": 1, "branchCoveragePercentage": 0.0}
    assert coverage.row(file) == {"File": "a.py", "Lines": 50.0, "Missed": 1, "Branches": None}
    assert coverage.row({**file, "branchesMissed": 1})["Branches"] == 0.0
