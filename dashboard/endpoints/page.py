"""Endpoints: what the address names, and which file here draws it.

endpoints                                listing.py
endpoints?endpoint=…                     one.py: deployment.py, weights.py, components.py, traffic.py (metrics.py,
                                         charts.py), history.py, scaling.py, alarms.py, cost.py, log.py
playground?endpoint=…                    playground.py: a form of schema.py, answers.py (invocations.py)
What an endpoint is, in AWS's descriptions of it, is in described.py; served.py keeps it for some seconds.
"""

from __future__ import annotations

import streamlit as st

from dashboard.endpoints import listing, one

TITLE, ICON = "Endpoints", ":material/dns:"


def page() -> None:
    if name := st.query_params.get("endpoint"):
        one.show(name)
    else:
        listing.show()
