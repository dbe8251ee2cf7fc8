"""The monitors of a stage as resources of AWS, one pipeline each that a schedule starts.

    schedule (EventBridge Scheduler)  →  pipeline <endpoint>-<kind>  →  metric `violations`  →  alarm  →  SNS topic

`pipelines/monitoring.py` describes the pipelines. One role, which the schedules take, may start them and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deploy import names, roles
from deploy.declaration import Kind, Monitoring
from deploy.resources import ALARM, PIPELINE, ROLE, SCHEDULE, TOPIC, Key, Request, Resource
from deploy.wanted import Place, topic_arn
from deploy.watch import Watch

METRIC = "violations"
AGE_METRIC = "model_age_days"  # since the version in service was registered
PERIOD = 60  # seconds; a verdict is one number, whenever it comes, and the next one is not to share a period with it
_METRICS = {
    Kind.DATA_QUALITY: "data-metrics",
    Kind.MODEL_QUALITY: "model-metrics",
    Kind.MODEL_BIAS: "bias-metrics",
    Kind.EXPLAINABILITY: "explainability-metrics",
}


def keys(endpoint: str, place: Place) -> list[Key]:
    """All that monitors of this engine are made of, in the order in which they are made."""
    every = [names.monitor_name(endpoint, kind) for kind in Kind]
    return [
        (TOPIC, topic_arn(place, names.monitoring_topic(endpoint))),
        (ROLE, roles.name(role_name(endpoint), place)),
        *[(PIPELINE, name) for name in every],
        *[(SCHEDULE, name) for name in every],
        *[(ALARM, names.violations_alarm(endpoint, kind)) for kind in Kind],
    ]


def resources(
    monitoring: Monitoring, endpoint: str, watches: Sequence[Watch], definitions: Mapping[str, str], place: Place
) -> list[Resource]:
    """`definitions`: of the watches' pipelines, as JSON, by name. Nothing for no watch."""
    if not watches:
        return []
    tags = names.tags(watches[0].use_case)
    return [
        topic(monitoring, endpoint, tags, place),
        _starter(endpoint, watches, tags, place),
        *[_pipeline(each, definitions[each.name], tags, place) for each in watches],
        *[_schedule(each, endpoint, place) for each in watches],
        *[alarm(each, endpoint, tags, place) for each in watches],
    ]


def role_name(endpoint: str) -> str:
    """Of the role that schedules take, but for the region."""
    return f"{endpoint}-monitoring"


def pipeline_arn(name: str, place: Place) -> str:
    return f"arn:{place.partition}:sagemaker:{place.region}:{place.account}:pipeline/{name}"


def topic(monitoring: Monitoring, endpoint: str, tags: list[dict[str, str]], place: Place) -> Resource:
    """Where alarms go, with those who hear of them."""
    name = names.monitoring_topic(endpoint)
    arn = topic_arn(place, name)
    subscriptions = [{"Protocol": protocol(each), "Endpoint": each} for each in monitoring.notify]
    request: Request = {"TopicArn": arn, "Name": name, "Tags": tags, "Subscriptions": subscriptions}
    return Resource(TOPIC, arn, request, tuple(f"tells {each}" for each in monitoring.notify))


def protocol(who: str) -> str:
    """SNS's name for how it reaches an e-mail address, a URL, a queue or a function. ValueError for anything else."""
    if who.startswith("arn:"):
        service = who.split(":")[2]
        if service in ("sqs", "lambda"):
            return service
    elif who.startswith("https://"):
        return "https"
    elif "@" in who:
        return "email"
    raise ValueError(f"{who!r} can't be told: give an e-mail address, an https URL, or the ARN of a queue or function.")


def alarm(watch: Watch, endpoint: str, tags: list[dict[str, str]], place: Place) -> Resource:
    """Goes off at any violation, and stays as it is until the next verdict."""
    name, arn = names.violations_alarm(endpoint, watch.kind), topic_arn(place, names.monitoring_topic(endpoint))
    request: Request = {
        "AlarmName": name,
        "AlarmDescription": f"{names.MADE}{watch.name} found violations",
        **metric(watch),
        "Period": PERIOD,
        "EvaluationPeriods": 1,
        "Threshold": 0.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "ignore",
        "AlarmActions": [arn],
        "OKActions": [arn],
        "Tags": tags,
    }
    return Resource(ALARM, name, request, (f"any violation tells {arn.rsplit(':', 1)[1]}",))


def metric(watch: Watch) -> dict[str, Any]:
    """What its alarm watches, as members of PutMetricAlarm."""
    where = "Endpoints" if watch.endpoint else "ModelMonitoring"
    dimensions = {"Endpoint": watch.endpoint, "MonitoringSchedule": watch.name}
    return {
        "Namespace": f"aws/sagemaker/{where}/{_METRICS[watch.kind]}",
        "MetricName": METRIC,
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items() if value],
        "Statistic": "Maximum",
    }


def _starter(endpoint: str, watches: Sequence[Watch], tags: list[dict[str, str]], place: Place) -> Resource:
    starts = roles.allow("sagemaker:StartPipelineExecution", *[pipeline_arn(each.name, place) for each in watches])
    account = {"StringEquals": {"aws:SourceAccount": place.account}}
    what = "what starts the monitors' pipelines"
    return roles.role(role_name(endpoint), "scheduler", what, [starts], tags, place, account)


def _pipeline(watch: Watch, definition: str, tags: list[dict[str, str]], place: Place) -> Resource:
    request: Request = {
        "PipelineName": watch.name,
        "PipelineDescription": f"{names.MADE}{watch.kind} of {watch.endpoint or watch.captures}",
        "PipelineDefinition": definition,
        "RoleArn": place.role,
        "Tags": tags,
    }
    return Resource(PIPELINE, watch.name, request, (f"compares with {watch.baseline['constraints']}",))


def _schedule(watch: Watch, endpoint: str, place: Place) -> Resource:
    monitor = watch.monitor
    request: Request = {
        "Name": watch.name,
        "Description": f"{names.MADE}starts the pipeline {watch.name}",
        "ScheduleExpression": monitor.schedule,
        "ScheduleExpressionTimezone": "UTC",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "State": "ENABLED",
        "Target": {
            "Arn": pipeline_arn(watch.name, place),
            "RoleArn": roles.arn(role_name(endpoint), place),
            "SageMakerPipelineParameters": {"PipelineParameterList": []},
        },
    }
    return Resource(SCHEDULE, watch.name, request, (f"{monitor.schedule} UTC, looks back {monitor.window}",))
