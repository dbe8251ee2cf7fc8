"""What may be done with a pipeline: start it, stop or repeat an execution, go back, close the way into a stage."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from dashboard import account, changes, look
from dashboard.changes import Change
from dashboard.delivery.reading import Glance, Shown, declaration

_REASON = 300  # characters of DisableStageTransition's reason
_STOP_REASON = 200
_REFUSED = re.compile(r"[^a-zA-Z0-9!@ ().*?\-]")  # what DisableStageTransition's reason may not hold
_VARIABLE = 1000  # characters of a variable's value
_TARGETS = 20  # executions offered to go back to


def start(glance: Glance) -> None:
    changes.button("Start", _start(glance), key="start", icon=":material/play_arrow:", primary=not glance.shown)


def _start(glance: Glance) -> Change:
    stages = " → ".join(look.plain(each["stageName"]) for each in glance.state)
    queued = {
        "SUPERSEDED": "An execution that waits between stages gives way to this one.",
        "QUEUED": "It waits for its turn behind those that run.",
    }.get(glance.mode, "")
    return Change(
        title=f"Start {glance.name}?",
        does=f"A new execution goes through {stages}. {queued}",
        confirm=f"Start {glance.name}",
        call=lambda **given: started(glance.name, given),
        ask=lambda: _ask_start(declaration(glance.name)),
    )


def _ask_start(declared: dict[str, Any]) -> dict[str, Any]:
    variables = {
        each["name"]: st.text_input(
            each["name"],
            value=each.get("defaultValue", ""),
            help=each.get("description"),
            max_chars=_VARIABLE,
            key=f"start-{each['name']}",
        )
        for each in declared.get("variables", [])
    }
    sources = [
        action["name"]
        for stage in declared["stages"]
        for action in stage["actions"]
        if action["actionTypeId"]["category"] == "Source" and action["actionTypeId"]["provider"] != "S3"
    ]
    revisions = {
        name: st.text_input(f"Commit of {name}", placeholder="The newest of its branch", key=f"start-commit-{name}")
        for name in sources
    }
    return {"variables": variables, "revisions": revisions}


def started(name: str, given: dict[str, dict[str, str]]) -> str:
    """Raises ValueError for a variable without a value."""
    if missing := [each for each, value in given["variables"].items() if not value.strip()]:
        raise ValueError(f"{name} needs a value of {', '.join(missing)}.")
    variables = [{"name": each, "value": value.strip()} for each, value in given["variables"].items()]
    revisions = [
        {"actionName": each, "revisionType": "COMMIT_ID", "revisionValue": value.strip()}
        for each, value in given["revisions"].items()
        if value.strip()
    ]
    begun = account.client("codepipeline").start_pipeline_execution(
        name=name,
        **({"variables": variables} if variables else {}),
        **({"sourceRevisions": revisions} if revisions else {}),
    )
    return f"{name} started: execution {begun['pipelineExecutionId'][:8]}"


def of_execution(shown: Shown) -> None:
    """Stop it while it runs; run what failed again."""
    if shown.status == "InProgress":
        changes.button("Stop", _stop(shown), key="stop", icon=":material/stop:")
    for stage in failed(shown):
        changes.button(f"Run {stage} again", _retry(shown, stage), key=f"retry-{stage}", icon=":material/replay:")


def failed(shown: Shown) -> list[str]:
    """Stages that RetryStageExecution takes: failed or stopped, with no other execution in them since."""
    return [each.name for each in shown.stages if each.status in ("Failed", "Stopped") and not each.other]


def _stop(shown: Shown) -> Change:
    def ask() -> dict[str, Any]:
        how = st.radio(
            "The action that runs now",
            ["is waited for", "is abandoned"],
            captions=["No stage after it begins.", "At once; what it started, such as a build, goes on by itself."],
            key="stop-how",
        )
        reason = st.text_input("Reason", max_chars=_STOP_REASON, key="stop-reason")
        return {"abandon": how == "is abandoned", "reason": reason.strip()}

    return Change(
        title=f"Stop execution {shown.short} of {shown.pipeline}?",
        does="What it has deployed stays as it is.",
        confirm=f"Stop {shown.short}",
        call=lambda abandon, reason: _stopped(shown, abandon, reason),
        ask=ask,
    )


def _stopped(shown: Shown, abandon: bool, reason: str) -> str:
    account.client("codepipeline").stop_pipeline_execution(
        pipelineName=shown.pipeline,
        pipelineExecutionId=shown.identity,
        abandon=abandon,
        **({"reason": reason} if reason else {}),
    )
    return f"{shown.pipeline}, execution {shown.short}: {'abandoned' if abandon else 'stops after its action'}"


def _retry(shown: Shown, stage: str) -> Change:
    def ask() -> dict[str, Any]:
        return {"everything": st.checkbox("Also the actions that succeeded", key="retry-all")}

    return Change(
        title=f"Run {stage} of execution {shown.short} again?",
        does=f"{look.plain(shown.pipeline)} runs what failed in {look.plain(stage)} again, with the same sources and "
        "variables, and goes on to the next stage when it succeeds.",
        confirm=f"Run {stage} again",
        call=lambda everything: _retried(shown, stage, everything),
        ask=ask,
    )


def _retried(shown: Shown, stage: str, everything: bool) -> str:
    account.client("codepipeline").retry_stage_execution(
        pipelineName=shown.pipeline,
        stageName=stage,
        pipelineExecutionId=shown.identity,
        retryMode="ALL_ACTIONS" if everything else "FAILED_ACTIONS",
    )
    return f"{shown.pipeline} runs {stage} again"


def ways(glance: Glance) -> None:
    """Closing and opening what leads into each stage."""
    st.caption("A closed way keeps executions at the stage's door. What is in the stage already goes on.")
    for stage in glance.state[1:]:
        name, way = stage["stageName"], stage.get("inboundTransitionState", {})
        with st.container(horizontal=True, vertical_alignment="center"):
            if way.get("enabled", True):
                changes.button(f"Close the way into {name}", _close(glance.name, name), key=f"close-{name}")
                st.caption("Open")
            else:
                changes.button(f"Open the way into {name}", _open(glance.name, stage), key=f"open-{name}", primary=True)
                who = way.get("lastChangedBy", "").rpartition("/")[2]
                said = [f"Closed {look.ago(way.get('lastChangedAt'))}", f"by {who}" if who else ""]
                st.caption(look.plain(" ".join(each for each in said if each) + f": {way.get('disabledReason', '')}"))


def _close(pipeline: str, stage: str) -> Change:
    return Change(
        title=f"Close the way into {stage} of {pipeline}?",
        does=f"Executions wait at the door of {look.plain(stage)} until it is opened again.",
        confirm=f"Close the way into {stage}",
        call=lambda reason: closed(pipeline, stage, reason),
        ask=lambda: {"reason": st.text_input("Reason", max_chars=_REASON, key="close-reason")},
    )


def closed(pipeline: str, stage: str, reason: str) -> str:
    """Raises ValueError without a reason, which CodePipeline wants, or with signs that it does not take."""
    said = reason.strip()
    if not said:
        raise ValueError(f"Say why the way into {stage} is closed: whoever waits at the door reads it.")
    if bad := sorted(set(_REFUSED.findall(said))):
        raise ValueError(f"CodePipeline takes letters, digits, spaces and !@().*?- in this reason, not {' '.join(bad)}")
    account.client("codepipeline").disable_stage_transition(
        pipelineName=pipeline, stageName=stage, transitionType="Inbound", reason=said
    )
    return f"The way into {stage} of {pipeline} is closed"


def _open(pipeline: str, stage: dict[str, Any]) -> Change:
    name = stage["stageName"]
    inbound = stage.get("inboundExecutions") or []
    waits = ", ".join(each["pipelineExecutionId"][:8] for each in inbound)
    return Change(
        title=f"Open the way into {name} of {pipeline}?",
        does=f"{f'Execution {waits} enters' if waits else 'The next execution enters'} {look.plain(name)} at once.",
        confirm=f"Open the way into {name}",
        call=lambda: _opened(pipeline, name),
    )


def _opened(pipeline: str, stage: str) -> str:
    account.client("codepipeline").enable_stage_transition(
        pipelineName=pipeline, stageName=stage, transitionType="Inbound"
    )
    return f"The way into {stage} of {pipeline} is open"


def back(glance: Glance) -> None:
    """Rolling a stage back to an execution that went through it: of V2 pipelines, and of no source stage."""
    names = [each["stageName"] for each in reversed(glance.state[1:])]
    stage = st.selectbox("Stage", names, key="back-stage") if names else None
    if not stage:
        return
    now: dict[str, Any] = next(
        (each.get("latestExecution", {}) for each in glance.state if each["stageName"] == stage), {}
    )
    found = [
        each
        for each in went_through(glance.name, stage)
        if each["pipelineExecutionId"] != now.get("pipelineExecutionId")
    ]
    if not found:
        st.caption(f"No earlier execution has gone through {look.plain(stage)}.")
        return
    chosen = st.selectbox("Execution to go back to", found, format_func=_offered, key="back-execution")
    if chosen:
        label = f"Roll {stage} back to {chosen['pipelineExecutionId'][:8]}"
        changes.button(label, _back(glance.name, stage, chosen), key="back", icon=":material/undo:")


@account.kept
def went_through(pipeline: str, stage: str) -> list[dict[str, Any]]:
    """Executions that succeeded in a stage, the newest first; an empty list where the API does not tell."""
    found: list[dict[str, Any]] = account.client("codepipeline").list_pipeline_executions(
        pipelineName=pipeline, maxResults=_TARGETS, filter={"succeededInStage": {"stageName": stage}}
    )["pipelineExecutionSummaries"]
    return found


def _offered(execution: dict[str, Any]) -> str:
    revisions = execution.get("sourceRevisions") or [{}]
    what = revisions[0].get("revisionSummary", "").partition("\n")[0]
    return f"{execution['pipelineExecutionId'][:8]}  {look.moment(execution['startTime'])}  {what}"


def _back(pipeline: str, stage: str, execution: dict[str, Any]) -> Change:
    short = execution["pipelineExecutionId"][:8]
    return Change(
        title=f"Roll {stage} of {pipeline} back to {short}?",
        does=f"A new execution runs {look.plain(stage)} alone, with the sources and variables of {short}: what that "
        "stage deployed then, it deploys again.",
        confirm=f"Roll {stage} back",
        call=lambda: _rolled(pipeline, stage, execution["pipelineExecutionId"]),
    )


def _rolled(pipeline: str, stage: str, target: str) -> str:
    begun = account.client("codepipeline").rollback_stage(
        pipelineName=pipeline, stageName=stage, targetPipelineExecutionId=target
    )
    return f"{pipeline} rolls {stage} back: execution {begun['pipelineExecutionId'][:8]}"
