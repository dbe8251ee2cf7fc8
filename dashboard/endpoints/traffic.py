"""What an endpoint answers: requests, errors and latencies over time, and what its instances have to do for it."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import account, look
from dashboard.endpoints import charts, described, history, metrics
from dashboard.endpoints.described import Found
from dashboard.endpoints.metrics import Line
from deploy.apply import PASSING

_LIVE_SECONDS = 5.0
_DEFAULT = "1 hour"
_MORE = (  # what only some modes have: metric, title, unit
    ("ApproximateBacklogSize", "Requests that wait, at most", "requests"),
    ("ApproximateAgeOfOldestRequest", "Age of the oldest that waits", "seconds"),
    ("ModelSetupTime", "Cold starts, the longest", "milliseconds"),
    ("ServerlessConcurrentExecutionsUtilization", "Concurrency in use, at most", "share"),
    ("CPUUtilization", "CPU, 100 is one core", "per cent"),
    ("MemoryUtilization", "Memory", "per cent"),
    ("ConcurrentRequestsPerModel", "Requests at once, at most", "requests"),
    ("ModelCacheHit", "Requests whose model was loaded", "share"),
    ("LoadedModelCount", "Loaded models", "models"),
)


def show(found: Found) -> None:
    if not described.variants(found):
        return
    heading, chosen, live = st.columns([2, 4, 1], vertical_alignment="center")
    heading.subheader("Traffic")
    span = chosen.segmented_control(
        "Time", list(metrics.RANGES), default=_DEFAULT, key="range",
        bind="query-params", label_visibility="collapsed",
    )  # fmt: skip
    wanted = live.toggle("Live", key="live", bind="query-params", help="Reads every few seconds.")
    every = _LIVE_SECONDS if wanted or found.status in PASSING else None
    look.live(_charts, every=every)(found, span or _DEFAULT)


def _charts(found: Found, span: str) -> None:
    chosen = metrics.RANGES[span]
    start, end = metrics.span(chosen)
    variants = described.variants(found)
    table = read(found.name, tuple(lines(found)), span, int(end.timestamp()))
    table["variant"] = table["variant"].map(
        {each.name: f"{each.name} (shadow)" if each.shadow else each.name for each in variants} | {"": found.name}
    )
    if not table["value"].notna().any():
        _silent(found, chosen)
        return
    deployments = _within(history.moments(found), start, end)
    counted = metrics.counted(described.is_asynchronous(found))
    _numbers(table, chosen, counted)
    grid = _Grid(table, deployments, chosen.period, several=len(variants) > 1)
    grid.requests(f"Requests {_each(chosen)}", counted[0])
    grid.errors(f"Errors {_each(chosen)}", counted[1])
    grid.latencies("ModelLatency", "Model latency")
    if not described.is_asynchronous(found):
        grid.latencies("OverheadLatency", "Overhead latency")
    for metric, title, unit in _MORE:
        if metric in set(table["metric"]):
            grid.one(metric, title, unit)
    missing = f" CloudWatch has no values of this time of: {', '.join(grid.empty)}." if grid.empty else ""
    st.caption(f"The last step is not over. Dashed upright lines are deployments.{missing}")


def _silent(found: Found, chosen: metrics.Range) -> None:
    st.caption(f"CloudWatch has nothing of it in the last {chosen.words}: nobody called.")
    if owner := described.use_case(found):
        st.code(f"mlops traffic {owner} --stage {described.stage(found)}", language="bash")


class _Grid:
    """Charts two in a row; on a phone they stack."""

    def __init__(
        self, table: pd.DataFrame, deployments: dict[pd.Timestamp, str], period: int, *, several: bool
    ) -> None:
        self._table = table
        self._deployments = deployments
        self._period = period
        self._several = several
        self._cells: list[DeltaGenerator] = []
        self.empty: list[str] = []  # titles of charts that CloudWatch has no values for

    def requests(self, title: str, metric: str) -> None:
        if (cell := self._cell(title, table := self._of(metric))) is not None:
            with cell:
                charts.counts(title, table, "requests", self._period, self._deployments, "variant")

    def errors(self, title: str, names: Sequence[str]) -> None:
        table = self._of(*names)
        kind = table["metric"].map(_kind)
        table = table.assign(kind=kind + ", " + table["variant"] if self._several else kind)
        if (cell := self._cell(title, table)) is not None:
            with cell:
                charts.counts(title, table, "errors", self._period, self._deployments, "kind")

    def latencies(self, metric: str, title: str) -> None:
        self.one(metric, title, "milliseconds", ("variant", "statistic") if self._several else ("statistic",))

    def one(self, metric: str, title: str, unit: str, series: Sequence[str] = ("variant",)) -> None:
        if (cell := self._cell(title, table := self._of(metric))) is not None:
            with cell:
                charts.lines(title, table, unit, self._deployments, series)

    def _of(self, *names: str) -> pd.DataFrame:
        return self._table[self._table["metric"].isin(names)]

    def _cell(self, title: str, table: pd.DataFrame) -> DeltaGenerator | None:
        """Where a chart goes; None for one that has nothing to show."""
        if not table["value"].notna().any():
            self.empty.append(title)
            return None
        if not self._cells:
            self._cells = list(reversed(st.columns(2)))
        return self._cells.pop()


def _kind(metric: str) -> str:
    """4XX and 5XX for the errors that are an HTTP status, failed for an asynchronous invocation."""
    return "failed" if metric == "InvocationFailures" else metric.removeprefix("Invocation").removesuffix("Errors")


def _numbers(table: pd.DataFrame, chosen: metrics.Range, counted: tuple[str, Sequence[str]]) -> None:
    """What was asked, what failed, and how long the newest answers took."""
    own = table[~table["variant"].str.endswith("(shadow)")]
    sums = own[own["statistic"] == "Sum"].groupby("metric")["value"].sum()
    requests = sums.get(counted[0], 0.0)
    with st.container(horizontal=True):
        st.metric(f"Requests, {chosen.words}", f"{requests:,.0f}", border=True)
        for metric in counted[1]:
            errors = sums.get(metric, 0.0)
            share = f" ({errors / requests:.1%})" if requests and errors else ""
            st.metric(
                "Failed" if _kind(metric) == "failed" else f"{_kind(metric)} errors",
                f"{errors:,.0f}{share}",
                border=True,
            )
        for statistic in ("p50", "p99"):
            seen = own[(own["metric"] == "ModelLatency") & (own["statistic"] == statistic)].dropna(subset="value")
            newest = seen[seen["time"] == seen["time"].max()]["value"].max() if len(seen) else None
            said = "–" if newest is None else f"{newest:,.1f} ms"
            st.metric(f"Model latency {statistic}, newest", said, border=True)


def _each(chosen: metrics.Range) -> str:
    minutes = chosen.period // 60
    return "a minute" if minutes == 1 else "an hour" if minutes == 60 else f"each {minutes} minutes"


def _within(moments: dict[pd.Timestamp, str], start: object, end: object) -> dict[pd.Timestamp, str]:
    return {when: what for when, what in moments.items() if start <= when < end}  # type: ignore[operator]


def lines(found: Found) -> list[Line]:
    """What the endpoint's mode has."""
    every = [each.name for each in described.variants(found)]
    own = [*metrics.of_requests(every, described.is_asynchronous(found))]
    if described.is_asynchronous(found):
        own += metrics.of_backlog()
    if described.is_serverless(found):
        return [*own, *metrics.of_serverless(every)]
    if described.is_multi_model(found):
        own += metrics.of_models(every)
    return [*own, *metrics.of_instances(every)]


@account.kept
def read(endpoint: str, asked: tuple[Line, ...], span: str, end: int) -> pd.DataFrame:
    """`end` (epoch seconds) is the end of the last period: another minute is another question."""
    chosen = metrics.RANGES[span]
    start, until = metrics.span(chosen, pd.Timestamp(end, unit="s", tz="UTC").to_pydatetime())
    values = metrics.get(account.client("cloudwatch"), metrics.query(asked, endpoint, chosen.period), start, until)
    return metrics.frame(asked, values, start, until, chosen.period)
