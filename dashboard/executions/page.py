"""Pipelines: what the address names, and which file here draws it.

pipelines                                all at a glance: overview.py, whose cards glance.py reads (gate.py: what gates
                                         compare); costs.py; others.py, the pipelines of no use case
pipelines?pipeline=…&execution=…         listing.py around execution.py: actions.py (selective.py), picture.py of
                                         graph.py, steps.py (jobs.py, log.py)
pipelines?pipeline=…&start=…             start.py, a form of parameters.py
pipelines?pipeline=…&compare=…,…         compare.py, of two side.py
What the account says of executions is in summaries.py (lists) and facts.py (one).
"""

from __future__ import annotations

import streamlit as st

from dashboard import look, navigation
from dashboard.executions import compare, listing, overview, start, summaries

TITLE, ICON = "Pipelines", ":material/account_tree:"


def page() -> None:
    query = st.query_params
    execution = query.get("execution", "")
    pipeline = query.get("pipeline", "") or navigation.execution(execution)[0]
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
