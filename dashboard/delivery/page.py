"""Delivery from a push to production: what the address names, and which file here draws it.

delivery                                 overview.py: CodePipelines as rows of stages.py, approvals.py that wait
delivery?pipeline=…&execution=…          pipeline.py: an execution of one; control.py, which starts, stops and goes back
delivery?build=…                         build.py: CodeBuild's log, cases.py (tests), coverage.py
delivery?lineage=…                       lineage.py: from an endpoint back to commit and data, told by story.py
What CodePipeline says is read in reading.py and put in order by flow.py.
"""

from __future__ import annotations

import streamlit as st

from dashboard import navigation
from dashboard.delivery import build, lineage, overview, pipeline

TITLE, ICON = "Delivery", ":material/local_shipping:"


def page() -> None:
    query = st.query_params
    if "lineage" in query:
        navigation.link("All pipelines", "delivery", icon=":material/arrow_back:")
        lineage.show(query["lineage"])
    elif identity := query.get("build", ""):
        build.show(identity)
    elif name := query.get("pipeline", ""):
        navigation.link("All pipelines", "delivery", icon=":material/arrow_back:")
        pipeline.show(name, query.get("execution", ""))
    else:
        navigation.link("Lineage of an endpoint", "delivery", icon=":material/family_history:", lineage="")
        overview.show()
