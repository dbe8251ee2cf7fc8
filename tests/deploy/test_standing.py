"""What stands beside an endpoint besides its monitors: its end, its dashboard, the alarm of a model that grew old."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from deploy import apply, dashboard, recurrence, resources, staleness, time_to_live, wanted, watch
from deploy.declaration import Alarm, Asynchronous, Deployment, Mode, Monitor, Monitoring, Serverless, Variant
from deploy.monitor_checks import problems
from deploy.resources import Key, Resource
from deploy.wanted import Place

Clients = Callable[[str], Any]
NAME = "churn-staging"
PLACE = Place("aws", "123456789012", "us-east-1", "arn:aws:iam::123456789012:role/execution", "bucket")
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
PACKAGE = {
    "ModelPackageArn": "arn:aws:sagemaker:us-east-1:123456789012:model-package/churn/3",
    "ModelPackageVersion": 3,
    "CreationTime": NOW - timedelta(days=10),
    "InferenceSpecification": {"Containers": [{"Image": "image", "ModelDataUrl": "s3://b/model.tar.gz"}]},
    "DriftCheckBaselines": {
        "ModelDataQuality": {"Statistics": {"S3Uri": "s3://b/s.json"}, "Constraints": {"S3Uri": "s3://b/c.json"}},
        "ModelQuality": {"Constraints": {"S3Uri": "s3://b/q.json"}},
    },
}
WATCHED = Monitoring(label="Churn", model_quality=Monitor(schedule="cron(0 5 ? * * *)"), max_model_age="P90D")


def apply_all(clients: Clients, found: list[Resource], keys: list[Key]) -> list[tuple[str, str, tuple[str, ...]]]:
    changes = resources.deploy(found, resources.read(clients, keys))
    assert apply.apply(clients, changes) == len(changes)
    return [(each.sign, each.kind, each.details) for each in changes]


def removed(clients: Clients, keys: list[Key]) -> None:
    apply.apply(clients, resources.undeploy(resources.read(clients, keys)))
    assert resources.read(clients, keys) == {}


def test_an_endpoint_ends_a_day_after_its_last_deployment(clients: Clients) -> None:
    keys, tags = time_to_live.keys(NAME, PLACE), [{"Key": "a", "Value": "b"}]
    first = time_to_live.resources("P1D", NAME, tags, PLACE, NOW)
    said = ("deletes the endpoint P1D from now, unless it is deployed again",)
    assert apply_all(clients, first, keys) == [("+", "IAM role", ()), ("+", "schedule", said)]
    later = time_to_live.resources("P1D", NAME, tags, PLACE, NOW + timedelta(hours=2))
    moved = ("ScheduleExpression at(2026-03-03T09:00:00) → at(2026-03-03T11:00:00)",)
    assert apply_all(clients, later, keys) == [("~", "schedule", moved)]
    schedule = clients("scheduler").get_schedule(Name=f"{NAME}-expiry")
    assert time_to_live.ends(schedule) == NOW + timedelta(hours=26)
    assert schedule["ActionAfterCompletion"] == "DELETE"
    assert schedule["Target"]["Arn"] == "arn:aws:scheduler:::aws-sdk:sagemaker:deleteEndpoint"
    assert json.loads(schedule["Target"]["Input"]) == {"EndpointName": NAME}
    role = resources.read(clients, keys)[keys[0]]
    (statement,) = role["Policy"]["Statement"]
    endpoint = f"arn:aws:sagemaker:us-east-1:123456789012:endpoint/{NAME}"
    assert (statement["Action"], statement["Resource"]) == ("sagemaker:DeleteEndpoint", [endpoint])
    assert schedule["Target"]["RoleArn"].endswith(f":role/{role['RoleName']}")
    assert [sign for sign, _, _ in apply_all(clients, time_to_live.resources("", NAME, tags, PLACE), keys)] == [
        "-",
        "-",
    ]


def test_waits_of_a_laptop_end_sooner() -> None:
    schedule = {"ScheduleExpression": "at(2026-03-03T09:00:00)", "LastModificationDate": NOW}
    assert time_to_live.ends(schedule, 24) == NOW + timedelta(hours=1)


def test_what_cannot_end_is_said() -> None:
    with pytest.raises(ValueError, match="'1 day' is no duration"):
        time_to_live.resources("1 day", NAME, [], PLACE)
    with pytest.raises(ValueError, match="and 64 are allowed"):
        time_to_live.resources("P1D", "x" * 60, [], PLACE)


def watches(monitoring: Monitoring = WATCHED) -> list[watch.Watch]:
    return watch.watches(monitoring, "churn", "staging", PACKAGE, PLACE)[0]


def test_a_model_that_grew_old_and_a_monitor_that_is_silent_raise_the_alarm(clients: Clients) -> None:
    found = staleness.resources(WATCHED, NAME, watches(), [], PLACE, NOW)
    apply_all(clients, found, staleness.keys(NAME))
    (alarm,) = clients("cloudwatch").describe_alarms()["MetricAlarms"]
    assert (alarm["Threshold"], alarm["TreatMissingData"], alarm["Period"]) == (90.0, "breaching", 86400)
    assert {"Name": "MonitoringSchedule", "Value": f"{NAME}-data-quality"} in alarm["Dimensions"]  # which runs hourly
    assert alarm["AlarmActions"] == [f"arn:aws:sns:us-east-1:123456789012:{NAME}-monitoring"]
    (first,) = clients("cloudwatch").list_metrics()["Metrics"]
    assert (first["Namespace"], first["MetricName"]) == (alarm["Namespace"], alarm["MetricName"])
    (put,) = found[0].first
    assert put.request["MetricData"][0]["Value"] == 10
    assert apply_all(clients, found, staleness.keys(NAME)) == []
    removed(clients, staleness.keys(NAME))
    assert staleness.resources(dataclasses.replace(WATCHED, max_model_age=""), NAME, watches(), [], PLACE) == []
    assert staleness.resources(WATCHED, NAME, [], [], PLACE) == []


@pytest.mark.parametrize(
    ("schedule", "days"),
    [("rate(6 hours)", 1), ("cron(0 5 ? * * *)", 2), ("rate(3 days)", 4), ("cron(0 5 ? * MON *)", 7)],
)
def test_the_alarm_waits_until_a_monitor_has_surely_run(schedule: str, days: int) -> None:
    assert staleness.periods(schedule) == days


def test_an_age_that_nobody_says_is_refused() -> None:
    none = Monitoring(data_quality=None, model_quality=None, model_bias=None, explainability=None, max_model_age="P9D")
    assert list(problems(none)) == [
        "max_model_age needs a monitor, which says how old the model is, and none is declared"
    ]
    assert list(problems(Monitoring(max_model_age="ninety"))) == [
        "max_model_age is 'ninety', which is no duration such as PT1H or P7D"
    ]


DEPLOYMENT = Deployment((Variant(version=3),), alarms=(Alarm("Invocation5XXErrors", 0.01, rollback=False),))


def board(deployment: Deployment = DEPLOYMENT, now: datetime = NOW, **package: Any) -> Resource:
    described = {**PACKAGE, **package}
    desired = wanted.make(deployment, "churn", "staging", {3: described}, PLACE)
    return dashboard.resource(deployment, desired, PLACE, WATCHED, watches(), now)


def test_a_dashboard_shows_the_endpoint_and_keeps_when_it_was_deployed(clients: Clients) -> None:
    keys, cloudwatch = dashboard.keys(NAME), clients("cloudwatch")
    assert apply_all(clients, [board()], keys) == [("+", "dashboard", ("8 graphs",))]
    assert apply_all(clients, [board(now=NOW + timedelta(hours=1))], keys) == []  # the same is served
    newer = {"ModelPackageVersion": 4, "ModelPackageArn": PACKAGE["ModelPackageArn"].replace("/3", "/4")}  # type: ignore[attr-defined]
    ((sign, _, said),) = apply_all(clients, [board(now=NOW + timedelta(hours=2), **newer)], keys)
    assert (sign, said[0][:21]) == ("~", "annotated: version 4 ")
    widgets = json.loads(cloudwatch.get_dashboard(DashboardName=NAME)["DashboardBody"])["widgets"]
    graphs = {each["properties"].get("title"): each["properties"] for each in widgets}
    marks = graphs["Errors"]["annotations"]["vertical"]
    assert [each["value"] for each in marks] == ["2026-03-02T09:00:00Z", "2026-03-02T11:00:00Z"]
    assert [each["label"].split(" (")[0] for each in marks] == ["version 3", "version 4"]
    line = ["AWS/SageMaker", "Invocations", "EndpointName", NAME, "VariantName", "AllTraffic"]
    assert graphs["Invocations"]["metrics"][0][:-1] == line
    assert graphs["Days since the model was registered"]["annotations"]["horizontal"][0]["value"] == 90
    assert [arn.rsplit(":", 1)[1] for arn in graphs["Alarms"]["alarms"]] == [
        f"{NAME}-AllTraffic-Invocation5XXErrors-Average",
        f"{NAME}-data-quality-violations",
        f"{NAME}-model-quality-violations",
        f"{NAME}-staleness",
    ]
    assert len({(each["x"], each["y"]) for each in widgets}) == len(widgets)
    removed(clients, keys)


def test_each_mode_shows_what_it_has() -> None:
    serverless = Deployment(mode=Mode.SERVERLESS, serverless=Serverless(), capture=None)
    for deployment, title in (
        (dataclasses.replace(serverless, variants=DEPLOYMENT.variants), "Cold starts in microseconds"),
        (dataclasses.replace(DEPLOYMENT, mode=Mode.ASYNCHRONOUS, asynchronous=Asynchronous()), "Requests that wait"),
    ):
        titles = [each["properties"].get("title") for each in board(deployment).request["Widgets"]]
        assert title in titles
    assert "CPU and memory in per cent" in titles


def test_somebody_elses_dashboard_stays(clients: Clients) -> None:
    body = {"widgets": [{"type": "text", "properties": {"markdown": "Ours"}}]}
    clients("cloudwatch").put_dashboard(DashboardName=NAME, DashboardBody=json.dumps(body))
    assert resources.read(clients, dashboard.keys(NAME)) == {}


@pytest.mark.parametrize(
    ("expression", "runs"),
    [
        ("cron(0 * ? * * *)", 730),
        ("cron(0 5 ? * * *)", 30.4),
        ("cron(0 0/6 ? * * *)", 121.7),
        ("cron(0,30 9-17 ? * MON-FRI *)", 391.1),
        ("cron(0 12 1,15 * ? *)", 2),
        ("cron(0 12 L JAN,JUL ? *)", 1 / 6),
        ("cron(0 12 ? * 2#1 *)", 1),
        ("rate(6 hours)", 121.7),
        ("rate(1 day)", 30.4),
        ("rate(15 minutes)", 2920),
    ],
)
def test_how_often_a_schedule_comes_in_a_month(expression: str, runs: float) -> None:
    assert recurrence.runs_a_month(expression) == pytest.approx(runs, abs=0.1)


@pytest.mark.parametrize(
    ("expression", "comes"),
    [
        ("cron(0 * ? * * *)", "2026-11-21T21:00"),
        ("cron(30 20 ? * * *)", "2026-11-22T20:30"),  # later than now, not now
        ("cron(0/15 * * * ? *)", "2026-11-21T20:45"),
        ("cron(0 9 ? * MON-FRI *)", "2026-11-23T09:00"),
        ("cron(0 0 L * ? *)", "2026-11-30T00:00"),
        ("cron(0 0 29 2 ? *)", "2028-02-29T00:00"),
        ("cron(0 0 15W * ? *)", "2026-12-15T00:00"),
        ("cron(0 0 21W 11,2 ? *)", "2027-02-22T00:00"),  # a Sunday: the Monday after
        ("cron(0 0 ? * 2#1 *)", "2026-12-07T00:00"),
        ("cron(0 0 ? * 6L *)", "2026-11-27T00:00"),
        ("rate(6 hours)", "2026-11-22T00:30"),  # since 18:30
    ],
)
def test_when_a_schedule_comes_next(expression: str, comes: str) -> None:
    now = datetime(2026, 11, 21, 20, 30, tzinfo=UTC)
    found = recurrence.next_after(expression, now, now - timedelta(hours=2))
    assert found
    assert f"{found:%Y-%m-%dT%H:%M}" == comes


def test_a_schedule_that_is_over_comes_no_more() -> None:
    assert recurrence.next_after("cron(0 0 1 1 ? 2020)", datetime(2026, 11, 21, tzinfo=UTC)) is None


def test_what_is_no_schedule_is_said() -> None:
    with pytest.raises(ValueError, match="'hourly' is no schedule"):
        recurrence.runs_a_month("hourly")
