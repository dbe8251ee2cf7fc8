"""Two executions side by side: what differs between them and, on demand, what does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from dashboard import look, navigation
from dashboard.executions import facts, side, summaries
from dashboard.executions.side import Content, Named, Side
from mlops.executions import Step

_SHOWN = 50  # rows of a table without a scroll bar of its own
_SIZED = 100  # artifacts whose content is looked at


@dataclass(frozen=True)
class Row:
    name: Named  # a step's name, or "", and what of it
    first: str
    second: str
    difference: str = ""
    addresses: tuple[str, str] = ("", "")
    same: bool = False


def show(pipeline: str, first: str, second: str) -> None:
    """Two ARNs. Raises LookupError when there is no such execution."""
    first, second = _choose(pipeline, first, second)
    with st.spinner("Reading both executions …"):
        one, other = side.read(first), side.read(second)
    every = st.toggle("Show what is the same, too", key="all", bind="query-params")
    _heads(pipeline, one, other)
    sections = {
        "Parameters": differing(_unnamed(one.parameters), _unnamed(other.parameters)),
        "Metrics": numbers(one.metrics, other.metrics),
        "Hyperparameters": differing(one.hyperparameters, other.hyperparameters),
        "Code": differing(one.code, other.code),
        "Data": differing(one.data, other.data),
        "Artifacts": artifacts(one.artifacts, other.artifacts),
        "Steps": steps(one, other),
    }
    alike = {title: len(rows) for title, rows in sections.items() if rows and all(row.same for row in rows)}
    if alike and not every:
        said = ", ".join(f"{title.lower()} ({count})" for title, count in alike.items())
        st.success(f"All the same: {said}.", icon=":material/equal:")
    for title, rows in sections.items():
        if rows and (every or title not in alike):
            _section(title, rows, every=every)


def _choose(pipeline: str, first: str, second: str) -> tuple[str, str]:
    """Which of the newest ones, or of the address; a change goes into the address."""
    listed = {one["PipelineExecutionArn"]: one for one in summaries.executions(pipeline)[0]}
    options = list(dict.fromkeys([*listed, first, second]))

    def said(arn: str) -> str:
        summary = listed.get(arn)
        shown = f", {summary['PipelineExecutionStatus']}, {look.moment(summary['StartTime'])}" if summary else ""
        return navigation.execution(arn)[1] + shown

    left, right = st.columns(2)
    chosen = (
        left.selectbox("First", options, index=options.index(first), format_func=said, key=f"compare-first {first}"),
        right.selectbox(
            "Second", options, index=options.index(second), format_func=said, key=f"compare-second {second}"
        ),
    )
    if chosen != (first, second):
        st.query_params["compare"] = ",".join(navigation.execution(arn)[1] for arn in chosen)
        st.rerun()
    return chosen


def _heads(pipeline: str, one: Side, other: Side) -> None:
    for column, each in zip(st.columns(2), (one, other), strict=True):
        with column:
            described = each.described
            status, name = described["PipelineExecutionStatus"], described.get("PipelineExecutionDisplayName", "")
            st.markdown(f"{look.badge(status)} {look.plain(name)}")
            started = described.get("CreationTime")
            took = look.duration(started, each.ended)
            said = [f"started {look.moment(started)}", f"{'runs for' if each.running else 'took'} {took}"]
            said += [f"commit {each.commit[:12]}"] if each.commit else ["commit unknown"]
            st.caption(look.plain(" · ".join(said)))
            with st.container(horizontal=True):
                navigation.link(
                    f"execution {each.identifier}", "pipelines", pipeline=pipeline, execution=each.identifier
                )
                for group, version in each.versions.items():
                    navigation.to_version(group, version)


def _section(title: str, rows: Sequence[Row], *, every: bool) -> None:
    same = sum(row.same for row in rows)
    shown = [row for row in rows if every or not row.same]
    st.subheader(title)
    st.caption(f"{len(rows) - same} differ, {same} are the same.")
    members = {"step": [row.name[0] for row in shown], "name": [row.name[1] for row in shown]}
    members |= {"first": [row.first for row in shown], "second": [row.second for row in shown]}
    members |= {"difference": [row.difference for row in shown]}
    members |= {
        "first address": [row.addresses[0] for row in shown],
        "second address": [row.addresses[1] for row in shown],
    }
    filled = {name: values for name, values in members.items() if name in ("first", "second") or any(values)}
    st.dataframe(filled, hide_index=True, height="content" if len(shown) <= _SHOWN else 600)


def _unnamed(values: Mapping[str, str]) -> dict[Named, str]:
    return {("", name): value for name, value in values.items()}


def differing(first: Mapping[Named, str], second: Mapping[Named, str]) -> list[Row]:
    return [_differing(name, first.get(name), second.get(name)) for name in dict.fromkeys([*first, *second])]


def _differing(name: Named, first: str | None, second: str | None) -> Row:
    values = (first or "", second or "")
    addresses = ["" if facts.short(value) == value else value for value in values]
    shown = [facts.short(value) for value in values]
    return Row(name, shown[0], shown[1], addresses=(addresses[0], addresses[1]), same=first == second)


def numbers(first: Mapping[Named, float], second: Mapping[Named, float]) -> list[Row]:
    return [_number(name, first.get(name), second.get(name)) for name in dict.fromkeys([*first, *second])]


def _number(name: Named, first: float | None, second: float | None) -> Row:
    shown = ["" if value is None else f"{value:.6g}" for value in (first, second)]
    difference = "" if first is None or second is None or first == second else f"{second - first:+.4g}"
    return Row(name, shown[0], shown[1], difference, same=first == second)


def artifacts(first: Mapping[Named, str], second: Mapping[Named, str]) -> list[Row]:
    """Of two addresses what lies there is compared, as far as it can be listed."""
    names = list(dict.fromkeys([*first, *second]))
    uris = [found for name in names for found in (first.get(name), second.get(name)) if found]
    known = side.contents(tuple(dict.fromkeys(uris))[: 2 * _SIZED])
    return [_artifact(name, first.get(name, ""), second.get(name, ""), known) for name in names]


def _artifact(name: Named, first: str, second: str, known: Mapping[str, Content]) -> Row:
    one, other = known.get(first), known.get(second)
    shown = [_size(content) if uri else "" for uri, content in ((first, one), (second, other))]
    difference, same = _of_content(one, other) if first != second else ("same address", True)
    return Row(name, shown[0], shown[1], difference if first and second else "", (first, second), same)


def _of_content(one: Content | None, other: Content | None) -> tuple[str, bool]:
    """What to say, and whether they are known to be the same."""
    if one is None or other is None or not one.objects or not other.objects:
        return "", False
    if one == other:
        return "same content", True
    more = other.size - one.size
    return f"{'+' if more > 0 else '-'}{look.size(abs(more))}" if more else "same size, other content", False


def _size(content: Content | None) -> str:
    if content is None:
        return "size unknown"
    return look.size(content.size) if content.objects else "nothing there"


def steps(first: Side, second: Side) -> list[Row]:
    """How each went and how long it took; what went alike within a second or a tenth counts as the same."""
    ones, others = ({step.name: step for step in each.steps} for each in (first, second))
    return [_step(name, ones.get(name), others.get(name)) for name in dict.fromkeys([*ones, *others])]


def _step(name: str, first: Step | None, second: Step | None) -> Row:
    shown = ["" if step is None else f"{step.shown_status}{_took(step)}" for step in (first, second)]
    ones, others = _seconds(first), _seconds(second)
    alike = first is not None and second is not None and first.shown_status == second.shown_status
    if ones is None or others is None:
        return Row(("", name), shown[0], shown[1], same=alike and ones == others)
    more = others - ones
    near = abs(more) < max(1.0, ones / 10)
    return Row(("", name), shown[0], shown[1], "" if near else f"{more:+.1f} s", same=alike and near)


def _took(step: Step) -> str:
    return f", {look.duration(step.start, step.end)}" if _seconds(step) is not None else ""


def _seconds(step: Step | None) -> float | None:
    """None where it did not work itself, or not to an end."""
    if step is None or step.source or step.start is None or step.end is None:
        return None
    return (step.end - step.start).total_seconds()
