"""Pipelines: all at a glance, or one with an execution of it, or two executions side by side, as the address says."""

from __future__ import annotations

import streamlit as st

from dashboard import look, navigation
from dashboard.executions import compare, listing, overview, start, summaries

TITLE, ICON = "Pipelines", ":material/account_tree:"


def page() -> None:
    query = st.query_params
    execution = query.get("execution", "")
    pipeline = query.get("pipeline", "") or summaries.pipeline_of(execution)
    if not pipeline:
        overview.show()
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        navigation.link("All pipelines", "pipelines", icon=":material/arrow_back:")
        st.header(look.plain(pipeline), width="content")
    if pair := query.get("compare", ""):
        _compare(pipeline, pair)
    elif like := query.get("start", ""):
        start.show(pipeline, like)
    else:
        listing.show(pipeline, execution)


def _compare(pipeline: str, pair: str) -> None:
    first, comma, second = pair.partition(",")
    if not comma:
        look.empty(f"compare={pair} is one execution, and two are compared: compare=<id>,<id>.")
        return
    compare.show(pipeline, summaries.arn(pipeline, first), summaries.arn(pipeline, second))
