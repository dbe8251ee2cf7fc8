"""Tuning jobs: how far each is, what it found so far, and several over each other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import account, changes, look, navigation
from dashboard.changes import Change
from dashboard.experiments import reading, runs, sections, table
from dashboard.experiments.reading import Tuned
from dashboard.experiments.runs import Metric
from mlops import experiments, tuning
from mlops.experiments import Entry

_EVERY = 2.0  # seconds between two looks at a job under way


def show(pipeline: str, controls: DeltaGenerator) -> None:
    """`controls` is the row that chooses what is shown."""
    found = reading.tuning_jobs(pipeline)
    if not found:
        look.empty(f"No execution of {pipeline} has tuned hyperparameters yet.", f"mlops run {pipeline}")
        return
    names = [each["HyperParameterTuningJobName"] for each in found]
    with controls:
        chosen = st.multiselect(
            "Tuning jobs", names, default=names[:1], max_selections=runs.MOST_SERIES, key="tuning", bind="query-params"
        )
    _listed(found)
    if chosen:
        _chosen(pipeline, chosen)


def _listed(found: Sequence[dict[str, Any]]) -> None:
    which = "The newest" if len(found) >= experiments.PAGE else "All"
    with st.expander(f"{which} {len(found)} tuning jobs", icon=":material/list:"):
        _table(found)


def _table(found: Sequence[dict[str, Any]]) -> None:
    st.dataframe(
        pd.DataFrame([_row(each) for each in found]),
        hide_index=True,
        column_config={
            "Status": look.status_column("Status", (each["HyperParameterTuningJobStatus"] for each in found)),
            "Created": st.column_config.DatetimeColumn(format="distance"),
        },
        alt="Tuning jobs and how far they are",
    )


def _row(job: dict[str, Any]) -> dict[str, Any]:
    counters = job["TrainingJobStatusCounters"]
    best = job.get("BestTrainingJob", {}).get("FinalHyperParameterTuningJobObjectiveMetric", {})
    return {
        "Tuning job": job["HyperParameterTuningJobName"],
        "Status": [job["HyperParameterTuningJobStatus"]],
        "Objective": tuning.objective(job).get("MetricName", ""),
        "Best": best.get("Value"),
        "Completed": counters["Completed"],
        "Running": counters["InProgress"],
        "Failed": _failed(counters),
        "Stopped": counters["Stopped"],
        "Strategy": job.get("HyperParameterTuningJobConfig", {}).get("Strategy", ""),
        "Created": job["CreationTime"],
    }


def _failed(counters: dict[str, int]) -> int:
    return counters["RetryableError"] + counters["NonRetryableError"]


def _chosen(pipeline: str, names: Sequence[str]) -> None:
    jobs = [reading.tuned(name) for name in names]
    for job in jobs:
        _heading(pipeline, job)
    running = [job.name for job in jobs if job.running]
    # It alone draws itself anew: what is opened or asked elsewhere on the page stays as it is.
    look.live(_progress, every=_EVERY if running else None)(names, running)
    metric = _objective(jobs)
    found = [trial for job in jobs for trial in job.trials]
    if metric and any(metric.name in trial.metrics for trial in found):
        sections.compared(found, metric, reading.search(jobs[0].described).logarithmic, jobs=True)
    _one(found)


def _heading(pipeline: str, job: Tuned) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{look.plain(job.name)}** {look.badge(job.status)}")
        execution = job.name.partition("-")[0]
        navigation.link(
            f"Execution {execution}",
            "pipelines",
            icon=":material/account_tree:",
            pipeline=pipeline,
            execution=execution,
        )
        if job.status == "InProgress":
            changes.button(
                "Stop", _stopping(job.name, execution), key=f"stop-{job.name}", icon=":material/stop_circle:"
            )


def _stopping(name: str, execution: str) -> Change:
    return Change(
        title=f"Stop tuning job {name}?",
        does="Its training jobs under way are stopped and no others start. What the finished ones found stays, but the "
        f"step that waits for it ends as Stopped, and execution {execution} fails.",
        confirm=f"Stop {name}",
        call=partial(_stop, name),
    )


def _stop(name: str) -> str:
    account.client("sagemaker").stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    return f"{name} is being stopped."


def _progress(names: Sequence[str], running: Sequence[str]) -> None:
    """What changes while jobs are under way; `running` are those that were when the page was drawn."""
    jobs = [reading.tuned_now(name) if name in running else reading.tuned(name) for name in names]
    if any(job.name in running and not job.running for job in jobs):
        look.again()
    if len(jobs) == 1:
        _counters(jobs[0])
    else:
        _table([job.described for job in jobs])
    metric = _objective(jobs)
    if metric is None:
        st.info("These tuning jobs are after different metrics, so their trials are not comparable.")
        return
    found = [trial for job in jobs for trial in job.trials]
    if any(metric.name in trial.metrics for trial in found):
        sections.over_time(found, metric, jobs=True)
    if found:
        table.show(runs.ranked(found, metric), metric, "", jobs=True, choose=False)


def _objective(jobs: Sequence[Tuned]) -> Metric | None:
    """What all of them are after."""
    found = {reading.search(job.described).metric for job in jobs}
    return found.pop() if len(found) == 1 else None


def _counters(job: Tuned) -> None:
    described = job.described
    counters, config = described["TrainingJobStatusCounters"], described.get("HyperParameterTuningJobConfig", {})
    most = config.get("ResourceLimits", {}).get("MaxNumberOfTrainingJobs", 0)
    failed = _failed(counters)
    ended = counters["Completed"] + counters["Stopped"] + failed
    if job.running and most:
        st.progress(min(1.0, ended / most), text=f"{ended} of {most} training jobs have ended")
    best = described.get("BestTrainingJob", {})
    value = best.get("FinalHyperParameterTuningJobObjectiveMetric", {}).get("Value")
    objective = tuning.objective(described).get("MetricName", "objective")
    with st.container(horizontal=True):
        st.metric(f"Best {objective}", "–" if value is None else f"{value:.5g}")
        st.metric("Completed", f"{counters['Completed']} of {most}" if most else counters["Completed"])
        st.metric("Running", counters["InProgress"])
        st.metric("Failed", failed)
        st.metric("Stopped", counters["Stopped"])  # early, or with the tuning job
        st.metric("Took", look.duration(described["CreationTime"], described.get("HyperParameterTuningEndTime")))
    if tuned := best.get("TunedHyperParameters"):
        shown = ", ".join(f"{name} {_short(text)}" for name, text in sorted(tuned.items()))
        st.caption(look.plain(f"{best['TrainingJobName']}: {shown}. {_how(config)}"))
    if reason := described.get("FailureReason"):
        st.error(look.plain(reason), icon=":material/error:")


def _how(config: dict[str, Any]) -> str:
    early = config.get("TrainingJobEarlyStoppingType", "Off")
    parallel = config.get("ResourceLimits", {}).get("MaxParallelTrainingJobs", 1)
    stopping = "weak training jobs are stopped early" if early == "Auto" else "no early stopping"
    return f"{config.get('Strategy', '')} search, {parallel} at a time, {stopping}."


def _short(text: str) -> str:
    try:
        return f"{float(text):.4g}"
    except ValueError:
        return text


def _one(found: Sequence[Entry]) -> None:
    names = [runs.name(each, jobs=True) for each in found]
    if not names:
        return
    job = st.selectbox(
        "Learning curves of", names, index=None, key="run", bind="query-params", placeholder="Choose a training job"
    )
    if job:
        sections.learning(job, found[names.index(job)].objective)
