"""A build's test reports: how many passed, the failed cases with their message first, then the slowest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import account, look

Document = dict[str, Any]
_BAD = ("FAILED", "ERROR")
_NANO = 1e9
_CASES = 1000  # read of a report; CodeBuild keeps 500
_SLOWEST = 10
_COUNTED = {  # DescribeTestCases' status: our word
    "SUCCEEDED": "Passed",
    "FAILED": "Failed",
    "ERROR": "Errors",
    "SKIPPED": "Skipped",
    "UNKNOWN": "Unknown",
}


def show(reports: Sequence[Document], *, complete: bool) -> None:
    if not reports:
        st.caption("This build has no test report." if complete else "Reports come when the build ends.")
    for report in reports:
        st.subheader(report["name"].partition(":")[0])
        _report(report)


def _report(report: Document) -> None:
    st.markdown(f"{look.badge(report['status'])} {_took(report)}")
    if report["status"] == "INCOMPLETE":
        st.warning("CodeBuild could not read this report's files: the phase above says why.", icon=":material/warning:")
    counts = counted(report)
    if not counts:
        return
    with st.container(horizontal=True):
        for word, count in counts.items():
            st.metric(word, f"{count:,}", border=True, width=120)
    found = cases_of(report["arn"])
    _failed([each for each in found if each["status"] in _BAD])
    _slowest(found)
    with st.expander(f"{len(found)} cases" if report.get("truncated") else f"All {len(found)} cases"):
        if report.get("truncated"):
            st.caption("CodeBuild keeps 500 cases of a report, the failed ones first.")
        _table(found, key=f"cases-{report['arn']}")


def _took(report: Document) -> str:
    seconds = report.get("testSummary", {}).get("durationInNanoSeconds", 0) / _NANO
    return f"{look.span(seconds)} of tests" if seconds else ""


def counted(report: Document) -> dict[str, int]:
    """How many by our words; what did not occur is left out, but for passed and failed."""
    counts = report.get("testSummary", {}).get("statusCounts", {})
    always = ("SUCCEEDED", "FAILED")
    return {
        word: counts.get(status, 0)
        for status, word in _COUNTED.items()
        if counts and (counts.get(status) or status in always)
    }


@account.kept
def cases_of(arn: str) -> list[Document]:
    """DescribeTestCases' of a report, _CASES at most."""
    found: list[Document] = []
    pages = account.client("codebuild").get_paginator("describe_test_cases").paginate(reportArn=arn, maxResults=100)
    for page in pages:
        found += page["testCases"]
        if len(found) >= _CASES:
            break
    return found


def _failed(cases: Sequence[Document]) -> None:
    for case in cases:
        with st.container(border=True):
            st.markdown(f":red[:material/error:] **{look.plain(title(case))}**")
            first, _, rest = case.get("message", "").partition("\n")
            st.text(first or "It left no message.")
            if rest.strip():
                st.code(rest, language=None, wrap_lines=True)


def title(case: Document) -> str:
    return ", ".join(each for each in (case.get("prefix"), case.get("name")) if each)


def _slowest(cases: Sequence[Document]) -> None:
    found = slowest(cases)
    if not found:
        return
    st.markdown("**Slowest**")
    longest = max(each["seconds"] for each in found)
    column = st.column_config.ProgressColumn("Took", format="%.2f s", min_value=0.0, max_value=longest)
    st.dataframe(pd.DataFrame(found), hide_index=True, column_config={"seconds": column})


def slowest(cases: Sequence[Document]) -> list[Document]:
    rows = [{"Test": title(each), "seconds": each.get("durationInNanoSeconds", 0) / _NANO} for each in cases]
    return sorted((each for each in rows if each["seconds"] > 0), key=lambda each: -each["seconds"])[:_SLOWEST]


def _table(cases: Sequence[Document], *, key: str) -> None:
    rows = [
        {
            "Test": title(each),
            "Result": str(_COUNTED.get(each["status"], each["status"])).removesuffix("s"),
            "Took": each.get("durationInNanoSeconds", 0) / _NANO,
            "Message": each.get("message", ""),
        }
        for each in cases
    ]
    took = st.column_config.NumberColumn(format="%.3f s")
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config={"Took": took}, key=key)
