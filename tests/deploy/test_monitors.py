"""Monitors in an account that exists only in memory: what is made of a declaration, and nothing a second time."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from deploy import apply, monitors, names, registry, resources, thresholds, watch
from deploy.changes import Change
from deploy.declaration import Engine, Kind, Monitor, Monitoring, Retraining, Source
from deploy.monitor_checks import problems, too_long
from deploy.resources import ALARM, PIPELINE, ROLE, SCHEDULE, TOPIC
from deploy.wanted import Place

Clients = Callable[[str], Any]
NAME = "churn-production"
PLACE = Place("aws", "123456789012", "us-east-1", "arn:aws:iam::123456789012:role/execution", "bucket")
TOPIC_ARN = f"arn:aws:sns:us-east-1:123456789012:{NAME}-monitoring"
ROLE_NAME = f"{NAME}-monitoring-us-east-1"
PACKAGE = {
    "ModelPackageArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/churn/3",
    "CreationTime": datetime(2026, 3, 1, tzinfo=UTC),
    "InferenceSpecification": {"Containers": [{"Image": "image", "ModelDataUrl": "s3://b/model.tar.gz"}]},
    "DriftCheckBaselines": {
        "ModelDataQuality": {"Statistics": {"S3Uri": "s3://b/s.json"}, "Constraints": {"S3Uri": "s3://b/c.json"}},
        "ModelQuality": {"Constraints": {"S3Uri": "s3://b/q.json"}},
        "Bias": {
            "PostTrainingConstraints": {"S3Uri": "s3://b/bias/analysis.json"},
            "ConfigFile": {"S3Uri": "s3://b/config.json"},
        },
    },
}
DECLARED = Monitoring(label="Churn", notify=("oncall@example.com", "https://example.com/hook"))


def wanted(monitoring: Monitoring = DECLARED, **more: Any) -> list[resources.Resource]:
    found, _ = watch.watches(monitoring, "churn", "production", {**PACKAGE, **more}, PLACE)
    return monitors.resources(monitoring, NAME, found, {each.name: definition(each) for each in found}, PLACE)


def definition(each: watch.Watch) -> str:
    return json.dumps({"Version": "2020-12-01", "Steps": [], "Metadata": {"of": each.name}})


def deploy(clients: Clients, monitoring: Monitoring = DECLARED, **more: Any) -> list[Change]:
    """Makes the changes, after which the same again must find none."""
    found = resources.deploy(wanted(monitoring, **more), read(clients))
    assert apply.apply(clients, found) == len(found)
    assert resources.deploy(wanted(monitoring, **more), read(clients)) == []
    return found


def read(clients: Clients) -> resources.Found:
    return resources.read(clients, monitors.keys(NAME, PLACE))


def said(changes: list[Change]) -> list[tuple[str, str]]:
    return [(f"{each.sign} {each.kind}", each.name.removeprefix(f"{NAME}-")) for each in changes]


def test_a_monitor_for_each_baseline_and_a_sentence_for_what_is_left_out() -> None:
    found, left_out = watch.watches(DECLARED, "churn", "production", PACKAGE, PLACE)
    assert [each.kind for each in found] == [Kind.DATA_QUALITY, Kind.MODEL_QUALITY, Kind.MODEL_BIAS]
    assert left_out == [
        f"explainability is not monitored: {PACKAGE['ModelPackageArn']} has no baseline of that kind; a pipeline with "
        "that check registers one"
    ]
    quality = found[1]
    assert quality.baseline == {"constraints": "s3://b/q.json"}
    assert (quality.captures, quality.ground_truth) == (
        f"s3://bucket/data-capture/{NAME}",
        f"s3://bucket/ground-truth/{NAME}",
    )
    assert quality.output == f"s3://bucket/monitoring/{NAME}/model-quality"


def test_without_a_label_nothing_is_compared_with_the_truth() -> None:
    found, left_out = watch.watches(Monitoring(), "churn", "production", PACKAGE, PLACE)
    assert [each.kind for each in found] == [Kind.DATA_QUALITY]
    assert left_out[0] == "model-quality is not monitored: its declaration names no label"


def test_batch_monitors_have_no_endpoint() -> None:
    monitoring = dataclasses.replace(DECLARED, captures="s3://bucket/transform/")
    found, _ = watch.watches(monitoring, "churn", "batch", PACKAGE, PLACE)
    assert {(each.endpoint, each.captures) for each in found} == {("", "s3://bucket/transform")}
    alarm = wanted(dataclasses.replace(monitoring, model_quality=None, model_bias=None))[-1]
    assert alarm.request["Namespace"] == "aws/sagemaker/ModelMonitoring/data-metrics"
    assert [each["Name"] for each in alarm.request["Dimensions"]] == ["MonitoringSchedule"]


def test_all_of_it_is_made_changed_and_removed(clients: Clients) -> None:
    made = deploy(clients)
    kinds = ["data-quality", "model-quality", "model-bias"]
    assert said(made) == [
        ("+ SNS topic", TOPIC_ARN),
        ("+ IAM role", "monitoring-us-east-1"),
        *[("+ pipeline", kind) for kind in kinds],
        *[("+ schedule", kind) for kind in kinds],
        *[("+ alarm", f"{kind}-violations") for kind in kinds],
    ]
    less = dataclasses.replace(
        DECLARED, model_bias=None, data_quality=Monitor(schedule="rate(6 hours)"), notify=("oncall@example.com",)
    )
    assert said(deploy(clients, less)) == [
        ("~ SNS topic", TOPIC_ARN),
        ("~ IAM role", "monitoring-us-east-1"),
        ("~ schedule", "data-quality"),
        ("- alarm", "model-bias-violations"),
        ("- schedule", "model-bias"),
        ("- pipeline", "model-bias"),
    ]
    gone = resources.undeploy(read(clients))
    apply.apply(clients, gone)
    assert read(clients) == {}
    assert [names for _, names in resources.listed(read(clients), [TOPIC, ROLE, PIPELINE, SCHEDULE, ALARM])] == [[]] * 5
    assert clients("iam").list_roles()["Roles"] == []
    assert clients("sns").list_topics()["Topics"] == []


class Running:
    """SageMaker with a pipeline that still runs, as AWS deletes none."""

    def __init__(self) -> None:
        self.status = "Executing"
        self.calls: list[str] = []

    def delete_pipeline(self, PipelineName: str) -> None:
        self.calls.append(f"delete {PipelineName}")
        if self.status != "Stopped":
            raise ClientError({"Error": {"Code": "ConflictException", "Message": "has running executions"}}, "Delete")

    def get_paginator(self, operation: str) -> Running:
        return self

    def paginate(self, PipelineName: str) -> list[dict[str, Any]]:
        summary = {"PipelineExecutionArn": "arn", "PipelineExecutionStatus": self.status}
        self.status = "Stopped" if self.status == "Stopping" else self.status
        return [{"PipelineExecutionSummaries": [summary]}]

    def stop_pipeline_execution(self, PipelineExecutionArn: str) -> None:
        self.calls.append(f"stop {PipelineExecutionArn}")
        self.status = "Stopping"


def test_a_monitor_that_runs_is_stopped_before_it_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apply.time, "sleep", lambda _: None)
    sagemaker = Running()
    change = Change("-", "pipeline", "name", PIPELINE.remove("name", {}))
    assert apply.apply(lambda _: sagemaker, [change]) == 1
    assert sagemaker.calls == ["delete name", "stop arn", "delete name", "delete name"]


def test_what_aws_leaves_out_of_an_answer_as_it_is_empty_is_no_difference(clients: Clients) -> None:
    deploy(clients)
    (key, found), *_ = [each for each in read(clients).items() if each[0][0] is SCHEDULE]
    request = next(each.request for each in wanted() if (each.type, each.name) == key)
    target = {name: value for name, value in found["Target"].items() if name != "SageMakerPipelineParameters"}
    assert SCHEDULE.differences(request, {**found, "Target": target}) == ()
    assert SCHEDULE.differences(request, {**found, "Target": None}) != ()


def test_a_new_version_changes_what_is_compared_with(clients: Clients) -> None:
    deploy(clients)
    other = {"ModelDataQuality": PACKAGE["DriftCheckBaselines"]["ModelDataQuality"]}  # type: ignore[index]
    changes = deploy(clients, DriftCheckBaselines=other)
    assert ("- pipeline", "model-quality") in said(changes)
    assert ("~ IAM role", "monitoring-us-east-1") in said(changes)


def test_an_alarm_watches_the_monitors_violations_and_tells_the_topic(clients: Clients) -> None:
    deploy(clients)
    alarms = clients("cloudwatch").describe_alarms(AlarmNames=[names.violations_alarm(NAME, Kind.MODEL_BIAS)])
    (alarm,) = alarms["MetricAlarms"]
    assert (alarm["Namespace"], alarm["MetricName"]) == ("aws/sagemaker/Endpoints/bias-metrics", "violations")
    assert {each["Name"]: each["Value"] for each in alarm["Dimensions"]} == {
        "Endpoint": NAME,
        "MonitoringSchedule": f"{NAME}-model-bias",
    }
    assert (alarm["AlarmActions"], alarm["TreatMissingData"]) == ([TOPIC_ARN], "ignore")
    subscriptions = clients("sns").list_subscriptions_by_topic(TopicArn=TOPIC_ARN)["Subscriptions"]
    assert {(each["Protocol"], each["Endpoint"]) for each in subscriptions} == {
        ("email", "oncall@example.com"),
        ("https", "https://example.com/hook"),
    }


def test_the_schedules_role_may_start_the_monitors_pipelines_and_nothing_else(clients: Clients) -> None:
    deploy(clients)
    target = clients("scheduler").get_schedule(Name=f"{NAME}-data-quality")["Target"]
    arn = f"arn:aws:sagemaker:us-east-1:123456789012:pipeline/{NAME}-data-quality"
    assert (target["Arn"], target["RoleArn"]) == (arn, f"arn:aws:iam::123456789012:role/{NAME}-monitoring-us-east-1")
    policy = clients("iam").get_role_policy(RoleName=ROLE_NAME, PolicyName=ROLE_NAME)
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert statement["Action"] == "sagemaker:StartPipelineExecution"
    assert arn in statement["Resource"] and all(":pipeline/churn-production-" in each for each in statement["Resource"])


def test_what_somebody_else_named_alike_stays(clients: Clients) -> None:
    role = "arn:aws:iam::123456789012:role/execution"
    clients("sagemaker").create_pipeline(
        PipelineName=f"{NAME}-data-quality", PipelineDefinition="{}", ClientRequestToken="x" * 32, RoleArn=role
    )
    assert read(clients) == {}


@pytest.mark.parametrize(
    ("kind", "constraints", "given", "expected"),
    [
        (
            Kind.DATA_QUALITY,
            {"features": [{"name": "tenure"}], "monitoring_config": {"emit_metrics": "Enabled"}},
            {"tenure": 0.3, "*": 0.2},
            {
                "features": [
                    {
                        "name": "tenure",
                        "monitoringConfigOverrides": {
                            "distribution_constraints": {
                                "comparison_threshold": 0.3,
                                "categorical_comparison_threshold": 0.3,
                            }
                        },
                    }
                ],
                "monitoring_config": {
                    "emit_metrics": "Enabled",
                    "distribution_constraints": {"comparison_threshold": 0.2, "categorical_comparison_threshold": 0.2},
                },
            },
        ),
        (
            Kind.MODEL_QUALITY,
            {"version": 0.0, "binary_classification_constraints": {"auc": {"threshold": 0.9}}},
            {"auc": 0.7},
            {"version": 0.0, "binary_classification_constraints": {"auc": {"threshold": 0.7}}},
        ),
        (
            Kind.MODEL_BIAS,
            {"post_training_bias_metrics": {"facets": {"sex": [{"metrics": [{"name": "DPPL", "value": 0.1}]}]}}},
            {"DPPL": 0.2},
            {"post_training_bias_metrics": {"facets": {"sex": [{"metrics": [{"name": "DPPL", "value": 0.2}]}]}}},
        ),
    ],
)
def test_thresholds_take_the_place_of_the_baselines_own(
    kind: Kind, constraints: dict[str, Any], given: dict[str, float], expected: dict[str, Any]
) -> None:
    before = json.dumps(constraints)
    assert thresholds.changed(kind, constraints, given) == expected
    assert json.dumps(constraints) == before
    with pytest.raises(ValueError, match=f"The threshold of {kind} for 'nothing' is for nothing: there are "):
        thresholds.changed(kind, constraints, {"nothing": 1.0})


def test_what_would_be_refused_is_said_before_anything_is_made() -> None:
    wrong = Monitoring(
        data_quality=Monitor(schedule="hourly", window="1h"),
        model_bias=None,
        problem_type="Binary",
        captures="bucket/prefix",
        notify=("somebody",),
        explainability=Monitor(thresholds={"ndcg": 0.8}),
    )
    assert [each.split(";")[0] for each in problems(wrong)] == [
        "data-quality: window is '1h', which is no duration such as PT1H or P7D",
        "data-quality: schedule is 'hourly'",
        "explainability has no thresholds: its nDCG of 0.9 is fixed",
        "problem_type is 'Binary', and there are "
        "BinaryClassification, MulticlassClassification, Regression, Clustering",
        "captures is 'bucket/prefix', and has to be an S3 URI",
        "'somebody' can't be told: give an e-mail address, an https URL, or the ARN of a queue or function",
    ]
    assert list(problems(DECLARED)) == []


def test_what_no_monitor_can_know_of_a_clustering_is_said() -> None:
    engine = Engine.MANAGED
    wrong = Monitoring(label="segment", problem_type="Clustering", answer="segment", model_bias=None, engine=engine)
    assert list(problems(wrong)) == [
        "label is 'segment', and no truth is known of a clustering: name the column as answer",
        "answer is 'segment', and Model Monitor's data quality looks at requests alone",
    ]
    assert list(problems(Monitoring(problem_type="Clustering", answer="segment"))) == []


def test_names_that_aws_refuses_are_said_before_anything_is_made() -> None:
    watched = Monitoring(label="Churn", explainability=None, retraining=Retraining())
    assert list(too_long(watched, NAME, PLACE)) == []
    endpoint = "c" * 45
    assert list(too_long(watched, endpoint, PLACE)) == [
        f"the IAM role {endpoint}-monitoring-us-east-1 would have 66 characters, and 64 are allowed",
        f"the IAM role {endpoint}-retraining-us-east-1 would have 66 characters, and 64 are allowed",
    ]
    managed = Monitoring(engine=Engine.MANAGED, model_quality=None, model_bias=None, explainability=None)
    assert list(too_long(managed, "c" * 42, PLACE)) == [
        f"the monitoring schedule {'c' * 42}-data-quality would have 55 characters, and 54 are allowed"
    ]


@pytest.mark.parametrize("text", ["PT1H", "P7D", "P1DT12H", "PT90S"])
def test_durations(text: str) -> None:
    assert list(problems(Monitoring(data_quality=Monitor(window=text)))) == []


def test_numbers_that_make_no_sense_are_said() -> None:
    wrong = Monitoring(
        label="Churn",
        data_quality=Monitor(window="PT0S", delay="PT0S"),
        probability_threshold=50,
        retraining=Retraining(min_records=0),
    )
    assert list(problems(wrong)) == [
        "data-quality: window is 'PT0S', in which there is nothing to look at",
        "probability_threshold is 50, and it lies between 0 and 1",
        "retraining.min_records is 0, and it takes at least 1",
    ]


def test_a_retraining_of_scores_takes_whole_days_and_history_is_theirs_alone() -> None:
    def said(**declared: Any) -> list[str]:
        return list(problems(Monitoring(label="fraud", retraining=Retraining(**declared))))

    assert said(source=Source.SCORES, window="P135D", history="s3://bucket/older.parquet") == []
    assert said(source=Source.SCORES, window="PT36H", history="older.parquet") == [
        "retraining.window is 'PT36H', and of scores whole days are taken, such as P135D",
        "retraining.history is 'older.parquet', and has to be an S3 URI",
    ]
    assert said(history="s3://bucket/older.parquet") == [
        "retraining.history is of the source scores, and this one is captures"
    ]


@pytest.mark.parametrize("text", ["P", "PT", "1H", "P1H", "P1DT", ""])
def test_what_is_no_duration(text: str) -> None:
    assert len(list(problems(Monitoring(data_quality=Monitor(window=text))))) == 1


def test_the_baseline_of_each_kind_is_found_with_all_its_parts() -> None:
    assert registry.baseline(PACKAGE, Kind.MODEL_BIAS) == {
        "constraints": "s3://b/bias/analysis.json",
        "config": "s3://b/config.json",
    }
    assert registry.baseline({"DriftCheckBaselines": {"Bias": {"ConfigFile": {"S3Uri": "x"}}}}, Kind.MODEL_BIAS) == {}
