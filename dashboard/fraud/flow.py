"""How much comes through and how fast, by the metrics that the scorer publishes: a value a minute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import account
from dashboard.endpoints import charts, metrics
from dashboard.endpoints.metrics import Range
from dashboard.fraud.reading import USE_CASE
from deploy import streams

Points = list[tuple[datetime, float]]
_RANGE = Range("30 min", 30, 60)
_FRESH = timedelta(minutes=3)  # for which the last value is what happens now
_MISSING = "–"


@dataclass(frozen=True)
class Line:
    metric: str
    statistic: str
    words: str


SCORED = Line(streams.SCORED, "Sum", "scored")
ALERTS = Line(streams.ALERTS, "Sum", "alerts")
QUARANTINED = Line(streams.QUARANTINED, "Sum", "quarantined")
UNSCORED = Line(streams.UNSCORED, "Sum", "unscored")
P50 = Line(streams.LATENCY, "p50", "p50")
P99 = Line(streams.LATENCY, "p99", "p99")
LINES = (SCORED, ALERTS, QUARANTINED, UNSCORED, P50, P99)


@dataclass(frozen=True)
class Flow:
    """Of the last half hour: values by minute, oldest first, of whole minutes but the last."""

    start: datetime
    end: datetime
    points: Mapping[Line, Points]

    def frame(self, *lines: Line) -> pd.DataFrame:
        """A row a line and minute: time, what, value (NaN where there is none)."""
        steps = pd.date_range(self.start, self.end, freq="60s", inclusive="left")
        known = {(line, pd.Timestamp(at)): value for line in lines for at, value in self.points[line]}
        rows = [
            {"time": at, "what": line.words, "value": known.get((line, at), float("nan"))}
            for line in lines
            for at in steps
        ]
        return pd.DataFrame(rows)

    def last(self, line: Line, now: datetime) -> float | None:
        """The value of the last whole minute that has one, unless that is long ago."""
        whole = [value for at, value in self.points[line] if now - _FRESH <= at <= now - timedelta(minutes=1)]
        return whole[-1] if whole else None

    def rate(self, line: Line, now: datetime) -> float | None:
        """A second: of the last whole minute, else of the minute that is not over."""
        whole = self.last(line, now)
        if whole is not None:
            return whole / 60
        if self.points[line] and (passed := (now - self.points[line][-1][0]).total_seconds()) < 60:
            return self.points[line][-1][1] / max(1.0, passed)
        return None

    def total(self, line: Line) -> float:
        return sum(value for _, value in self.points[line])


def queries(lines: Sequence[Line] = LINES) -> list[dict[str, Any]]:
    """MetricDataQueries, with ids m0, m1 …"""
    about = [{"Name": streams.STREAM, "Value": streams.transactions_stream(USE_CASE)}]
    namespace = streams.metrics_namespace(USE_CASE)
    return [
        {
            "Id": f"m{at}",
            "MetricStat": {
                "Metric": {"Namespace": namespace, "MetricName": line.metric, "Dimensions": about},
                "Period": _RANGE.period,
                "Stat": line.statistic,
            },
        }
        for at, line in enumerate(lines)
    ]


@account.kept
def read() -> Flow:
    """Raises ClientError."""
    start, end = metrics.span(_RANGE)
    found = metrics.get(account.client("cloudwatch"), queries(), start, end)
    return Flow(start, end, {line: sorted(found[f"m{at}"]) for at, line in enumerate(LINES)})


def headline() -> None:
    """What happens now."""
    flow, now = read(), datetime.now(UTC)
    latencies = [flow.last(line, now) for line in (P50, P99)]
    figures = (
        ("Transactions a second", _said([flow.rate(SCORED, now)], ",.1f"), "scored in the last minute"),
        ("Alerts in 30 minutes", f"{flow.total(ALERTS):,.0f}", "by all models and days"),
        ("Latency in ms, p50 and p99", _said(latencies, ",.0f"), "from the put to the score, of the last minute"),
    )
    with st.container(horizontal=True, key="live-figures"):
        for label, figure, what in figures:
            st.metric(label, figure, border=True, height="stretch", help=what)


def _said(values: Sequence[float | None], form: str) -> str:
    return " · ".join(_MISSING if value is None else f"{value:{form}}" for value in values)


def show() -> None:
    flow = read()
    charts.counts("Scored a minute", flow.frame(SCORED), "transactions", _RANGE.period, {}, "what")
    apart = flow.frame(ALERTS, QUARANTINED, UNSCORED)
    charts.counts("Alerts, and records set aside, a minute", apart, "records", _RANGE.period, {}, "what")
    charts.lines("From the put to the score", flow.frame(P50, P99), "milliseconds", {}, ["what"])
    st.caption(
        f"CloudWatch's namespace `{streams.metrics_namespace(USE_CASE)}`, by the minute; the last one is not over. "
        "Quarantined on their way into the lake, or set aside unscored, are records that are no transactions: "
        "`mlops sql` shows them with their reasons."
    )
