"""Monitoring: what the monitors of every endpoint found, since when, and what to do about it.

monitoring                                      every monitor's strip of verdicts
monitoring?endpoint=…                           one endpoint's, with alarms and retraining
monitoring?endpoint=…&monitor=…                 one monitor's newest verdict
monitoring?endpoint=…&monitor=…&execution=…     any verdict
"""

from __future__ import annotations

import streamlit as st

from dashboard.monitoring import endpoint as one_endpoint
from dashboard.monitoring import monitors, one, overview

TITLE, ICON = "Monitoring", ":material/monitor_heart:"


def page() -> None:
    account = monitors.read()
    for each in account.refused:
        st.warning(each, icon=":material/lock:")
    endpoint, monitor = (st.query_params.get(each, "") for each in ("endpoint", "monitor"))
    if endpoint and monitor:
        one.show(account, account.find(endpoint, monitor))
    elif endpoint:
        one_endpoint.show(account, endpoint)
    else:
        overview.show(account)
