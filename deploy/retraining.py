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

from deploy import names, roles
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
    """Of the pipeline, the function and, but for the region, the function's role."""
    return f"{endpoint}-retraining"


def rule_name(endpoint: str) -> str:
    """Of the rule and, but for the region, its role."""
    return f"{endpoint}-retrain"


def function_arn(endpoint: str, place: Place) -> str:
    return f"arn:{place.partition}:lambda:{place.region}:{place.account}:function:{name(endpoint)}"


def keys(endpoint: str, place: Place) -> list[Key]:
    """All that a retraining is made of, in the order in which it is made."""
    return [
        (ROLE, roles.name(name(endpoint), place)),
        (FUNCTION, name(endpoint)),
        (PIPELINE, name(endpoint)),
        (ROLE, roles.name(rule_name(endpoint), place)),
        (RULE, rule_name(endpoint)),
    ]


def resources(retraining: Retraining, target: Target, place: Place) -> list[Resource]:
    tags = names.tags(target.use_case)
    function, rule = name(target.endpoint), rule_name(target.endpoint)
    pipeline: Request = {
        "PipelineName": function,
        "PipelineDescription": f"{names.MADE}collects labelled traffic and starts {target.use_case} on it",
        "PipelineDefinition": target.definition,
        "RoleArn": place.role,
        "Tags": tags,
    }
    most = f"starts {target.use_case}, at most once in {retraining.cooldown}"
    least = f"with at least {retraining.min_records} labelled records of {retraining.window}"
    return [
        roles.role(function, "lambda", "retraining", _function_policy(target, place), tags, place),
        Resource(FUNCTION, function, _function(retraining, target, place), (most,)),
        Resource(PIPELINE, function, pipeline, (least,)),
        roles.role(rule, "events", "retraining", _rule_policy(target, place), tags, place),
        Resource(RULE, rule, _rule(retraining, target, place), (f"on {', '.join(target.alarms)}",)),
    ]


def seconds(duration: str) -> int:
    """Of an ISO 8601 duration in weeks, days, hours, minutes and seconds. Raises ValueError for any other."""
    units = "(?:(?P<weeks>\\d+)W)?(?:(?P<days>\\d+)D)?"
    times = "(?:T(?:(?P<hours>\\d+)H)?(?:(?P<minutes>\\d+)M)?(?:(?P<seconds>\\d+)S)?)?"
    match = re.fullmatch(f"P{units}{times}", duration)
    if not match or not any(match.groupdict().values()):
        raise ValueError(f"{duration!r} is no duration: write P7D, PT6H or PT30M.")
    return int(timedelta(**{unit: int(count or 0) for unit, count in match.groupdict().items()}).total_seconds())


def _function_policy(target: Target, place: Place) -> list[roles.Statement]:
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
    return [
        roles.allow(["sagemaker:StartPipelineExecution", "sagemaker:ListPipelineExecutions"], started),
        roles.allow(described, *served),
        roles.allow("sns:Publish", target.topic),
        roles.allow(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], logs, f"{logs}:*"),
    ]


def _rule_policy(target: Target, place: Place) -> list[roles.Statement]:
    started = f"arn:{place.partition}:sagemaker:{place.region}:{place.account}:pipeline/{name(target.endpoint)}"
    return [roles.allow("sagemaker:StartPipelineExecution", started)]


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
        "Role": roles.arn(name(target.endpoint), place),
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
                "RoleArn": roles.arn(rule_name(target.endpoint), place),
                "SageMakerPipelineParameters": {"PipelineParameterList": parameters},
            }
        ],
    }
