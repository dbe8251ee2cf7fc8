"""Search and GetSearchSuggestions, without servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sagelocal.api.errors import AwsError
from sagelocal.search import candidates
from tests.sagelocal.workflow.conftest import Laptop, processing, training

Document = dict[str, Any]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Laptop]:
    """Three training jobs: eta 0.1, 0.2, none; of teams x, x, none; b failed."""
    laptop = Laptop(tmp_path)
    laptop.jobs.outcomes["b"] = {"TrainingJobStatus": "Failed"}
    for name, eta, auc in (("a", "0.1", 0.7), ("b", "0.2", 0.9), ("c", None, 0.8)):
        metric = {"MetricName": "valid:auc", "Value": auc, "Timestamp": 1.0}
        changes: Document = {"FinalMetricDataList": [metric]}
        laptop.jobs.outcomes[name] = laptop.jobs.outcomes.get(name, {}) | changes
        channel = {"S3DataType": "S3Prefix", "S3Uri": f"s3://bucket/{name}/train"}
        inputs = [
            {"ChannelName": "train", "DataSource": {"S3DataSource": channel}},
            {"ChannelName": "test", "DataSource": {"S3DataSource": channel | {"S3Uri": "s3://bucket/test"}}},
        ]
        request = training("x", {"eta": eta} if eta else {}, arguments={"InputDataConfig": inputs})["Arguments"]
        tags = [{"Key": "team", "Value": "x"}] if eta else []
        laptop.call("CreateTrainingJob", {"TrainingJobName": f"j-o-{name}", **request, "Tags": tags})
    yield laptop
    laptop.workflow.close()
    laptop.store.close()


def found(app: Laptop, *filters: Document, resource: str = "TrainingJob", **request: Any) -> list[str]:
    """The last letters of the jobs found, in their order."""
    expression: Document = request.pop("expression", {})
    if filters:
        expression = {**expression, "Filters": list(filters)}
    if expression:
        request["SearchExpression"] = expression
    results = app.call("Search", {"Resource": resource, **request})["Results"]
    return [one["TrainingJob"]["TrainingJobName"][-1] for one in results]


def where(name: str, operator: str | None = None, value: str | None = None) -> Document:
    given = {"Name": name, "Operator": operator, "Value": value}
    return {member: text for member, text in given.items() if text is not None}


def said(app: Laptop, *filters: Document, **request: Any) -> str:
    with pytest.raises(AwsError) as raised:
        found(app, *filters, **request)
    return str(raised.value)


def test_without_an_expression_everything_latest_change_first(app: Laptop) -> None:
    assert found(app) == ["c", "b", "a"]
    assert found(app, SortBy="CreationTime", SortOrder="Ascending") == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("given", "jobs"),
    [
        (where("TrainingJobName", "Equals", "j-o-a"), "a"),
        (where("TrainingJobName", value="j-o-a"), "a"),
        (where("TrainingJobStatus", "NotEquals", "Failed"), "ac"),
        (where("TrainingJobName", "Contains", "o-b"), "b"),
        (where("TrainingJobName", "In", "j-o-a, j-o-c"), "ac"),
        (where("HyperParameters.eta", "Exists"), "ab"),
        (where("HyperParameters.eta", "NotExists"), "c"),
        (where("HyperParameters.eta", "GreaterThan", "0.1"), "b"),
        (where("HyperParameters.eta", "GreaterThanOrEqualTo", "0.1"), "ab"),
        (where("HyperParameters.eta", "Equals", "0.10"), "a"),
        (where("Metrics.valid:auc", "LessThan", "0.85"), "ac"),
        (where("metrics.valid:auc", "LessThanOrEqualTo", "0.7"), "a"),
        (where("Tags.team", "Equals", "x"), "ab"),
        (where("Tags.team", "NotExists"), "c"),
        (where("CreationTime", "LessThan", "2000-01-01T00:00:00"), ""),
        (where("ResourceConfig.InstanceCount", "Equals", "1"), "abc"),
        (where("InputDataConfig.DataSource.S3DataSource.S3Uri", "Contains", "bucket/b/"), "b"),
        (where("EnableNetworkIsolation", "Exists"), ""),
    ],
)
def test_filters(app: Laptop, given: Document, jobs: str) -> None:
    assert "".join(sorted(found(app, given))) == jobs


def test_filters_nested_filters_and_subexpressions_combine(app: Laptop) -> None:
    uri = "InputDataConfig.DataSource.S3DataSource.S3Uri"
    nested: Document = {
        "NestedPropertyName": "InputDataConfig",
        "Filters": [where("InputDataConfig.ChannelName", value="test"), where(uri, "Contains", "bucket/a")],
    }
    # The channel test of no job is at a's address, though a has both a channel test and that address.
    assert found(app, expression={"NestedFilters": [nested]}) == []
    nested["Filters"][0]["Value"] = "train"
    assert found(app, expression={"NestedFilters": [nested]}) == ["a"]
    either = {"Filters": [where("TrainingJobName", value="j-o-b"), where("TrainingJobName", value="j-o-c")]}
    expression = {"SubExpressions": [either | {"Operator": "Or"}]}
    assert found(app, expression=expression, SortBy="Metrics.valid:auc") == ["b", "c"]
    assert found(app, where("TrainingJobStatus", value="Failed"), expression=expression) == ["b"]


def test_pages(app: Laptop) -> None:
    first = app.call("Search", {"Resource": "TrainingJob", "MaxResults": 2})
    assert (len(first["Results"]), first["TotalHits"]) == (2, {"Value": 3, "Relation": "EqualTo"})
    assert found(app, MaxResults=2, NextToken=first["NextToken"]) == ["a"]


def test_by_creation_no_more_is_read_than_the_page_takes(app: Laptop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "_BATCH", 1)
    assert found(app, SortBy="CreationTime") == ["c", "b", "a"]
    ask = {"Resource": "TrainingJob", "SortBy": "CreationTime", "SortOrder": "Ascending", "MaxResults": 1}
    first = app.call("Search", ask)
    assert first["TotalHits"] == {"Value": 2, "Relation": "GreaterThanOrEqualTo"}
    second = app.call("Search", ask | {"NextToken": first["NextToken"], "MaxResults": 2})
    jobs = [one["TrainingJob"]["TrainingJobName"] for page in (first, second) for one in page["Results"]]
    assert jobs == ["j-o-a", "j-o-b", "j-o-c"]
    assert (second.get("NextToken"), second["TotalHits"]) == (None, {"Value": 3, "Relation": "EqualTo"})


def test_several_names_at_once(app: Laptop) -> None:
    several = where("TrainingJobName", "In", "j-o-a, j-o-c,nobody")
    assert found(app, several, SortBy="CreationTime") == ["c", "a"]
    either = {"Filters": [several, where("TrainingJobName", value="j-o-a")], "Operator": "Or"}
    assert found(app, expression=either, SortBy="CreationTime") == ["c", "a"]
    either["Filters"] = [several, where("TrainingJobStatus", value="Failed")]
    assert found(app, expression=either, SortBy="CreationTime") == ["c", "b", "a"]


def test_what_cannot_be_asked_is_refused(app: Laptop) -> None:
    assert said(app, where("Nonsense", value="x")).startswith("ValidationException: Unknown property name: Nonsense.")
    assert "Unknown property name: InputDataConfig.No" in said(app, SortBy="InputDataConfig.No")
    assert "not supported for the text property" in said(app, where("TrainingJobName", "LessThan", "x"))
    assert "only supported for text" in said(app, where("CreationTime", "Contains", "2"))
    assert "must be a number" in said(app, where("Metrics.valid:auc", value="high"))
    assert "ISO 8601" in said(app, where("CreationTime", "LessThan", "yesterday"))
    assert "needs a Value" in said(app, where("TrainingJobName", "Equals"))
    twice = [where("RoleArn", "Contains", "a"), where("TrainingJobName", "Contains", "b")]
    assert "'CONTAINS' operator usage limit of 1 exceeded." in said(app, *twice)
    assert "at least one" in said(app, expression={"Operator": "And"})
    deep: Document = {"Filters": [where("TrainingJobName", value="x")]}
    for _ in range(60):
        deep = {"SubExpressions": [deep]}
    assert "at most 50" in said(app, expression=deep)
    for _ in range(800):
        deep = {"SubExpressions": [deep]}
    assert "nested too deeply" in said(app, expression=deep)
    assert "The field Resource with the value HubContent is not implemented" in said(app, resource="HubContent")
    assert found(app, CrossAccountFilterOption="CrossAccount") == []


def test_every_resource_there_is(app: Laptop) -> None:
    config = {"ExperimentName": "shop", "TrialName": {"Get": "Execution.PipelineExecutionId"}}
    declared = [{"Name": "Folds", "Type": "Integer", "DefaultValue": 5}]
    app.pipeline([processing("Prepare")], PipelineExperimentConfig=config, Parameters=declared)
    arn = app.run()["PipelineExecutionArn"]
    app.call("CreateModelPackageGroup", {"ModelPackageGroupName": "Group"})
    app.call("CreateModelPackage", {"ModelPackageGroupName": "Group"})

    def one(resource: str, *filters: Document) -> Document:
        expression = {"SearchExpression": {"Filters": list(filters)}} if filters else {}
        (result,) = app.call("Search", {"Resource": resource, **expression})["Results"]
        (record,) = result.values()
        return dict(record)

    assert one("Experiment", where("ExperimentName", value="shop"))["ExperimentName"] == "shop"
    trial = one("ExperimentTrial", where("ExperimentName", value="shop"))
    (summary,) = trial["TrialComponentSummaries"]
    component = one("ExperimentTrialComponent", where("Parents.TrialName", value=trial["TrialName"]))
    assert component["TrialComponentName"] == summary["TrialComponentName"]
    assert component["Parents"] == [{"TrialName": trial["TrialName"], "ExperimentName": "shop"}]
    of_it = where("Parents.TrialName", "In", f"nobody,{trial['TrialName']}")
    part = where("TrialComponentName", "Contains", component["TrialComponentName"][5:20])
    assert one("ExperimentTrialComponent", of_it, part) == component
    nothing = {"Filters": [of_it, part | {"Value": "not-in-it"}]}
    assert app.call("Search", {"Resource": "ExperimentTrialComponent", "SearchExpression": nothing})["Results"] == []
    assert component["SourceDetail"]["ProcessingJob"]["ProcessingJobStatus"] == "Completed"
    asked = where("Parameters.SageMaker.InstanceType", value="ml.m5.large")
    assert one("ExperimentTrialComponent", where("Parents.ExperimentName", value="shop"), asked) == component
    execution = one("PipelineExecution", where("PipelineParameters.Name", value="Folds"))
    assert (execution["PipelineExecutionArn"], execution["PipelineParameters"][0]["Value"]) == (arn, "5")
    assert one("PipelineVersion")["LastExecutedPipelineExecutionStatus"] == "Succeeded"
    assert one("Pipeline", where("PipelineName", value="p"))["PipelineStatus"] == "Active"
    assert one("ModelPackage", where("ModelApprovalStatus", value="PendingManualApproval"))["ModelPackageVersion"] == 1
    assert one("ModelPackageGroup")["ModelPackageGroupName"] == "Group"
    assert app.call("Search", {"Resource": "Model"})["Results"] == []
    assert app.call("Search", {"Resource": "HyperParameterTuningJob"})["Results"] == []


def test_components_by_metrics_and_by_several_arns(app: Laptop) -> None:
    def names(**request: Any) -> list[str]:
        results = app.call("Search", {"Resource": "ExperimentTrialComponent", **request})["Results"]
        return [one["TrialComponent"]["TrialComponentName"].split("-")[2] for one in results]

    every = [one["TrialComponentArn"] for one in app.store.list("TrialComponent")]
    joined = {"Filters": [where("TrialComponentArn", "Equals", ",".join(every[:2]))]}
    assert sorted(names(SearchExpression=joined)) == ["a", "b"]
    assert names(SearchExpression={"Filters": [where("Source.SourceArn", value=every[0])]}) == []
    wanted = {"Filters": [where("Parameters.eta", "GreaterThan", "0.15")]}
    assert names(SearchExpression=wanted) == ["b"]
    contains = [where("TrialComponentName", "Contains", "j-o"), where("DisplayName", "Contains", "-c-")]
    assert names(SearchExpression={"Filters": contains}) == ["c"]


def test_suggestions(app: Laptop) -> None:
    def suggested(hint: str, resource: str = "TrainingJob") -> list[str]:
        query = {"PropertyNameQuery": {"PropertyNameHint": hint}}
        answer = app.call("GetSearchSuggestions", {"Resource": resource, "SuggestionQuery": query})
        return [one["PropertyName"] for one in answer["PropertyNameSuggestions"]]

    assert suggested("eta")[0] == "HyperParameters.eta"
    assert suggested("auc") == ["Metrics.valid:auc"]
    assert suggested("team") == ["Tags.team"]
    assert "ResourceConfig.InstanceType" in suggested("instancetype")
    assert suggested("eta", "ExperimentTrialComponent")[0] == "Parameters.eta"
