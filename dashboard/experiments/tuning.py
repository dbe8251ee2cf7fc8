"""Tuning jobs."""

from __future__ import annotations

import streamlit as st

from dashboard import look
from dashboard.experiments import reading


def show(pipeline: str) -> None:
    found = reading.tuning_jobs(pipeline)
    if not found:
        look.empty(f"No execution of {pipeline} has tuned hyperparameters yet.", f"mlops run {pipeline}")
        return
    st.dataframe([{"Tuning job": each["HyperParameterTuningJobName"]} for each in found])
