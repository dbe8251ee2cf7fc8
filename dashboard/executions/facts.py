"""What the account says of one execution."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st
from botocore.exceptions import ClientError

from dashboard import account, look, navigation
from mlops import executions
from mlops.executions import Step

Document = dict[str, Any]
_now = st.cache_data(ttl=1, show_spinner=False)  # seconds: one drawing of the page asks once


@_now
def described(arn: str) -> Document:
    """DescribePipelineExecution's answer, as it is now. Raises LookupError when there is no such execution."""
    sagemaker = account.client("sagemaker")
    try:
        return dict(sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn))
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("ResourceNotFound", "ValidationException"):
            raise
        pipeline, execution = navigation.execution(arn)
        raise LookupError(f"There is no execution {execution} of {pipeline}: choose one of those below.") from None


@_now
def steps(arn: str) -> list[Step]:
    """As they are now, in the order in which they started."""
    return executions.steps(account.client("sagemaker"), arn)


def reason(step: Step) -> str:
    """Why it failed, as far as anything says so."""
    return step.failure or step.metadata.get("Fail", {}).get("ErrorMessage", "") or "no reason is given"


@account.kept
def definition(arn: str) -> tuple[Document, str]:
    """The definition that it runs, or none of it and why."""
    try:
        found = account.client("sagemaker").describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
        return dict(json.loads(found["PipelineDefinition"])), ""
    except ClientError as error:
        return {}, look.sentence(error)
    except ValueError:
        return {}, "The definition is not JSON."


@account.kept
def parameters(arn: str) -> dict[str, str]:
    """Those it was given and defaults, as it ran with them."""
    pages = account.client("sagemaker").get_paginator("list_pipeline_parameters_for_execution")
    found = [one for page in pages.paginate(PipelineExecutionArn=arn) for one in page["PipelineParameters"]]
    return {one["Name"]: one["Value"] for one in found}


def defaults(definition: Document) -> dict[str, str]:
    return {
        one["Name"]: _text(one["DefaultValue"]) for one in definition.get("Parameters") or [] if "DefaultValue" in one
    }


def changed(given: Mapping[str, str], defaults: Mapping[str, str]) -> dict[str, str]:
    """Parameters that are not at their defaults; none where the defaults are not known at all."""
    return {name: value for name, value in given.items() if defaults and not _same(value, defaults.get(name, ""))}


def short(value: str) -> str:
    """Of an address its end, which is where two of them differ."""
    return "…/" + "/".join(value.rstrip("/").rsplit("/", 2)[1:]) if value.startswith("s3://") else value


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _same(value: str, default: str) -> bool:
    """Started by hand, a value may be another spelling of the default's: True and true, 0.60 and 0.6."""
    if value == default or (value.lower() == default.lower() and value.lower() in ("true", "false")):
        return True
    try:
        return float(value) == float(default)
    except ValueError:
        return False


@account.kept
def outcomes(_steps: Sequence[Step], of: tuple[tuple[str, str, str], ...]) -> dict[str, str]:
    """A line each on what they made; `of` are their execution, name and status, which is what the answer is kept by."""
    target = account.target()
    made = account.together(lambda step: _outcome(target, step), _steps)
    return dict(zip([step.name for step in _steps], made, strict=True))


def _outcome(target: Any, step: Step) -> str:
    try:
        return executions.outcome(target, step)
    except (ClientError, KeyError):  # what it made, or its job, is gone or not ours to see
        return ""
