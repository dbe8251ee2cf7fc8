"""Approving and rejecting a version: what speaks against it and what follows, said before it is done."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import account, changes, look, navigation
from dashboard.changes import Change
from dashboard.registry import follows, listing
from dashboard.registry.reading import Document
from dashboard.registry.versions import Group
from deploy import registry
from evaluation.version_differences import gates
from mlops import models

_LONGEST = 1024  # letters of an ApprovalDescription
_FINE = ("no violation", "no earlier", "skipped")


def panel(group: Group, package: Document, serving: list[str], doubts: list[str]) -> None:
    """`doubts`: what the comparison found against the version."""
    version, status = package["ModelPackageVersion"], package.get("ModelApprovalStatus", "")
    against = [*objections(package), *doubts]
    with st.container(border=True):
        st.markdown(f"**Your decision on version {version}**")
        for each in against:
            st.markdown(f":orange[:material/warning:] {look.plain(each)}")
        starts = follows.asked(package, group.name if group.use_case else "")
        approves = approval(group, package, starts, serving, against)
        rejects = rejection(group, package, serving)
        if status == "Approved":
            st.caption("It is approved already: only its reason can change.")
            for name in follows.pipelines(package):
                navigation.link(f"What {name} does", "delivery", icon=":material/local_shipping:", pipeline=name)
            changes.button("Change the reason …", approves, key="approve", icon=":material/edit:")
        else:
            changes.button("Approve …", approves, key="approve", icon=":material/check:", primary=True)
        if status == "Rejected":
            changes.button("Change the reason …", rejects, key="reject", icon=":material/edit:")
        else:
            changes.button("Reject …", rejects, key="reject", icon=":material/close:")
        if status != "Approved":
            st.markdown(f"**If you approve it:** {starts}")


def objections(package: Document) -> list[str]:
    """What the version's own record says against it, a sentence each."""
    found = []
    if (status := package.get("ModelPackageStatus", "Completed")) != "Completed":
        found.append(f"Its registration is {status}, so it cannot be deployed.")
    properties = package.get("CustomerMetadataProperties", {})
    for gate in gates(properties):
        if gate.reached is False:
            bound = f"{models.number(gate.bound)} at {'least' if gate.least else 'most'}"
            found.append(f"It failed its gate: {gate.name} is {models.number(gate.value)}, and has to be {bound}.")
    found += [
        f"{name.removesuffix(models.CHECK)}: {value}."
        for name, value in properties.items()
        if name.endswith(models.CHECK) and not is_fine(value)
    ]
    return found


def is_fine(said: str) -> bool:
    """Of what a check found: nothing, or it had nothing to compare with."""
    return said.startswith(_FINE)


def approval(group: Group, package: Document, starts: str, serving: list[str], against: list[str]) -> Change:
    version, again = package["ModelPackageVersion"], package.get("ModelApprovalStatus") == "Approved"
    name = f"version {version} of {group.title}"
    parts = [f"{look.plain(each)}" for each in against]
    parts.append("It is approved already: only the reason changes." if again else starts)
    if serving and not again:
        parts.append(f"It serves {look.plain(', '.join(serving))} now.")
    return Change(
        title=f"Change why {name} is approved?" if again else f"Approve {name}?",
        does="\n\n".join(parts),
        confirm=f"Keep version {version}'s reason" if again else f"Approve version {version}",
        call=lambda reason: _decide(group, package, "Approved", reason),
        ask=lambda: _reason("Reason", str(package.get("ApprovalDescription", "")) if again else ""),
    )


def rejection(group: Group, package: Document, serving: list[str]) -> Change:
    version, again = package["ModelPackageVersion"], package.get("ModelApprovalStatus") == "Rejected"
    name = f"version {version} of {group.title}"
    return Change(
        title=f"Change why {name} is rejected?" if again else f"Reject {name}?",
        does=_refused(group, package, serving, again),
        confirm=f"Keep version {version}'s reason" if again else f"Reject version {version}",
        call=lambda reason: _decide(group, package, "Rejected", reason),
        ask=lambda: _reason("Reason (required)", str(package.get("ApprovalDescription", "")) if again else ""),
    )


def _refused(group: Group, package: Document, serving: list[str], again: bool) -> str:
    if again:
        return "It is rejected already: only the reason changes."
    version = package["ModelPackageVersion"]
    text = "No deployment takes a rejected version."
    if package.get("ModelApprovalStatus") == "Approved":
        text += " One that is on its way ends before its next stage."
    if not serving:
        return text
    where = look.plain(", ".join(serving))
    return (
        f":orange[:material/warning:] Version {version} **serves {where}, and goes on serving it**: rejecting takes "
        f"nothing out of service. {text} So nothing can go back to it, either. To replace it, deploy another version"
        + (f": `mlops deploy {group.name} --version N`" if group.use_case else ".")
    )


def _reason(label: str, before: str) -> dict[str, Any]:
    said = "Kept with the version as its ApprovalDescription."
    return {"reason": st.text_area(label, value=before, max_chars=_LONGEST, help=said, key="decision-reason")}


def _unchanged(seen: Document, now: Document) -> None:
    """Raises LookupError where another has decided since the page was drawn: their reason would be lost."""
    if any(seen.get(each) != now.get(each) for each in ("ModelApprovalStatus", "ApprovalDescription")):
        by = f" by {who}" if (who := listing.who(now.get("LastModifiedBy") or {})) else ""
        why = f": {said}" if (said := now.get("ApprovalDescription")) else "."
        status = now.get("ModelApprovalStatus", "undecided")
        raise LookupError(f"Nothing was sent, as another has decided meanwhile: it is {status}{by}{why}")


def _decide(group: Group, package: Document, status: str, reason: str) -> str:
    """Raises ValueError for a rejection without a reason."""
    said = " ".join(reason.split())  # SageMaker's pattern has no line breaks
    if status == "Rejected" and not said:
        raise ValueError("A rejection needs a reason: whoever made the version reads it.")
    sagemaker, version = account.client("sagemaker"), package["ModelPackageVersion"]
    _unchanged(package, sagemaker.describe_model_package(ModelPackageName=package["ModelPackageArn"]))
    if package.get("ModelApprovalStatus") == status:  # sent again, a status might be told to the rules again
        sagemaker.update_model_package(ModelPackageArn=package["ModelPackageArn"], ApprovalDescription=said)
        return f"Version {version} of {group.title} keeps the new reason."
    decide = registry.approve if status == "Approved" else registry.reject
    decide(sagemaker, group.name, version, said)
    return f"Version {version} of {group.title} is {status.lower()}."
