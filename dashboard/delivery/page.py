"""Delivery: pipelines from a push to production, one of them or a build of it, or lineage, as the address says."""

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
