"""Monitors by Model Monitor's own schedules: every request against AWS's shapes, and the code that AWS runs of ours."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.session import get_session

from deploy import managed_monitors, names, resources, watch
from deploy.changes import Call
from deploy.declaration import Engine, Kind, Monitor, Monitoring
from deploy.managed_schedules import MONITORING_SCHEDULE
from deploy.wanted import Place
from sagelocal.api import validation

NAME = "churn-production"
PLACE = Place("aws", "123456789012", "us-east-1", "arn:aws:iam::123456789012:role/execution", "bucket")
FUNCTION = f"arn:aws:lambda:us-east-1:123456789012:function:{NAME}-violations"
PACKAGE = {
    "ModelPackageArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/churn/3",
    "CreationTime": datetime(2026, 3, 1, tzinfo=UTC),
    "InferenceSpecification": {"Containers": [{"Image": "image", "ModelDataUrl": "s3://b/model.tar.gz"}]},
    "DriftCheckBaselines": {
        "ModelDataQuality": {"Statistics": {"S3Uri": "s3://b/s.json"}, "Constraints": {"S3Uri": "s3://b/c.json"}},
        "ModelQuality": {"Constraints": {"S3Uri": "s3://b/q.json"}},
        "Bias": {
            "PostTrainingConstraints": {"S3Uri": "s3://b/bias.json"},
            "ConfigFile": {"S3Uri": "s3://b/bias_config.json"},
        },
        "Explainability": {
            "Constraints": {"S3Uri": "s3://b/shap.json"},
            "ConfigFile": {"S3Uri": "s3://b/shap_config.json"},
        },
    },
}
IMAGES = dict.fromkeys(Kind, "123456789012.dkr.ecr.us-east-1.amazonaws.com/analyzer")
DECLARED = Monitoring(label="Churn", engine=Engine.MANAGED, notify=("oncall@example.com",))
TYPES = ["DataQuality", "ModelQuality", "ModelBias", "ModelExplainability"]


def wanted(declared: Monitoring = DECLARED) -> list[resources.Resource]:
    found, left_out = watch.watches(declared, "churn", "production", PACKAGE, PLACE)
    assert left_out == []
    return managed_monitors.resources(declared, NAME, found, IMAGES, PLACE)


def calls(declared: Monitoring = DECLARED) -> list[Call]:
    return [call for change in resources.deploy(wanted(declared), {}) for call in change.calls]


def definitions(declared: Monitoring = DECLARED) -> dict[str, dict[str, Any]]:
    """Requests by type."""
    made = {call.operation: call.request for call in calls(declared)}
    return {each: made[xform_name(f"Create{each}JobDefinition")] for each in TYPES}


DECLARATIONS = [
    pytest.param(DECLARED, id="endpoint"),
    pytest.param(dataclasses.replace(DECLARED, captures="s3://bucket/transform/"), id="transform"),
    pytest.param(dataclasses.replace(DECLARED, problem_type="Regression"), id="regression"),
]


@pytest.mark.parametrize("declared", DECLARATIONS)
def test_aws_would_take_every_request(declared: Monitoring) -> None:
    """Members, types, lengths, patterns and enums, by the models that botocore has."""
    made, session = calls(declared), get_session()
    for call in made:
        model = session.get_service_model(call.service)
        (operation,) = [each for each in model.operation_names if xform_name(each) == call.operation]
        shape = model.operation_model(operation).input_shape
        assert validation.problems(shape, call.request) == [], operation
    sagemaker = [call.operation for call in made if call.service == "sagemaker"]
    assert sagemaker == [
        each for type_ in TYPES for each in (xform_name(f"Create{type_}JobDefinition"), "create_monitoring_schedule")
    ]


def test_a_schedule_runs_the_definition_that_is_named_after_what_is_in_it() -> None:
    made = {each.name: each.request for each in wanted() if each.type is MONITORING_SCHEDULE}
    for (name, request), type_ in zip(made.items(), TYPES, strict=True):
        config = request["MonitoringScheduleConfig"]
        assert config["MonitoringType"] == type_
        assert config["MonitoringJobDefinitionName"] == request["Definition"]["JobDefinitionName"]
        assert config["MonitoringJobDefinitionName"].startswith(f"{name}-")
    other = dataclasses.replace(DECLARED, data_quality=Monitor(instance_type="ml.m5.xlarge"))
    one, two = (definitions(each)["DataQuality"]["JobDefinitionName"] for each in (DECLARED, other))
    assert one != two
    assert definitions()["DataQuality"]["JobDefinitionName"] == one


def test_labels_are_waited_for_and_a_batch_has_no_endpoint() -> None:
    declared = dataclasses.replace(DECLARED, model_quality=Monitor(window="P1D", delay="PT2H"))
    quality = definitions(declared)["ModelQuality"]["ModelQualityJobInput"]
    assert quality["GroundTruthS3Input"] == {"S3Uri": f"s3://bucket/ground-truth/{NAME}"}
    given = quality["EndpointInput"]
    assert (given["EndpointName"], given["StartTimeOffset"], given["EndTimeOffset"]) == (NAME, "-PT93600S", "-PT7200S")
    assert (given["ProbabilityAttribute"], given["ProbabilityThresholdAttribute"]) == ("0", 0.5)
    assert "StartTimeOffset" not in definitions()["DataQuality"]["DataQualityJobInput"]["EndpointInput"]
    batch = definitions(dataclasses.replace(DECLARED, captures="s3://bucket/transform/"))["DataQuality"]
    assert (
        batch["DataQualityJobInput"]["BatchTransformInput"]["DataCapturedDestinationS3Uri"] == "s3://bucket/transform"
    )


def test_the_rule_calls_a_function_that_may_publish_and_nothing_else_of_the_account() -> None:
    made = {call.operation: call.request for call in calls()}
    assert [each["Arn"] for each in made["put_targets"]["Targets"]] == [FUNCTION]
    assert made["add_permission"]["SourceArn"] == f"arn:aws:events:us-east-1:123456789012:rule/{NAME}-violations"
    variables = made["create_function"]["Environment"]["Variables"]
    assert list(json.loads(variables["MONITORS"])) == sorted(names.monitor_name(NAME, kind) for kind in Kind)
    policy = json.loads(made["put_role_policy"]["PolicyDocument"])
    actions = [each["Action"] for each in policy["Statement"]]
    assert actions[:2] == ["sagemaker:DescribeProcessingJob", "cloudwatch:PutMetricData"]
    assert all(each.startswith("logs:") for each in actions[2])
    assert policy["Statement"][1]["Condition"] == {"StringLike": {"cloudwatch:namespace": "aws/sagemaker/*"}}


class SageMaker:
    """Schedules and job definitions, by the calls that a plan makes."""

    def __init__(self) -> None:
        self.schedules: dict[str, dict[str, Any]] = {}
        self.definitions: list[tuple[str, str]] = []  # type, name

    def make(self, calls: tuple[Call, ...]) -> list[str]:
        for call in calls:
            name = call.request.get("MonitoringScheduleName", "")
            types = [each for each in TYPES if xform_name(f"{each}JobDefinition") in call.operation]
            if call.operation == "delete_monitoring_schedule":
                del self.schedules[name]
            elif name:
                before = self.schedules.get(name, {})
                self.schedules[name] = {**before, **call.request, "MonitoringScheduleArn": f"arn:{name}"}
            elif call.operation.startswith("create_"):
                self.definitions.append((types[0], call.request["JobDefinitionName"]))
            else:
                self.definitions.remove((types[0], call.request["JobDefinitionName"]))
        return [call.operation for call in calls]

    def described(self, name: str) -> dict[str, Any] | None:
        return MONITORING_SCHEDULE.find(lambda _: self, name)

    def describe_monitoring_schedule(self, MonitoringScheduleName: str) -> dict[str, Any]:
        if MonitoringScheduleName not in self.schedules:
            raise ClientError({"Error": {"Code": "ResourceNotFound", "Message": "none"}}, "DescribeMonitoringSchedule")
        return self.schedules[MonitoringScheduleName]

    def list_tags(self, ResourceArn: str) -> dict[str, Any]:
        return {"Tags": self.schedules[ResourceArn.removeprefix("arn:")].get("Tags", [])}

    def get_paginator(self, operation: str) -> Any:
        (type_,) = [each for each in TYPES if operation == xform_name(f"List{each}JobDefinitions")]

        def paginate(NameContains: str) -> Iterator[dict[str, Any]]:
            listed = [name for kind, name in self.definitions if kind == type_ and NameContains in name]
            yield {"JobDefinitionSummaries": [{"MonitoringJobDefinitionName": each} for each in listed]}

        return SimpleNamespace(paginate=paginate)


def schedule(declared: Monitoring = DECLARED) -> resources.Resource:
    return next(each for each in wanted(declared) if each.type is MONITORING_SCHEDULE)


def test_a_changed_definition_takes_the_place_of_the_old_one_which_goes() -> None:
    sagemaker, first = SageMaker(), schedule()
    kind = first.type
    sagemaker.definitions.append(("DataQuality", f"{first.name}-by-hand"))
    assert sagemaker.described(first.name) is None
    assert len(sagemaker.make(kind.put(first.request, None))) == 2
    found = sagemaker.described(first.name)
    assert found is not None
    assert kind.differences(first.request, found) == ()

    other = schedule(dataclasses.replace(DECLARED, data_quality=Monitor(schedule="cron(0 6 ? * * *)")))
    assert kind.differences(other.request, found) == ("when cron(0 * ? * * *) → cron(0 6 ? * * *)",)
    other = schedule(dataclasses.replace(DECLARED, data_quality=Monitor(instance_type="ml.m5.xlarge")))
    assert kind.differences(other.request, found) == ("its job definition",)
    assert sagemaker.make(kind.put(other.request, found)) == [
        "create_data_quality_job_definition",
        "update_monitoring_schedule",
        "delete_data_quality_job_definition",
    ]
    found = sagemaker.described(first.name)
    assert found is not None
    assert kind.differences(other.request, found) == ()
    sagemaker.make(kind.remove(first.name, found))
    assert sagemaker.described(first.name) is None
    assert sagemaker.definitions == [("DataQuality", f"{first.name}-by-hand")]


def test_a_schedule_of_somebody_else_is_none_of_ours_and_left_over_definitions_are() -> None:
    sagemaker, ours = SageMaker(), schedule()
    sagemaker.schedules[ours.name] = {"MonitoringScheduleArn": f"arn:{ours.name}", "Tags": []}
    assert sagemaker.described(ours.name) is None
    sagemaker = SageMaker()
    sagemaker.make(ours.type.put(ours.request, None)[:1])  # what came before a failure
    found = sagemaker.described(ours.name)
    assert found is not None
    assert sagemaker.make(ours.type.put(ours.request, found)) == ["create_monitoring_schedule"]


def loaded(source: Path | str, name: str, folder: Path) -> ModuleType:
    """As AWS loads it: by path, alone."""
    path = source if isinstance(source, Path) else folder / f"{name}.py"
    if isinstance(source, str):
        path.write_text(source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MONITORS = {f"{NAME}-data-quality": {"Namespace": "aws/sagemaker/Endpoints/data-metrics", "Dimensions": []}}
ARN = f"arn:aws:sagemaker:us-east-1:123456789012:monitoring-schedule/{NAME}-data-quality"


@pytest.mark.parametrize(
    ("job", "value"),
    [
        ({"ExitMessage": "CompletedWithViolations: Job completed successfully with 4 violations."}, 4.0),
        ({"ExitMessage": "CompletedWithViolations: Job completed successfully with 1 violations."}, 1.0),
        ({"ExitMessage": "Completed: Job completed successfully with no violations."}, 0.0),
        ({"MonitoringScheduleArn": f"{ARN}-1a2b3c", "ExitMessage": "Completed: …"}, 0.0),  # `mlops monitor --now`
        ({"MonitoringScheduleArn": ARN.upper(), "ExitMessage": "Completed: …"}, 0.0),  # schedules' names have no case
        ({"MonitoringScheduleArn": f"{ARN}-others", "ExitMessage": "Completed: …"}, None),
        ({"ExitMessage": ""}, None),  # captures are merged with labels
        ({"MonitoringScheduleArn": "", "ExitMessage": "Completed: …"}, None),
    ],
)
def test_what_a_jobs_exit_message_says(job: dict[str, Any], value: float | None, tmp_path: Path) -> None:
    function = loaded(managed_monitors.LAMBDA, "violations", tmp_path)
    found = function.measured({"MonitoringScheduleArn": ARN, **job}, MONITORS)
    assert (found and found["Value"]) == value
    assert found is None or found["Namespace"] == "aws/sagemaker/Endpoints/data-metrics"


def test_the_function_publishes_what_it_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clients: Any) -> None:
    function = loaded(managed_monitors.LAMBDA, "violations", tmp_path)
    said = "CompletedWithViolations: Job completed successfully with 3 violations."
    job = {"MonitoringScheduleArn": ARN, "ExitMessage": said}
    sagemaker = SimpleNamespace(describe_processing_job=lambda ProcessingJobName: job)
    services = {"sagemaker": sagemaker, "cloudwatch": clients("cloudwatch")}
    monkeypatch.setattr(function.boto3, "client", services.__getitem__)
    variables = {call.operation: call.request for call in calls()}["create_function"]["Environment"]["Variables"]
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    event = {"detail": {"ProcessingJobName": "data-quality-monitoring-202611210900-0123456789"}}
    assert function.handler(event, None)["Value"] == 3.0
    metric, age = clients("cloudwatch").list_metrics()["Metrics"]
    assert age["MetricName"] == "model_age_days"
    alarm = next(call.request for call in calls() if call.operation == "put_metric_alarm")
    assert (metric["Namespace"], metric["MetricName"]) == (alarm["Namespace"], alarm["MetricName"])
    assert metric["Dimensions"] == alarm["Dimensions"]
    job["MonitoringScheduleArn"] = ""
    assert function.handler(event, None) is None


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ('1,"a,b"\n2,c\n', [{"age": "1", "plan": "a,b"}, {"age": "2", "plan": "c"}]),
        ("1,\n", [{"age": "1", "plan": ""}]),
        ('{"age": 1, "plan": "a"}', [{"age": 1, "plan": "a"}]),
        ('{"instances": [{"age": 1}, {"age": 2}]}', [{"age": 1}, {"age": 2}]),
        (' [{"age": 1}]', [{"age": 1}]),
    ],
)
def test_a_captured_request_gets_the_baselines_names(data: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    script = loaded(managed_monitors.preprocessor(["age", "plan"]), "preprocess", tmp_path)
    record = SimpleNamespace(endpoint_input=SimpleNamespace(data=data))
    assert script.preprocess_handler(record) == rows


def test_clarify_gets_headers_of_captured_records_and_the_model_in_service() -> None:
    config = {
        "version": "1.0", "dataset_type": "text/csv", "headers": ["age", "sex", "Churn", "predicted_label"],
        "label": "Churn", "label_values_or_threshold": [1], "facet": [{"name_or_index": "sex"}],
        "predicted_label": "predicted_label", "methods": {"report": {}, "post_training_bias": {"methods": ["DPPL"]}},
    }  # fmt: skip
    made = managed_monitors.clarify_config(Kind.MODEL_BIAS, config, ["age", "sex"], "model", "ml.m5.large")
    assert (made["headers"], made["methods"]) == (
        ["age", "sex", "Churn"],
        {"post_training_bias": {"methods": ["DPPL"]}},
    )
    assert "predicted_label" not in made and "dataset_type" not in made
    shap = {"version": "1.0", "methods": {"shap": {"num_samples": 9}}, "predictor": {"model_name": "of-the-check"}}
    made = managed_monitors.clarify_config(Kind.EXPLAINABILITY, shap, ["age", "sex"], "model", "ml.m5.large")
    assert (made["headers"], made["predictor"]["model_name"]) == (["age", "sex"], "model")
    assert made["methods"] == {"shap": {"num_samples": 9}}
