"""One pipeline: an execution of it with each run of its actions, and the others to choose from."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import look, navigation
from dashboard.delivery import approvals, control, flow, overview, reading, stages
from dashboard.delivery.links import links
from dashboard.delivery.reading import Glance, Shown
from mlops.cicd_pipelines import RUNNING, Action


def show(name: str, identity: str) -> None:
    glance = reading.glance(name)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header(name)
        control.start(glance)
    if not glance.executions:
        look.empty(f"Nothing has started {name} yet.", "git push local main", f"mlops cicd start {name}")
        return
    identity = identity or glance.executions[0]["pipelineExecutionId"]
    shown = _find(glance, identity)
    approvals.show(reading.approvals([glance]))
    look.live(_execution, every=_pace(glance, shown))(name, identity, shown.status, len(shown.runs))
    with st.container(horizontal=True):
        control.of_execution(shown)
        if shown.commit:
            look.leave("Open the commit", shown.commit.url)
    _runs(shown)
    _list(glance, identity)
    ways = st.expander("Close or open the way into a stage", icon=":material/block:", on_change="rerun", key="ways")
    back = st.expander("Roll a stage back", icon=":material/undo:", on_change="rerun", key="roll-back")
    with ways:
        if ways.open:
            control.ways(glance)
    with back:
        if back.open:
            control.back(glance)


def _find(glance: Glance, identity: str) -> Shown:
    found = next((each for each in glance.shown if each.identity == identity), None)
    return found or reading.execution(glance.name, identity)


def _pace(glance: Glance, shown: Shown) -> float | None:
    return overview.pace([glance]) if shown.running else None


def _execution(name: str, identity: str, status: str, runs: int) -> None:
    shown = _find(reading.glance(name), identity)
    if (shown.status, len(shown.runs)) != (status, runs):
        st.rerun()
    stages.heading(shown)
    stages.draw(shown)


def _runs(shown: Shown) -> None:
    """Each run of an action, the last one first, with what it read and made."""
    if not shown.runs:
        return
    st.subheader("Actions")
    for run in reversed(shown.runs):
        with st.expander(_title(run), icon=stages.icon(run.category)):
            _run(shown, run)


def _title(run: Action) -> str:
    name = run.stage if run.stage == run.name else f"{run.stage}, {run.name}"
    took = look.duration(run.started, None if run.status == "InProgress" else run.ended)
    return f"{look.plain(name)} {look.badge(run.status)} {took}"


def _run(shown: Shown, run: Action) -> None:
    st.caption(f"{look.moment(run.started)}, by {look.plain(run.provider)}, id {look.code(run.identity)}")
    if run.error:
        st.error(look.plain(run.error.partition("\n")[0]), icon=":material/error:")
        if rest := run.error.partition("\n")[2]:
            st.code(rest, language=None, wrap_lines=True)
    elif said := stages.word(run):
        st.text(said)
    if run.build:
        query = stages.address(shown, build=run.build)
        navigation.link("Log and tests", "delivery", icon=":material/article:", **query)
    links(" ".join(run.variables.values()))
    facts = {**{f"{name} (set)": value for name, value in run.configuration.items()}, **run.variables, **run.artifacts}
    if facts:
        # A table's cells are Markdown.
        st.table({look.plain(name): look.plain(value) for name, value in facts.items()}, border="horizontal")


def _list(glance: Glance, identity: str) -> None:
    st.subheader("Executions")
    name, token = glance.name, st.query_params.get("before", "")
    page = reading.executions(name, token) if token else {}
    found = page["pipelineExecutionSummaries"] if token else glance.executions
    older = page.get("nextToken", "") if token else glance.older
    rows = [row(each) for each in found]
    if not any(each["Why"] for each in rows):
        rows = [{name: value for name, value in each.items() if name != "Why"} for each in rows]
    place = look.pick(
        rows,
        key=f"executions-{identity}-{token}",
        alt=f"Executions of {name}: select a row to open it",
        column_config={"Started": st.column_config.DatetimeColumn(format="distance")},
    )
    options = [each["pipelineExecutionId"] for each in found]
    by_key = st.selectbox(
        "Execution",
        options,
        index=options.index(identity) if identity in options else None,
        format_func=lambda one: f"{one[:8]}  {_first(found, one)}",
        key=f"execution-{identity}",
    )
    chosen = options[place] if place is not None else by_key
    if chosen and chosen != identity:
        st.query_params["execution"] = chosen
        st.rerun()
    look.turn(older)


def _first(found: list[dict[str, Any]], identity: str) -> str:
    each = next(one for one in found if one["pipelineExecutionId"] == identity)
    return f"{each['status']}, {look.moment(each['startTime'])}"


def row(execution: dict[str, Any]) -> dict[str, Any]:
    """An entry of ListPipelineExecutions as a row of the table."""
    commit = flow.commit([], execution)
    running = execution["status"] in RUNNING
    said = execution.get("statusSummary") or execution.get("stopTrigger", {}).get("reason", "")
    return {
        "Execution": execution["pipelineExecutionId"][:8],
        "Status": execution["status"],
        "Started": execution["startTime"],
        "Took": look.duration(execution["startTime"], None if running else execution["lastUpdateTime"]),
        "Started by": flow.trigger(execution),
        "Revision": commit.identity[:8] if commit else "",
        "Message": commit.message.partition("\n")[0] if commit else "",
        "Why": said,
    }
