"""One build of CodeBuild: its phases, and its log, tests, coverage, variables and artifacts, one of them at a time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import account, logs, look, navigation, objects
from dashboard.delivery import cases, coverage
from dashboard.delivery.links import links

Document = dict[str, Any]
LIVE_SECONDS = 2
_SHORT = 0.05  # seconds of a phase that had nothing to do
_PARTS = ("Log", "Tests", "Coverage", "Variables", "Artifacts")
_QUIET = ("SUBMITTED", "QUEUED", "PROVISIONING", "FINALIZING", "COMPLETED")  # of no interest where they went well


@account.kept
def described(identity: str) -> Document:
    """BatchGetBuilds' build. Raises LookupError when CodeBuild has none of that id."""
    found = account.client("codebuild").batch_get_builds(ids=[identity])["builds"]
    if not found:
        raise LookupError(f"CodeBuild has no build {identity}: it keeps them for a year.")
    return dict(found[0])


@account.kept
def reports(arns: tuple[str, ...]) -> list[Document]:
    """BatchGetReports' of a build, in its order."""
    found = account.client("codebuild").batch_get_reports(reportArns=list(arns))["reports"] if arns else []
    return sorted(found, key=lambda each: arns.index(each["arn"]))


def show(identity: str) -> None:
    build = described(identity)
    _back(build)
    running = not build["buildComplete"]
    st.header(look.plain(f"{build['projectName']} {build.get('buildNumber', '')}"))
    look.live(_head, every=LIVE_SECONDS if running else None)(identity, running)
    exported = " ".join(each["value"] for each in build.get("exportedEnvironmentVariables", []))
    links(exported)
    shown = st.segmented_control(
        "Part of the build", _PARTS, default=_PARTS[0], key="part", bind="query-params", label_visibility="collapsed"
    )
    with look.errors():
        _part(build, shown or _PARTS[0])


def _back(build: Document) -> None:
    query = st.query_params
    pipeline = query.get("pipeline") or build.get("initiator", "").removeprefix("codepipeline/")
    if not build.get("initiator", "").startswith("codepipeline/"):
        navigation.link("All pipelines", "delivery", icon=":material/arrow_back:")
        return
    execution = query.get("execution", "")
    more = {"execution": execution} if execution else {}
    label = f"{pipeline} {execution[:8]}".strip()
    navigation.link(look.plain(label), "delivery", icon=":material/arrow_back:", pipeline=pipeline, **more)


def _head(identity: str, running: bool) -> None:
    build = described(identity)
    if running and build["buildComplete"]:
        st.rerun()  # what is outside of the live part has an end, too
    commit = build.get("resolvedSourceVersion") or build.get("sourceVersion", "")
    facts = [f"commit `{commit[:8]}`"] if re.fullmatch(r"[0-9a-f]{40}", commit) else []
    facts += [f"started by {look.plain(build['initiator'])}"] if build.get("initiator") else []
    st.markdown(f"{look.badge(build['buildStatus'])} {', '.join(facts)}")
    started, took = build["startTime"], look.duration(build["startTime"], build.get("endTime"))
    st.caption(f"{look.moment(started)} ({look.ago(started)}), {'for' if running else 'took'} {took}")
    for phase, message in messages(build["phases"]):
        st.error(f"**{phase}** {look.plain(message)}", icon=":material/error:")
    _phases(build["phases"])


def messages(phases: Sequence[Document]) -> list[tuple[str, str]]:
    """Phase and what its contexts say, of phases that did not succeed."""
    found = []
    for each in phases:
        if each.get("phaseStatus", "SUCCEEDED") in ("SUCCEEDED", "IN_PROGRESS"):
            continue
        for context in each.get("contexts", []):
            said = ": ".join(part for part in (context.get("statusCode"), context.get("message")) if part)
            if said:
                found.append((each["phaseType"], said))
    return found


def timed(phases: Sequence[Document]) -> list[Document]:
    """A row a phase that took time or did not succeed; a phase without an end lasts until now."""
    rows = []
    for each in phases:
        start, end = each.get("startTime"), each.get("endTime")
        status = each.get("phaseStatus", "IN_PROGRESS" if start and not end else "")
        seconds = (end - start).total_seconds() if start and end else float(each.get("durationInSeconds", 0))
        went_well = status in ("SUCCEEDED", "")
        if (went_well and (each["phaseType"] in _QUIET or seconds < _SHORT)) or each["phaseType"] == "COMPLETED":
            continue
        rows.append({"phase": each["phaseType"], "status": status, "seconds": seconds, "start": start, "end": end})
    return rows


def _phases(phases: Sequence[Document]) -> None:
    with st.container(horizontal=True, gap="xsmall"):
        for each in timed(phases):
            took = look.duration(each["start"], each["end"])
            with st.container(border=True, width="content", gap="xxsmall"):
                st.markdown(f":small[{look.plain(each['phase'])}]")
                st.markdown(f"{look.badge(each['status'])} {took}")


def _part(build: Document, part: str) -> None:
    found = reports(tuple(build.get("reportArns", []))) if part in ("Tests", "Coverage") else []
    if part == "Log":
        look.live(_log, every=None if build["buildComplete"] else LIVE_SECONDS)(build.get("logs", {}))
    elif part == "Tests":
        cases.show([each for each in found if each["type"] == "TEST"], complete=build["buildComplete"])
    elif part == "Coverage":
        coverage.show([each for each in found if each["type"] == "CODE_COVERAGE"], complete=build["buildComplete"])
    elif part == "Variables":
        _variables(build)
    else:
        _artifacts(build)


def _log(where: Mapping[str, Any]) -> None:
    """`where` is a build's LogsLocation."""
    group, stream = where.get("groupName"), where.get("streamName")
    if not group or not stream:
        state = where.get("cloudWatchLogs", {}).get("status", "")
        st.caption("This project writes no log to CloudWatch." if state == "DISABLED" else "Nothing is printed yet.")
        return
    try:
        logs.draw(group, stream)
    except account.client("logs").exceptions.ResourceNotFoundException:
        st.caption(f"There is no log {look.plain(group)}, {look.plain(stream)}: nothing is printed yet, or it expired.")


def _variables(build: Document) -> None:
    exported = build.get("exportedEnvironmentVariables", [])
    if exported:
        st.markdown("**Exported**, readable by later actions")
        st.dataframe(pd.DataFrame(exported), hide_index=True)
    else:
        st.caption("This build exports no variables.")
    given = build.get("environment", {}).get("environmentVariables", [])
    if given:
        st.markdown("**Given**, by the project and by who started it")
        st.dataframe(pd.DataFrame(given), hide_index=True)


def _artifacts(build: Document) -> None:
    found = [build.get("artifacts", {}), *build.get("secondaryArtifacts", [])]
    located = [each for each in found if each.get("location")]
    if not located:
        st.caption("This build left no artifacts.")
    for each in located:
        uri = f"s3://{each['location'].removeprefix('arn:aws:s3:::')}"
        with st.container(border=True):
            st.markdown(f"**{look.plain(each.get('artifactIdentifier') or 'Artifact')}**")
            st.code(uri, language=None, wrap_lines=True)
            if each.get("sha256sum"):
                st.caption(f"SHA-256 `{each['sha256sum']}`")
            for url in objects.links((uri,)).values():
                st.link_button("Download", url, icon=":material/download:")
