"""The steps of an execution: a table of all, and what is known of the chosen one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import streamlit as st
from botocore.exceptions import ClientError

from dashboard import account, look, navigation
from dashboard.executions import facts, graph, jobs, log
from mlops import caching, executions
from mlops.executions import Step

STEP, TAB = "step", "show"  # in the address: which step is open, and whether its log is
ABOUT, LOG = "About", "Log"
_PAGE = 50  # rows
_NEVER_CACHED = {"Condition", "Fail", "Model", "RegisterModel"}
_OTHERS = {
    "Model": "Model",
    "EndpointConfig": "EndpointConfig",
    "Endpoint": "Endpoint",
    "RegisterModel": "ModelPackage",
}


def table(arn: str, shape: graph.Graph, listed: Sequence[Step]) -> None:
    """Those that have started; a row opens its step."""
    st.subheader("Steps")
    if not listed:
        st.caption("No step has started yet.")
        return
    pages = -(-len(listed) // _PAGE)
    page = st.number_input(f"Page of {pages}", 1, pages, key="steps-page", width=160) if pages > 1 else 1
    rows = listed[(page - 1) * _PAGE : page * _PAGE]
    ended = [step for step in rows if not step.running]
    identity = tuple((arn, step.name, step.status) for step in ended)
    made = facts.outcomes(ended, identity)
    st.dataframe(
        [_row(step, shape, made.get(step.name, ""), listed[0].start) for step in rows],
        key="steps-table",
        hide_index=True,
        height="content",
        column_config={"outcome": st.column_config.TextColumn(width="large")},
        on_select=lambda: _select(arn, [step.name for step in rows]),
        selection_mode="single-row",
    )


def _row(step: Step, shape: graph.Graph, made: str, first: datetime | None) -> dict[str, str]:
    started = look.moment(step.start)
    tries = f" · {step.attempts} attempts" if step.attempts > 1 else ""
    return {
        "step": step.name,
        "type": _kind(step, shape),
        "state": step.shown_status + tries,
        "started": started.removeprefix(look.moment(first)[:11]),  # the day is that of the first one, mostly
        "took": "" if step.cached or step.lent else look.duration(step.start, step.end),
        "outcome": made,
    }


def _select(arn: str, names: Sequence[str]) -> None:
    if rows := st.session_state["steps-table"]["selection"]["rows"]:
        st.session_state[key(arn)] = names[rows[0]]


def key(arn: str) -> str:
    """Of the session's state that has the open step: each execution has its own."""
    return f"{STEP} {arn}"


def choose(arn: str, shape: graph.Graph, listed: Sequence[Step]) -> str | None:
    """The step that is open: chosen here, in the graph or in the table, at first that of the address or what failed."""
    names = [*shape, *(step.name for step in listed if step.name not in shape)]
    if st.session_state.get(key(arn), "") not in [*names, None]:
        asked, failed = st.query_params.get(STEP), [step.name for step in listed if step.status == "Failed"]
        st.session_state[key(arn)] = asked if asked in names else failed[0] if failed else None
    chosen = st.selectbox("Step", names, index=None, key=key(arn), placeholder="Choose a step, here or in the graph")
    if chosen is None:
        st.query_params.pop(STEP, None)
    elif st.query_params.get(STEP) != chosen:
        st.query_params[STEP] = chosen
    return chosen


def details(pipeline: str, arn: str, shape: graph.Graph, listed: Sequence[Step], chosen: str) -> None:
    step = next((one for one in listed if one.name == chosen), None)
    if step is None:
        _not_started(shape[chosen])
        return
    st.markdown(f"{look.badge(step.status)} {look.plain(_kind(step, shape))}")
    about, printed = st.tabs([ABOUT, LOG], key=TAB, on_change="rerun", bind="query-params")
    if about.open:
        with about:
            _about(pipeline, arn, step, shape)
    if printed.open:
        with printed:
            log.show(step)


def _not_started(node: graph.Node) -> None:
    st.caption(f"{node.kind}. It has not started.")
    if node.needs:
        st.markdown("It waits for " + ", ".join(look.plain(name) for name in node.upstream) + ".")


def _kind(step: Step, shape: graph.Graph) -> str:
    return shape[step.name].kind if step.name in shape else ", ".join(step.metadata)


def _about(pipeline: str, arn: str, step: Step, shape: graph.Graph) -> None:
    _reused(pipeline, step)
    job = _job(step)
    rows = {"started": look.moment(step.start), "took": look.duration(step.start, step.end)}
    if step.status == "Failed":
        rows = {"failed": facts.reason(step), **rows}
    if step.attempts > 1:
        rows["attempts"] = str(step.attempts)
    if step.name in shape and shape[step.name].needs:
        rows["waits for"] = ", ".join(shape[step.name].upstream)
    _pairs("", {**rows, **_of_metadata(step), **job.facts})
    if job.message and job.message != step.failure:
        st.caption("Exit message")
        st.code(job.message, language=None, wrap_lines=True)
    _pairs("Metrics", {name: f"{value:.6g}" for name, value in job.metrics.items()})
    _pairs("Hyperparameters", job.hyperparameters)
    _addresses("Inputs", job.inputs)
    _addresses("Outputs", job.outputs)
    if step.job and step.job[0] == executions.TUNING:
        navigation.link(
            "Its trials",
            "experiments",
            icon=":material/science:",
            pipeline=pipeline,
            execution=navigation.execution(arn)[1],
        )
    _links(step)
    _why(arn, step)


def _pairs(title: str, pairs: Mapping[str, str]) -> None:
    if not pairs:
        return
    if title:
        st.caption(title)
    st.table(
        [{"name": look.plain(name), "value": look.plain(value)} for name, value in pairs.items()],
        hide_header=True, hide_index=True, border="horizontal",
    )  # fmt: skip


def _addresses(title: str, addresses: Mapping[str, str]) -> None:
    """As text that breaks where it must: in a table's narrow column their ends would be cut off."""
    if addresses:
        st.caption(title)
        st.markdown("  \n".join(f"{look.plain(name)}: {look.code(uri)}" for name, uri in addresses.items()))


def _reused(pipeline: str, step: Step) -> None:
    if not step.source:
        return
    how = "Cached: its results are those of" if step.cached else "Not selected to run: it lends the results of"
    st.markdown(how)
    execution = navigation.execution(step.source)[1]
    navigation.link(f"execution {execution}", "pipelines", pipeline=pipeline, execution=execution, step=step.name)


def _of_metadata(step: Step) -> dict[str, str]:
    """What a step without a job has to say, flat: Callback's queue, EMR's cluster, Lambda's function and outputs …"""
    found: dict[str, str] = {}
    for kind, said in step.metadata.items():
        if kind == "Fail" or (kind in executions.JOBS and kind not in ("QualityCheck", "ClarifyCheck")):
            continue
        for name, value in said.items():
            if isinstance(value, list):
                found |= {
                    f"{name} {one.get('Name', '')}": str(one.get("Value", "")) for one in value if isinstance(one, dict)
                }
            elif name != "CallbackToken":  # whoever has it ends the step
                found[name] = str(value)
    return found


def _links(step: Step) -> None:
    if arn := step.metadata.get("RegisterModel", {}).get("Arn"):
        *_, group, version = arn.split("/")
        navigation.to_version(group, version)
    if arn := step.metadata.get("Endpoint", {}).get("Arn"):
        name = arn.rsplit("/", 1)[1]
        navigation.link(f"Endpoint {name}", "endpoints", icon=":material/cloud:", endpoint=name)


def _why(arn: str, step: Step) -> None:
    if step.source or step.running or _NEVER_CACHED.intersection(step.metadata):
        return
    why = st.expander("Why was it not cached?", key=f"why {step.name}", on_change="rerun", type="compact")
    if why.open:
        with why, st.spinner("Comparing with earlier executions …"), look.errors():
            st.code("\n".join(_reasons(arn, step.name)), language=None, wrap_lines=True)


@account.kept
def _reasons(arn: str, name: str) -> list[str]:
    return list(caching.reasons(account.client("sagemaker"), arn, name))


def _job(step: Step) -> jobs.Job:
    named = step.job or next(
        (
            (kind, step.metadata[member]["Arn"])
            for member, kind in _OTHERS.items()
            if "Arn" in step.metadata.get(member, {})
        ),
        None,
    )
    if named is None:
        return jobs.Job()
    kind, name = named
    try:
        return jobs.read(kind, _described(kind, name, step.status))
    except ClientError as error:
        return jobs.Job(message=look.sentence(error))


@account.kept
def _described(kind: str, name: str, status: str) -> dict[str, Any]:
    """Describe<kind>'s answer, kept by the status; a model package goes by its ARN, all others by their name."""
    sagemaker = account.target().client("sagemaker")
    return executions.describe_job(sagemaker, kind, name if kind == "ModelPackage" else name.rsplit("/", 1)[-1])
