"""Tuning jobs that start from others."""

from __future__ import annotations

from typing import Any

import pytest

from sagelocal.api.errors import AwsError

CONFIG = "HyperParameterTuningJobConfig"
LIMITS = f"{CONFIG}.ResourceLimits"
RANGES = f"{CONFIG}.ParameterRanges"
TRIAL = "TrainingJobDefinition"
WIDE = {"Name": "x", "MinValue": "0", "MaxValue": "1"}
App = Any  # conftest's Laptop


def warm(*parents: str, kind: str = "IdenticalDataAndAlgorithm") -> dict[str, Any]:
    return {
        "WarmStartConfig": {
            "WarmStartType": kind,
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": parent} for parent in parents],
        }
    }


@pytest.mark.parametrize("kind", ["IdenticalDataAndAlgorithm", "TransferLearning"])
def test_the_parents_results_are_the_start(app: App, kind: str) -> None:
    app.values = lambda given: [1 - abs(float(given["x"]) - 0.77)]
    more = {f"{CONFIG}.Strategy": "Bayesian", f"{LIMITS}.MaxParallelTrainingJobs": 1}
    parent = app.tune("parent", **more, **{f"{LIMITS}.MaxNumberOfTrainingJobs": 30})
    child = app.tune("child", **more, **warm("parent", kind=kind))
    values = [each["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for each in app.trials("child")]
    assert sum(values) / 6 > 0.85  # at random it is 0.7
    overall = child.get("OverallBestTrainingJob")
    if kind == "TransferLearning":
        assert overall is None
        return
    best = max((parent["BestTrainingJob"], child["BestTrainingJob"]), key=objective)
    assert overall == best | {"TuningJobName": best["TrainingJobName"].split("-")[0]}


def objective(summary: dict[str, Any]) -> float:
    return float(summary["FinalHyperParameterTuningJobObjectiveMetric"]["Value"])


def test_tunable_may_become_static_and_back(app: App) -> None:
    app.tune("parent")
    app.tune(
        "static",
        **warm("parent"),
        **{RANGES: {"ContinuousParameterRanges": [WIDE]}, f"{TRIAL}.StaticHyperParameters.k": "5"},
    )
    assert app.describe("static")["HyperParameterTuningJobStatus"] == "Completed"
    app.tune("back", **warm("static", "parent"))
    assert app.describe("back")["HyperParameterTuningJobStatus"] == "Completed"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {f"{TRIAL}.StaticHyperParameters.new": "1"},
            "The set of tunable plus static HyperParameter names is not the same across current and parent tuning",
        ),
        (
            {f"{TRIAL}.Environment": {"A": "1"}},
            "Only the following fields in TrainingJobDefinition are allowed to change: [algorithmSpecification, ",
        ),
        (
            {f"{CONFIG}.HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "score"}},
            "must be the same as that of the parent tuning job parent",
        ),
        (
            {
                RANGES: {
                    "ContinuousParameterRanges": [WIDE],
                    "CategoricalParameterRanges": [{"Name": "k", "Values": ["1", "2"]}],
                }
            },
            "The type of the hyperparameter [k] must not change",
        ),
        (
            {f"{TRIAL}.AlgorithmSpecification.TrainingImage": "1.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.6"},
            "the training image must be the parent's",
        ),
        (warm("parent", "parent"), "must be different tuning jobs"),
        (warm("nobody"), "can't find a tuning job called nobody"),
        (warm("running"), "is in status InProgress"),
    ],
)
def test_a_parent_has_to_fit(app: App, changes: dict[str, Any], said: str) -> None:
    app.tune("parent")
    app.hold = True
    app.tune("running", wait=False)
    with pytest.raises(AwsError) as refused:
        app.tune("child", **{**warm("parent"), **changes})
    assert said in refused.value.message


def test_at_most_ten_values_may_change(app: App) -> None:
    names = [f"s{number}" for number in range(6)]
    static = {f"{TRIAL}.StaticHyperParameters.{name}": "1" for name in names}
    app.tune("parent", **static)
    app.tune("child", **warm("parent"), **(static | {f"{TRIAL}.StaticHyperParameters.s0": "2"}))
    with pytest.raises(AwsError, match="12 values of hyperparameters became static or changed"):
        app.tune("other", **warm("parent"), **dict.fromkeys(static, "2"))
