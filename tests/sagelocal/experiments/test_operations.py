"""The API of experiments, without servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.api.operations import call_metrics
from tests.sagelocal.workflow.conftest import Laptop

Document = dict[str, Any]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Laptop]:
    laptop = Laptop(tmp_path)
    yield laptop
    laptop.workflow.close()
    laptop.store.close()


@pytest.fixture
def tree(app: Laptop) -> Laptop:
    """Experiment Shop with the trials one and two, and the components a, b in one and b in two."""
    app.call("CreateExperiment", {"ExperimentName": "Shop"})
    for trial in ("one", "two"):
        app.call("CreateTrial", {"TrialName": trial, "ExperimentName": "shop"})
    for component, trial in (("a", "one"), ("b", "one"), ("b", "two")):
        if component not in names(app, "TrialComponent"):
            app.call("CreateTrialComponent", {"TrialComponentName": component})
        app.call("AssociateTrialComponent", {"TrialComponentName": component, "TrialName": trial})
    return app


def names(app: Laptop, kind: str, **request: Any) -> list[str]:
    answer = app.call(f"List{kind}s", {"SortBy": "Name", "SortOrder": "Ascending", **request})
    return [one[f"{kind}Name"] for one in answer[f"{kind}Summaries"]]


def refused(app: Laptop, operation: str, **request: Any) -> str:
    with pytest.raises(AwsError) as raised:
        app.call(operation, request)
    return str(raised.value)


def test_names_are_not_case_sensitive(tree: Laptop) -> None:
    described = tree.call("DescribeExperiment", {"ExperimentName": "SHOP"})
    assert described["ExperimentName"] == "Shop"
    assert described["ExperimentArn"].endswith(":experiment/shop")
    said = refused(tree, "CreateExperiment", ExperimentName="shop")
    assert said.startswith("ValidationException: Experiment names must be unique")
    assert said.endswith("already exists.")  # which the SDK looks for
    assert "does not exist" in refused(tree, "CreateTrial", TrialName="x", ExperimentName="nope")


def test_lists_by_experiment_trial_and_component(tree: Laptop) -> None:
    assert names(tree, "Trial", ExperimentName="Shop") == ["one", "two"]
    assert names(tree, "Trial", TrialComponentName="b") == ["one", "two"]
    assert names(tree, "TrialComponent", TrialName="one") == ["a", "b"]
    assert names(tree, "TrialComponent", TrialName="two") == ["b"]
    assert names(tree, "TrialComponent", ExperimentName="Shop", SortOrder="Descending") == ["b", "a"]
    first = tree.call("ListTrialComponents", {"TrialName": "one", "SortBy": "Name", "MaxResults": 1})
    second = tree.call(
        "ListTrialComponents",
        {"TrialName": "one", "SortBy": "Name", "MaxResults": 1, "NextToken": first["NextToken"]},
    )
    both = [page["TrialComponentSummaries"][0]["TrialComponentName"] for page in (first, second)]
    assert (both, "NextToken" in second) == (["b", "a"], False)
    assert "only one of" in refused(tree, "ListTrialComponents", TrialName="one", ExperimentName="Shop")


def test_what_is_still_used_is_not_deleted(tree: Laptop) -> None:
    assert "still has trials" in refused(tree, "DeleteExperiment", ExperimentName="Shop")
    assert "still has trial components" in refused(tree, "DeleteTrial", TrialName="one")
    assert "still in the trials one, two" in refused(tree, "DeleteTrialComponent", TrialComponentName="b")
    for component, trial in (("a", "one"), ("b", "one"), ("b", "two")):
        tree.call("DisassociateTrialComponent", {"TrialComponentName": component, "TrialName": trial})
    assert "not associated" in refused(tree, "DisassociateTrialComponent", TrialComponentName="a", TrialName="one")
    assert names(tree, "TrialComponent", ExperimentName="Shop") == []
    for kind, found in (("TrialComponent", ("a", "b")), ("Trial", ("one", "two")), ("Experiment", ("Shop",))):
        for name in found:
            tree.call(f"Delete{kind}", {f"{kind}Name": name})
        assert names(tree, kind) == []


def test_a_component_in_two_trials_stays_in_the_experiment_until_it_has_left_both(tree: Laptop) -> None:
    tree.call("DisassociateTrialComponent", {"TrialComponentName": "b", "TrialName": "one"})
    assert names(tree, "TrialComponent", ExperimentName="Shop") == ["a", "b"]
    tree.call("DisassociateTrialComponent", {"TrialComponentName": "b", "TrialName": "two"})
    assert names(tree, "TrialComponent", ExperimentName="Shop") == ["a"]


def test_an_update_adds_and_removes(app: Laptop) -> None:
    start: Document = {"TrialComponentName": "c", "Parameters": {"x": {"NumberValue": 1}, "y": {"StringValue": "2"}}}
    app.call("CreateTrialComponent", start)
    status = {"PrimaryStatus": "Completed", "Message": "done"}
    app.call(
        "UpdateTrialComponent",
        {
            "TrialComponentName": "c",
            "DisplayName": "shown",
            "Status": status,
            "EndTime": 17.0,
            "Parameters": {"z": {"NumberValue": 3}},
            "ParametersToRemove": ["x"],
            "OutputArtifacts": {"model": {"Value": "s3://b/m", "MediaType": "text/plain"}},
        },
    )
    found = app.call("DescribeTrialComponent", {"TrialComponentName": "c"})
    assert found["Parameters"] == {"y": {"StringValue": "2"}, "z": {"NumberValue": 3}}
    assert found["OutputArtifacts"] == {"model": {"Value": "s3://b/m", "MediaType": "text/plain"}}
    assert (found["DisplayName"], found["Status"], found["EndTime"]) == ("shown", status, 17.0)


def test_metrics_put_one_by_one_are_summarised(app: Laptop) -> None:
    app.call("CreateTrialComponent", {"TrialComponentName": "Run-1"})
    values = [(0.9, 60, 0), (0.5, 100, 1), (0.7, 130, 2)]
    data = [{"MetricName": "loss", "Value": v, "Timestamp": t, "Step": s} for v, t, s in values]
    assert call_metrics(app, "BatchPutMetrics", {"TrialComponentName": "run-1", "MetricData": data}) == {}
    (found,) = app.call("DescribeTrialComponent", {"TrialComponentName": "Run-1"})["Metrics"]
    assert (found["Count"], found["Min"], found["Max"], found["Last"], found["TimeStamp"]) == (3, 0.5, 0.9, 0.7, 130)
    assert found["Avg"] == pytest.approx(0.7)
    assert found["StdDev"] == pytest.approx(0.2)
    bad = [{"MetricName": "loss", "Value": float("nan"), "Timestamp": 140}]
    answer = call_metrics(app, "BatchPutMetrics", {"TrialComponentName": "run-1", "MetricData": bad})
    assert answer == {"Errors": [{"Code": "VALIDATION_ERROR", "MetricIndex": 0}]}
    arn = found["SourceArn"]
    query = {"MetricName": "loss", "ResourceArn": arn, "MetricStat": "Avg", "Period": "OneMinute"}
    by_time = call_metrics(app, "BatchGetMetrics", {"MetricQueries": [query | {"XAxisType": "Timestamp"}]})
    (result,) = by_time["MetricQueryResults"]
    assert (result["XAxisValues"], result["MetricValues"]) == ([60, 120], pytest.approx([0.7, 0.7]))
    by_step = query | {"XAxisType": "IterationNumber", "Period": "IterationNumber", "Start": 1}
    (result,) = call_metrics(app, "BatchGetMetrics", {"MetricQueries": [by_step]})["MetricQueryResults"]
    assert (result["XAxisValues"], result["MetricValues"]) == ([1, 2], [0.5, 0.7])
    unknown = query | {"XAxisType": "Timestamp", "ResourceArn": arn + "x"}
    (result,) = call_metrics(app, "BatchGetMetrics", {"MetricQueries": [unknown]})["MetricQueryResults"]
    assert result["Status"] == "ValidationError"
    with pytest.raises(AwsError, match="ResourceNotFound"):
        call_metrics(app, "BatchPutMetrics", {"TrialComponentName": "run-2", "MetricData": data})
