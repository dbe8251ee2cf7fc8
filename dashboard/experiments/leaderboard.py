"""Executions or training jobs, best first, and what made them so."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import look, navigation
from dashboard.experiments import charts, reading, runs
from dashboard.experiments.runs import Metric
from mlops import comparison, experiments
from mlops.experiments import Entry


def show(pipeline: str, *, jobs: bool) -> None:
    found = _found(pipeline, jobs=jobs)
    if not found.runs:
        _nothing(pipeline, jobs=jobs)
        return
    metric = _metric(found.runs, jobs=jobs)
    ranked = comparison.ranked(found.runs, metric.name if metric else None)
    _table(pipeline, ranked, metric, found.production, jobs=jobs)
    _below(pipeline, ranked, found, jobs=jobs)
    if metric:
        _charts(ranked, metric, jobs=jobs)


def _found(pipeline: str, *, jobs: bool) -> reading.Found:
    count = max(_rows(), experiments.PAGE)
    if jobs:
        return reading.training_jobs(pipeline, st.query_params.get("execution", ""), count)
    return reading.executions(pipeline, count)


def _rows() -> int:
    given = st.query_params.get("rows", "")
    return int(given) if given.isdecimal() else 0


def _nothing(pipeline: str, *, jobs: bool) -> None:
    execution = st.query_params.get("execution", "")
    if jobs and execution:
        st.info(
            f"Execution {execution} trained nothing itself: a cached step's jobs belong to the execution that ran it."
        )
        navigation.link("All training jobs", "experiments", pipeline=pipeline, level="Training jobs")
    elif jobs:
        look.empty(f"No execution of {pipeline} has trained a model yet.", f"mlops run {pipeline}")
    else:
        look.empty(f"{pipeline} has not run yet.", f"mlops run {pipeline}")


def _metric(found: list[Entry], *, jobs: bool) -> Metric | None:
    known = runs.metrics(found, jobs=jobs)
    if not known:
        st.info("None of these has a metric yet.", icon=":material/info:")
        return None
    chosen = st.selectbox("Metric", known, key="metric", bind="query-params", width=260)
    return Metric.named(chosen)


def _table(pipeline: str, ranked: list[Entry], metric: Metric | None, production: str, *, jobs: bool) -> None:
    table = runs.table(ranked, metric, production, jobs=jobs)
    names = [runs.name(each, jobs=jobs) for each in ranked]

    def choose() -> None:
        if rows := st.session_state["leaderboard"]["selection"]["rows"]:
            st.session_state["run"] = names[rows[0]]

    st.dataframe(
        table.style.apply(_emphasis, axis=1),
        key="leaderboard",
        hide_index=True,
        on_select=choose,
        selection_mode="single-row",
        column_config=_columns(table, metric),
        height=min(35 * len(table) + 38, 460),
        alt=f"Leaderboard of {pipeline}, best {metric.name} first" if metric else f"Leaderboard of {pipeline}",
    )


def _emphasis(row: pd.Series[Any]) -> list[str]:
    return ["font-weight: bold" if row["Mark"] else ""] * len(row)


def _columns(table: pd.DataFrame, metric: Metric | None) -> dict[str, Any]:
    numbers = table.select_dtypes("number").columns
    config: dict[str, Any] = {each: st.column_config.NumberColumn(format="%.5g") for each in numbers}
    if metric:
        config[metric.name] = st.column_config.NumberColumn(f"{metric.name} ▾", format="%.5g", help=metric.direction)
    return config | {
        "Mark": st.column_config.TextColumn("", width="small"),
        "Started": st.column_config.DatetimeColumn(format="distance"),
        "Took": st.column_config.NumberColumn("Took (s)", format="%.0f"),
    }


def _below(pipeline: str, ranked: list[Entry], found: reading.Found, *, jobs: bool) -> None:
    what = "training jobs" if jobs else "executions"
    shown = len(ranked)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"The newest {shown} {what}." if found.more else f"All {shown} {what}.")
        if found.more and st.button(f"Show {experiments.PAGE} older", icon=":material/expand_more:", key="older"):
            st.query_params["rows"] = str(shown + experiments.PAGE)
            st.rerun()
        st.download_button(
            "Export CSV",
            runs.csv(ranked, found.production),
            file_name=f"{pipeline}-{what.replace(' ', '-')}.csv",
            mime="text/csv",
            icon=":material/download:",
        )
    names = [runs.name(each, jobs=jobs) for each in ranked]
    chosen = st.selectbox(
        "Training job" if jobs else "Execution",
        names,
        index=None,
        key="run",
        bind="query-params",
        placeholder="Choose one, here or in the table",
    )
    if chosen:
        _one(pipeline, ranked[names.index(chosen)], jobs=jobs)


def _one(pipeline: str, run: Entry, *, jobs: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(look.badge(run.status))
        navigation.link(
            f"Execution {run.execution}",
            "pipelines",
            icon=":material/account_tree:",
            pipeline=pipeline,
            execution=run.execution,
        )
        if not jobs:
            navigation.link(
                "Its training jobs",
                "experiments",
                icon=":material/science:",
                pipeline=pipeline,
                level="Training jobs",
                execution=run.execution,
            )
        if run.version:
            navigation.link(
                f"Version {run.version}", "registry", icon=":material/inventory_2:", group=pipeline, version=run.version
            )


def _charts(ranked: list[Entry], metric: Metric, *, jobs: bool) -> None:
    varying = runs.varying(ranked)
    tuning = next(
        (each.tuning for each in sorted(ranked, key=lambda one: one.started, reverse=True) if each.tuning), ""
    )
    logarithmic = reading.logarithmic(tuning) if tuning else []
    if varying:
        _parallel(ranked, metric, varying, logarithmic, jobs=jobs)
    left, right = st.columns(2)
    with left:
        _scatter(ranked, metric, varying, logarithmic, jobs=jobs)
    with right:
        st.subheader("Over time")
        found = runs.progress(ranked, metric, jobs=jobs)
        what = "training job" if jobs else "execution"
        st.altair_chart(
            charts.progress(found, metric, what), alt=f"{metric.name} by {what}, with the best so far as a line"
        )


def _parallel(ranked: list[Entry], metric: Metric, varying: list[str], logarithmic: list[str], *, jobs: bool) -> None:
    st.subheader("Parallel coordinates")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.multiselect("Axes", varying, default=varying[: runs.MOST_AXES], key="axes")
        best = int(st.number_input("Highlight the best", 1, 50, 5, key="best", width=160))
    made, points = runs.coordinates(ranked, metric, chosen, logarithmic, jobs=jobs)
    chart = charts.parallel(made, points, metric, best)
    st.altair_chart(chart, alt=f"A line for each run over {', '.join(axis.name for axis in made)}; the best stand out")


def _scatter(ranked: list[Entry], metric: Metric, varying: list[str], logarithmic: list[str], *, jobs: bool) -> None:
    st.subheader(f"{metric.name} against a parameter")
    if not varying:
        st.caption("No parameter differs.")
        return
    parameter = st.selectbox("Parameter", varying, key="parameter", bind="query-params")
    found = runs.against(ranked, metric, parameter, jobs=jobs)
    st.altair_chart(
        charts.scatter(found, metric, parameter, logarithmic=parameter in logarithmic),
        alt=f"{metric.name} against {parameter}; the best has a star",
    )
