"""What starts the use case's pipeline when a monitor's alarm goes off, as resources of AWS.

    alarm in ALARM  →  EventBridge rule  →  pipeline <endpoint>-retraining  =  Collect  →  Retrain
                                                                              (a job)     (deploy/lambda/retraining.py)

`pipelines/retraining.py` describes the pipeline. Each of the two that act has a role of its own that may do just that:
the rule's starts this pipeline, the function's starts the use case's.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from deploy import names
from deploy.declaration import Retraining
from deploy.resources import PIPELINE, ROLE, Key, Request, Resource
from deploy.retraining_resources import FUNCTION, RULE
from deploy.wanted import Place

SOURCE = Path(__file__).parent / "lambda" / "retraining.py"
DATA_PARAMETER = "InputDataUrl"  # of every use case's pipeline
ALARM_PARAMETER = "Alarm"  # of the retraining pipeline
RUNTIME = "python3.13"
TIMEOUT = 60  # seconds; a Lambda step waits for ten minutes at most
_ZIPPED = (1980, 1, 1, 0, 0, 0)  # the same source makes the same archive
_STATEMENT = "pipeline"  # begins the name of the statement that lets pipelines' role invoke the function


@dataclass(frozen=True)
class Target:
    """What is watched, and what is started."""

    use_case: str  # names the pipeline that is started and its model package group
    endpoint: str
    alarms: Sequence[str]  # names
    topic: str  # ARN
    definition: str  # of the retraining pipeline, as JSON


def name(endpoint: str) -> str:
    """Of the pipeline, the function and the function's role."""
    return f"{endpoint}-retraining"


def rule_name(endpoint: str) -> str:
    """Of the rule and its role."""
    return f"{endpoint}-retrain"


def function_arn(endpoint: str, place: Place) -> str:
    return f"arn:{place.partition}:lambda:{place.region}:{place.account}:function:{name(endpoint)}"


def keys(endpoint: str) -> list[Key]:
    """All that a retraining is made of, in the order in which it is made."""
    return [
        (ROLE, name(endpoint)),
        (FUNCTION, name(endpoint)),
        (PIPELINE, name(endpoint)),
        (ROLE, rule_name(endpoint)),
        (RULE, rule_name(endpoint)),
    ]


def resources(retraining: Retraining, target: Target, place: Place) -> list[Resource]:
    tags = names.tags(target.use_case)
    function, rule = name(target.endpoint), rule_name(target.endpoint)
    requests: list[Request] = [
        _role(function, "lambda", _function_policy(target, place), tags),
        _function(retraining, target, place),
        {
            "PipelineName": function,
            "PipelineDescription": f"{names.MADE}collects labelled traffic and starts {target.use_case} on it",
            "PipelineDefinition": target.definition,
            "RoleArn": place.role,
            "Tags": tags,
        },
        _role(rule, "events", _rule_policy(target, place), tags),
        _rule(retraining, target, place),
    ]
    details = [
        (),
        (f"starts {target.use_case}, at most once in {retraining.cooldown}",),
        (f"with at least {retraining.min_records} labelled records of {retraining.window}",),
        (),
        (f"on {', '.join(target.alarms)}",),
    ]
    parts = zip(keys(target.endpoint), requests, details, strict=True)
    return [Resource(kind, each, request, words) for (kind, each), request, words in parts]


def seconds(duration: str) -> int:
    """Of an ISO 8601 duration in weeks, days, hours, minutes and seconds. Raises ValueError for any other."""
    units = "(?:(?P<weeks>\\d+)W)?(?:(?P<days>\\d+)D)?"
    times = "(?:T(?:(?P<hours>\\d+)H)?(?:(?P<minutes>\\d+)M)?(?:(?P<seconds>\\d+)S)?)?"
    match = re.fullmatch(f"P{units}{times}", duration)
    if not match or not any(match.groupdict().values()):
        raise ValueError(f"{duration!r} is no duration: write P7D, PT6H or PT30M.")
    return int(timedelta(**{unit: int(count or 0) for unit, count in match.groupdict().items()}).total_seconds())


def _role(role: str, service: str, policy: Request, tags: list[dict[str, str]]) -> Request:
    trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return {
        "RoleName": role,
        "Description": f"{names.MADE}retraining",
        "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
        "Policy": policy,
        "Tags": tags,
    }


def _statement(actions: Sequence[str], *resources: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}


def _function_policy(target: Target, place: Place) -> Request:
    sagemaker = f"arn:{place.partition}:sagemaker:{place.region}:{place.account}"
    logs = f"arn:{place.partition}:logs:{place.region}:{place.account}:log-group:/aws/lambda/{name(target.endpoint)}"
    started = f"{sagemaker}:pipeline/{target.use_case}"
    served = [
        f"{sagemaker}:endpoint/{target.endpoint}",
        f"{sagemaker}:endpoint-config/{target.endpoint}-*",
        f"{sagemaker}:model/*",  # a pipeline's own deploy step names its models as it likes
        f"{sagemaker}:model-package/{target.use_case}/*",
    ]
    described = [f"sagemaker:Describe{each}" for each in ("Endpoint", "EndpointConfig", "Model", "ModelPackage")]
    return {
        "Version": "2012-10-17",
        "Statement": [
            _statement(["sagemaker:StartPipelineExecution", "sagemaker:ListPipelineExecutions"], started),
            _statement(described, *served),
            _statement(["sns:Publish"], target.topic),
            _statement(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], logs, f"{logs}:*"),
        ],
    }


def _rule_policy(target: Target, place: Place) -> Request:
    started = f"arn:{place.partition}:sagemaker:{place.region}:{place.account}:pipeline/{name(target.endpoint)}"
    return {"Version": "2012-10-17", "Statement": [_statement(["sagemaker:StartPipelineExecution"], started)]}


def _function(retraining: Retraining, target: Target, place: Place) -> Request:
    variables = {
        "ENDPOINT": target.endpoint,
        "PIPELINE": target.use_case,
        "PARAMETERS": json.dumps(dict(retraining.parameters), sort_keys=True),
        "DATA_PARAMETER": DATA_PARAMETER,
        "COOLDOWN_SECONDS": str(seconds(retraining.cooldown)),
        "MIN_RECORDS": str(retraining.min_records),
        "TOPIC_ARN": target.topic,
    }
    digest = hashlib.sha256(place.role.encode()).hexdigest()[:8]
    return {
        "FunctionName": name(target.endpoint),
        "Description": f"{names.MADE}starts {target.use_case} on recent traffic",
        "Runtime": RUNTIME,
        "Handler": f"{SOURCE.stem}.handler",
        "Role": f"arn:{place.partition}:iam::{place.account}:role/{name(target.endpoint)}",
        "Timeout": TIMEOUT,
        "Environment": {"Variables": variables},
        "Code": {"ZipFile": archive()},
        "Tags": {each["Key"]: each["Value"] for each in names.tags(target.use_case)},
        # So pipelines' execution role needs no change to run the step.
        "Permission": {
            "StatementId": f"{_STATEMENT}-{digest}",
            "Action": "lambda:InvokeFunction",
            "Principal": place.role,
        },
    }


@functools.cache
def archive(source: Path = SOURCE) -> bytes:
    """A function's code as Lambda takes it."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as files:
        member = zipfile.ZipInfo(source.name, _ZIPPED)
        member.external_attr = 0o644 << 16  # Lambda runs as another user, who has to read it
        files.writestr(member, source.read_bytes())
    return written.getvalue()


def _rule(retraining: Retraining, target: Target, place: Place) -> Request:
    pattern = {
        "source": ["aws.cloudwatch"],
        "detail-type": ["CloudWatch Alarm State Change"],
        "detail": {"alarmName": list(target.alarms), "state": {"value": ["ALARM"]}},
    }
    pipeline = f"arn:{place.partition}:sagemaker:{place.region}:{place.account}:pipeline/{name(target.endpoint)}"
    role = f"arn:{place.partition}:iam::{place.account}:role/{rule_name(target.endpoint)}"
    parameters = [{"Name": ALARM_PARAMETER, "Value": "$.detail.alarmName"}]
    return {
        "Name": rule_name(target.endpoint),
        "Description": f"{names.MADE}starts {name(target.endpoint)}",
        "EventPattern": pattern,
        "State": "ENABLED",
        "Tags": names.tags(target.use_case),
        "Targets": [
            {
                "Id": "pipeline",
                "Arn": pipeline,
                "RoleArn": role,
                "SageMakerPipelineParameters": {"PipelineParameterList": parameters},
            }
        ],
    }
