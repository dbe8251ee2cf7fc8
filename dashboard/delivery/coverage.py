"""A build's coverage report: the whole, then its files, those with the least coverage first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import account, look

Document = dict[str, Any]
_PAGE = 100
_SHARE = st.column_config.ProgressColumn(format="%.0f %%", min_value=0.0, max_value=100.0)


def show(reports: Sequence[Document], *, complete: bool) -> None:
    if not reports:
        st.caption("This build has no coverage report." if complete else "Reports come when the build ends.")
    for report in reports:
        st.subheader(report["name"].partition(":")[0])
        _report(report)


def _report(report: Document) -> None:
    summary = report.get("codeCoverageSummary")
    if not summary:
        st.markdown(look.badge(report["status"]))
        st.caption("CodeBuild could not read this report's files: the phase above says why.")
        return
    with st.container(horizontal=True):
        for word, covered, missed in (
            ("Lines", "linesCovered", "linesMissed"),
            ("Branches", "branchesCovered", "branchesMissed"),
        ):
            if total := summary.get(covered, 0) + summary.get(missed, 0):
                st.metric(
                    word,
                    f"{100 * summary[covered] / total:.1f} %",
                    f"{summary[covered]:,} of {total:,}",
                    delta_color="off",
                    delta_arrow="off",
                    border=True,
                    width=180,
                )
    shown = st.session_state.get(report["arn"], 1)
    files, more = files_of(report["arn"], shown)
    st.dataframe(
        pd.DataFrame([row(each) for each in files]),
        hide_index=True,
        column_config={"Lines": _SHARE, "Branches": _SHARE},
    )
    if more:
        st.button("More files", key=f"more-{report['arn']}", on_click=_more, args=(report["arn"],))


def _more(arn: str) -> None:
    st.session_state[arn] = st.session_state.get(arn, 1) + 1


@account.kept
def files_of(arn: str, pages: int) -> tuple[list[Document], bool]:
    """DescribeCodeCoverages' files, the least covered first, and whether there are more."""
    found: list[Document] = []
    token = ""
    for _ in range(pages):
        page = account.client("codebuild").describe_code_coverages(
            reportArn=arn,
            maxResults=_PAGE,
            sortBy="LINE_COVERAGE_PERCENTAGE",
            sortOrder="ASCENDING",
            **({"nextToken": token} if token else {}),
        )
        found += page["codeCoverages"]
        if not (token := page.get("nextToken", "")):
            break
    return found, bool(token)


def row(file: Document) -> Document:
    """A branch share only where there are branches."""
    branches = file.get("branchesCovered", 0) + file.get("branchesMissed", 0)
    return {
        "File": file["filePath"],
        "Lines": file.get("lineCoveragePercentage", 0.0),
        "Missed": file.get("linesMissed", 0),
        "Branches": file.get("branchCoveragePercentage", 0.0) if branches else None,
    }
