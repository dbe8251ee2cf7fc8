"""Approvals that wait: which version would go where, what the tests said, and the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st
from botocore.exceptions import ClientError

from dashboard import account, changes, look, navigation
from dashboard.changes import Change
from dashboard.delivery import reading
from dashboard.delivery.reading import Approval, Shown
from dashboard.delivery.stages import address
from mlops import cicd_pipelines
from mlops.cicd_pipelines import RUNNING

_REASON = 512  # characters of PutApprovalResult's summary
_MEANWHILE = ("ApprovalAlreadyCompletedException", "InvalidApprovalTokenException")


def show(waiting: Sequence[Approval]) -> None:
    for number, each in enumerate(waiting):
        with st.container(border=True):
            _one(each, f"approval-{number}")


def _one(approval: Approval, key: str) -> None:
    shown, action = approval.shown, approval.action
    what = subject(approval)
    what = what if shown.packages else f"{what[0].upper()}{what[1:]}"
    st.markdown(f"##### :orange[:material/person_check:] {look.plain(what)} waits for an answer")
    if said := action.configuration.get("CustomData", ""):
        st.text(said)
    where = f"{look.plain(shown.pipeline)}, stage {look.plain(action.stage)}"
    st.caption(f"{where}, for {look.duration(action.started)}")
    for line in _places(approval):
        st.markdown(line)
    with st.container(horizontal=True, vertical_alignment="center"):
        changes.button("Approve", _change(approval, approve=True), key=f"{key}-approve", primary=True)
        changes.button("Reject", _change(approval, approve=False), key=f"{key}-reject")
        look.leave("Open the linked report", action.configuration.get("ExternalEntityLink", ""))
        for group, version in shown.packages:
            navigation.to_version(group, version)
        if st.query_params.get("execution") != shown.identity:
            navigation.link("Execution", "delivery", icon=":material/arrow_forward:", **address(shown))


def subject(approval: Approval) -> str:
    versions = ", ".join(f"{group} version {version}" for group, version in approval.shown.packages)
    what = versions or f"execution {approval.shown.short}"
    return f"{what} for {approval.after['name']}" if approval.after else f"{what} at {approval.action.stage}"


def _places(approval: Approval) -> list[str]:
    """Which version would go where, for stages that deploy/stages.yml declares."""
    if not approval.after:
        return []
    found = [(each, reading.endpoint(each[0], approval.after["name"])) for each in approval.shown.packages]
    return [_place(name, version) for (_, version), name in found if name]


def _place(name: str, version: str) -> str:
    try:
        serving = reading.serving(name)
    except LookupError:
        return f"`{name}` is not there yet: version {version} would be its first."
    except ClientError as error:
        return f"`{name}` would serve version {version}; what it serves now: {look.plain(look.sentence(error))}"
    now = ", ".join(f"{group} version {number}" for group, number in serving) or "no registered version"
    return f"`{name}` serves {look.plain(now)} now; version {version} would take its place."


def _change(approval: Approval, *, approve: bool) -> Change:
    verb = "Approve" if approve else "Reject"
    return Change(
        title=f"{verb} {subject(approval)}?",
        does="\n\n".join([*(_places(approval) if approve else []), _follows(approval, approve=approve)]),
        confirm=f"{verb} {', '.join(f'version {number}' for _, number in approval.shown.packages) or 'it'}",
        call=lambda reason: answer(approval, reason, approve=approve),
        ask=lambda: {
            "reason": st.text_input(
                "Reason", max_chars=_REASON, placeholder="Kept with the answer", key="approval-reason"
            )
        },
    )


def _follows(approval: Approval, *, approve: bool) -> str:
    shown, after = approval.shown, approval.after
    what = f"Execution {shown.short} of {look.plain(shown.pipeline)}"
    if not approve:
        rest = f": {look.plain(after['name'])} and what comes after it stay as they are" if after else ""
        return f"{what} ends Failed{rest}."
    if not after:
        return f"{what} ends Succeeded: this is its last stage."
    actions = ", ".join(_doing(each) for each in after["actions"])
    return f"{what} enters {look.plain(after['name'])} {_when(shown, after['name'])}. It does: {actions}."


def _when(shown: Shown, name: str) -> str:
    stage = next(each for each in shown.stages if each.name == name)
    if stage.disabled is not None:
        return f"when the way into it is opened, which is closed now ({look.plain(stage.disabled)})"
    if stage.other_status in RUNNING:
        return f"when execution {stage.other[:8]} has left it"
    return "at once"


def _doing(action: dict[str, Any]) -> str:
    project = action.get("configuration", {}).get("ProjectName", "")
    return f"{look.plain(action['name'])}" + (f" (CodeBuild project {look.plain(project)})" if project else "")


def answer(approval: Approval, reason: str, *, approve: bool) -> str:
    """Raises LookupError when another has answered meanwhile."""
    action, codepipeline = approval.action, account.client("codepipeline")
    status = "Approved" if approve else "Rejected"
    try:
        codepipeline.put_approval_result(
            pipelineName=action.pipeline,
            stageName=action.stage,
            actionName=action.name,
            result={"summary": reason.strip() or f"{status} in the dashboard", "status": status},
            token=approval.token,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in _MEANWHILE:
            raise
        raise LookupError(_meanwhile(codepipeline, approval)) from None
    return f"{status}: {subject(approval)}"


def _meanwhile(codepipeline: Any, approval: Approval) -> str:
    runs = cicd_pipelines.runs(codepipeline, approval.shown.pipeline, approval.shown.identity)
    now = next((run for run in runs if run.identity == approval.action.identity), approval.action)
    verb = {"Succeeded": "Approved", "Failed": "Rejected"}.get(now.status, "Answered")
    by = f" by {now.by.rpartition('/')[2]}" if now.by else ""
    why = f": {now.summary}" if now.summary else ""
    return f"Nothing was sent, as another has answered meanwhile. {verb}{by}{why}"
