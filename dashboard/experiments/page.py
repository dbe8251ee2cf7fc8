"""Experiments of a use case: what the address names, and which file here draws it.

experiments?pipeline=…                   leaderboard.py: its executions (table.py, sections.py)
experiments?pipeline=…&execution=…       the same of the training jobs of one
experiments?level=Tuning                 tuning.py: its tuning jobs
sections.py has the charts (charts.py) that all of these share; runs.py and axes.py make their tables, reading.py and
curves.py (a job's learning curves) ask the account.
"""

from __future__ import annotations

import streamlit as st

from dashboard import look
from dashboard.experiments import leaderboard, reading, tuning

TITLE, ICON = "Experiments", ":material/science:"
EXECUTIONS, JOBS, TUNING = "Executions", "Training jobs", "Tuning"


def page() -> None:
    pipelines = reading.pipelines()
    if not pipelines:
        look.empty("No pipeline ran here yet.", "mlops run churn")
        return
    controls = st.container(horizontal=True, vertical_alignment="bottom")
    with controls:
        pipeline = st.selectbox("Use case", pipelines, key="pipeline", bind="query-params", width=260)
        first = JOBS if "execution" in st.query_params else EXECUTIONS
        level = st.segmented_control(
            "Compare",
            [EXECUTIONS, JOBS, TUNING],
            default=None if "level" in st.session_state else first,
            required=True,
            key="level",
            bind="query-params",
        )
    if level == TUNING:
        tuning.show(pipeline, controls)
    else:
        leaderboard.show(pipeline, controls, jobs=level == JOBS)
