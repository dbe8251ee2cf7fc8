"""One endpoint: all its monitors, its alarms with their history, and retraining."""

from __future__ import annotations

import streamlit as st

from dashboard import alarms, look, navigation
from dashboard.monitoring import overview, retraining, runs, strip
from dashboard.monitoring.monitors import Account


def show(account: Account, endpoint: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        navigation.link("All monitors", "monitoring", icon=":material/arrow_back:")
        if endpoint in account.endpoints:
            navigation.link("Endpoint", "endpoints", icon=":material/dns:", endpoint=endpoint)
    st.header(endpoint)
    monitors = account.of(endpoint)
    if not monitors:
        if endpoint not in account.endpoints:
            raise LookupError(f"There is neither an endpoint nor a monitor of {endpoint!r}.")
        look.empty(f"{endpoint} has no monitor.", "mlops deploy churn   # with `monitoring` in deploy/stages.yml")
    else:
        found = runs.histories(tuple(monitors), overview.COLUMNS)
        strip.legend()
        overview.group(account, endpoint, found, title=False)
        overview.follow(tuple(monitors), found)
    st.subheader("Alarms")
    alarms.show(account.alarms_about(endpoint), endpoint)
    st.subheader("Retraining")
    retraining.show(endpoint, declared=endpoint in account.retrainings)
