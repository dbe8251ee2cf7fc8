"""Monitoring: what the monitors of every endpoint found; what the address names, and which file here draws it.

monitoring                                      overview.py: every monitor's strip of verdicts (strip.py)
monitoring?endpoint=…                           endpoint.py: one endpoint's, with alarms.py and retraining.py
monitoring?endpoint=…&monitor=…                 one.py: one monitor's newest verdict, run_now.py, over time (trends.py)
monitoring?endpoint=…&monitor=…&execution=…     any verdict: report.py with a part of its kind, data_quality.py
                                                (distributions.py), model_quality.py, groups.py (bias),
                                                drivers.py (SHAP)
Which monitors there are is in monitors.py, their runs in runs.py, a run's files in reports.py, and what these say in
findings.py (violations), history.py (since when) and kinds.py (of drift).
"""

from __future__ import annotations

import streamlit as st

from dashboard import look
from dashboard.monitoring import endpoint as one_endpoint
from dashboard.monitoring import monitors, one, overview

TITLE, ICON = "Monitoring", ":material/monitor_heart:"


def page() -> None:
    account = monitors.read()
    for each in account.refused:
        st.warning(look.harmless(each), icon=":material/lock:")
    endpoint, monitor = (st.query_params.get(each, "") for each in ("endpoint", "monitor"))
    if endpoint and monitor:
        one.show(account, account.find(endpoint, monitor))
    elif endpoint:
        one_endpoint.show(account, endpoint)
    else:
        overview.show(account)
