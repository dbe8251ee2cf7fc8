"""One pipeline: the execution that is chosen, and the others to choose from."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import look
from dashboard.account import client, kept

PAGE = 50


def pipeline_of(execution: str) -> str:
    """The pipeline's name in an execution's ARN; "" for what is none."""
    return execution.split("/")[1] if execution.startswith("arn:") else ""


def arn(pipeline: str, execution: str) -> str:
    """Of an execution's id, or the ARN itself. Raises LookupError when there is no such pipeline."""
    return execution if execution.startswith("arn:") else f"{described(pipeline)['PipelineArn']}/execution/{execution}"


@kept
def described(pipeline: str) -> dict[str, Any]:
    """DescribePipeline's answer. Raises LookupError when there is none."""
    sagemaker = client("sagemaker")
    try:
        return dict(sagemaker.describe_pipeline(PipelineName=pipeline))
    except sagemaker.exceptions.ResourceNotFound:
        raise LookupError(f"The pipeline {pipeline} never ran here: mlops run {pipeline}") from None


@kept
def executions(pipeline: str, token: str = "") -> dict[str, Any]:
    """A page of ListPipelineExecutions, newest first."""
    more = {"NextToken": token} if token else {}
    return dict(
        client("sagemaker").list_pipeline_executions(
            PipelineName=pipeline, SortBy="CreationTime", SortOrder="Descending", MaxResults=PAGE, **more
        )
    )


def show(pipeline: str, execution: str) -> None:
    described(pipeline)
    found = executions(pipeline)["PipelineExecutionSummaries"]
    if not execution and not found:
        look.empty(f"{pipeline} has not run yet.", f"mlops run {pipeline}")
        return
    from dashboard.executions import execution as one

    one.show(pipeline, arn(pipeline, execution) if execution else found[0]["PipelineExecutionArn"])
    st.subheader("Executions")
    st.dataframe(found, hide_index=True)
