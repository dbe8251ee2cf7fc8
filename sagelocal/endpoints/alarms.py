"""The CloudWatch alarms that roll an update back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class Alarms:
    """Metric and composite alarms by name. Its methods raise what CloudWatch raises."""

    def __init__(self, cloudwatch: Any, names: Sequence[str]) -> None:
        self.names = list(names)
        self._cloudwatch = cloudwatch

    def missing(self) -> list[str]:
        states = self._states()
        return [name for name in self.names if name not in states]

    def tripped(self) -> str | None:
        """Why an update can't go on; INSUFFICIENT_DATA is no reason."""
        states = self._states()
        if gone := [name for name in self.names if name not in states]:
            return f"CloudWatch has no alarm {', '.join(gone)} any more, so nothing watches this deployment."
        if breached := [name for name in self.names if states[name] == "ALARM"]:
            return f"Alarm(s) in ALARM state: {', '.join(breached)}."
        return None

    def _states(self) -> dict[str, str]:
        if not self.names:
            return {}
        answer = self._cloudwatch.describe_alarms(
            AlarmNames=self.names, AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=100
        )
        found = [*answer.get("MetricAlarms", []), *answer.get("CompositeAlarms", [])]
        return {alarm["AlarmName"]: alarm["StateValue"] for alarm in found}
