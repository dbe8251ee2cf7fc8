"""Pipelines of the account that are no use case of this clone: monitors', and other people's."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import account, look
from dashboard.executions.summaries import go

PAGE = 50


@account.kept
def pipelines(prefix: str, token: str) -> dict[str, Any]:
    """A page of ListPipelines, the newest first."""
    more = {name: value for name, value in (("PipelineNamePrefix", prefix), ("NextToken", token)) if value}
    return dict(
        account.client("sagemaker").list_pipelines(
            SortBy="CreationTime", SortOrder="Descending", MaxResults=PAGE, **more
        )
    )


def show(cases: list[str]) -> None:
    folded = st.expander(
        "Other pipelines of the account",
        icon=":material/inventory_2:",
        on_change="rerun",
        key="others",
        bind="query-params",
    )
    if not folded.open:
        return
    with folded:
        prefix = st.text_input("Name begins with", key="begins", bind="query-params", on_change=look.first_page)
        page = pipelines(prefix, st.query_params.get("before", ""))
        found = [each for each in page["PipelineSummaries"] if each["PipelineName"] not in cases]
        _table(found, prefix)
        look.turn(page.get("NextToken", ""))


def _table(found: list[dict[str, Any]], prefix: str) -> None:
    if not found:
        st.write("There is no other pipeline." if not prefix else f"No other pipeline's name begins with {prefix}.")
        return
    rows = [
        {
            "pipeline": each["PipelineName"],
            "last execution": look.ago(each.get("LastExecutionTime")) or "never ran",
            "made": look.moment(each["CreationTime"]),
            "what": each.get("PipelineDescription", ""),
        }
        for each in found
    ]
    names = [each["PipelineName"] for each in found]
    alt = "Pipelines that are no use case of this clone: select a row to open one"
    place = look.pick(rows, key=f"others-{names[0]}", alt=alt)
    chosen = st.selectbox("Open", names, index=None, placeholder="a pipeline", key=f"other-{names[0]}")
    if chosen or place is not None:
        go(str(chosen or names[place or 0]))
