"""What executions, training jobs and the trials of a tuning job have in common: their charts, with their controls."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.experiments import charts, curves, runs
from dashboard.experiments.runs import Metric
from mlops.experiments import Entry

DATA = "InputDataUrl"  # the parameter by which this project's pipelines are given their data
_CURVES = 4  # metrics of a job before somebody chooses


def compared(found: Sequence[Entry], metric: Metric, logarithmic: Sequence[str], *, jobs: bool) -> None:
    """Parallel coordinates over the parameters that differ, and the metric against one of them."""
    varying = runs.varying(found)
    if not varying:
        st.caption("No parameter differs between these, so there is nothing to set the metric against.")
        return
    if DATA in varying:
        st.caption(f"{DATA} differs: a metric of one data set says little about that of another.")
    _parallel(found, metric, varying, logarithmic, jobs=jobs)
    _against(found, metric, varying, logarithmic, jobs=jobs)


def _parallel(
    found: Sequence[Entry], metric: Metric, varying: list[str], logarithmic: Sequence[str], *, jobs: bool
) -> None:
    st.subheader("Parallel coordinates")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.multiselect("Axes", varying, default=varying[: runs.MOST_AXES], key="axes")
        best = int(st.number_input("Highlight the best", 1, 50, 5, key="best", width=160))
    made, points = runs.coordinates(found, metric, chosen, logarithmic, jobs=jobs)
    names = ", ".join(axis.name for axis in made)
    st.altair_chart(
        charts.parallel(made, points, metric, best), alt=f"A line for each run over {names}; the best {best} stand out"
    )
    drawn = points["run"].nunique()
    st.caption(f"{drawn} lines; {metric.name}: {metric.direction}. Orange is the best, blue the {best} best.")


def _against(
    found: Sequence[Entry], metric: Metric, varying: list[str], logarithmic: Sequence[str], *, jobs: bool
) -> None:
    st.subheader("Against a parameter")
    parameter = st.selectbox("Parameter", varying, key="parameter", bind="query-params")
    table = runs.against(found, metric, parameter, jobs=jobs)
    st.altair_chart(
        charts.scatter(table, metric, parameter, logarithmic=parameter in logarithmic),
        alt=f"{metric.name} against {parameter}; the best has a star",
    )


def over_time(found: Sequence[Entry], metric: Metric, *, jobs: bool) -> None:
    """Several tuning jobs lie over each other, each with trials numbered from 1."""
    st.subheader("Best so far")
    what = "training job" if jobs else "execution"
    table = runs.progress(found, metric, jobs=jobs)
    st.altair_chart(charts.progress(table, metric, what), alt=f"{metric.name} by {what}, and the best so far as a line")


def learning(job: str, objective: str) -> None:
    """The curves of one training job."""
    st.subheader("Learning curves")
    found = curves.read(job)
    if not found.series:
        st.caption(f"Neither the log of {job} nor CloudWatch tells how its metrics went.")
        return
    known = list(found.series)
    own = objective.rpartition(":")[2]
    first = [name for name in known if own and name.rpartition(":")[2] == own] or known[:_CURVES]
    chosen = st.multiselect("Metrics", known, default=first, key=f"curves-{job}")
    st.altair_chart(charts.curves(found.frame(chosen), found.x), alt=f"{', '.join(chosen)} of {job} by {found.x}")
