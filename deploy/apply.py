"""Makes a plan's calls, in order, and waits for the endpoint where what follows needs it."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import ClientError

from deploy.changes import Change
from deploy.scaling import policy_arn
from deploy.state import Clients, Described, find

PASSING = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")
# What Scheduler, Lambda and SageMaker say of a role that IAM doesn't show to them yet.
_ROLE = re.compile(r"must allow .* to assume the role|role defined .* cannot be assumed|unable to assume role", re.I)
_ROLE_SECONDS = 60.0
_STOP_SECONDS = 300.0  # that a pipeline's jobs may take to stop
Watch = Callable[[Described], None]  # is told how an endpoint that changes is described


def apply(clients: Clients, changes: Sequence[Change], watch: Watch | None = None, *, wait: bool = True) -> int:
    """Returns how many changes were made; without `wait`, those after the endpoint has begun to change are left.

    Raises RuntimeError with the FailureReason when the endpoint doesn't come in service or goes back to its old config;
    what follows is then left, and to apply a new plan goes on.
    """
    arns: dict[str, str] = {}  # a policy's placeholder to its ARN
    for number, change in enumerate(changes, 1):
        for call in change.calls:
            request = _resolved(call.request, arns)
            answer = _made(clients(call.service), call.operation, request)
            if call.operation == "put_scaling_policy":
                arns[policy_arn(request["PolicyName"])] = answer["PolicyARN"]
        if change.waits and (wait or change.sign == "-"):
            _await(clients("sagemaker"), change, watch)
        elif change.waits:
            return number
    return len(changes)


def _made(client: Any, operation: str, request: dict[str, Any]) -> Any:
    """The answer. A role that was made a moment ago can't be taken yet (IAM is eventually consistent), and a pipeline
    that runs not be deleted: again, then.
    """
    started = time.monotonic()
    while True:
        try:
            return getattr(client, operation)(**request)
        except ClientError as error:
            waited, problem = time.monotonic() - started, error.response["Error"]
            runs = operation == "delete_pipeline" and problem["Code"] == "ConflictException"
            if runs and waited < _STOP_SECONDS:
                _stop(client, request["PipelineName"])
            elif not _ROLE.search(problem["Message"]) or waited > _ROLE_SECONDS:
                raise
            time.sleep(1)


def _stop(sagemaker: Any, pipeline: str) -> None:
    pages = sagemaker.get_paginator("list_pipeline_executions").paginate(PipelineName=pipeline)
    for each in [each for page in pages for each in page["PipelineExecutionSummaries"]]:
        if each["PipelineExecutionStatus"] == "Executing":
            with contextlib.suppress(ClientError):  # it has ended meanwhile; else the deletion says so again
                sagemaker.stop_pipeline_execution(PipelineExecutionArn=each["PipelineExecutionArn"])


def _resolved(request: dict[str, Any], arns: dict[str, str]) -> dict[str, Any]:
    actions = request.get("AlarmActions")
    return request | {"AlarmActions": [arns.get(each, each) for each in actions]} if actions else request


def _await(sagemaker: Any, change: Change, watch: Watch | None) -> None:
    endpoint = settled(sagemaker, change.name, watch)
    if change.sign == "-":
        if endpoint:
            raise RuntimeError(f"Endpoint {change.name} was to be deleted and is {endpoint['EndpointStatus']}.")
        return
    if endpoint is None:
        raise RuntimeError(f"Endpoint {change.name} was deleted while it changed.")
    wanted, config = change.calls[-1].request.get("EndpointConfigName"), endpoint["EndpointConfigName"]
    reason = str(endpoint.get("FailureReason") or "no reason given").rstrip(".")
    logs = f"Logs: /aws/sagemaker/Endpoints/{change.name}"
    if endpoint["EndpointStatus"] != "InService":
        raise RuntimeError(f"Endpoint {change.name} is {endpoint['EndpointStatus']}: {reason}. {logs}")
    if wanted not in (None, config):
        raise RuntimeError(f"Endpoint {change.name} serves {config} again and not {wanted}: {reason}. {logs}")


def settled(sagemaker: Any, name: str, watch: Watch | None = None) -> Described | None:
    """DescribeEndpoint once nothing is changing any more, None when there is no such endpoint."""
    started = time.monotonic()
    while True:
        endpoint = find(sagemaker.describe_endpoint, EndpointName=name)
        if endpoint is None or endpoint["EndpointStatus"] not in PASSING:
            return endpoint
        if watch:
            watch(endpoint)
        # Seconds on a laptop, minutes on AWS: a tenth of what it has taken is soon enough to look again.
        time.sleep(min(max(0.2, (time.monotonic() - started) / 10), 5.0))
