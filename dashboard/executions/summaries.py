"""Pipelines and their executions, as lists and addresses have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import account

PAGE = 50  # rows
_LOOKED_THROUGH = 10  # pages of 100 that are looked through for a status: the API has no filter of it
Document = dict[str, Any]


def arn(pipeline: str, execution: str) -> str:
    """Of an execution's id, or the ARN itself. Raises LookupError when there is no such pipeline."""
    return execution if execution.startswith("arn:") else f"{described(pipeline)['PipelineArn']}/execution/{execution}"


@account.kept
def described(pipeline: str) -> Document:
    """DescribePipeline's answer. Raises LookupError when there is none."""
    sagemaker = account.client("sagemaker")
    try:
        return dict(sagemaker.describe_pipeline(PipelineName=pipeline))
    except sagemaker.exceptions.ResourceNotFound:
        raise LookupError(f"There is no pipeline {pipeline} in this account.") from None


@account.kept
def executions(pipeline: str, status: str = "", token: str = "") -> tuple[list[Document], str]:
    """Summaries, the newest first, and the token of what follows; about PAGE of them, or all of one status that
    _LOOKED_THROUGH pages have. Raises LookupError when there is no such pipeline.
    """
    sagemaker = account.client("sagemaker")
    query = {"PipelineName": pipeline, "SortBy": "CreationTime", "SortOrder": "Descending"}
    found: list[Document] = []
    for _ in range(_LOOKED_THROUGH):
        more = {"NextToken": token} if token else {}
        try:
            page = sagemaker.list_pipeline_executions(**query, MaxResults=100 if status else PAGE, **more)
        except sagemaker.exceptions.ResourceNotFound:
            raise LookupError(f"There is no pipeline {pipeline} in this account.") from None
        found += [
            each for each in page["PipelineExecutionSummaries"] if status in ("", each["PipelineExecutionStatus"])
        ]
        token = page.get("NextToken", "")
        if not token or not status or len(found) >= PAGE:
            break
    return found, token


def name_of(execution: Mapping[str, Any]) -> str:
    """An execution's id, of what lists or describes it."""
    return str(execution["PipelineExecutionArn"].rsplit("/", 1)[1])


def go(pipeline: str, **query: str) -> None:
    """To another view of the pipeline, by its address; its list stays filtered, and where it is."""
    here = st.query_params.to_dict() if st.query_params.get("pipeline") == pipeline else {}
    kept = {name: value for name, value in here.items() if name in ("status", "before")}
    st.query_params.from_dict({"pipeline": pipeline, **kept, **query})
    st.rerun()
