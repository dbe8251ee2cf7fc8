from __future__ import annotations

from typing import Any

from mlops import experiments
from mlops.executions import Step
from mlops.experiments import Component, Components


def record(name: str, **members: Any) -> dict[str, Any]:
    return {"TrialComponentName": name, **members}


class Searched:
    """Answers Search with what it was given, and remembers what it was asked."""

    def __init__(self, *records: dict[str, Any]) -> None:
        self.records = records
        self.asked: list[dict[str, Any]] = []

    def get_paginator(self, name: str) -> Searched:
        assert name == "search"
        return self

    def paginate(self, **request: Any) -> list[dict[str, Any]]:
        self.asked.append(request)
        return [{"Results": [{"TrialComponent": each} for each in self.records]}]


def test_a_component_has_last_values_numbers_and_addresses() -> None:
    found = record(
        "one",
        Metrics=[{"MetricName": "auc", "Last": 0.9, "Max": 0.95}, {"MetricName": "none"}],
        Parameters={"eta": {"NumberValue": 0.1}, "loss": {"StringValue": "log"}},
        InputArtifacts={"data": {"Value": "s3://b/in"}},
    )
    assert Component.read(found) == Component({"auc": 0.9}, {"eta": 0.1, "loss": "log"}, {"data": "s3://b/in"}, {})


def test_evaluations_of_a_page_are_one_search() -> None:
    report = {"evaluation": {"Value": "s3://b/report"}}
    parents = [{"TrialName": "second", "ExperimentName": "churn"}]
    sagemaker = Searched(record("x-Evaluate-1", OutputArtifacts=report, Parents=parents))
    found = Components(sagemaker).evaluations(["first", "second"])
    assert list(found) == ["second"]
    (asked,) = sagemaker.asked
    assert {"Name": "Parents.TrialName", "Operator": "In", "Value": "first,second"} in asked["SearchExpression"][
        "Filters"
    ]


def test_many_components_are_one_search_and_known_ones_none() -> None:
    sagemaker = Searched(record("name-00"))
    components = Components(sagemaker)
    components.load(f"name-{number:02}" for number in range(60))
    components.load(["name-59", "name-00"])
    (asked,) = sagemaker.asked
    values = [one["Value"] for one in asked["SearchExpression"]["Filters"]]
    assert asked["SearchExpression"]["Operator"] == "Or"
    assert ",".join(values) == ",".join(f"name-{number:02}" for number in range(60))
    assert max(len(value.split(",")) * 81 for value in values) <= 1024


def test_a_cached_evaluation_leads_to_the_job_that_trained_its_model() -> None:
    model = {"model": {"Value": "s3://b/models/Tuned-003-abc/output/model.tar.gz"}}
    sagemaker = Searched(
        record("eval-aws-processing-job", InputArtifacts=model, OutputArtifacts={"evaluation": {"Value": "s3://b/r"}}),
        record("tuned-003-abc-aws-training-job", Parameters={"eta": {"NumberValue": 0.1}, "_x": {"StringValue": "y"}}),
    )
    step = Step(
        "Evaluate", "Succeeded", True, None, None, {"ProcessingJob": {"Arn": "arn:aws:x:processing-job/Eval"}}, ""
    )
    components = Components(sagemaker)
    components.load(["eval-aws-processing-job", "tuned-003-abc-aws-training-job"])
    evaluated = components.evaluation([step])
    trained = components.training(evaluated, [step])
    assert evaluated and trained
    assert experiments._parameters(trained, {"Eta": "0.1", "Stage": "none"}) == {"eta": "0.1", "Stage": "none"}
