"""The end of a log, older lines and a text in it, by CloudWatch Logs' own paging."""

from __future__ import annotations

from typing import Any

from dashboard import logs


class Logs:
    """GetLogEvents backwards from the end, at most 300 events a page, as CloudWatch Logs pages by its tokens."""

    def __init__(self, count: int) -> None:
        self.lines, self.calls = [f"line {number}" for number in range(count)], 0

    def get_log_events(self, *, limit: int, startFromHead: bool, nextToken: str = "", **_: Any) -> dict[str, Any]:
        assert not startFromHead
        self.calls += 1
        end = int(nextToken) if nextToken else len(self.lines)
        start = max(0, end - min(limit, 300))
        events = [{"message": f"{line}\n"} for line in self.lines[start:end]]
        return {"events": events, "nextBackwardToken": str(start) if events else nextToken}


def test_the_last_lines_in_their_order() -> None:
    got = logs.tail(Logs(1200), "g", "s", 500)
    assert (len(got.lines), got.lines[0], got.lines[-1], got.more) == (500, "line 700", "line 1199", True)


def test_all_of_a_short_log() -> None:
    assert logs.tail(Logs(3), "g", "s", 500) == logs.Lines(["line 0", "line 1", "line 2"], more=False)
    assert logs.tail(Logs(500), "g", "s", 500).more is False
    assert logs.tail(Logs(0), "g", "s", 500) == logs.Lines([], more=False)


def test_a_text_is_found_in_any_case_beyond_the_end() -> None:
    found = logs.search(Logs(1200), "g", "s", "LINE 7")
    assert found.lines[0] == "line 7"
    assert len(found.lines) == 1 + 10 + 100
    assert not found.more
    every = logs.search(Logs(1200), "g", "s", "line")
    assert (len(every.lines), every.more) == (logs.LINES, True)
