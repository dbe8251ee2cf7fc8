"""The monitors of a stage as Model Monitor's own schedules, for accounts that have it.

    monitoring schedule  →  Processing job  →  function  →  metric `violations`  →  alarm  →  SNS topic

AWS's analyses publish no such metric: `deploy/lambda/violations.py` reads it off their exit message.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deploy import monitors, names, retraining, roles
from deploy.declaration import Kind, Monitoring
from deploy.managed_schedules import MONITORING_SCHEDULE, definition_name
from deploy.resources import ALARM, ROLE, TOPIC, Key, Request, Resource
from deploy.retraining_resources import FUNCTION, RULE
from deploy.wanted import Place, digest, topic_arn
from deploy.watch import LABELLED, Watch

TYPES = {
    Kind.DATA_QUALITY: "DataQuality",
    Kind.MODEL_QUALITY: "ModelQuality",
    Kind.MODEL_BIAS: "ModelBias",
    Kind.EXPLAINABILITY: "ModelExplainability",
}
CLARIFY = (Kind.MODEL_BIAS, Kind.EXPLAINABILITY)  # run its image
LAMBDA = Path(__file__).parent / "lambda" / "violations.py"
PREPROCESSOR = Path(__file__).parent / "model_monitor" / "preprocess.py"
SOURCE, OUTPUT = "/opt/ml/processing/input/endpoint", "/opt/ml/processing/output"
PREDICTION = "0"  # the first column of an answer
# Seconds that an hourly schedule's jobs may take; labels are merged first, in the same hour.
LIMIT, LABELLED_LIMIT = 3600, 1800
_VOLUME = 30  # GB
NAMESPACES = {"cloudwatch:namespace": "aws/sagemaker/*"}  # Model Monitor's


def keys(endpoint: str, place: Place) -> list[Key]:
    """All that monitors of this engine are made of, in the order in which they are made."""
    name = function_name(endpoint)
    return [
        (TOPIC, topic_arn(place, names.monitoring_topic(endpoint))),
        (ROLE, roles.name(name, place)),
        (FUNCTION, name),
        (RULE, name),
        *[(MONITORING_SCHEDULE, names.monitor_name(endpoint, kind)) for kind in Kind],
        *[(ALARM, names.violations_alarm(endpoint, kind)) for kind in Kind],
    ]


def function_name(endpoint: str) -> str:
    """Of the function, its rule and, but for the region, its role."""
    return f"{endpoint}-violations"


def resources(
    monitoring: Monitoring, endpoint: str, watches: Sequence[Watch], images: Mapping[Kind, str], place: Place
) -> list[Resource]:
    """`images`: AWS's, by kind. A watch's `baseline` has a config that Clarify takes as it is, and for data quality the
    URI of a `preprocessor`. Nothing for no watch.
    """
    if not watches:
        return []
    tags = names.tags(watches[0].use_case)
    return [
        monitors.topic(monitoring, endpoint, tags, place),
        _role(endpoint, tags, place),
        _function(endpoint, watches, tags, place),
        _rule(endpoint, tags, place),
        *[_schedule(each, images[each.kind], tags, place) for each in watches],
        *[monitors.alarm(each, endpoint, tags, place) for each in watches],
    ]


def preprocessor(features: Sequence[str]) -> str:
    """The script that names a request's features, with these names."""
    empty = "NAMES: list[str] = []"
    source = PREPROCESSOR.read_text(encoding="utf-8")
    assert empty in source
    return source.replace(empty, f"NAMES: list[str] = {list(features)!r}")


def clarify_config(
    kind: Kind, config: Mapping[str, Any], features: Sequence[str], model: str, instance_type: str
) -> dict[str, Any]:
    """A check's analysis configuration as the monitor of that kind takes it (developer guide, "Monitor bias drift" and
    "Monitor feature attribution drift"): captured records have no header, and SHAP asks the model that is in service.
    """
    if kind is Kind.MODEL_BIAS:
        taken = ("version", "label", "label_values_or_threshold", "facet", "group_variable")
        return {
            **{each: config[each] for each in taken if each in config},
            "headers": [*features, config["label"]],
            "methods": {"post_training_bias": config.get("methods", {}).get("post_training_bias", {"methods": "all"})},
        }
    predictor = {
        "model_name": model,
        "instance_type": instance_type,
        "initial_instance_count": 1,
        "content_type": "text/csv",
        "accept_type": "text/csv",
    }
    return {
        "version": "1.0",
        "headers": list(features),
        "methods": {"shap": config["methods"]["shap"]},
        "predictor": {**predictor, **config.get("predictor", {}), "model_name": model},
    }


def _schedule(watch: Watch, image: str, tags: list[dict[str, str]], place: Place) -> Resource:
    definition = _definition(watch, image, tags, place)
    definition["JobDefinitionName"] = definition_name(watch.name, digest(definition))
    request: Request = {
        "MonitoringScheduleName": watch.name,
        "MonitoringScheduleConfig": {
            "ScheduleConfig": {"ScheduleExpression": watch.monitor.schedule},
            "MonitoringJobDefinitionName": definition["JobDefinitionName"],
            "MonitoringType": TYPES[watch.kind],
        },
        "Tags": tags,
        "Definition": definition,
    }
    details = (f"{watch.monitor.schedule} UTC", f"compares with {watch.baseline['constraints']}")
    return Resource(MONITORING_SCHEDULE, watch.name, request, details)


def _definition(watch: Watch, image: str, tags: list[dict[str, str]], place: Place) -> Request:
    """Create<type>JobDefinition's request but for the name."""
    type_, cluster = TYPES[watch.kind], {"InstanceCount": 1, "VolumeSizeInGB": _VOLUME}
    application: Request = {"ImageUri": image}
    if watch.kind is Kind.MODEL_QUALITY:
        application["ProblemType"] = watch.declared.problem_type
    if "preprocessor" in watch.baseline:
        application["RecordPreprocessorSourceUri"] = watch.baseline["preprocessor"]
    if "config" in watch.baseline:
        application["ConfigUri"] = watch.baseline["config"]
    else:
        application["Environment"] = {"publish_cloudwatch_metrics": "Enabled"}
    given: Request = {"BatchTransformInput" if watch.declared.captures else "EndpointInput": _input(watch)}
    if watch.kind in LABELLED:
        given["GroundTruthS3Input"] = {"S3Uri": watch.ground_truth}
    baseline = {"ConstraintsResource": {"S3Uri": watch.baseline["constraints"]}}
    if "statistics" in watch.baseline:
        baseline["StatisticsResource"] = {"S3Uri": watch.baseline["statistics"]}
    output = {"S3Uri": watch.output, "LocalPath": OUTPUT, "S3UploadMode": "EndOfJob"}
    return {
        f"{type_}AppSpecification": application,
        f"{type_}JobInput": given,
        f"{type_}BaselineConfig": baseline,
        f"{type_}JobOutputConfig": {"MonitoringOutputs": [{"S3Output": output}]},
        "JobResources": {"ClusterConfig": {**cluster, "InstanceType": watch.monitor.instance_type}},
        "StoppingCondition": {"MaxRuntimeInSeconds": LABELLED_LIMIT if watch.kind in LABELLED else LIMIT},
        "RoleArn": place.role,
        "Tags": tags,
    }


def _input(watch: Watch) -> Request:
    source: Request = {"LocalPath": SOURCE, "S3InputMode": "File", "S3DataDistributionType": "FullyReplicated"}
    if watch.declared.captures:
        source |= {"DataCapturedDestinationS3Uri": watch.captures, "DatasetFormat": {"Csv": {"Header": False}}}
    else:
        source["EndpointName"] = watch.endpoint
    if watch.kind not in LABELLED:
        return source
    window, delay = (retraining.seconds(each) for each in (watch.monitor.window, watch.monitor.delay))
    source |= {"StartTimeOffset": f"-PT{window + delay}S", "EndTimeOffset": f"-PT{delay}S"}
    if watch.declared.problem_type == "BinaryClassification":
        threshold = watch.declared.probability_threshold
        return {**source, "ProbabilityAttribute": PREDICTION, "ProbabilityThresholdAttribute": threshold}
    return {**source, "InferenceAttribute": PREDICTION}


def _function(endpoint: str, watches: Sequence[Watch], tags: list[dict[str, str]], place: Place) -> Resource:
    name = function_name(endpoint)
    told = {each.name: {**monitors.metric(each), "Registered": each.registered} for each in watches}
    parts = ("Namespace", "Dimensions", "Registered")
    variables = {
        "MONITORS": json.dumps({each: {part: of[part] for part in parts} for each, of in told.items()}, sort_keys=True),
        "METRIC": monitors.METRIC,
        "AGE_METRIC": monitors.AGE_METRIC,
    }
    request: Request = {
        "FunctionName": name,
        "Description": f"{names.MADE}publishes how many violations Model Monitor found",
        "Runtime": retraining.RUNTIME,
        "Handler": f"{LAMBDA.stem}.handler",
        "Role": roles.arn(name, place),
        "Timeout": retraining.TIMEOUT,
        "Environment": {"Variables": variables},
        "Code": {"ZipFile": retraining.archive(LAMBDA)},
        "Tags": {each["Key"]: each["Value"] for each in tags},
        "Permission": {
            "StatementId": "events",
            "Action": "lambda:InvokeFunction",
            "Principal": "events.amazonaws.com",
            "SourceArn": f"arn:{place.partition}:events:{place.region}:{place.account}:rule/{name}",
        },
    }
    return Resource(FUNCTION, name, request, (f"publishes {monitors.METRIC} and {monitors.AGE_METRIC}",))


def _rule(endpoint: str, tags: list[dict[str, str]], place: Place) -> Resource:
    name = function_name(endpoint)
    request: Request = {
        "Name": name,
        "Description": f"{names.MADE}asks each Processing job that completed whether it was a monitor's",
        "EventPattern": {
            "source": ["aws.sagemaker"],
            "detail-type": ["SageMaker Processing Job State Change"],
            "detail": {"ProcessingJobStatus": ["Completed"]},
        },
        "State": "ENABLED",
        "Tags": tags,
        "Targets": [
            {"Id": "function", "Arn": f"arn:{place.partition}:lambda:{place.region}:{place.account}:function:{name}"}
        ],
    }
    return Resource(RULE, name, request)


def _role(endpoint: str, tags: list[dict[str, str]], place: Place) -> Resource:
    name, region = function_name(endpoint), f"{place.region}:{place.account}"
    logs = f"arn:{place.partition}:logs:{region}:log-group:/aws/lambda/{name}"
    statements = [
        roles.allow("sagemaker:DescribeProcessingJob", f"arn:{place.partition}:sagemaker:{region}:processing-job/*"),
        # CloudWatch has no ARNs of metrics.
        {**roles.allow("cloudwatch:PutMetricData", "*"), "Condition": {"StringLike": NAMESPACES}},
        roles.allow(["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"], logs, f"{logs}:*"),
    ]
    return roles.role(name, "lambda", "what reads Model Monitor's verdicts", statements, tags, place)
