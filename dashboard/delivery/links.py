"""Links to what a text names by ARN: executions of SageMaker's pipelines, model packages."""

from __future__ import annotations

import streamlit as st

from dashboard import navigation
from dashboard.delivery import flow


def links(text: str) -> None:
    """Nothing is drawn for a text that names none."""
    executions, packages = flow.executions(text), flow.packages(text)
    if not executions and not packages:
        return
    with st.container(horizontal=True):
        for pipeline, identity in executions:
            navigation.link(f"{pipeline}: execution {identity}", "pipelines", pipeline=pipeline, execution=identity)
        for group, version in packages:
            navigation.to_version(group, version)
