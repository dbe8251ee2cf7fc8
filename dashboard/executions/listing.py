"""One pipeline: the execution that is chosen, and the others to choose from."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.column_config import DatetimeColumn

from dashboard import look, navigation
from dashboard.executions import execution as one
from dashboard.executions import start
from dashboard.executions.summaries import Document, arn, executions, go, name_of
from mlops import use_cases

_STATUSES = ("Executing", "Succeeded", "Failed", "Stopped", "CompletedWithFailures")


def show(pipeline: str, execution: str) -> None:
    try:
        newest, _ = executions(pipeline)
    except LookupError as missing:
        command = pipeline if pipeline in [case.name for case in use_cases.find_all()] else "USE_CASE"
        look.empty(str(missing), f"mlops run {command}")
        return
    if not newest and not execution:
        look.empty(f"{pipeline} has not run yet.")
        navigation.link(
            f"Start {pipeline}", "pipelines", icon=":material/play_arrow:", pipeline=pipeline, start=start.NEW
        )
        return
    chosen = execution.rsplit("/", 1)[-1] or name_of(newest[0])
    _choose(pipeline, chosen, newest)
    one.show(pipeline, arn(pipeline, chosen))
    _list(pipeline, chosen)


def _choose(pipeline: str, chosen: str, newest: Sequence[Document]) -> None:
    said = {name_of(each): _said(each) for each in newest}
    names = list(said) if chosen in said else [chosen, *said]
    now = said.get(chosen, chosen)  # part of the keys: a browser shows the words of when it was chosen
    with st.container(horizontal=True, vertical_alignment="bottom"):
        other = st.selectbox(
            "Execution", names, names.index(chosen), lambda name: said.get(name, name), key=f"of-{now}"
        )
        rivals = [name for name in names if name != chosen]
        rival = st.selectbox(
            "Compare with",
            rivals,
            None,
            lambda name: said.get(name, name),
            key=f"with-{now}",
            placeholder="another one",
        )
        navigation.link("Start", "pipelines", icon=":material/play_arrow:", pipeline=pipeline, start=start.NEW)
    if rival:
        go(pipeline, compare=f"{rival},{chosen}")
    if other != chosen:
        go(pipeline, execution=other)


def _said(summary: Document) -> str:
    status, name = summary["PipelineExecutionStatus"], summary.get("PipelineExecutionDisplayName", "")
    return " · ".join(part for part in (name_of(summary), status, look.ago(summary["StartTime"]), name) if part)


def _list(pipeline: str, chosen: str) -> None:
    st.subheader("Executions")
    status = _status(pipeline)
    before = st.query_params.get("before", "")
    found, following = executions(pipeline, status, before)
    if found:
        _table(pipeline, chosen, found)
    else:
        st.write(f"None of the {'older ' if before else ''}executions is {status}." if status else "No older ones.")
    look.turn(following)


def _status(pipeline: str) -> str:
    """Kept in the address, where a bound widget's would not outlast the way to another execution."""
    asked = st.query_params.get("status", "")
    chosen = (
        st.pills(
            "Status",
            _STATUSES,
            default=asked if asked in _STATUSES else None,
            key=f"status-{pipeline}",
            on_change=look.first_page,
        )
        or ""
    )
    if chosen:
        st.query_params["status"] = chosen
    elif asked:
        del st.query_params["status"]
    return chosen


def _table(pipeline: str, chosen: str, found: Sequence[Document]) -> None:
    rows = [
        {
            "status": [each["PipelineExecutionStatus"]],
            "execution": name_of(each),
            "name": each.get("PipelineExecutionDisplayName", ""),
            "started": each["StartTime"],
            "what is said of it": each.get("PipelineExecutionFailureReason")
            or each.get("PipelineExecutionDescription", ""),
        }
        for each in found
    ]
    columns = {
        "status": look.status_column("status", [each["PipelineExecutionStatus"] for each in found]),
        "started": DatetimeColumn(format="YYYY-MM-DD HH:mm:ss"),
    }
    key, alt = f"executions-after-{rows[0]['execution']}-{chosen}", f"Executions of {pipeline}: select a row to open it"
    place = look.pick(rows, key=key, alt=alt, column_config=columns)
    if place is not None and (other := rows[place]["execution"]) != chosen:
        go(pipeline, execution=str(other))
