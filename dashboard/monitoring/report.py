"""One verdict: what moved, since when, against which baseline, and what kind of drift that is."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from dashboard import look, navigation, objects
from dashboard.monitoring import (
    data_quality,
    drivers,
    findings,
    groups,
    history,
    kinds,
    model_quality,
    reports,
    words,
)
from dashboard.monitoring.findings import Finding
from dashboard.monitoring.history import Since
from dashboard.monitoring.monitors import Monitor
from dashboard.monitoring.reports import Report
from dashboard.monitoring.runs import SHOWN, Run, State
from deploy import verdicts
from deploy.declaration import Kind

_SENTENCES = {
    Kind.DATA_QUALITY: data_quality.sentence,
    Kind.MODEL_QUALITY: model_quality.sentence,
    Kind.MODEL_BIAS: groups.sentence,
    Kind.EXPLAINABILITY: drivers.sentence,
}
_SEEN = {"seen": look.BAD, "not seen": look.GOOD, "cannot be told": look.IDLE}
_FIRST = 8  # runs whose violations are read to say since when
_IN_FULL = 30  # violations: beyond, a table to scroll in


def show(monitor: Monitor, run: Run, before: Sequence[Run], retrain: Callable[[], None]) -> None:
    """`before`: the runs from this one back, newest first. `retrain` draws a button, where there are violations."""
    st.subheader(f"{look.moment(run.started)} {words.run_badge(run)}", anchor=False)
    if run.state is State.RUNNING:
        st.info("It runs. The strip says when it has ended.", icon=":material/sync:")
        _links(monitor, run, Report())
        return
    report = reports.read(monitor, run)
    if not run.verdict:
        st.warning(f"No verdict: {run.state}.", icon=":material/do_not_disturb_on:")
        st.code(run.reason, language=None, wrap_lines=True)
        _links(monitor, run, report)
        return
    if not report.job:
        st.warning("The processing job that wrote this report is no longer known, so its files can't be found.")
        _links(monitor, run, report)
        return
    if report.pruned:
        st.warning(look.harmless(reports.why_pruned(report)) + " What CloudWatch has of it is under Over time.")
        st.code(report.output, language=None)
        _links(monitor, run, report)
        return
    st.markdown(f"**{look.plain(_SENTENCES[monitor.kind](report))}**")
    _facts(report)
    _links(monitor, run, report, retrain if run.violations else None)
    found = findings.ranked(report.violations)
    if found:
        _violations(found, _since(run, before, report))
    _kinds(monitor.kind, report)
    subjects = list(dict.fromkeys(each.subject for each in found))
    match monitor.kind:
        case Kind.DATA_QUALITY:
            data_quality.draw(report, subjects)
        case Kind.MODEL_QUALITY:
            model_quality.draw(report)
        case Kind.MODEL_BIAS:
            groups.draw(report)
        case Kind.EXPLAINABILITY:
            drivers.draw(report)


def _since(run: Run, before: Sequence[Run], report: Report) -> dict[str, Since]:
    """Of this run's subjects; reads the violations of the runs before it, of a few first, as it seldom takes all."""
    found: dict[str, Since] = {}
    for most in (_FIRST, len(before)):
        shown = before[:most]
        read = reports.violations([each.job for each in history.violated(shown) if each.job and each.id != run.id])
        found = history.since(
            shown,
            functools.partial(_subjects, run, report, read),
            report.subjects,
            complete=len(before) < SHOWN and len(shown) == len(before),
        )
        if not any(each.open for each in found.values()):
            break
    return found


def _subjects(
    run: Run, report: Report, read: Mapping[str, Sequence[reports.Document] | None], other: Run
) -> list[str] | None:
    if other.id == run.id:
        return report.subjects
    found = read.get(other.job)
    return None if found is None else [verdicts.subject(each) for each in found]


def _violations(found: Sequence[Finding], since: dict[str, Since]) -> None:
    st.subheader("What was found")
    rows = [
        {"what": each.subject, "finding": said(each), "since": history.said(since.get(each.subject), look.moment)}
        for each in found
    ]
    alt = "Violations, the gravest first, with since when they have been found"
    if len(rows) > _IN_FULL:
        st.dataframe(pd.DataFrame(rows), hide_index=True, placeholder="", alt=alt)
    else:
        st.table(plain(rows), border="horizontal", hide_index=True, alt=alt)
    with st.expander("In the file's words", icon=":material/notes:"):
        lines = [f"{each.subject} ({each.check}): {each.description}" for each in found]
        st.code("\n".join(lines), language=None, wrap_lines=True)


def said(finding: Finding) -> str:
    if finding.measured is None or finding.limit is None:
        return f"{finding.words}. {finding.description}"
    return f"{finding.words}: {finding.measured:.4g}, limit {finding.limit:.4g}"


def plain(rows: Sequence[dict[str, str]]) -> pd.DataFrame:
    """For st.table, whose cells are Markdown."""
    return pd.DataFrame([{name: look.plain(text) for name, text in row.items()} for row in rows])


def _facts(report: Report) -> None:
    start, end = (_moment(each) for each in report.window)
    facts = [f"{report.records:,} records" if report.records is not None else ""]
    facts += [f"{report.labelled:,} of them with labels" if report.labelled else ""]
    facts += [f"from {look.moment(start)} to {look.moment(end)}" if start and end else ""]
    st.markdown(", ".join(each for each in facts if each))
    base = report.baseline
    if not base.uri:
        return
    made = f", made {look.moment(base.made)}" if base.made else ", which is gone from S3"
    version = f" of {base.group}, version {base.version}" if base.version else ""
    size = base.statistics.get("dataset", {}).get("item_count")
    records = f": {int(size):,} records" if size else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"Compared with the baseline{look.plain(version)}{records}{made}", width="content")
        if base.version:
            navigation.to_version(base.group, base.version)
    st.caption(look.code(base.uri))


def _links(monitor: Monitor, run: Run, report: Report, retrain: Callable[[], None] | None = None) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        if retrain:
            retrain()
        if not monitor.managed:
            query = {"pipeline": monitor.name, "execution": run.id}
            navigation.link("Its execution", "pipelines", icon=":material/account_tree:", **query)
        for address in objects.links((f"{report.output}/report.html",)).values() if report.output else ():
            st.link_button("Open the full report", address, icon=":material/open_in_new:")


def _kinds(kind: Kind, report: Report) -> None:
    found = kinds.classify(kind, report)
    if not found:
        return
    st.subheader("What kind of drift")
    rows = [
        {
            "kind": each.kind,
            "verdict": f":{_SEEN[each.verdict]}-badge[{each.verdict}]",
            "why": look.plain(f"{each.why} {each.statistic}".strip()),
        }
        for each in sorted(found, key=lambda each: list(_SEEN).index(each.verdict))
    ]
    st.table(pd.DataFrame(rows), border="horizontal", hide_index=True, alt="Kinds of drift")
    st.caption("The kinds of drift are those of `docs/monitoring.md`.")


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def options(runs: Sequence[Run]) -> dict[str, str]:
    """Words for each run, by its id; no two have the same, by which a browser tells them apart."""
    words = {each.id: f"{look.moment(each.started)}: {each}" for each in runs}
    said = Counter(words.values())
    return {run_id: f"{text} ({run_id})" if said[text] > 1 else text for run_id, text in words.items()}
