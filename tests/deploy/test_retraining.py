"""A retraining's resources: made as declared, found again, changed where they differ, removed."""

from __future__ import annotations

import dataclasses
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from deploy import resources, retraining
from deploy.apply import apply
from deploy.changes import Change
from deploy.declaration import Retraining
from deploy.retraining import Target
from deploy.wanted import Place

Clients = Callable[[str], Any]
PLACE = Place("aws", "123456789012", "us-east-1", "arn:aws:iam::123456789012:role/execution", "bucket")
TOPIC = "arn:aws:sns:us-east-1:123456789012:churn-staging-monitoring"
DEFINITION = json.dumps({"Version": "2020-12-01", "Metadata": {}, "Parameters": [], "Steps": []})
ALARMS = ("churn-staging-data-quality-violations", "churn-staging-model-quality-violations")
TARGET = Target("churn", "churn-staging", ALARMS, TOPIC, DEFINITION)


def changes(clients: Clients, declared: Retraining | None, target: Target = TARGET) -> list[Change]:
    found = resources.read(clients, retraining.keys("churn-staging", PLACE))
    wanted = retraining.resources(declared, target, PLACE) if declared else []
    return resources.deploy(wanted, found)


def made(clients: Clients, declared: Retraining | None, target: Target = TARGET) -> list[tuple[str, str, str]]:
    """Makes the changes, after which there must be none, and says which they were."""
    planned = changes(clients, declared, target)
    assert apply(clients, planned) == len(planned)
    assert changes(clients, declared, target) == []
    return [(each.sign, each.kind, each.name) for each in planned]


ALL = [
    ("IAM role", "churn-staging-retraining-us-east-1"),
    ("Lambda function", "churn-staging-retraining"),
    ("pipeline", "churn-staging-retraining"),
    ("IAM role", "churn-staging-retrain-us-east-1"),
    ("EventBridge rule", "churn-staging-retrain"),
]


def test_all_of_it_is_made_once_and_goes_again(clients: Clients) -> None:
    assert made(clients, Retraining()) == [("+", *each) for each in ALL]
    assert made(clients, None) == [("-", *each) for each in reversed(ALL)]
    assert resources.read(clients, retraining.keys("churn-staging", PLACE)) == {}


def test_each_region_has_roles_of_its_own(clients: Clients) -> None:
    made(clients, Retraining())
    elsewhere = dataclasses.replace(PLACE, region="eu-central-1")
    kept = set(retraining.keys("churn-staging", PLACE)) & set(retraining.keys("churn-staging", elsewhere))
    assert {kind.kind for kind, _ in kept} == {"Lambda function", "pipeline", "EventBridge rule"}  # of the region


def test_the_rule_waits_for_the_alarms_and_starts_the_pipeline_with_the_alarms_name(clients: Clients) -> None:
    made(clients, Retraining())
    events = clients("events")
    pattern = json.loads(events.describe_rule(Name="churn-staging-retrain")["EventPattern"])
    assert pattern["detail"] == {"alarmName": list(ALARMS), "state": {"value": ["ALARM"]}}
    (target,) = events.list_targets_by_rule(Rule="churn-staging-retrain")["Targets"]
    assert target["Arn"].endswith(":pipeline/churn-staging-retraining")
    assert target["RoleArn"].endswith(":role/churn-staging-retrain-us-east-1")
    (parameter,) = target["SageMakerPipelineParameters"]["PipelineParameterList"]
    assert parameter == {"Name": "Alarm", "Value": "$.detail.alarmName"}


def test_what_is_declared_is_the_functions_environment(clients: Clients) -> None:
    made(clients, Retraining(cooldown="PT6H", min_records=700, parameters={"NumRound": "40"}))
    function = clients("lambda").get_function(FunctionName="churn-staging-retraining")["Configuration"]
    assert function["Environment"]["Variables"] == {
        "ENDPOINT": "churn-staging",
        "PIPELINE": "churn",
        "PARAMETERS": '{"NumRound": "40"}',
        "DATA_PARAMETER": "InputDataUrl",
        "COOLDOWN_SECONDS": "21600",
        "MIN_RECORDS": "700",
        "TOPIC_ARN": TOPIC,
    }
    assert function["Handler"] == "retraining.handler"
    policy = json.loads(clients("lambda").get_policy(FunctionName="churn-staging-retraining")["Policy"])
    (statement,) = policy["Statement"]
    assert PLACE.role in str(statement["Principal"])


def test_a_change_of_each_part_changes_that_part(clients: Clients) -> None:
    made(clients, Retraining())
    function = ("~", "Lambda function", "churn-staging-retraining")
    assert made(clients, Retraining(min_records=600)) == [function]
    other = dataclasses.replace(TARGET, definition=DEFINITION.replace('"Steps": []', '"Steps": [{}]'))
    assert made(clients, Retraining(min_records=600), other) == [("~", "pipeline", "churn-staging-retraining")]
    fewer = dataclasses.replace(other, alarms=ALARMS[:1])
    assert made(clients, Retraining(min_records=600), fewer) == [("~", "EventBridge rule", "churn-staging-retrain")]


def test_another_version_of_the_functions_code_is_deployed(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    made(clients, Retraining())
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("retraining.py", "def handler(event, context): ...")
    monkeypatch.setattr(retraining, "archive", other.getvalue)
    (change,) = changes(clients, Retraining())
    assert (change.kind, change.details) == ("Lambda function", ("its code",))


def test_a_function_that_is_gone_is_made_again(clients: Clients) -> None:
    made(clients, Retraining())
    clients("lambda").delete_function(FunctionName="churn-staging-retraining")
    assert made(clients, Retraining()) == [("+", "Lambda function", "churn-staging-retraining")]


def test_a_users_own_function_and_rule_of_that_name_are_not_ours(clients: Clients) -> None:
    clients("events").put_rule(Name="churn-staging-retrain", ScheduleExpression="rate(1 day)", Description="mine")
    assert resources.read(clients, retraining.keys("churn-staging", PLACE)) == {}


def test_each_role_may_do_what_it_has_to_and_no_more(clients: Clients) -> None:
    made(clients, Retraining())
    iam = clients("iam")
    allowed: dict[str, dict[str, list[str]]] = {}
    for base in ("churn-staging-retraining", "churn-staging-retrain"):
        role = f"{base}-us-east-1"
        policy = iam.get_role_policy(RoleName=role, PolicyName=role)["PolicyDocument"]
        for each in policy["Statement"]:
            actions = [each["Action"]] if isinstance(each["Action"], str) else each["Action"]
            allowed.setdefault(base, {}).update(dict.fromkeys(actions, each["Resource"]))
    account = "arn:aws:sagemaker:us-east-1:123456789012"
    assert allowed["churn-staging-retrain"] == {
        "sagemaker:StartPipelineExecution": [f"{account}:pipeline/churn-staging-retraining"]
    }
    function = allowed["churn-staging-retraining"]
    assert function["sagemaker:StartPipelineExecution"] == [f"{account}:pipeline/churn"]
    assert function["sns:Publish"] == [TOPIC]
    assert not any("*" in action for action in function)


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("P7D", 604800), ("PT6H", 21600), ("PT1M30S", 90), ("P1W", 604800), ("P1DT2H", 93600)],
)
def test_durations(duration: str, seconds: int) -> None:
    assert retraining.seconds(duration) == seconds


@pytest.mark.parametrize("text", ["P", "7D", "PT", "P1M", "-P1D", "PT1.5H"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration: write P7D"):
        retraining.seconds(text)
