"""One execution: how it stands, its graph, its steps and, of the chosen one, all that is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from dashboard import look
from dashboard.executions import actions, facts, graph, picture, steps, summaries
from mlops.executions import RUNNING, Step

_LONG = 24  # characters of a default that is not said beside its value
_EVERY = 2  # seconds between two looks while it runs


def show(pipeline: str, arn: str) -> None:
    """Draws itself anew while the execution runs. Raises LookupError when there is none."""
    described = facts.described(arn)
    running = described["PipelineExecutionStatus"] in RUNNING
    actions.show(pipeline, described, facts.steps(arn))
    look.live(_body, every=_EVERY if running else None)(pipeline, arn, running)


def _body(pipeline: str, arn: str, was_running: bool) -> None:
    described, listed = facts.described(arn), facts.steps(arn)
    running = described["PipelineExecutionStatus"] in RUNNING
    if was_running and not running:  # the page has other buttons then, and needs no more looks
        look.again()
    definition, unreadable = facts.definition(arn)
    _header(described, listed, definition)
    if unreadable:
        st.warning(f"The definition that it runs can't be read, so there is no graph. {unreadable}")
    shape = graph.build(definition)
    chosen = steps.choose(arn, shape, listed)
    reading = st.session_state.get(steps.TAB) == steps.LOG  # which needs room
    parts = [7, 13] if reading else [11, 9]
    left, right = st.columns(parts, gap="medium") if shape and chosen else (st.container(), st.container())
    with left:
        if shape:
            _graph(pipeline, described, shape, listed, chosen)
    with right:
        if chosen:
            steps.details(pipeline, arn, shape, listed, chosen)
    steps.table(arn, shape, listed)


def _header(described: dict[str, Any], listed: Sequence[Step], definition: dict[str, Any]) -> None:
    status = described["PipelineExecutionStatus"]
    ended = None if status in RUNNING else described.get("LastModifiedTime")
    started = described.get("CreationTime")
    name, identifier = described.get("PipelineExecutionDisplayName", ""), summaries.name_of(described)
    facts_of_it = [
        f"**{look.plain(identifier)}**" + (f" ({look.plain(name)})" if name else ""),
        f"started {look.moment(started)}, {look.ago(started)}",
        f"{'running for' if status in RUNNING else 'took'} {look.duration(started, ended)}",
    ]
    st.markdown(f"{look.badge(status)} " + " · ".join(facts_of_it))
    if description := described.get("PipelineExecutionDescription"):
        st.caption(look.plain(description))
    if why := failure(described, listed):
        st.error(look.plain(why), icon=":material/error:")
    _parameters(described["PipelineExecutionArn"], definition)


def failure(described: Mapping[str, Any], listed: Sequence[Step]) -> str:
    """One sentence, with the first step that failed; "" for an execution that did not."""
    failed = [step for step in listed if step.status == "Failed"]
    if not failed:
        return str(described.get("FailureReason", ""))
    first = min(failed, key=lambda step: str(step.end or ""))
    others = f" ({len(failed) - 1} more failed: {', '.join(one.name for one in failed if one is not first)})"
    return f"{first.name} failed: {facts.reason(first)}" + (others if len(failed) > 1 else "")


def _parameters(arn: str, definition: dict[str, Any]) -> None:
    given = facts.parameters(arn)
    defaults = facts.defaults(definition)
    if differing := facts.changed(given, defaults):
        said = [f"**{look.plain(name)}** {_value(value, defaults.get(name, ''))}" for name, value in differing.items()]
        st.markdown("Not at their defaults: " + ", ".join(said))
    if given:
        with st.expander(f"All {len(given)} parameters"):
            rows = [
                {"parameter": name, "value": value, "default": defaults.get(name, "")} for name, value in given.items()
            ]
            st.dataframe(rows, hide_index=True)


def _value(value: str, default: str) -> str:
    said = f" (default {look.plain(default)})" if default and len(default) <= _LONG else ""
    return look.plain(facts.short(value)) + said


def _graph(
    pipeline: str, described: dict[str, Any], shape: graph.Graph, listed: Sequence[Step], chosen: str | None
) -> None:
    selective, by_name = described.get("SelectiveExecutionConfig"), {step.name: step for step in listed}
    states = graph.states(
        shape,
        by_name,
        running=described["PipelineExecutionStatus"] in RUNNING,
        selected=[one["StepName"] for one in selective["SelectedSteps"]] if selective else None,
    )
    picture.show(shape, states, by_name, chosen, title=pipeline, key=steps.key(described["PipelineExecutionArn"]))
