"""Executions or training jobs, best first, and what made them so."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import look, navigation
from dashboard.experiments import reading, runs, sections, table
from dashboard.experiments.runs import Metric
from mlops import experiments
from mlops.experiments import Entry


def show(pipeline: str, controls: DeltaGenerator, *, jobs: bool) -> None:
    """`controls` is the row that chooses what is shown."""
    found = _found(pipeline, jobs=jobs)
    if not found.runs:
        _nothing(pipeline, jobs=jobs)
        return
    with controls:
        metric = _metric(found.runs, jobs=jobs)
    ranked = runs.ranked(found.runs, metric)
    table.show(ranked, metric, found.production, jobs=jobs, choose=True)
    _below(pipeline, ranked, found, jobs=jobs)
    if metric:
        sections.over_time(ranked, metric, jobs=jobs)
        sections.compared(ranked, metric, reading.searched(_tuning(ranked)).logarithmic, jobs=jobs)


def _found(pipeline: str, *, jobs: bool) -> reading.Found:
    count = max(_rows(), experiments.PAGE)
    if jobs:
        return reading.training_jobs(pipeline, st.query_params.get("execution", ""), count)
    return reading.executions(pipeline, count)


def _rows() -> int:
    given = st.query_params.get("rows", "")
    return int(given) if given.isdecimal() else 0


def _nothing(pipeline: str, *, jobs: bool) -> None:
    if jobs and (execution := st.query_params.get("execution", "")):
        st.info(f"{execution} trained nothing itself: a cached step's jobs belong to the execution that ran it.")
        _all_jobs()
    elif jobs:
        look.empty(f"No execution of {pipeline} has trained a model yet.", f"mlops run {pipeline}")
    else:
        look.empty(f"{pipeline} has not run yet.", f"mlops run {pipeline}")


def _all_jobs() -> None:
    st.button(
        "All training jobs", key="all-jobs", icon=":material/filter_alt_off:", on_click=_training_jobs, args=("",)
    )


def _training_jobs(execution: str) -> None:
    """Of one execution, or "" for all: a link to the page that one is on would leave the address as it was."""
    st.session_state.update({"level": "Training jobs", "run": None})
    if execution:
        st.query_params["execution"] = execution
    else:
        st.query_params.pop("execution", None)


def _metric(found: list[Entry], *, jobs: bool) -> Metric | None:
    known = runs.metrics(found, jobs=jobs)
    if not known:
        return None
    key = "job_metric" if jobs else "metric"  # each level has its own first one
    chosen = st.selectbox("Metric", known, key=key, bind="query-params", width=260)
    searched = reading.searched(_tuning(found))
    return searched.metric if searched.metric and searched.metric.name == chosen else Metric.named(chosen)


def _tuning(found: list[Entry]) -> str:
    """The newest one's, "" where none was tuned."""
    return next((each.tuning for each in sorted(found, key=lambda one: one.started, reverse=True) if each.tuning), "")


def _below(pipeline: str, ranked: list[Entry], found: reading.Found, *, jobs: bool) -> None:
    what = "training jobs" if jobs else "executions"
    shown = len(ranked)
    with st.container(horizontal=True, vertical_alignment="center"):
        execution = st.query_params.get("execution", "") if jobs else ""
        of = f" of execution {execution}" if execution else ""
        st.caption(f"The newest {shown} {what}{of}." if found.more else f"All {shown} {what}{of}.")
        if execution:
            _all_jobs()
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
            st.button(
                "Its training jobs",
                key="jobs-of",
                type="tertiary",
                icon=":material/science:",
                on_click=_training_jobs,
                args=(run.execution,),
            )
        if run.version:
            navigation.to_version(pipeline, run.version)
    if jobs:
        sections.learning(run.job, run.objective)
