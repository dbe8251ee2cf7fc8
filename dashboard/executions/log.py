"""What a step's job printed."""

from __future__ import annotations

import streamlit as st
from botocore.exceptions import ClientError

from dashboard import account, logs, look
from mlops import executions
from mlops.executions import Step


def show(step: Step) -> None:
    """Of one stream: a job has one a host, a tuning job one a trial."""
    where = _where(step)
    if where is None:
        st.caption("This step runs no job, so it has no log.")
        return
    group, prefix = where
    found = logs.streams(account.client("logs"), group, prefix, recent=not step.job)
    if not found:
        yet = "yet" if step.running else "of it, or no more"
        st.caption(
            f"CloudWatch Logs has nothing {yet}: the group {look.plain(group)} has no stream {look.plain(prefix)}…"
        )
        return
    stream = found[0]
    if len(found) > 1:
        stream = st.selectbox("Stream", found, format_func=lambda one: one.removeprefix(prefix), key="log-stream")
    logs.draw(group, stream)


def _where(step: Step) -> tuple[str, str] | None:
    """(log group, prefix of streams); None for a step that writes none."""
    if arn := step.metadata.get("Lambda", {}).get("Arn"):
        return f"/aws/lambda/{arn.split(':function:')[-1].split(':')[0]}", ""
    try:
        return next(executions.log_streams(account.target(), step), None)
    except ClientError:  # the job is gone; its log may be there, but under a name that only Describe told
        return None
